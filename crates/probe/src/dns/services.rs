//! Where a service is (RFC 2782): the records of type SRV in an answer.

use super::NAME_BYTES_MAX;

/// Records that are taken of one answer: the first in order, so that they are the same in whatever order they come.
pub const RECORDS_MAX: usize = 64;

/// Type SRV.
const SRV: u16 = 33;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceRecord {
    /// The lowest is asked first.
    pub priority: u16,
    /// Share among those of one priority.
    pub weight: u16,
    /// Port.
    pub port: u16,
    /// Host.
    pub target: String,
}

/// The records of an answer, in order; nothing where it ends too early.
pub(super) fn read(datagram: &[u8]) -> Option<Vec<ServiceRecord>> {
    let mut at = 12;
    for _ in 0..number(datagram, 4)? {
        at = behind_name(datagram, at)? + 4;
    }
    let mut records = Vec::new();
    for _ in 0..number(datagram, 6)? {
        let fields = behind_name(datagram, at)?;
        let (kind, length) = (number(datagram, fields)?, usize::from(number(datagram, fields + 8)?));
        let data = fields + 10;
        if kind == SRV {
            let [priority, weight, port] =
                [number(datagram, data)?, number(datagram, data + 2)?, number(datagram, data + 4)?];
            let target = name(datagram, data + 6)?;
            records.push(ServiceRecord { priority, weight, port, target });
        }
        at = data + length;
        datagram.get(..at)?;
    }
    records.sort_unstable();
    records.dedup();
    records.truncate(RECORDS_MAX);
    Some(records)
}

fn number(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}

/// Where a name ends.
fn behind_name(octets: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *octets.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length if length & 0xc0 == 0 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

/// A name; pointers lead back only, so that none leads round in a circle (RFC 1035 section 4.1.4).
fn name(octets: &[u8], start: usize) -> Option<String> {
    let (mut at, mut before) = (start, start);
    let mut name = String::new();
    loop {
        match *octets.get(at)? {
            0 => return Some(name),
            high if high & 0xc0 == 0xc0 => {
                let pointer = usize::from(number(octets, at)? & 0x3fff);
                if pointer >= before {
                    return None;
                }
                (at, before) = (pointer, pointer);
            }
            length if length & 0xc0 == 0 => {
                let label = octets.get(at + 1..at + 1 + usize::from(length))?;
                let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
                if !label.iter().all(is_host) || name.len() + label.len() >= NAME_BYTES_MAX {
                    return None;
                }
                name.push_str(std::str::from_utf8(label).ok()?);
                name.push('.');
                at += 1 + label.len();
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two records for `_web._tcp.example.org.`, the names in parts of the question.
    fn answer() -> Vec<u8> {
        answer_of(&[(20, b'b'), (10, b'a')])
    }

    fn answer_of(records: &[(u8, u8)]) -> Vec<u8> {
        let count = u8::try_from(records.len()).unwrap();
        let mut octets = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0];
        octets.extend_from_slice(b"\x04_web\x04_tcp\x07example\x03org\0\0\x21\0\x01");
        for &(priority, host) in records {
            octets.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 10]);
            // The domain begins behind the two parts of the service.
            octets.extend_from_slice(&[0, priority, 0, 5, 0x1f, 0x90, 1, host, 0xc0, 22]);
        }
        octets
    }

    #[test]
    fn records_are_read() {
        let record =
            |priority, target: &str| ServiceRecord { priority, weight: 5, port: 8080, target: target.into() };
        assert_eq!(read(&answer()), Some(vec![record(10, "a.example.org."), record(20, "b.example.org.")]));
        for length in 0..answer().len() {
            assert_eq!(read(&answer()[..length]), None, "{length}");
        }
    }

    #[test]
    fn of_too_many_records_the_same_are_taken_in_whatever_order_they_come() {
        let mut many: Vec<(u8, u8)> = (0..100).map(|priority| (priority, b'a')).collect();
        let taken = read(&answer_of(&many)).unwrap();
        assert_eq!((taken.len(), taken[63].priority), (RECORDS_MAX, 63));
        many.rotate_left(50);
        assert_eq!(read(&answer_of(&many)), Some(taken));
    }

    #[test]
    fn names_that_lead_round_in_a_circle_are_none() {
        let mut circle = answer();
        let last = circle.len() - 1;
        circle[last] = u8::try_from(last - 1).unwrap();
        assert_eq!(read(&circle), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(records) = read(&octets) {
                prop_assert!(records.len() <= RECORDS_MAX && records.iter().all(|record| record.target.len() <= NAME_BYTES_MAX));
            }
        }
    }
}
