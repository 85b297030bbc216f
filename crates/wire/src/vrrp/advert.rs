//! A received advertisement, taken apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

use super::fields::{AdvertInterval, Centiseconds, Family, Priority, Version, Vrid};
use super::reject::Reject;
use super::trailer::Stamp;
use super::{AUTHENTICATION_LENGTH, HEADER_LENGTH, TYPE_ADVERTISEMENT};
use crate::cursor::Reader;

/// The virtual router that a message names, to find its instance before anything is checked.
/// `None` when the message is shorter than a header or the VRID is zero.
pub fn vrid_of(message: &[u8]) -> Option<Vrid> {
    Header::parse(message).and_then(|(header, _)| Vrid::new(header.vrid))
}

/// What an advertisement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Virtual router.
    pub vrid: Vrid,
    /// Priority of the sender; 0 when it gives up.
    pub priority: Priority,
    /// What differs between the versions.
    pub form: Form,
    /// In the sender's order.
    pub addresses: AddressList<'a>,
    /// Octets after the message: padding, or a trailer.
    pub trailing: &'a [u8],
    /// By what it was proven to be a router's of ours.
    pub proven: Proven,
}

/// What a check of authenticity has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proven {
    /// Nothing was asked for, or it was not asked; a password proves nothing that lasts.
    #[default]
    Nothing,
    /// The sequence number of an authentication header.
    Header(u32),
    /// The stamp of a trailer.
    Trailer(Stamp),
}

impl<'a> Advert<'a> {
    /// Takes a message apart and believes what it says of itself: for tools and tests that have
    /// nothing to compare it with. Neither the checksum nor an expectation is checked; the machine
    /// uses [`Expect::check`](super::Expect::check).
    ///
    /// # Errors
    /// When the octets are no advertisement of `family`.
    pub fn parse(family: Family, message: &'a [u8]) -> Result<Self, Reject> {
        let frame = Frame::parse(family, message)?;
        frame.version_known()?;
        frame.form_known()?;
        frame.type_known()?;
        frame.advert()
    }

    /// Time between two adverts of the sender.
    pub const fn interval(&self) -> AdvertInterval {
        match self.form {
            Form::V2 { interval, .. } => AdvertInterval::Seconds(interval),
            Form::V3 { interval } => AdvertInterval::Centiseconds(interval),
        }
    }

    /// Protocol version.
    pub const fn version(&self) -> Version {
        self.form.version()
    }
}

/// What the two versions put into the header differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// RFC 3768.
    V2 {
        /// Seconds between two adverts.
        interval: NonZeroU8,
        /// How the sender proves itself.
        authentication: Authentication,
    },
    /// RFC 5798 and RFC 9568.
    V3 {
        /// Hundredths of a second between two adverts.
        interval: Centiseconds,
    },
}

impl Form {
    /// The form that carries this interval; version 3 has no place for the authentication.
    pub const fn of(interval: AdvertInterval, authentication: Authentication) -> Self {
        match interval {
            AdvertInterval::Seconds(interval) => Self::V2 { interval, authentication },
            AdvertInterval::Centiseconds(interval) => Self::V3 { interval },
        }
    }

    /// Protocol version.
    pub const fn version(self) -> Version {
        match self {
            Self::V2 { .. } => Version::V2,
            Self::V3 { .. } => Version::V3,
        }
    }
}

/// Authentication inside a version 2 message (RFC 2338 section 5.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Authentication {
    /// Type 0.
    #[default]
    None,
    /// Type 1: a password in plain text, zero padded. Over IPv6, where version 2 has no
    /// authentication data, only the type is carried and the password reads as zeros.
    Password([u8; AUTHENTICATION_LENGTH]),
    /// Type 2: an authentication header in front of the message, which carries zeros.
    Header,
}

impl Authentication {
    /// The number in the header.
    pub const fn type_number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Password(_) => 1,
            Self::Header => 2,
        }
    }
}

/// Addresses of an advertisement, still as octets, as many as it counts (RFC 9568 section 5.2.5, RFC 3768 section 5.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressList<'a> {
    family: Family,
    octets: &'a [u8],
}

impl<'a> AddressList<'a> {
    /// How many.
    pub const fn len(self) -> usize {
        self.octets.len() / self.family.address_length()
    }

    /// None at all.
    pub const fn is_empty(self) -> bool {
        self.octets.is_empty()
    }

    /// In the sender's order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = IpAddr> + Clone + 'a {
        let family = self.family;
        self.octets.chunks_exact(family.address_length()).map(move |octets| address(family, octets))
    }

    /// How many of `wanted` are not there.
    pub fn missing(self, wanted: &[IpAddr]) -> usize {
        // Nearly every sender has the list in the same order; only others pay for a search.
        if self.iter().eq(wanted.iter().copied()) {
            return 0;
        }
        wanted.iter().filter(|address| !self.iter().any(|found| found == **address)).count()
    }

    /// As many as `expected`, and each of those is there; the order counts for nothing
    /// (RFC 9568 section 7.1).
    pub fn matches(self, expected: &[IpAddr]) -> bool {
        self.len() == expected.len() && self.missing(expected) == 0
    }
}

