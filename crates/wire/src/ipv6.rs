//! The fixed IPv6 header (RFC 8200 section 3).

use std::net::Ipv6Addr;

use crate::cursor::{Reader, Writer};

/// Octets of the fixed header.
pub const HEADER_LENGTH: usize = 40;
/// Next header number of ICMPv6.
pub const NEXT_HEADER_ICMPV6: u8 = 58;
/// All nodes on the link (RFC 4291 section 2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Traffic class of routing protocols: DSCP CS6, "internetwork control" (RFC 2474 section 4.2.2.2).
pub const TRAFFIC_CLASS_INTERNETWORK_CONTROL: u8 = 0xc0;

/// The fields that matter here; the flow label is sent as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Traffic class.
    pub traffic_class: u8,
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
        let [first, second] = reader.array()?;
        if first >> 4 != 6 {
            return None;
        }
        let _flow_label: [u8; 2] = reader.array()?;
        let payload_length = usize::from(reader.u16()?);
        let header = Self {
            traffic_class: (first << 4) | (second >> 4),
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
            .put(&[0x60 | (self.traffic_class >> 4), self.traffic_class << 4, 0, 0])
            .u16(payload_length)
            .put(&[self.next_header, self.hop_limit])
            .put(&self.source.octets())
            .put(&self.destination.octets())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(traffic_class: u8, next_header: u8, hop_limit: u8, source: u128, destination: u128) {
            let (source, destination) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
            let header = Ipv6Header { traffic_class, next_header, hop_limit, source, destination };
            let mut packet = header.bytes(3).to_vec();
            packet.extend([1, 2, 3, 4]);
            prop_assert_eq!(Ipv6Header::parse(&packet), Some((header, &[1, 2, 3][..])));
            prop_assert_eq!(Ipv6Header::parse(&packet[..packet.len() - 2]), None);
        }
    }
}
