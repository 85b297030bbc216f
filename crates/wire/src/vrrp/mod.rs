//! VRRP version 2 (RFC 3768) and version 3 (RFC 5798, RFC 9568) advertisements.
//!
//! [`Advertisement`] writes one, [`Advert`] is one that was received, and [`Expect::check`] tells
//! whether a received one may be believed, in keepalived's order and with its counters.

mod advert;
mod authentication_header;
mod blank;
mod check;
mod fields;
mod key;
mod reject;
mod trailer;
mod write;

pub use advert::{AddressList, Advert, Authentication, Form, Proven, vrid_of};
pub use authentication_header::{
    Carrier, Envelope, HeaderProof, IpProtocol, LENGTH as AUTHENTICATION_HEADER_LENGTH,
};
pub use blank::{blank, sign_blank};
pub use check::{Expect, Proof, Received};
pub use fields::{AdvertInterval, Centiseconds, Family, Priority, Version, Vrid};
pub use key::Key;
pub use reject::{Counter, Reject};
pub use trailer::{LENGTH as TRAILER_LENGTH, Signature, Stamp, TrailerKey, TrailerProof};
pub use write::{Advertisement, WriteError, address_limit, pseudo_header, seal, set_priority};

/// Octets before the address list.
pub const HEADER_LENGTH: usize = 8;
/// Octets of authentication data after the address list of version 2 over IPv4 (RFC 3768
/// section 5.3.10).
pub const AUTHENTICATION_LENGTH: usize = 8;
/// Most addresses that the count field can tell.
pub const ADDRESSES_MAX: usize = 255;
/// The only message type (RFC 9568 section 5.2.2, RFC 3768 section 5.3.2).
pub const TYPE_ADVERTISEMENT: u8 = 1;
/// What an advertisement on the link must arrive with (RFC 9568 sections 5.1.1.3 and 5.1.2.3, RFC 3768
/// section 5.2.3).
pub const HOP_LIMIT: u8 = 255;

const PRIORITY_OFFSET: usize = 2;
const CHECKSUM_OFFSET: usize = 6;
