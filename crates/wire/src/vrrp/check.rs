//! Whether a received advertisement may be believed (RFC 3768 section 7.1, RFC 9568 section 7.1),
//! in keepalived's order, since each check has a counter of its own and the first failure counts.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use super::HOP_LIMIT;
use super::advert::{Advert, Authentication, Form, Frame, Proven};
use super::authentication_header::{self, Carrier, HeaderProof};
use super::fields::{AdvertInterval, Family, Version, Vrid};
use super::reject::Reject;
use super::trailer::{self, Stamp, TrailerProof};
use super::write::pseudo_header;
use crate::checksum::update;
use crate::ipv4::{self, PROTOCOL_VRRP};

/// What an instance expects of the adverts of its virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect<'a> {
    /// Virtual router.
    pub vrid: Vrid,
    /// Family of the virtual router.
    pub family: Family,
    /// Own interval, which tells the version; version 2 asks for an equal one.
    pub interval: AdvertInterval,
    /// Version 2 only.
    pub authentication: Authentication,
    /// What proves the sender besides.
    pub proof: Proof<'a>,
    /// The TTL must be 255: so on a link, not between unicast peers.
    pub on_link: bool,
    /// Believe version 3 over IPv4 whatever its checksum: `v3_checksum_as_v2`.
    pub ignore_v3_checksum: bool,
}

/// What proves that an advert comes from a router of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof<'a> {
    /// Nothing is asked for.
    None,
    /// An authentication header.
    Header(HeaderProof<'a>),
    /// A trailer.
    Trailer(TrailerProof<'a>),
}

/// What was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// Sender.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` if the kernel did not tell.
    pub hop_limit: Option<u8>,
    /// What stands before the VRRP message.
    pub carrier: Carrier,
    /// All octets after the IP header.
    pub message: &'a [u8],
}

