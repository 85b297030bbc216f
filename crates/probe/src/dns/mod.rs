//! DNS (RFC 1035): one question, and whether it is answered without an error.
//!
//! Of the answer to a check only the header is read; names, which can point at themselves, are read where a service is looked
//! for.

mod services;

use crate::{Failure, Found};

pub use services::{RECORDS_MAX, ServiceRecord};

/// Response code of a server that does not understand the question (RFC 1035 section 4.1.1).
pub const FORMAT_ERROR: u8 = 1;

/// Response code of a server that knows no such question.
pub const NOT_IMPLEMENTED: u8 = 4;

/// Longest name in a question (RFC 1035 section 2.3.4).
pub const NAME_BYTES_MAX: usize = 255;

/// Room for an answer; longer ones are cut, which does not matter.
pub const ANSWER_BYTES_MAX: usize = 768;

/// Longest part of a name.
const LABEL_BYTES_MAX: usize = 63;

/// Recursion desired.
const FLAGS: u16 = 0x0100;

/// In the third octet of an answer: it was cut (TC, RFC 1035 section 4.1.1).
const CUT: u8 = 0x02;

/// Type of the record that tells what the asker can do (RFC 6891 section 6.1.2).
const OPT: u16 = 41;

/// Records behind the answer, among the numbers of the header.
const ADDITIONAL: std::ops::Range<usize> = 10..12;

/// IN.
const CLASS: u16 = 1;

/// A question (`DNS_CHECK`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    id: u16,
    bytes: Vec<u8>,
}

/// Why there is no question of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// A name with an empty or too long part, or too long as a whole.
    #[error("'{0}' is no name of the DNS")]
    Name(String),
    /// A type without a number.
    #[error("'{0}' is no type of the DNS that steadfast knows")]
    Type(String),
}

impl Question {
    /// Asks for records of a type (as `SOA`) of `name`; `id` is to be random.
    ///
    /// # Errors
    /// What is wrong with name or type.
    pub fn new(id: u16, record_type: &str, name: &str) -> Result<Self, QuestionError> {
        let number = type_number(record_type).ok_or_else(|| QuestionError::Type(record_type.to_owned()))?;
        let mut bytes = Vec::with_capacity(64);
        for field in [id, FLAGS, 1, 0, 0, 0] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        write_name(name, &mut bytes).ok_or_else(|| QuestionError::Name(name.to_owned()))?;
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&CLASS.to_be_bytes());
        Ok(Self { id, bytes })
    }

    /// The same question, which offers to take a datagram of so many octets for an answer (EDNS, RFC 6891). Who does not know
    /// of that answers with [`FORMAT_ERROR`] or [`NOT_IMPLEMENTED`] (RFC 6891 section 7, RFC 2671 section 5.3).
    #[must_use]
    pub fn offering(mut self, octets: u16) -> Self {
        if let Some(count) = self.bytes.get_mut(ADDITIONAL) {
            count.copy_from_slice(&1_u16.to_be_bytes());
        }
        // The root; type and room; response code, version and flags; no options (RFC 6891 section 6.1.2).
        self.bytes.push(0);
        for field in [OPT, octets, 0, 0, 0] {
            self.bytes.extend_from_slice(&field.to_be_bytes());
        }
        self
    }

    /// The datagram to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What a datagram means; nothing if it is no answer to this question.
    pub fn judge(&self, datagram: &[u8]) -> Option<Result<Found, Failure>> {
        let [id_0, id_1, flags, code, ..] = *datagram.first_chunk::<12>()?;
        if u16::from_be_bytes([id_0, id_1]) != self.id || flags & 0x80 == 0 {
            return None;
        }
        match code & 0x0f {
            0 => Some(Ok(Found::default())),
            code => Some(Err(Failure::ResponseCode(code))),
        }
    }
}

