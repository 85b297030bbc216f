//! A flight record from anywhere: refused, or run again to its end.

use steadfast_record::{Record, Replay, Segment};

/// What a checksum would keep a fuzzer from: octets that are no file are the entries of two segments.
fn entries(octets: &[u8]) -> Vec<Segment> {
    let (first, second) = octets.split_at(octets.len() / 2);
    let segment =
        |sequence, entries: &[u8]| Segment { sequence, contiguous: true, entries: entries.to_vec() };
    vec![segment(1, first), segment(2, second), segment(3, octets)]
}

/// Whatever it is, nothing panics, and it ends.
pub(crate) fn run(octets: &[u8]) {
    let segments = match Record::from_octets(octets) {
        Ok(record) => {
            let again = Record::from_octets(&record.to_octets()).map(|record| record.segments);
            assert_eq!(again.as_ref(), Ok(&record.segments));
            record.segments
        }
        Err(_) => entries(octets),
    };
    let Ok(replay) = Replay::new(&segments) else { return };
    for step in replay {
        let Ok(step) = step else { break };
        // As it is printed.
        let _ = format!("{:?} {:?}", step.input, step.difference);
    }
}
