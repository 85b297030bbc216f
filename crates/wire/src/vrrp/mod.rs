//! VRRP version 2 (RFC 3768) and version 3 (RFC 5798, RFC 9568) advertisements.

mod fields;

pub use fields::{AdvertInterval, Centiseconds, Family, Priority, Version, Vrid};
