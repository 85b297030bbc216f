//! Adverts without secrets, to be kept and shown to anybody, and back to adverts that a machine judges as it judged the
//! received ones.
//!
//! A password, a digest (from which a short key could be guessed) and whatever cannot be told from one become zeros; the
//! checksum follows, so that a right one stays right and a wrong one wrong. A machine whose keys are [`Key::blank`] and
//! whose password is zeros judges what [`sign_blank`] makes of it.

use std::net::IpAddr;
use std::ops::Range;

use super::authentication_header::{self, Carrier, Envelope};
use super::fields::{Family, Version, Vrid};
use super::key::Key;
use super::{AUTHENTICATION_LENGTH, CHECKSUM_OFFSET, HEADER_LENGTH, trailer};
use crate::checksum::update;
use crate::cursor::{set_u16, word_at};

/// Where secrets stand in a payload, and what the checksum covers.
struct Places {
    /// Where the VRRP message begins.
    start: usize,
    /// Digest of an authentication header.
    header_digest: Option<Range<usize>>,
    /// Authentication data of version 2 over IPv4, or, in a message of a wrong length, everything that may be some.
    password: Range<usize>,
    /// Digest of a trailer.
    trailer_digest: Option<Range<usize>>,
    /// What the checksum covers.
    covered: Range<usize>,
}

impl Places {
    fn of(family: Family, carrier: Carrier, payload: &[u8]) -> Option<Self> {
        let start = match carrier {
            Carrier::Ip => 0,
            Carrier::AuthenticationHeader { .. } => authentication_header::LENGTH,
        };
        let message = payload.get(start..)?;
        let (&version, &count) = (message.first()?, message.get(3)?);
        let is_v2 = version >> 4 == 2;
        let addresses = start + HEADER_LENGTH + usize::from(count) * family.address_length();
        let has_password = is_v2 && family == Family::V4;
        let end = addresses + if has_password { AUTHENTICATION_LENGTH } else { 0 };
        let header_digest = (start > 0).then_some(authentication_header::DIGEST);
        let trailing = payload.len().checked_sub(end);
        let covered = match family {
            Family::V4 => start..end.min(payload.len()),
            Family::V6 => start..payload.len(),
        };
        let (password, trailer_digest) = match trailing {
            Some(trailer::LENGTH) => (addresses..end, Some(end + trailer::FIXED_LENGTH..payload.len())),
            Some(0) => (addresses..end, None),
            // Padding, or no sender of ours: then a password may stand anywhere.
            Some(_) => (addresses..payload.len(), None),
            None => (start + HEADER_LENGTH..payload.len(), None),
        };
        Some(Self { start, header_digest, password, trailer_digest, covered })
    }

    /// Writes over a part; the checksum follows where it covers the part.
    fn write(&self, payload: &mut [u8], part: Range<usize>, octet: impl Fn(usize) -> u8) {
        let sum_at = self.start + CHECKSUM_OFFSET;
        for at in part.clone().step_by(2) {
            let Some(old) = word_at(payload, at) else {
                // The odd octet at the end of a message that no check lets pass.
                if let Some(last) = payload.get_mut(at) {
                    *last = octet(at - part.start);
                }
                continue;
            };
            let second = if at + 1 < part.end { octet(at + 1 - part.start) } else { old.to_be_bytes()[1] };
            let new = u16::from_be_bytes([octet(at - part.start), second]);
            set_u16(payload, at, new);
            if self.covered.contains(&at)
                && let Some(sum) = word_at(payload, sum_at)
            {
                set_u16(payload, sum_at, update(sum, old, new));
            }
        }
    }
}

/// Takes the secrets out of the payload of a datagram.
pub fn blank(family: Family, carrier: Carrier, payload: &mut [u8]) {
    let Some(places) = Places::of(family, carrier, payload) else {
        // Too short for a message; what it is nobody knows.
        payload.fill(0);
        return;
    };
    let digests = [places.header_digest.clone(), places.trailer_digest.clone()];
    for part in digests.into_iter().flatten().chain([places.password.clone()]) {
        places.write(payload, part, |_| 0);
    }
}

/// Puts proofs that blank secrets make into the payload of a datagram that [`blank`] went over; with `forged` such that
/// they do not make.
pub fn sign_blank(
    (source, destination, hop_limit): (IpAddr, IpAddr, Option<u8>),
    carrier: Carrier,
    payload: &mut [u8],
    forged: bool,
) {
    let Some(places) = Places::of(Family::of(source), carrier, payload) else { return };
    if forged {
        places.write(payload, places.password.clone(), |_| 0xff);
        return;
    }
    let key = Key::blank();
    if let Some(part) = places.trailer_digest.clone() {
        let fixed = part.start - trailer::FIXED_LENGTH;
        let message = payload.get(places.start..fixed).unwrap_or_default();
        let header = message.first_chunk::<2>().copied();
        let about = header.and_then(|[version, vrid]| {
            Some((Version::from_number(version >> 4)?, Vrid::new(vrid)?, source))
        });
        let fixed = payload.get(fixed..part.start).unwrap_or_default();
        let Some(digest) = about.map(|about| trailer::digest(&key, about, message, fixed)) else { return };
        places.write(payload, part, |at| digest.get(at).copied().unwrap_or_default());
    }
    if let (Some(part), Carrier::AuthenticationHeader { identification }) =
        (places.header_digest.clone(), carrier)
        && let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination)
    {
        let envelope = Envelope { source, destination, ttl: hop_limit.unwrap_or_default() };
        let fixed = payload.first_chunk().copied().unwrap_or_default();
        let message = payload.get(places.start..).unwrap_or_default();
        let digest = envelope.digest(&key, identification, &fixed, message);
        if let Some(place) = payload.get_mut(part) {
            place.copy_from_slice(&digest);
        }
    }
}

#[cfg(test)]
mod tests;
