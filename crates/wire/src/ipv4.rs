//! The IPv4 header (RFC 791), as raw sockets deliver and take it.

use std::net::Ipv4Addr;
use std::num::NonZeroU16;

use thiserror::Error;

use crate::checksum::checksum;
use crate::cursor::{Reader, Writer, set_u16};

/// Octets of a header without options.
pub const HEADER_LENGTH: usize = 20;
/// Protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;
/// Protocol number of the authentication header (RFC 2402 section 2).
pub const PROTOCOL_AUTHENTICATION_HEADER: u8 = 51;
/// Protocol number of VRRP, over IPv6 the next header (RFC 9568 sections 5.1.1.4 and 5.1.2.4, RFC 3768 section 5.2.4).
pub const PROTOCOL_VRRP: u8 = 112;
/// Type of service of routing protocols: precedence "internetwork control" (RFC 791 section 3.1).
pub const TOS_INTERNETWORK_CONTROL: u8 = 0xc0;

const CHECKSUM_OFFSET: usize = 10;

/// A received datagram, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Sender.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// Time to live as received.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Type of service.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// More fragments follow, or this is not the first one.
    pub fragment: bool,
    /// What the total length covers after the header.
    pub payload: &'a [u8],
    /// What came after the end of the datagram: Ethernet padding.
    pub padding: &'a [u8],
}

impl<'a> Ipv4Packet<'a> {
    /// Takes the header off. Options are skipped. The header checksum is not looked at: the kernel
    /// has dropped what was wrong before a raw socket sees it.
    ///
    /// # Errors
    /// When the octets cannot be an IPv4 datagram or part of it is missing.
    pub fn parse(received: &'a [u8]) -> Result<Self, Ipv4Error> {
        let short = Ipv4Error::Short { found: received.len() };
        let mut reader = Reader::new(received);
        let version_and_length = reader.octet().ok_or(short)?;
        let tos = reader.octet().ok_or(short)?;
        let total_length = usize::from(reader.u16().ok_or(short)?);
        let id = reader.u16().ok_or(short)?;
        let flags_and_offset = reader.u16().ok_or(short)?;
        let ttl = reader.octet().ok_or(short)?;
        let protocol = reader.octet().ok_or(short)?;
        let _checksum = reader.u16().ok_or(short)?;
        let source = Ipv4Addr::from(reader.array::<4>().ok_or(short)?);
        let destination = Ipv4Addr::from(reader.array::<4>().ok_or(short)?);

        let version = version_and_length >> 4;
        if version != 4 {
            return Err(Ipv4Error::Version { found: version });
        }
        let header_length = usize::from(version_and_length & 0x0f) * 4;
        if header_length < HEADER_LENGTH || header_length > total_length {
            return Err(Ipv4Error::HeaderLength { found: header_length, total: total_length });
        }
        let (datagram, padding) = received
            .split_at_checked(total_length)
            .ok_or(Ipv4Error::Truncated { expected: total_length, found: received.len() })?;
        let payload = datagram.get(header_length..).unwrap_or_default();
        // All but the don't-fragment and the reserved bit.
        let fragment = flags_and_offset & 0x3fff != 0;
        Ok(Self { source, destination, ttl, protocol, tos, id, fragment, payload, padding })
    }
}

/// Why something is not an IPv4 datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Ipv4Error {
    /// Not even a header.
    #[error("IPv4 header needs {HEADER_LENGTH} octets, received {found}")]
    Short {
        /// Octets received.
        found: usize,
    },
    /// Another protocol.
    #[error("IP version must be 4, found {found}")]
    Version {
        /// Version nibble.
        found: u8,
    },
    /// The header length field contradicts the rest.
    #[error(
        "IPv4 header length of {found} octets must be between {HEADER_LENGTH} and the total length {total}"
    )]
    HeaderLength {
        /// Octets by the header length field.
        found: usize,
        /// Octets by the total length field.
        total: usize,
    },
    /// The end is missing.
    #[error("IPv4 total length says {expected} octets, received {found}")]
    Truncated {
        /// Octets by the total length field.
        expected: usize,
        /// Octets received.
        found: usize,
    },
}

/// A header to send, without options and never fragmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Type of service.
    pub tos: u8,
    /// Identification. Never zero, or the kernel would choose one on a raw socket (raw(7)).
    pub id: NonZeroU16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Sender.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
}

impl Ipv4Header {
    /// The header of an advertisement as keepalived sends it.
    pub const fn of_advert(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, id: NonZeroU16) -> Self {
        Self { tos: TOS_INTERNETWORK_CONTROL, id, ttl, protocol: PROTOCOL_VRRP, source, destination }
    }