impl Question {
    /// Where the service is that was asked for (SRV), in order; nothing if it is no answer to this question. What is left of
    /// an answer that was cut ([`Failure::Cut`]) is another part each time, and is not read.
    pub fn services(&self, message: &[u8]) -> Option<Result<Vec<ServiceRecord>, Failure>> {
        let answer = self.judge(message)?;
        let is_cut = message.get(2).is_some_and(|flags| flags & CUT != 0);
        Some(answer.and_then(|_| match services::read(message) {
            _ if is_cut => Err(Failure::Cut),
            Some(records) => Ok(records),
            None => Err(Failure::Malformed("DNS")),
        }))
    }
}

fn write_name(name: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() + 2 > NAME_BYTES_MAX {
        return None;
    }
    for label in name.split('.').filter(|_| !name.is_empty()) {
        if label.is_empty() || label.len() > LABEL_BYTES_MAX {
            return None;
        }
        bytes.push(u8::try_from(label.len()).ok()?);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    Some(())
}

/// RFC 1035 section 3.2.2 and later ones.
fn type_number(name: &str) -> Option<u16> {
    Some(match name {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "PTR" => 12,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "RRSIG" => 46,
        "DNSKEY" => 48,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_worded_as_the_rfc_says() {
        let root = Question::new(0x1234, "SOA", ".").unwrap();
        assert_eq!(root.bytes(), [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1]);
        let name = Question::new(1, "AAAA", "www.example.org").unwrap();
        assert_eq!(name.bytes().get(12..), Some(&b"\x03www\x07example\x03org\0\0\x1c\0\x01"[..]));
        assert_eq!(Question::new(1, "AAAA", "www.example.org.").unwrap(), name);
    }

    #[test]
    fn a_question_offers_room_behind_its_name() {
        let question = Question::new(0x1234, "SRV", "a.lab").unwrap().offering(1_232);
        let expected =
            b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x01a\x03lab\0\0\x21\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
        assert_eq!(question.bytes(), expected);
        assert_eq!(
            question.judge(&[0x12, 0x34, 0x81, 0x80, 0, 0, 0, 0, 0, 0, 0, 0]),
            Some(Ok(Found::default()))
        );
    }

    #[test]
    fn an_answer_that_was_cut_has_no_records() {
        let question = Question::new(0x1234, "SRV", ".").unwrap();
        let answer = |flags: u8, code: u8| [0x12, 0x34, flags, code, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(question.services(&answer(0x81, 0x80)), Some(Ok(vec![])));
        assert_eq!(question.services(&answer(0x83, 0x80)), Some(Err(Failure::Cut)));
        assert_eq!(question.services(&answer(0x83, 0x81)), Some(Err(Failure::ResponseCode(FORMAT_ERROR))));
        // To a check it is an answer like any other.
        assert_eq!(question.judge(&answer(0x83, 0x80)), Some(Ok(Found::default())));
    }

    #[test]
    fn names_and_types_that_cannot_be_are_refused() {
        for name in ["a..b", ".a", &"x".repeat(64), &"abc.".repeat(70)] {
            assert_eq!(Question::new(1, "A", name), Err(QuestionError::Name(name.to_owned())));
        }
        assert_eq!(Question::new(1, "BOGUS", "."), Err(QuestionError::Type("BOGUS".to_owned())));
    }

    #[test]
    fn only_answers_to_the_question_count() {
        let question = Question::new(0x1234, "SOA", ".").unwrap();
        let answer = |id: u16, flags: u8, code: u8| {
            let [high, low] = id.to_be_bytes();
            [high, low, flags, code, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 0x0c]
        };
        assert_eq!(question.judge(&answer(0x1234, 0x81, 0x80)), Some(Ok(Found::default())));
        assert_eq!(question.judge(&answer(0x1234, 0x81, 0x83)), Some(Err(Failure::ResponseCode(3))));
        assert_eq!(question.judge(&answer(0x4321, 0x81, 0x80)), None);
        assert_eq!(question.judge(&answer(0x1234, 0x01, 0x00)), None);
        assert_eq!(question.judge(question.bytes()), None);
        assert_eq!(question.judge(&[0x12, 0x34, 0x80]), None);
    }
}
