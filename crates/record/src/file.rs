//! A record as a file.
//!
//! ```text
//! "steadfast record" · version (2) · length (4) · checksum (4) · header
//!                     then each segment: sequence (8) · contiguous (1) · length (4) · checksum (4) · entries
//! ```
//!
//! Numbers are little-endian. What is longer than the file says, or does not fit its checksum, is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entry;
use crate::ring::{RING_SEGMENTS, Segment};

const MAGIC: &[u8; 16] = b"steadfast record";
/// Goes up whenever the state of the machine, an input or an action has another shape: none of them names its fields. The
/// records in `crates/sim/tests/records` tell when that is.
const VERSION: u16 = 2;
/// Of a name of a program, what is told.
const PROGRAM_CHARACTERS: usize = 32;

/// A file that is longer is none.
pub const RECORD_BYTES_MAX: usize = 32 * 1024 * 1024;
const HEADER_BYTES_MAX: usize = 4 * 1024;

/// What a record says of itself. The name of the program stays first, so that any version can tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the program that wrote it.
    pub program: String,
    /// Name of the node.
    pub node: String,
    /// Why it was written, in a sentence.
    pub reason: String,
    /// Nanoseconds since 1970 less those of a moment, when it was written.
    pub clock_ahead: u64,
    /// When, on the clock of moments.
    pub written: u64,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it says of itself.
    pub header: Header,
    /// Oldest first.
    pub segments: Vec<Segment>,
}

/// Octets that are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// It does not begin like one.
    Foreign,
    /// Another version of records.
    Version {
        /// Which.
        found: u16,
        /// Version of the program that wrote it, as far as it says so.
        program: Option<String>,
    },
    /// Longer than any.
    Long,
    /// It ends too early.
    Short,
    /// A checksum does not fit.
    Damaged,
    /// Its header cannot be read.
    Header,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is no record: it does not begin with \"steadfast record\""),
            Self::Version { found, program } => {
                let program = program.as_deref().unwrap_or("of an unknown version");
                write!(
                    f,
                    "expected a record of version {VERSION}, found {found}: run `steadfast replay` of the program that \
                     wrote it, steadfast {program}"
                )
            }
            Self::Long => write!(f, "expected at most {RECORD_BYTES_MAX} bytes"),
            Self::Short => f.write_str("the record is cut off"),
            Self::Damaged => f.write_str("the record is damaged: a checksum does not fit"),
            Self::Header => f.write_str("the header of the record cannot be read"),
        }
    }
}

impl std::error::Error for FileError {}

impl Record {
    /// As a file.
    pub fn to_octets(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let header = Header {
            program: bounded(&self.header.program),
            node: bounded(&self.header.node),
            reason: bounded(&self.header.reason),
            ..self.header
        };
        put(&mut out, &postcard::to_stdvec(&header).unwrap_or_default());
        for segment in &self.segments {
            out.extend_from_slice(&segment.sequence.to_le_bytes());
            out.push(segment.contiguous.into());
            put(&mut out, &segment.entries);
        }
        out
    }

    /// Takes a file apart. Entries are looked at when they are run.
    ///
    /// # Errors
    /// When it is no record, or damaged.
    pub fn from_octets(octets: &[u8]) -> Result<Self, FileError> {
        if octets.len() > RECORD_BYTES_MAX {
            return Err(FileError::Long);
        }
        let mut reader = Reader(octets);
        if reader.take(MAGIC.len()) != Some(MAGIC.as_slice()) {
            return Err(FileError::Foreign);
        }
        let found = u16::from_le_bytes(reader.array().ok_or(FileError::Short)?);
        if found != VERSION {
            return Err(FileError::Version { found, program: reader.part().ok().and_then(program) });
        }
        let header = reader.part()?;
        if header.len() > HEADER_BYTES_MAX {
            return Err(FileError::Header);
        }
        let header = postcard::from_bytes(header).map_err(|_| FileError::Header)?;
        let mut segments = Vec::new();
        while !reader.0.is_empty() && segments.len() < RING_SEGMENTS {
            let sequence = u64::from_le_bytes(reader.array().ok_or(FileError::Short)?);
            let [contiguous] = reader.array().ok_or(FileError::Short)?;
            let mut entries = reader.part()?.to_vec();
            entries.truncate(entry::whole(&entries));
            segments.push(Segment { sequence, contiguous: contiguous == 1, entries });
        }
        Ok(Self { header, segments })
    }
}

