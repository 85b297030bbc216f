//! The authenticated trailer behind a message (`auth_hmac` of keepalived 2.4.3): who sent it, when, and a digest by
//! HMAC-SHA-256 (RFC 2104, FIPS 180-4) cut to 128 bits. It proves every version over both families.

use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::CHECKSUM_OFFSET;
use super::fields::{Version, Vrid};
use super::key::Key;
use super::reject::Reject;
use crate::cursor::{Reader, Writer};

/// Octets of the trailer.
pub const LENGTH: usize = 28;
/// Octets of its digest.
const DIGEST_LENGTH: usize = 16;
/// Octets before the digest.
pub(super) const FIXED_LENGTH: usize = LENGTH - DIGEST_LENGTH;
/// Octets of what the digest covers before the message.
const PSEUDO_HEADER_LENGTH: usize = 20;
/// The only type: HMAC-SHA-256 cut to 128 bits.
const TYPE_HMAC_SHA_256_128: u8 = 1;

const NANOSECONDS: u64 = 1_000_000_000;

/// When an advert was signed, which also puts the adverts of a sender into order: seconds since 1970 (32 bits, so that
/// they come round in 2106), 1/65,536 of a second (16 bits), and a counter (16 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(u64);

impl Stamp {
    /// At this many nanoseconds since 1970.
    #[allow(clippy::cast_possible_truncation, reason = "the seconds come round")]
    pub const fn at(nanoseconds: u64) -> Self {
        let seconds = (nanoseconds / NANOSECONDS) as u32;
        let fraction = ((nanoseconds % NANOSECONDS) << 16) / NANOSECONDS;
        Self(((seconds as u64) << 32) | (fraction << 16))
    }

    /// The smallest later one.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// This much later.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "the seconds come round")]
    pub const fn plus(self, time: Duration) -> Self {
        Self(self.0.wrapping_add(Self::at(time.as_nanos() as u64).0))
    }

    /// Whether it is later than `other`, as numbers that come round are compared (RFC 1982 section 3.2).
    #[allow(clippy::cast_possible_wrap, reason = "the sign tells")]
    pub const fn is_after(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i64) > 0
    }

    /// Time between both, in whichever order.
    #[allow(clippy::cast_possible_wrap, reason = "the sign tells the order")]
    pub const fn distance(self, other: Self) -> Duration {
        let between = (self.0.wrapping_sub(other.0) as i64).unsigned_abs();
        let below_a_second = ((between & 0xffff_ffff) * NANOSECONDS) >> 32;
        Duration::from_nanos((between >> 32) * NANOSECONDS + below_a_second)
    }
}

/// A key and the number that trailers name it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailerKey {
    /// Its number.
    pub id: u8,
    /// The secret.
    pub key: Key,
}

/// What a trailer is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The key in use.
    pub key: &'a TrailerKey,
    /// When, and after what.
    pub stamp: Stamp,
    /// Source address of the datagram.
    pub source: IpAddr,
}

impl Signature<'_> {
    /// Appends the trailer to a message whose checksum is still zero.
    pub(super) fn append(&self, version: Version, vrid: Vrid, message: &mut Vec<u8>) {
        let fixed: [u8; FIXED_LENGTH] = Writer::new()
            .put(&[TYPE_HMAC_SHA_256_128, self.key.id, 0, 0])
            .put(&self.stamp.0.to_be_bytes())
            .finish();
        let digest = digest(&self.key.key, (version, vrid, self.source), message, &fixed);
        message.extend(fixed);
        message.extend(digest);
    }
}