impl Expect<'_> {
    /// All checks in order. Comparing the address list is left to the caller
    /// ([`AddressList::matches`](super::AddressList::matches)), who accepts the advert either way.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn check<'a>(&self, received: &Received<'a>) -> Result<Advert<'a>, Reject> {
        let frame = self.frame(received)?;
        self.check_vrid(&frame)?;
        self.check_trailing(&frame)?;
        self.check_hop_limit(received.hop_limit)?;
        self.check_version(&frame)?;
        let stamp = self.check_trailer(&frame, received)?;
        self.check_authentication(&frame)?;
        let sequence = self.check_header(received)?;
        self.check_interval(&frame)?;
        frame.type_known()?;
        self.check_checksum(&frame, received)?;
        let proven = sequence.map(Proven::Header).or(stamp.map(Proven::Trailer));
        Ok(Advert { proven: proven.unwrap_or_default(), ..frame.advert()? })
    }

    /// The message, if it is behind an authentication header exactly where one is expected.
    fn frame<'a>(&self, received: &Received<'a>) -> Result<Frame<'a>, Reject> {
        let short =
            Reject::PacketLength { expected: authentication_header::LENGTH, found: received.message.len() };
        let message = received.carrier.message(received.message).ok_or(short)?;
        let frame = Frame::parse(self.family, message)?;
        let with_header = received.carrier != Carrier::Ip;
        if with_header == (self.authentication == Authentication::Header) {
            Ok(frame)
        } else {
            let found = if with_header { 2 } else { frame.authentication_type() };
            Err(Reject::AuthMismatch { expected: self.authentication.type_number(), found })
        }
    }

    fn check_trailer(&self, frame: &Frame<'_>, received: &Received<'_>) -> Result<Option<Stamp>, Reject> {
        let Proof::Trailer(proof) = &self.proof else { return Ok(None) };
        let about = (self.interval.version(), self.vrid, received.source);
        proof.check(about, frame.message, frame.trailing())
    }

    fn check_header(&self, received: &Received<'_>) -> Result<Option<u32>, Reject> {
        match &self.proof {
            Proof::Header(proof) => proof.check(received).map(Some),
            _ => Ok(None),
        }
    }

    fn check_vrid(&self, frame: &Frame<'_>) -> Result<(), Reject> {
        let found = Vrid::new(frame.header.vrid).ok_or(Reject::VridZero)?;
        if found == self.vrid { Ok(()) } else { Err(Reject::Vrid { expected: self.vrid, found }) }
    }

    const fn check_hop_limit(&self, hop_limit: Option<u8>) -> Result<(), Reject> {
        match hop_limit {
            Some(found) if self.on_link && found != HOP_LIMIT => {
                Err(Reject::HopLimit { expected: HOP_LIMIT, found })
            }
            _ => Ok(()),
        }
    }

    const fn check_version(&self, frame: &Frame<'_>) -> Result<(), Reject> {
        let expected = self.interval.version();
        if frame.header.version == expected.number() {
            Ok(())
        } else {
            Err(Reject::Version { expected: Some(expected), found: frame.header.version })
        }
    }

    fn check_authentication(&self, frame: &Frame<'_>) -> Result<(), Reject> {
        if self.interval.version() != Version::V2 {
            return Ok(());
        }
        let found = frame.authentication()?;
        match (self.authentication, found) {
            (Authentication::None, Authentication::None)
            | (Authentication::Header, Authentication::Header) => Ok(()),
            (Authentication::Password(ours), Authentication::Password(theirs)) => {
                // Version 2 over IPv6 has no authentication data to compare.
                if self.family == Family::V6 || bool::from(ours.ct_eq(&theirs)) {
                    Ok(())
                } else {
                    Err(Reject::AuthFailure)
                }
            }
            (ours, theirs) => {
                Err(Reject::AuthMismatch { expected: ours.type_number(), found: theirs.type_number() })
            }
        }
    }

    /// Version 3 routers may differ (RFC 9568 section 6.1: backups adopt the master's).
    fn check_interval(&self, frame: &Frame<'_>) -> Result<(), Reject> {
        match (self.interval, frame.form_known()) {
            (AdvertInterval::Seconds(ours), form) => match form {
                Ok(Form::V2 { interval, .. }) if interval == ours => Ok(()),
                _ => Err(Reject::Interval { expected: self.interval, found: frame.seconds() }),
            },
            (AdvertInterval::Centiseconds(_), form) => form.map(|_| ()),
        }
    }

    fn check_checksum(&self, frame: &Frame<'_>, received: &Received<'_>) -> Result<(), Reject> {
        let version = self.interval.version();
        if self.family == Family::V4 && version == Version::V3 && self.ignore_v3_checksum {
            return Ok(());
        }
        let family_mismatch =
            Reject::Family { source_address: received.source, destination: received.destination };
        if Family::of(received.source) != self.family {
            return Err(family_mismatch);
        }
        let pseudo =
            pseudo_header(version, received.source, received.destination, false).ok_or(family_mismatch)?;
        // The IPv6 checksum covers the whole payload (RFC 8200 section 8.1), the IPv4 one only the
        // message, whose end the header tells.
        let covered = match self.family {
            Family::V4 => frame.message,
            Family::V6 => frame.whole,
        };
        let found = frame.header.checksum;
        let remainder = pseudo.checksum(PROTOCOL_VRRP, covered);
        if remainder == 0 {
            Ok(())
        } else {
            Err(Reject::Checksum { expected: update(remainder, found, 0), found })
        }
    }

    /// What may follow the message: nothing, the trailer where one may come, or what Ethernet adds to reach 46 octets.
    /// Counted with the IP header that is 2 modulo 4, as all before it comes in fours.
    fn check_trailing(&self, frame: &Frame<'_>) -> Result<(), Reject> {
        const ETHERNET_PAYLOAD_MIN: usize = 46;
        let surplus = frame.trailing().len();
        let header_length =
            if self.authentication == Authentication::Header { authentication_header::LENGTH } else { 0 };
        let datagram_length = ipv4::HEADER_LENGTH + header_length + frame.message.len();
        let padding =
            frame.family == Family::V4 && datagram_length < ETHERNET_PAYLOAD_MIN && surplus % 4 == 2;
        let trailer = surplus == trailer::LENGTH;
        if surplus == 0 || padding || (trailer && matches!(self.proof, Proof::Trailer(_))) {
            Ok(())
        } else if trailer {
            Err(Reject::TrailerUnexpected)
        } else {
            Err(Reject::PacketLength { expected: frame.message.len(), found: frame.whole.len() })
        }
    }
}

#[cfg(test)]
mod tests;