/// The program that a header of any version names.
fn program(header: &[u8]) -> Option<String> {
    let (program, _) = postcard::take_from_bytes::<&str>(header).ok()?;
    Some(program.chars().filter(char::is_ascii_graphic).take(PROGRAM_CHARACTERS).collect())
}

/// A header has an end.
fn bounded(text: &str) -> String {
    text.chars().take(HEADER_BYTES_MAX / 16).collect()
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(part).to_le_bytes());
    out.extend_from_slice(part);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    fn part(&mut self) -> Result<&'a [u8], FileError> {
        let length = u32::from_le_bytes(self.array().ok_or(FileError::Short)?);
        let sum = u32::from_le_bytes(self.array().ok_or(FileError::Short)?);
        let part = usize::try_from(length).ok().and_then(|length| self.take(length));
        let part = part.ok_or(FileError::Short)?;
        if checksum(part) == sum { Ok(part) } else { Err(FileError::Damaged) }
    }
}

/// CRC-32 of IEEE 802.3: it finds what a disk or a copy damaged.
fn checksum(octets: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !octets.iter().fold(!0, |sum: u32, octet| {
        let [low, ..] = sum.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ octet)).copied().unwrap_or_default();
        (sum >> 8) ^ entry
    })
}

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "made when compiled")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::tag;

    fn record() -> Record {
        let header = Header {
            program: "1.2.3".to_owned(),
            node: "lb1".to_owned(),
            reason: "VI_1 lost its mastership".to_owned(),
            clock_ahead: 5,
            written: 7,
        };
        let segment =
            |sequence| Segment { sequence, contiguous: true, entries: vec![tag::ADVANCE, 5, tag::WHOLE] };
        Record { header, segments: vec![segment(3), segment(4)] }
    }

    #[test]
    fn the_published_check_value() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_record_comes_back() {
        assert_eq!(Record::from_octets(&record().to_octets()), Ok(record()));
    }

    #[test]
    fn a_record_of_another_version_names_the_program_that_reads_it() {
        let mut octets = record().to_octets();
        octets[MAGIC.len()] += 1;
        let refused = Record::from_octets(&octets).unwrap_err();
        let program = Some("1.2.3".to_owned());
        assert_eq!(refused, FileError::Version { found: VERSION + 1, program });
        let text = refused.to_string();
        assert!(
            text.ends_with("found 3: run `steadfast replay` of the program that wrote it, steadfast 1.2.3"),
            "{text}"
        );
        octets.truncate(MAGIC.len() + 4);
        let text = Record::from_octets(&octets).unwrap_err().to_string();
        assert!(text.ends_with("steadfast of an unknown version"), "{text}");
    }

    proptest! {
        #[test]
        fn damage_is_found(at: proptest::sample::Index, flip in 1_u8..) {
            let mut octets = record().to_octets();
            let at = at.index(octets.len());
            octets[at] ^= flip;
            // The numbers of segments are compared with each other, and not covered.
            prop_assert!(Record::from_octets(&octets).is_err() || Record::from_octets(&octets).unwrap().header == record().header);
        }

        #[test]
        fn a_cut_is_found(at: proptest::sample::Index) {
            let octets = record().to_octets();
            let cut = &octets[..at.index(octets.len())];
            let segments = |record: Record| record.segments.len();
            prop_assert!(Record::from_octets(cut).map(segments) != Ok(2));
        }

        #[test]
        fn no_octets_are_too_strange(octets in proptest::collection::vec(any::<u8>(), 0..200), whole: bool) {
            let mut file = if whole { record().to_octets() } else { MAGIC.to_vec() };
            file.extend(octets);
            if let Ok(record) = Record::from_octets(&file) {
                let _ = crate::Replay::new(&record.segments).map(Iterator::count);
            }
        }
    }
}
