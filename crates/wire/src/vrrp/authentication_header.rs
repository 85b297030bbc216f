//! The IP authentication header around version 2 over IPv4 (RFC 2402, RFC 2403; RFC 2338 section
//! 5.3.6), as keepalived makes it: HMAC-MD5 cut to 96 bits, and the source address as SPI.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use subtle::ConstantTimeEq as _;

use super::check::Received;
use super::key::Key;
use super::reject::Reject;
use crate::cursor::{Reader, Writer};
use crate::ipv4::{self, PROTOCOL_AUTHENTICATION_HEADER, PROTOCOL_VRRP};

/// Octets of the header.
pub const LENGTH: usize = 24;
/// Octets of its digest (RFC 2403 section 2).
const DIGEST_LENGTH: usize = 12;
/// Octets before the digest.
const FIXED_LENGTH: usize = LENGTH - DIGEST_LENGTH;
/// Where the digest stands.
pub(super) const DIGEST: std::ops::Range<usize> = FIXED_LENGTH..LENGTH;
/// Its length field: words of four octets, less two (RFC 2402 section 2.2).
const LENGTH_FIELD: u8 = 4;

/// The IP protocols that bring adverts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpProtocol {
    /// VRRP itself.
    Vrrp,
    /// An authentication header with VRRP behind it.
    AuthenticationHeader,
}

impl IpProtocol {
    /// As the IP header has it.
    pub const fn number(self) -> u8 {
        match self {
            Self::Vrrp => PROTOCOL_VRRP,
            Self::AuthenticationHeader => PROTOCOL_AUTHENTICATION_HEADER,
        }
    }
}

/// What stands before the message of an advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Carrier {
    /// The IP header.
    #[default]
    Ip,
    /// An authentication header.
    AuthenticationHeader {
        /// Identification of the IP header, which the digest covers.
        identification: u16,
    },
}

impl Carrier {
    /// The protocol in the IP header.
    pub const fn protocol(self) -> IpProtocol {
        match self {
            Self::Ip => IpProtocol::Vrrp,
            Self::AuthenticationHeader { .. } => IpProtocol::AuthenticationHeader,
        }
    }

    /// The VRRP message in the payload of a datagram; `None` when an authentication header does not fit.
    pub const fn message(self, payload: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Ip => Some(payload),
            Self::AuthenticationHeader { .. } => match payload.split_at_checked(LENGTH) {
                Some((_, message)) => Some(message),
                None => None,
            },
        }
    }
}

/// What proves an advert behind an authentication header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderProof<'a> {
    /// The shared secret.
    pub key: &'a Key,
    /// The highest sequence number that the virtual router has used.
    pub last: u32,
}

/// The IP header around an advert to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Sender.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// Time to live. Between unicast peers it is not covered, since routers on the way change it.
    pub ttl: u8,
}

impl Envelope {
    /// Replaces the contents of `out` with an authentication header and the VRRP message. What the IP header must
    /// have as identification comes back.
    pub fn write(self, key: &Key, sequence: u32, message: &[u8], out: &mut Vec<u8>) -> NonZeroU16 {
        let [_, _, high, low] = sequence.to_be_bytes();
        let identification = NonZeroU16::new(u16::from_be_bytes([high, low])).unwrap_or(NonZeroU16::MIN);
        let fixed: [u8; FIXED_LENGTH] = Writer::new()
            .put(&[PROTOCOL_VRRP, LENGTH_FIELD, 0, 0])
            .put(&self.source.octets())
            .put(&sequence.to_be_bytes())
            .finish();
        let digest = self.digest(key, identification.get(), &fixed, message);
        out.clear();
        out.extend(fixed);
        out.extend(digest);
        out.extend(message);
        identification
    }

    /// Over the whole datagram, with zeros for what may change on the way (RFC 2402 section 3.3.3.1.1).
    pub(super) fn digest(
        self,
        key: &Key,
        identification: u16,
        fixed: &[u8; FIXED_LENGTH],
        message: &[u8],
    ) -> [u8; DIGEST_LENGTH] {
        let length = ipv4::HEADER_LENGTH + LENGTH + message.len();
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        let ttl = if self.destination.is_multicast() { self.ttl } else { 0 };
        let header: [u8; ipv4::HEADER_LENGTH] = Writer::new()
            .put(&[0x45, 0])
            .u16(length)
            .u16(identification)
            .put(&[0, 0, ttl, PROTOCOL_AUTHENTICATION_HEADER, 0, 0])
            .put(&self.source.octets())
            .put(&self.destination.octets())
            .finish();
        // A key of any length is one (RFC 2104 section 2).
        let Ok(mac) = Hmac::<Md5>::new_from_slice(key.octets()) else { return [0; DIGEST_LENGTH] };
        let mac = mac
            .chain_update(header)
            .chain_update(fixed)
            .chain_update([0; DIGEST_LENGTH])
            .chain_update(message);
        let whole: [u8; 16] = mac.finalize().into_bytes().into();
        whole.first_chunk().copied().unwrap_or_default()
    }
}

impl HeaderProof<'_> {
    /// Whether the sender has the key, is who it says, and says it for the first time: the sequence number comes back.
    pub(super) fn check(&self, received: &Received<'_>) -> Result<u32, Reject> {
        let short = Reject::PacketLength { expected: LENGTH, found: received.message.len() };
        let (header, message) = received.message.split_at_checked(LENGTH).ok_or(short)?;
        let (fixed, digest) = header.split_at_checked(FIXED_LENGTH).ok_or(short)?;
        let mut reader = Reader::new(fixed);
        let [next_header, ..] = reader.array::<4>().ok_or(short)?;
        let spi = Ipv4Addr::from(reader.array::<4>().ok_or(short)?);
        let found = reader.array().map(u32::from_be_bytes).ok_or(short)?;
        if next_header != PROTOCOL_VRRP {
            return Err(Reject::HeaderContent { found: next_header });
        }
        let (Carrier::AuthenticationHeader { identification }, IpAddr::V4(source), IpAddr::V4(destination)) =
            (received.carrier, received.source, received.destination)
        else {
            return Err(Reject::AuthMismatch { expected: 2, found: 0 });
        };
        let envelope = Envelope { source, destination, ttl: received.hop_limit.unwrap_or_default() };
        let expected = envelope.digest(self.key, identification, fixed.first_chunk().ok_or(short)?, message);
        if !bool::from(expected.as_slice().ct_eq(digest)) {
            return Err(Reject::HeaderDigest);
        }
        if spi != source {
            return Err(Reject::HeaderSender { expected: source, found: spi });
        }
        if found <= self.last {
            return Err(Reject::HeaderReplay { last: self.last, found });
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
