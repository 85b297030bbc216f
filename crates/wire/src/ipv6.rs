//! The fixed IPv6 header (RFC 8200 section 3).

use std::net::Ipv6Addr;

use crate::cursor::{Reader, Writer};

/// Octets of the fixed header.
pub const HEADER_LENGTH: usize = 40;
/// Next header number of ICMPv6.
pub const NEXT_HEADER_ICMPV6: u8 = 58;
/// All nodes on the link (RFC 4291 section 2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The fields that matter here; traffic class and flow label are sent as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Header {
    /// What follows.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Sender.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
}

impl Ipv6Header {
    /// The header and its payload, cut to the payload length. `None` if it is not IPv6 or the end
    /// is missing.
    pub fn parse(packet: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(packet);
        if reader.u32()? >> 28 != 6 {
            return None;
        }
        let payload_length = usize::from(reader.u16()?);
        let header = Self {
            next_header: reader.octet()?,
            hop_limit: reader.octet()?,
            source: Ipv6Addr::from(reader.array::<16>()?),
            destination: Ipv6Addr::from(reader.array::<16>()?),
        };
        Some((header, reader.slice(payload_length)?))
    }

    /// The octets in front of a payload of `payload_length`.
    pub fn bytes(self, payload_length: u16) -> [u8; HEADER_LENGTH] {
        Writer::new()
            .put(&[0x60, 0, 0, 0])
            .u16(payload_length)
            .put(&[self.next_header, self.hop_limit])
            .put(&self.source.octets())
            .put(&self.destination.octets())
            .finish()
    }
}
