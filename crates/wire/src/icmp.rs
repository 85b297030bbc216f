//! Echo request and reply of ICMP (RFC 792) and ICMPv6 (RFC 4443 section 4).

use crate::checksum::PseudoHeader;
use crate::cursor::{Reader, set_u16};
use crate::ipv4::PROTOCOL_ICMP;
use crate::ipv6::NEXT_HEADER_ICMPV6;

/// Octets before the payload.
pub const HEADER_LENGTH: usize = 8;

const CHECKSUM_OFFSET: usize = 2;

/// Question or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoKind {
    /// "Are you there?"
    Request,
    /// "I am."
    Reply,
}

/// Which ICMP; the numbers and the checksum differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoFamily {
    /// ICMP, checksum over the message alone.
    V4,
    /// ICMPv6, checksum over the pseudo header too.
    V6 {
        /// Source address of the datagram.
        source: std::net::Ipv6Addr,
        /// Destination address of the datagram.
        destination: std::net::Ipv6Addr,
    },
}

impl EchoFamily {
    const fn type_of(self, kind: EchoKind) -> u8 {
        match (self, kind) {
            (Self::V4, EchoKind::Request) => 8,
            (Self::V4, EchoKind::Reply) => 0,
            (Self::V6 { .. }, EchoKind::Request) => 128,
            (Self::V6 { .. }, EchoKind::Reply) => 129,
        }
    }

    fn checksum(self, message: &[u8]) -> u16 {
        match self {
            Self::V4 => PseudoHeader::None.checksum(PROTOCOL_ICMP, message),
            Self::V6 { source, destination } => {
                PseudoHeader::V6 { source, destination }.checksum(NEXT_HEADER_ICMPV6, message)
            }
        }
    }
}

/// An echo message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Question or answer.
    pub kind: EchoKind,
    /// Tells pingers apart.
    pub identifier: u16,
    /// Tells one pinger's questions apart.
    pub sequence: u16,
    /// Comes back as it was sent.
    pub payload: &'a [u8],
}

impl<'a> Echo<'a> {
    /// An ICMP message without its IP header. `None` if it is too short, something else, or its
    /// checksum is wrong.
    pub fn parse(family: EchoFamily, message: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        let [kind, code] = reader.array()?;
        let kind = [EchoKind::Request, EchoKind::Reply].into_iter().find(|k| family.type_of(*k) == kind)?;
        let _checksum = reader.u16()?;
        let identifier = reader.u16()?;
        let sequence = reader.u16()?;
        if code != 0 || family.checksum(message) != 0 {
            return None;
        }
        Some(Self { kind, identifier, sequence, payload: reader.rest() })
    }

    /// Replaces the contents of `out` with the message, checksum included.
    pub fn write(&self, family: EchoFamily, out: &mut Vec<u8>) {
        out.clear();
        out.extend([family.type_of(self.kind), 0, 0, 0]);
        out.extend(self.identifier.to_be_bytes());
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.payload);
        let sum = family.checksum(out);
        set_u16(out, CHECKSUM_OFFSET, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;

    const V6: EchoFamily = EchoFamily::V6 { source: Ipv6Addr::LOCALHOST, destination: Ipv6Addr::LOCALHOST };

    #[test]
    fn request_on_the_wire() {
        let mut out = vec![1; 3];
        let echo = Echo { kind: EchoKind::Request, identifier: 0x1234, sequence: 1, payload: b"ab" };
        echo.write(EchoFamily::V4, &mut out);
        assert_eq!(out, [8, 0, 0x84, 0x68, 0x12, 0x34, 0, 1, b'a', b'b']);
    }

    #[test]
    fn families_and_codes_do_not_mix() {
        let mut out = Vec::new();
        let echo = Echo { kind: EchoKind::Reply, identifier: 1, sequence: 2, payload: &[] };
        echo.write(V6, &mut out);
        assert_eq!(Echo::parse(V6, &out), Some(echo));
        assert_eq!(Echo::parse(EchoFamily::V4, &out), None);
        for end in 0..HEADER_LENGTH {
            assert_eq!(Echo::parse(V6, &out[..end]), None);
        }
        // Code 1 with its checksum put right.
        echo.write(EchoFamily::V4, &mut out);
        out[1] = 1;
        out[2..4].fill(0);
        let sum = crate::checksum::checksum(&out);
        out[2..4].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(Echo::parse(EchoFamily::V4, &out), None);
    }

    proptest! {
        #[test]
        fn round_trip_and_bit_flips(v6: bool, reply: bool, identifier: u16, sequence: u16, payload: Vec<u8>, bit: prop::sample::Index) {
            let family = if v6 { V6 } else { EchoFamily::V4 };
            let kind = if reply { EchoKind::Reply } else { EchoKind::Request };
            let echo = Echo { kind, identifier, sequence, payload: &payload };
            let mut out = Vec::new();
            echo.write(family, &mut out);
            prop_assert_eq!(Echo::parse(family, &out), Some(echo));
            let bit = bit.index(out.len() * 8);
            out[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Echo::parse(family, &out), None);
        }

        #[test]
        fn arbitrary_octets_never_panic(octets: Vec<u8>) {
            let _ = Echo::parse(EchoFamily::V4, &octets);
            let _ = Echo::parse(V6, &octets);
        }
    }
}
