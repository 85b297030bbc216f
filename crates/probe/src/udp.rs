//! UDP: something is sent, and perhaps something has to come back.

use crate::{Failure, Found};

/// What is sent unless something else is configured.
pub const DEFAULT_PAYLOAD: &[u8] = b"Keepalived UDP_CHECK probe Keepa";

/// Room for an answer.
pub const ANSWER_BYTES_MAX: usize = 65_535;

/// What makes an answer good (`UDP_CHECK`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Silence is a failure.
    pub require_reply: bool,
    /// Shortest good answer.
    pub min_length: usize,
    /// Longest good answer.
    pub max_length: usize,
    /// Value and mask of each octet. Only as many are compared as there are on both sides.
    pub octets: Vec<(u8, u8)>,
}

impl Expectation {
    /// What a datagram means. The port that refused tells the caller, by an error of its socket.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, datagram: &[u8]) -> Result<Found, Failure> {
        if !self.require_reply {
            return Ok(Found::default());
        }
        if !(self.min_length..=self.max_length).contains(&datagram.len()) {
            return Err(Failure::ReplyLength(datagram.len()));
        }
        let differs =
            datagram.iter().zip(&self.octets).position(|(octet, (value, mask))| octet & mask != value & mask);
        differs.map_or(Ok(Found::default()), |place| Err(Failure::ReplyDiffers(place)))
    }

    /// What silence means.
    ///
    /// # Errors
    /// When an answer is required.
    pub fn silence(&self) -> Result<Found, Failure> {
        if self.require_reply { Err(Failure::TimedOut(crate::Awaited::Reply)) } else { Ok(Found::default()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_compared_under_its_mask() {
        let expectation = Expectation {
            require_reply: true,
            min_length: 2,
            max_length: 4,
            octets: vec![(0x12, 0xff), (0x30, 0xf0), (0, 0)],
        };
        for (datagram, expected) in [
            (&[0x12, 0x3f][..], Ok(Found::default())),
            (&[0x12, 0x30, 0xff, 0xff], Ok(Found::default())),
            (&[0x12], Err(Failure::ReplyLength(1))),
            (&[0x12, 0x30, 0, 0, 0], Err(Failure::ReplyLength(5))),
            (&[0x12, 0x40], Err(Failure::ReplyDiffers(1))),
        ] {
            assert_eq!(expectation.judge(datagram), expected, "{datagram:?}");
        }
        assert!(expectation.silence().is_err());
        assert!(Expectation::default().silence().is_ok());
        assert!(Expectation::default().judge(&[1; 300]).is_ok());
    }
}
