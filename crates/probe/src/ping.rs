//! ICMP echo (RFC 792, RFC 4443 section 4) over a datagram socket of the kernel, which fills in identifier and checksum.

use steadfast_wire::vrrp::Family;

use crate::Found;

/// Octets behind the header.
pub const PAYLOAD_BYTES: usize = 128;

/// Octets of the message.
pub const MESSAGE_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES;

const HEADER_BYTES: usize = 8;

/// One question "are you there?" (`PING_CHECK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    family: Family,
    sequence: u16,
}

impl Ping {
    /// The question with that number.
    pub const fn new(family: Family, sequence: u16) -> Self {
        Self { family, sequence }
    }

    /// The message to send.
    pub fn bytes(self) -> [u8; MESSAGE_BYTES] {
        let mut bytes = [0; MESSAGE_BYTES];
        let kind = match self.family {
            Family::V4 => 8,
            Family::V6 => 128,
        };
        let [high, low] = self.sequence.to_be_bytes();
        for (octet, value) in bytes.iter_mut().zip([kind, 0, 0, 0, 0, 0, high, low]) {
            *octet = value;
        }
        for (octet, value) in bytes.iter_mut().skip(HEADER_BYTES).zip((0..=u8::MAX).cycle()) {
            *octet = value;
        }
        bytes
    }

    /// Whether a message is the answer to any question.
    pub fn is_reply(family: Family, message: &[u8]) -> bool {
        let reply = match family {
            Family::V4 => 0,
            Family::V6 => 129,
        };
        message.len() >= HEADER_BYTES && message.starts_with(&[reply, 0])
    }

    /// Whether a message is the answer. A late one to an earlier question is none: keepalived takes it for a failure.
    pub fn judge(self, message: &[u8]) -> Option<Found> {
        let [_, _, _, _, _, _, high, low] = *message.first_chunk::<HEADER_BYTES>()?;
        let answers =
            Self::is_reply(self.family, message) && u16::from_be_bytes([high, low]) == self.sequence;
        answers.then(Found::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_this_question_counts() {
        for (family, request, reply) in [(Family::V4, 8, 0), (Family::V6, 128, 129)] {
            let ping = Ping::new(family, 0x0102);
            let mut message = ping.bytes();
            assert_eq!(message.first(), Some(&request));
            assert_eq!(ping.judge(&message), None, "one's own question");
            message[0] = reply;
            assert!(ping.judge(&message).is_some());
            assert_eq!(Ping::new(family, 0x0103).judge(&message), None, "a late answer");
            assert_eq!(ping.judge(&message[..7]), None);
            assert!(Ping::is_reply(family, &message) && !Ping::is_reply(family, &message[..7]));
            assert!(!Ping::is_reply(family, &ping.bytes()));
        }
    }
}