    /// The octets in front of a payload of `payload_length`, checksum included; `None` when header
    /// and payload exceed 65,535 octets.
    pub fn bytes(self, payload_length: usize) -> Option<[u8; HEADER_LENGTH]> {
        let total_length = u16::try_from(payload_length.checked_add(HEADER_LENGTH)?).ok()?;
        let mut header = Writer::new()
            .put(&[0x45, self.tos])
            .u16(total_length)
            .u16(self.id.get())
            .u16(0)
            .put(&[self.ttl, self.protocol, 0, 0])
            .put(&self.source.octets())
            .put(&self.destination.octets())
            .finish();
        let sum = checksum(&header);
        set_u16(&mut header, CHECKSUM_OFFSET, sum);
        Some(header)
    }
}

/// The identification after this one; skips zero.
pub const fn next_id(id: NonZeroU16) -> NonZeroU16 {
    match id.checked_add(1) {
        Some(next) => next,
        None => NonZeroU16::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn advert_header() -> Ipv4Header {
        let source = Ipv4Addr::new(10, 0, 0, 1);
        let destination = Ipv4Addr::new(224, 0, 0, 18);
        Ipv4Header::of_advert(source, destination, 255, NonZeroU16::new(7).unwrap())
    }

    #[test]
    fn header_of_an_advert() {
        let header = advert_header().bytes(20).unwrap();
        #[rustfmt::skip]
        let expected = [
            0x45, 0xc0, 0x00, 0x28, 0x00, 0x07, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x8b,
            10, 0, 0, 1, 224, 0, 0, 18,
        ];
        assert_eq!(header, expected);
        assert_eq!(checksum(&header), 0);
    }

    #[test]
    fn id_skips_zero() {
        assert_eq!(next_id(NonZeroU16::MAX).get(), 1);
        assert_eq!(next_id(NonZeroU16::MIN).get(), 2);
    }

    #[test]
    fn options_and_padding_are_set_aside() {
        let mut bytes = vec![0x46, 0, 0, 26, 0, 1, 0x40, 0, 1, 112, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        bytes.extend([0x94, 0x04, 0, 0]); // Router alert.
        bytes.extend([0xaa, 0xbb]);
        bytes.extend([0; 20]);
        let packet = Ipv4Packet::parse(&bytes).unwrap();
        assert_eq!(packet.payload, [0xaa, 0xbb]);
        assert_eq!(packet.padding, [0; 20]);
        assert!(!packet.fragment);
    }

    #[test]
    fn refusals_name_the_reason() {
        let good = advert_header().bytes(0).unwrap();
        assert_eq!(Ipv4Packet::parse(&good[..19]), Err(Ipv4Error::Short { found: 19 }));
        let with = |at: usize, value: u8| {
            let mut bytes = good;
            bytes[at] = value;
            Ipv4Packet::parse(&bytes).map(|_| ()).unwrap_err()
        };
        assert_eq!(with(0, 0x65), Ipv4Error::Version { found: 6 });
        assert_eq!(with(0, 0x44), Ipv4Error::HeaderLength { found: 16, total: 20 });
        assert_eq!(with(0, 0x46), Ipv4Error::HeaderLength { found: 24, total: 20 });
        assert_eq!(with(3, 19), Ipv4Error::HeaderLength { found: 20, total: 19 });
        assert_eq!(with(3, 21), Ipv4Error::Truncated { expected: 21, found: 20 });
    }

    proptest! {
        #[test]
        fn round_trip(tos: u8, id: NonZeroU16, ttl: u8, protocol: u8, source: u32, destination: u32,
                      payload in prop::collection::vec(any::<u8>(), 0..200), padding in 0usize..50) {
            let (source, destination) = (Ipv4Addr::from(source), Ipv4Addr::from(destination));
            let header = Ipv4Header { tos, id, ttl, protocol, source, destination };
            let mut bytes = header.bytes(payload.len()).unwrap().to_vec();
            prop_assert_eq!(checksum(&bytes), 0);
            bytes.extend(&payload);
            bytes.extend(vec![0; padding]);
            let parsed = Ipv4Packet::parse(&bytes).unwrap();
            prop_assert_eq!((parsed.source, parsed.destination), (source, destination));
            prop_assert_eq!((parsed.tos, parsed.id, parsed.ttl, parsed.protocol), (tos, id.get(), ttl, protocol));
            prop_assert_eq!(parsed.payload, &payload[..]);
            prop_assert_eq!(parsed.padding.len(), padding);
        }

        #[test]
        fn every_shorter_length_is_refused(payload in 0usize..100, cut in 1usize..120) {
            let mut bytes = advert_header().bytes(payload).unwrap().to_vec();
            bytes.resize(20 + payload, 0);
            let end = bytes.len().saturating_sub(cut);
            prop_assert!(Ipv4Packet::parse(&bytes[..end]).is_err());
        }

        #[test]
        fn arbitrary_octets_never_panic(octets: Vec<u8>) {
            if let Ok(packet) = Ipv4Packet::parse(&octets) {
                prop_assert!(packet.payload.len() + packet.padding.len() + HEADER_LENGTH <= octets.len());
            }
        }
    }
}
