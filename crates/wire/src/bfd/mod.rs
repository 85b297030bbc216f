//! Bidirectional forwarding detection: control packets (RFC 5880 section 4), how they are authenticated
//! (section 6.7), and echo packets.
//!
//! [`Control`] is written and read; [`Received`] is one that came from outside, whole and sensible, and
//! not to be believed before [`Received::authenticate`].

mod authentication;
mod control;
mod echo;
mod fields;
mod reject;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

pub use authentication::{Algorithm, Key, KeyError, Sequence};
pub use control::{Control, Received};
pub use echo::Echo;
pub use fields::{Diagnostic, Discriminator, Microseconds, State};
pub use reject::{Counter, Reject};

/// UDP port of control packets over one hop (RFC 5881 section 4).
pub const PORT_SINGLE_HOP: u16 = 3784;
/// UDP port of control packets over several hops (RFC 5883 section 5).
pub const PORT_MULTIHOP: u16 = 4784;
/// UDP port of echo packets (RFC 5881 section 4).
pub const PORT_ECHO: u16 = 3785;
/// UDP ports that control packets come from (RFC 5881 section 4).
pub const SOURCE_PORTS: RangeInclusive<u16> = 49152..=65535;
/// TTL or hop limit over one hop (RFC 5881 section 5).
pub const HOP_LIMIT: u8 = 255;
/// Octets before the authentication section.
pub const HEADER_LENGTH: usize = 24;
/// Octets of the longest control packet.
pub const PACKET_LENGTH_MAX: usize = HEADER_LENGTH + 28;

const VERSION: u8 = 1;
