//! Writing an advertisement.

use std::net::IpAddr;

use thiserror::Error;

use super::advert::{Authentication, Form};
use super::fields::{Family, Priority, Version, Vrid};
use super::trailer::Signature;
use super::{
    ADDRESSES_MAX, AUTHENTICATION_LENGTH, CHECKSUM_OFFSET, HEADER_LENGTH, PRIORITY_OFFSET, TYPE_ADVERTISEMENT,
};
use crate::checksum::{PseudoHeader, update};
use crate::cursor::{set_u16, word_at};
use crate::ipv4::PROTOCOL_VRRP;
use crate::{ethernet, ipv4, ipv6};

/// An advertisement to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertisement<'a> {
    /// Virtual router.
    pub vrid: Vrid,
    /// Own priority; 0 to give up.
    pub priority: Priority,
    /// Interval and authentication.
    pub form: Form,
    /// Family of the addresses, and of the datagram.
    pub family: Family,
    /// In this order.
    pub addresses: &'a [IpAddr],
}

impl Advertisement<'_> {
    /// Replaces the contents of `out` with the message, its checksum over `pseudo` included (see
    /// [`pseudo_header`]).
    ///
    /// # Errors
    /// When there are too many addresses or one is of the other family. `out` is then empty.
    pub fn write(&self, pseudo: PseudoHeader, out: &mut Vec<u8>) -> Result<(), WriteError> {
        self.write_unsealed(out)?;
        seal(self.family, out.len(), pseudo, out);
        Ok(())
    }

    /// The same with a trailer. What of it the checksum covers is in [`seal`], which makes another one for another
    /// destination.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_signed(
        &self,
        pseudo: PseudoHeader,
        signature: &Signature<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), WriteError> {
        self.write_unsealed(out)?;
        let length = out.len();
        signature.append(self.form.version(), self.vrid, out);
        seal(self.family, length, pseudo, out);
        Ok(())
    }

    fn write_unsealed(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        out.clear();
        let count = u8::try_from(self.addresses.len())
            .map_err(|_| WriteError::AddressCount { found: self.addresses.len() })?;
        if let Some(found) = self.addresses.iter().find(|address| Family::of(**address) != self.family) {
            return Err(WriteError::AddressFamily { expected: self.family, found: *found });
        }
        // The interval leaves the four reserved bits before it zero (RFC 9568 section 5.2.6).
        let interval_field = match self.form {
            Form::V2 { interval, authentication } => [authentication.type_number(), interval.get()],
            Form::V3 { interval } => interval.get().to_be_bytes(),
        };
        let version_and_type = (self.form.version().number() << 4) | TYPE_ADVERTISEMENT;
        out.extend([version_and_type, self.vrid.get(), self.priority.get(), count]);
        out.extend(interval_field);
        out.extend([0, 0]);
        for address in self.addresses {
            match address {
                IpAddr::V4(address) => out.extend(address.octets()),
                IpAddr::V6(address) => out.extend(address.octets()),
            }
        }
        // Always there over IPv4, zero without a password (RFC 3768 section 5.3.10).
        if let (Form::V2 { authentication, .. }, Family::V4) = (self.form, self.family) {
            out.extend(match authentication {
                Authentication::None | Authentication::Header => [0; AUTHENTICATION_LENGTH],
                Authentication::Password(password) => password,
            });
        }
        Ok(())
    }
}

/// Puts the checksum over `pseudo` into a message of `length` octets and what trails it. The IPv6 checksum covers the
/// whole payload (RFC 8200 section 8.1), the IPv4 one only the message.
pub fn seal(family: Family, length: usize, pseudo: PseudoHeader, out: &mut [u8]) {
    set_u16(out, CHECKSUM_OFFSET, 0);
    let covered = match family {
        Family::V4 => out.get(..length).unwrap_or_default(),
        Family::V6 => out,
    };
    let sum = pseudo.checksum(PROTOCOL_VRRP, covered);
    set_u16(out, CHECKSUM_OFFSET, sum);
}

/// Why an advertisement cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WriteError {
    /// More than the count field can tell.
    #[error("an advertisement holds at most {ADDRESSES_MAX} addresses, found {found}: exclude some")]
    AddressCount {
        /// How many there are.
        found: usize,
    },
    /// An address of the other family.
    #[error("expected only {expected} addresses in the advertisement, found {found}")]
    AddressFamily {
        /// Family of the virtual router.
        expected: Family,
        /// The address.
        found: IpAddr,
    },
}

/// What an advertisement's checksum covers besides itself: nothing for version 2 over IPv4
/// (RFC 3768 section 5.3.8), the addresses of the datagram for version 3 (RFC 9568 section 5.2.8,
/// left out over IPv4 by `v3_checksum_as_v2`) and always over IPv6 (RFC 8200 section 8.1).
///
/// `None` when the addresses are of different families.
pub const fn pseudo_header(
    version: Version,
    source: IpAddr,
    destination: IpAddr,
    v3_checksum_as_v2: bool,
) -> Option<PseudoHeader> {
    match PseudoHeader::between(source, destination) {
        Some(PseudoHeader::V4 { .. }) if matches!(version, Version::V2) || v3_checksum_as_v2 => {
            Some(PseudoHeader::None)
        }
        pseudo => pseudo,
    }
}

/// Changes the priority of a written message in place, its checksum with it, whatever that covers.
pub fn set_priority(message: &mut [u8], priority: Priority) {
    let (Some(old), Some(sum)) = (word_at(message, PRIORITY_OFFSET), word_at(message, CHECKSUM_OFFSET))
    else {
        return;
    };
    let new = u16::from_be_bytes([priority.get(), old.to_be_bytes()[1]]);
    set_u16(message, PRIORITY_OFFSET, new);
    set_u16(message, CHECKSUM_OFFSET, update(sum, old, new));
}

/// Most addresses that one advertisement can carry on an interface with this MTU, the Ethernet
/// header counted against it as keepalived does.
pub const fn address_limit(mtu: u32, family: Family, version: Version) -> usize {
    let ip = match family {
        Family::V4 => ipv4::HEADER_LENGTH,
        Family::V6 => ipv6::HEADER_LENGTH,
    };
    let authentication = match (family, version) {
        (Family::V4, Version::V2) => AUTHENTICATION_LENGTH,
        _ => 0,
    };
    let overhead = ethernet::HEADER_LENGTH + ip + HEADER_LENGTH + authentication;
    let fit = (mtu as usize).saturating_sub(overhead) / family.address_length();
    if fit < ADDRESSES_MAX { fit } else { ADDRESSES_MAX }
}
