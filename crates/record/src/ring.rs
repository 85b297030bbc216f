//! Two segments of memory that take turns.
//!
//! ```text
//! generation (1, 0 while it is begun) · sequence (8) · contiguous (1) · limit (4) · entries … · 0
//! ```
//!
//! An entry counts when its first octet, the tag, is written, which happens last: a writer that dies leaves no half of one.
//! A reader may look at any time, also while the writer goes on: it copies, and begins anew when the segment was given a new
//! generation meanwhile.

use std::ops::Deref;
use std::sync::atomic::{AtomicU8, Ordering, fence};

use steadfast_time::Moment;

use crate::entry::{self, Cursor, tag};

/// Where the ring lies. Zeros at first.
pub type Memory = Box<dyn Deref<Target = [AtomicU8]> + Send>;

/// Segments of a ring.
pub const RING_SEGMENTS: usize = 2;

const GENERATION: usize = 0;
const SEQUENCE: usize = 1;
const CONTIGUOUS: usize = 9;
/// Octets of the segment that may be written: what lies behind them was perhaps never touched, and reading would make it take
/// memory.
const LIMIT: usize = 10;
/// Where entries begin.
const ENTRIES: usize = 14;

/// A reader that is overtaken by so many generations gives the segment up: it is being written all the time.
const ATTEMPTS_MAX: usize = 4;

/// The writing end.
pub(crate) struct Ring {
    memory: Memory,
    /// Which segment is written.
    current: usize,
    /// Where its next entry goes.
    end: usize,
    /// It takes no more than this.
    limit: usize,
    sequence: u64,
}

impl Ring {
    pub(crate) fn new(memory: Memory) -> Self {
        Self { memory, current: RING_SEGMENTS - 1, end: 0, limit: 0, sequence: 0 }
    }

    /// Octets of a segment, at most.
    pub(crate) fn segment_bytes(&self) -> usize {
        self.memory.len() / RING_SEGMENTS
    }

    /// Begins the next segment, in the place of the oldest. `contiguous` says that nothing is missing between it and the one
    /// before.
    pub(crate) fn begin(&mut self, limit: usize, contiguous: bool) {
        self.current = (self.current + 1) % RING_SEGMENTS;
        self.sequence += 1;
        self.limit = limit.min(self.segment_bytes());
        self.end = ENTRIES;
        let generation = (self.sequence % u64::from(u8::MAX)) + 1;
        let segment = segment(&self.memory, self.current);
        put(segment, GENERATION, &[0]);
        // Whoever reads anything of what follows sees that the generation has changed.
        fence(Ordering::Release);
        put(segment, SEQUENCE, &self.sequence.to_le_bytes());
        put(segment, CONTIGUOUS, &[contiguous.into()]);
        put(segment, LIMIT, &u32::try_from(self.limit).unwrap_or(u32::MAX).to_le_bytes());
        put(segment, ENTRIES, &[0]);
        if let (Some(place), Ok(generation)) = (segment.get(GENERATION), u8::try_from(generation)) {
            place.store(generation, Ordering::Release);
        }
    }

    /// The current segment is of no use: the next one takes its place.
    pub(crate) fn discard(&mut self) {
        self.current = (self.current + RING_SEGMENTS - 1) % RING_SEGMENTS;
        (self.limit, self.end) = (0, 0);
    }

    /// Room that is left.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.end)
    }

    /// Appends an entry of several parts; `None` when there is no room. Where its parts begin comes back.
    pub(crate) fn append(&mut self, tag: u8, parts: [&[u8]; 3]) -> Option<usize> {
        let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
        let next = self.end + length;
        // The zero behind it ends the entries.
        if next >= self.limit {
            return None;
        }
        let segment = segment(&self.memory, self.current);
        put(segment, next, &[0]);
        let mut at = self.end + 1;
        for part in parts {
            put(segment, at, part);
            at += part.len();
        }
        segment.get(self.end)?.store(tag, Ordering::Release);
        let start = self.end + 1;
        self.end = next;
        Some(start)
    }

    /// Octets of the current segment.
    pub(crate) fn written(&self, from: usize, length: usize) -> &[AtomicU8] {
        segment(&self.memory, self.current).get(from..from + length).unwrap_or_default()
    }
}

/// A segment as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Segments are numbered from 1.
    pub sequence: u64,
    /// Nothing is missing between it and the one before.
    pub contiguous: bool,
    /// Whole entries.
    pub entries: Vec<u8>,
}

/// What is in a ring, oldest first.
pub fn read(memory: &[AtomicU8]) -> Vec<Segment> {
    let mut segments: Vec<Segment> =
        (0..RING_SEGMENTS).filter_map(|place| read_segment(segment(memory, place))).collect();
    segments.sort_by_key(|segment| segment.sequence);
    segments
}

/// Octets in which an entry that begins a segment has its length and its time.
const BEGINNING: usize = 32;

/// When the oldest state in a ring was taken: so far back it reaches.
pub fn began(memory: &[AtomicU8]) -> Option<Moment> {
    (0..RING_SEGMENTS).filter_map(|place| beginning_of(segment(memory, place))).min()
}

