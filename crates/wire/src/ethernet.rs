//! Ethernet addresses and the 14 octet header.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cursor::{Reader, Writer};

/// Octets of the header, VLAN tags not counted.
pub const HEADER_LENGTH: usize = 14;

/// A hardware address of 48 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Group of ff02::1, all IPv6 nodes (RFC 2464 section 7).
    pub const ALL_NODES_V6: Self = Self([0x33, 0x33, 0, 0, 0, 1]);

    /// That of a virtual router rather than of an interface (RFC 9568 section 7.3): its block, and for each family a number
    /// that the VRID follows.
    pub const fn is_of_virtual_router(self) -> bool {
        matches!(self.0, [0, 0, 0x5e, 0, 1 | 2, _])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Payload type of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// ARP.
    pub const ARP: Self = Self(0x0806);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
}

/// Header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EthernetHeader {
    /// To whom.
    pub destination: MacAddress,
    /// From whom.
    pub source: MacAddress,
    /// What follows.
    pub ether_type: EtherType,
}

impl EthernetHeader {
    /// The header and what follows it; `None` when the frame is shorter than a header.
    pub fn parse(frame: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(frame);
        let header = Self {
            destination: MacAddress(reader.array()?),
            source: MacAddress(reader.array()?),
            ether_type: EtherType(reader.u16()?),
        };
        Some((header, reader.rest()))
    }

    /// As it stands at the start of a frame.
    pub fn bytes(self) -> [u8; HEADER_LENGTH] {
        Writer::new().put(&self.destination.0).put(&self.source.0).u16(self.ether_type.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_display() {
        let header = EthernetHeader {
            destination: MacAddress::BROADCAST,
            source: MacAddress([2, 0, 0, 0, 0, 0x1f]),
            ether_type: EtherType::ARP,
        };
        let bytes = header.bytes();
        assert_eq!(EthernetHeader::parse(&bytes), Some((header, &[][..])));
        assert_eq!(EthernetHeader::parse(&bytes[..13]), None);
        assert_eq!(header.source.to_string(), "02:00:00:00:00:1f");
    }

    #[test]
    fn rfc9568_7_3_the_addresses_of_virtual_routers() {
        for of_virtual_router in [[0, 0, 0x5e, 0, 1, 51], [0, 0, 0x5e, 0, 2, 255]] {
            assert!(MacAddress(of_virtual_router).is_of_virtual_router());
        }
        // A multicast group's, another block's, an interface's.
        for other in [[1, 0, 0x5e, 0, 1, 51], [0, 0, 0x5e, 0, 3, 51], [2, 0, 0, 0, 0, 1]] {
            assert!(!MacAddress(other).is_of_virtual_router());
        }
    }
}
