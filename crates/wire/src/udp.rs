//! The UDP header (RFC 768), for datagrams that come and go with their IP header.

use crate::checksum::PseudoHeader;
use crate::cursor::{Reader, Writer, set_u16};

/// Octets of a header.
pub const HEADER_LENGTH: usize = 8;
/// Protocol number, over IPv6 the next header.
pub const PROTOCOL_UDP: u8 = 17;

const CHECKSUM_OFFSET: usize = 6;

/// The fields that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UdpHeader {
    /// Of the sender.
    pub source_port: u16,
    /// To whom.
    pub destination_port: u16,
}

impl UdpHeader {
    /// The header and what its length covers behind it. `None` if the end is missing. The checksum is not looked at: what is
    /// behind the header has to prove itself.
    pub fn parse(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(datagram);
        let header = Self { source_port: reader.u16()?, destination_port: reader.u16()? };
        let length = usize::from(reader.u16()?).checked_sub(HEADER_LENGTH)?;
        let _checksum = reader.u16()?;
        Some((header, reader.slice(length)?))
    }

    /// The octets in front of `payload`, checksum included; `None` when both exceed 65,535 octets.
    pub fn bytes(self, pseudo_header: PseudoHeader, payload: &[u8]) -> Option<[u8; HEADER_LENGTH]> {
        let length = u16::try_from(payload.len().checked_add(HEADER_LENGTH)?).ok()?;
        let mut header: [u8; HEADER_LENGTH] =
            Writer::new().u16(self.source_port).u16(self.destination_port).u16(length).u16(0).finish();
        // Zero would say that there is none, and stands for the same sum as all ones (RFC 768).
        let sum = match pseudo_header.checksum_of(PROTOCOL_UDP, &header, payload) {
            0 => u16::MAX,
            sum => sum,
        };
        set_u16(&mut header, CHECKSUM_OFFSET, sum);
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(source_port: u16, destination_port: u16, payload in prop::collection::vec(any::<u8>(), 0..100), v4: bool) {
            let pseudo_header = if v4 {
                PseudoHeader::V4 { source: Ipv4Addr::new(10, 0, 0, 1), destination: Ipv4Addr::new(10, 0, 0, 2) }
            } else {
                PseudoHeader::V6 { source: Ipv6Addr::LOCALHOST, destination: Ipv6Addr::UNSPECIFIED }
            };
            let header = UdpHeader { source_port, destination_port };
            let mut datagram = header.bytes(pseudo_header, &payload).unwrap().to_vec();
            datagram.extend(&payload);
            prop_assert_eq!(pseudo_header.checksum(PROTOCOL_UDP, &datagram), 0);
            prop_assert_eq!(UdpHeader::parse(&datagram), Some((header, &*payload)));
            datagram.push(0);
            prop_assert_eq!(UdpHeader::parse(&datagram), Some((header, &*payload)), "padding");
            for end in 0..datagram.len() - 1 {
                prop_assert_eq!(UdpHeader::parse(&datagram[..end]), None);
            }
        }

        #[test]
        fn arbitrary_octets_never_panic(octets: Vec<u8>) {
            let _ = UdpHeader::parse(&octets);
        }
    }
}