fn beginning_of(segment: &[AtomicU8]) -> Option<Moment> {
    let generation = segment.get(GENERATION)?.load(Ordering::Acquire);
    let entries = segment.get(ENTRIES..)?.iter().take(BEGINNING);
    let octets: Vec<u8> = entries.map(|octet| octet.load(Ordering::Acquire)).collect();
    fence(Ordering::Acquire);
    if generation == 0 || segment.get(GENERATION)?.load(Ordering::Relaxed) != generation {
        return None;
    }
    let mut cursor = Cursor(&octets);
    let begins = cursor.octet()? == tag::BASE && cursor.number().is_some();
    cursor.number().filter(|_| begins).map(Moment::from_nanos)
}

fn read_segment(segment: &[AtomicU8]) -> Option<Segment> {
    for _ in 0..ATTEMPTS_MAX {
        let generation = segment.get(GENERATION)?.load(Ordering::Acquire);
        if generation == 0 {
            return None;
        }
        // A tag is read before what it stands for: the octets of an entry that counts are its own.
        let load = |octet: &AtomicU8| octet.load(Ordering::Acquire);
        let mut octets: Vec<u8> = writable(segment).iter().map(load).collect();
        fence(Ordering::Acquire);
        if segment.get(GENERATION)?.load(Ordering::Relaxed) != generation {
            continue;
        }
        let sequence = u64::from_le_bytes(*octets.get(SEQUENCE..)?.first_chunk()?);
        let contiguous = *octets.get(CONTIGUOUS)? == 1;
        let mut entries = octets.split_off(ENTRIES.min(octets.len()));
        entries.truncate(entry::whole(&entries));
        return Some(Segment { sequence, contiguous, entries });
    }
    None
}

/// The part of a segment that its writer keeps to.
fn writable(segment: &[AtomicU8]) -> &[AtomicU8] {
    let mut octets = [0; ENTRIES - LIMIT];
    for (octet, place) in octets.iter_mut().zip(segment.get(LIMIT..).unwrap_or_default()) {
        *octet = place.load(Ordering::Acquire);
    }
    let limit = usize::try_from(u32::from_le_bytes(octets)).unwrap_or(usize::MAX);
    segment.get(..limit).unwrap_or(segment)
}

fn segment(memory: &[AtomicU8], place: usize) -> &[AtomicU8] {
    let length = memory.len() / RING_SEGMENTS;
    memory.get(place * length..(place + 1) * length).unwrap_or_default()
}

fn put(segment: &[AtomicU8], at: usize, octets: &[u8]) {
    let places = segment.get(at..).unwrap_or_default();
    for (place, octet) in places.iter().zip(octets) {
        place.store(*octet, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tag;

    fn ring(bytes: usize) -> (Ring, &'static [AtomicU8]) {
        let memory: &'static [AtomicU8] =
            Box::leak((0..bytes).map(|_| AtomicU8::new(0)).collect::<Vec<_>>().into_boxed_slice());
        (Ring::new(Box::new(memory)), memory)
    }

    #[test]
    fn a_ring_keeps_the_last_two_segments() {
        let (mut ring, memory) = ring(200);
        assert_eq!(read(memory), []);
        for number in 1..=3 {
            ring.begin(100, number != 2);
            while ring.append(tag::ADVANCE, [&[number], &[], &[]]).is_some() {}
        }
        let segments = read(memory);
        let told: Vec<_> = segments.iter().map(|segment| (segment.sequence, segment.contiguous)).collect();
        assert_eq!(told, [(2, false), (3, true)]);
        for segment in segments {
            let number = u8::try_from(segment.sequence).unwrap();
            assert_eq!(segment.entries, [tag::ADVANCE, number].repeat(42), "100 octets less header and end");
        }
    }

    /// A ring has room for instances that a reload may bring.
    #[test]
    fn what_a_segment_may_not_use_is_not_looked_at() {
        let (mut ring, memory) = ring(200_000);
        ring.begin(100, true);
        assert_eq!(writable(segment(memory, 0)).len(), 100);
        // Whatever stands there: it is memory that another process wrote.
        put(segment(memory, 0), LIMIT, &u32::MAX.to_le_bytes());
        assert_eq!(writable(segment(memory, 0)).len(), 100_000);
    }

    /// The writer may die between any two stores.
    #[test]
    fn an_entry_without_its_tag_is_none() {
        let (mut ring, memory) = ring(200);
        ring.begin(100, true);
        ring.append(tag::ADVANCE, [&[5], &[], &[]]).unwrap();
        let before = read(memory);
        let next = ENTRIES + 2;
        memory[next + 1].store(7, Ordering::Relaxed);
        assert_eq!(read(memory), before);
        memory[next].store(tag::ADVANCE, Ordering::Relaxed);
        memory[next + 2].store(0, Ordering::Relaxed);
        assert_eq!(read(memory)[0].entries.len(), 4);
    }

    #[test]
    fn a_reader_beside_the_writer_never_sees_a_torn_segment() {
        let (mut ring, memory) = ring(4_096);
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for number in 0..20_000_u32 {
                    if ring.room() < 16 {
                        ring.begin(2_048, true);
                    }
                    let octet = [(number % 127) as u8; 5];
                    ring.append(tag::DID, [&[5], &octet, &[]]);
                }
            });
            while !writer.is_finished() {
                for segment in read(memory) {
                    for entry in segment.entries.chunks(7) {
                        let [tag::DID, 5, octets @ ..] = entry else { panic!("torn: {entry:?}") };
                        assert!(octets.iter().all(|octet| *octet == octets[0]), "torn: {entry:?}");
                    }
                }
            }
        });
    }
}
