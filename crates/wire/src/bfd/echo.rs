//! Echo packets (RFC 5880 section 6.8.9): what they contain is the sender's own affair, since only the
//! sender reads them.

use super::Discriminator;
use crate::cursor::{Reader, Writer};

/// Marks a packet as one of ours.
const MARK: [u8; 4] = *b"echo";

/// An echo packet of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Our end of the session.
    pub session: Discriminator,
    /// Counts the packets.
    pub number: u32,
}

impl Echo {
    /// Octets of a packet.
    pub const LENGTH: usize = 12;

    /// `None` for what is not one of ours.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(datagram);
        if reader.array()? != MARK {
            return None;
        }
        let session = Discriminator::new(u32::from_be_bytes(reader.array()?))?;
        let number = u32::from_be_bytes(reader.array()?);
        reader.rest().is_empty().then_some(Self { session, number })
    }

    /// As sent.
    pub fn bytes(self) -> [u8; Self::LENGTH] {
        let (session, number) = (self.session.get().to_be_bytes(), self.number.to_be_bytes());
        Writer::new().put(&MARK).put(&session).put(&number).finish()
    }
}