/// The source address and the virtual router are covered, the destination is not: the same for all unicast peers.
/// The checksum, which covers the trailer over IPv6, counts as zero.
pub(super) fn digest(
    key: &Key,
    (version, vrid, source): (Version, Vrid, IpAddr),
    message: &[u8],
    fixed: &[u8],
) -> [u8; DIGEST_LENGTH] {
    let (family, address) = match source {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            (4, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        IpAddr::V6(address) => (6, address.octets()),
    };
    let pseudo: [u8; PSEUDO_HEADER_LENGTH] =
        Writer::new().put(&[family, version.number(), vrid.get(), 0]).put(&address).finish();
    // A key of any length is one (RFC 2104 section 2).
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key.octets()) else { return [0; DIGEST_LENGTH] };
    let (before, rest) = message.split_at_checked(CHECKSUM_OFFSET).unwrap_or_default();
    let (_, after) = rest.split_at_checked(2).unwrap_or_default();
    let mac = mac
        .chain_update(pseudo)
        .chain_update(before)
        .chain_update([0, 0])
        .chain_update(after)
        .chain_update(fixed)
        .chain_update([0; DIGEST_LENGTH]);
    let whole: [u8; 32] = mac.finalize().into_bytes().into();
    whole.first_chunk().copied().unwrap_or_default()
}

/// What proves an advert with a trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrailerProof<'a> {
    /// By number.
    pub keys: &'a [TrailerKey],
    /// An advert without a trailer proves nothing. Otherwise it is taken, though a wrong trailer never is.
    pub required: bool,
    /// The sender's clock may differ from ours by so much; `None` if only the order of the stamps counts.
    pub window: Option<Duration>,
    /// What time it is. More than one where the clock was set: then a sender may go by the time before.
    pub clocks: [Option<Stamp>; 2],
    /// Of the last advert of the sender that was proven.
    pub last: Option<Stamp>,
}

impl TrailerProof<'_> {
    /// Whether what trails a message proves it; `None` comes back where nothing does and nothing has to.
    pub(super) fn check(
        &self,
        about: (Version, Vrid, IpAddr),
        message: &[u8],
        trailing: &[u8],
    ) -> Result<Option<Stamp>, Reject> {
        if trailing.len() != LENGTH {
            return if self.required { Err(Reject::TrailerMissing) } else { Ok(None) };
        }
        let (fixed, found) = trailing.split_at_checked(FIXED_LENGTH).ok_or(Reject::TrailerMissing)?;
        let mut reader = Reader::new(fixed);
        let [kind, id, reserved @ ..] = reader.array::<4>().ok_or(Reject::TrailerMissing)?;
        let stamp = reader.array().map(|octets| Stamp(u64::from_be_bytes(octets)));
        let stamp = stamp.ok_or(Reject::TrailerMissing)?;
        if kind != TYPE_HMAC_SHA_256_128 || reserved != [0, 0] {
            return Err(Reject::TrailerMalformed { found: kind });
        }
        // Before any work is done for it.
        let last = self.last_in_time(stamp)?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or(Reject::TrailerKey { found: id })?;
        let expected = digest(&key.key, about, message, fixed);
        if !bool::from(expected.as_slice().ct_eq(found)) {
            return Err(Reject::TrailerDigest { key: id });
        }
        match last {
            Some(last) if !stamp.is_after(last) => Err(Reject::TrailerReplay),
            _ => Ok(Some(stamp)),
        }
    }

    /// The last stamp that this one has to come after. By a clock in whose window only this one lies, the other counts
    /// for nothing: the sender's clock was set.
    fn last_in_time(&self, stamp: Stamp) -> Result<Option<Stamp>, Reject> {
        let Some(window) = self.window else { return Ok(self.last) };
        let near = |clock: Stamp, stamp: Stamp| clock.distance(stamp) <= window;
        let mut clocks = self.clocks.into_iter().flatten();
        match clocks.find(|clock| near(*clock, stamp)) {
            Some(clock) => Ok(self.last.filter(|last| near(clock, *last))),
            None => {
                let off = self.clocks.into_iter().flatten().map(|clock| clock.distance(stamp)).min();
                Err(Reject::TrailerStale {
                    seconds: off.unwrap_or_default().as_secs(),
                    window: window.as_secs(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