fn address(family: Family, octets: &[u8]) -> IpAddr {
    let mut reader = Reader::new(octets);
    match family {
        Family::V4 => Ipv4Addr::from(reader.array::<4>().unwrap_or_default()).into(),
        Family::V6 => Ipv6Addr::from(reader.array::<16>().unwrap_or_default()).into(),
    }
}

/// The first eight octets as they stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) version: u8,
    pub(super) kind: u8,
    pub(super) vrid: u8,
    pub(super) priority: u8,
    pub(super) address_count: u8,
    /// Version 2: authentication type and seconds. Version 3: four zero bits and centiseconds.
    pub(super) interval_field: [u8; 2],
    pub(super) checksum: u16,
}

impl Header {
    fn parse(message: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(message);
        let [version_and_type, vrid, priority, address_count] = reader.array()?;
        let header = Self {
            version: version_and_type >> 4,
            kind: version_and_type & 0x0f,
            vrid,
            priority,
            address_count,
            interval_field: reader.array()?,
            checksum: reader.u16()?,
        };
        Some((header, reader.rest()))
    }
}

/// A message whose length is right by its own count; nothing else is believed yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) family: Family,
    pub(super) header: Header,
    addresses: &'a [u8],
    authentication: Option<[u8; AUTHENTICATION_LENGTH]>,
    /// Header, addresses and authentication data.
    pub(super) message: &'a [u8],
    /// Everything, what trails the message included.
    pub(super) whole: &'a [u8],
    trailing: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(super) fn parse(family: Family, whole: &'a [u8]) -> Result<Self, Reject> {
        let short = Reject::PacketLength { expected: HEADER_LENGTH, found: whole.len() };
        let (header, _) = Header::parse(whole).ok_or(short)?;
        let addresses_length = usize::from(header.address_count) * family.address_length();
        // The sender's own version decides, so that a router of the other version is reported as
        // such and not as a damaged packet.
        let has_authentication = header.version == 2 && family == Family::V4;
        let authentication_length = if has_authentication { AUTHENTICATION_LENGTH } else { 0 };
        let expected = HEADER_LENGTH + addresses_length + authentication_length;
        let too_short = Reject::PacketLength { expected, found: whole.len() };

        let (message, trailing) = whole.split_at_checked(expected).ok_or(too_short)?;
        let mut reader = Reader::new(message);
        reader.slice(HEADER_LENGTH).ok_or(too_short)?;
        let addresses = reader.slice(addresses_length).ok_or(too_short)?;
        let authentication = reader.array();
        Ok(Self { family, header, addresses, authentication, message, whole, trailing })
    }

    pub(super) const fn trailing(&self) -> &'a [u8] {
        self.trailing
    }

    pub(super) fn version_known(&self) -> Result<Version, Reject> {
        Version::from_number(self.header.version)
            .ok_or(Reject::Version { expected: None, found: self.header.version })
    }

    /// Authentication and interval, as the version has them.
    pub(super) fn form_known(&self) -> Result<Form, Reject> {
        match self.version_known()? {
            Version::V2 => {
                let authentication = self.authentication()?;
                let interval = NonZeroU8::new(self.seconds()).ok_or(Reject::IntervalZero)?;
                Ok(Form::V2 { interval, authentication })
            }
            Version::V3 => {
                // The four reserved bits are ignored on reception (RFC 9568 section 5.2.6).
                let field = u16::from_be_bytes(self.header.interval_field) & 0x0fff;
                let interval = Centiseconds::new(field).ok_or(Reject::IntervalZero)?;
                Ok(Form::V3 { interval })
            }
        }
    }

    /// As the header has it; version 3 has none.
    pub(super) const fn authentication_type(&self) -> u8 {
        let [kind, _] = self.header.interval_field;
        if self.header.version == 2 { kind } else { 0 }
    }

    pub(super) fn authentication(&self) -> Result<Authentication, Reject> {
        match self.authentication_type() {
            0 => Ok(Authentication::None),
            1 => Ok(Authentication::Password(self.authentication.unwrap_or_default())),
            2 => Ok(Authentication::Header),
            found => Err(Reject::AuthType { found }),
        }
    }

    /// Version 2 only.
    pub(super) const fn seconds(&self) -> u8 {
        let [_, seconds] = self.header.interval_field;
        seconds
    }

    pub(super) fn type_known(&self) -> Result<(), Reject> {
        if self.header.kind == TYPE_ADVERTISEMENT {
            Ok(())
        } else {
            Err(Reject::Type { found: self.header.kind })
        }
    }

    pub(super) fn advert(&self) -> Result<Advert<'a>, Reject> {
        Ok(Advert {
            vrid: Vrid::new(self.header.vrid).ok_or(Reject::VridZero)?,
            priority: Priority::new(self.header.priority),
            form: self.form_known()?,
            addresses: AddressList { family: self.family, octets: self.addresses },
            trailing: self.trailing,
            proven: Proven::Nothing,
        })
    }
}
