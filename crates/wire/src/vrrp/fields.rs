//! The values that a VRRP header carries, as types that cannot hold anything else.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Virtual router identifier, 1 to 255 (RFC 9568 section 5.2.3, RFC 3768 section 5.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The smallest.
    pub const MIN: Self = Self(NonZeroU8::MIN);

    /// `None` for zero, which names no virtual router.
    pub const fn new(value: u8) -> Option<Self> {
        match NonZeroU8::new(value) {
            Some(v) => Some(Self(v)),
            None => None,
        }
    }

    /// The number as it stands in the packet.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority of a router for one virtual router (RFC 9568 section 5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(u8);

impl Priority {
    /// The sender gives the virtual router up.
    pub const RELEASE: Self = Self(0);
    /// Lowest priority a router can take part with.
    pub const LOWEST: Self = Self(1);
    /// Used where nothing is configured.
    pub const DEFAULT: Self = Self(100);
    /// Highest priority of a router that does not own the addresses.
    pub const HIGHEST_BACKUP: Self = Self(254);
    /// The router that owns the addresses.
    pub const OWNER: Self = Self(255);

    /// Every octet is a valid priority on the wire.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number as it stands in the packet.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Advertisement interval in hundredths of a second, 1 to 4095: the 12 bits of RFC 9568 section 5.2.7, and what section
/// 6.1 allows (erratum 8301).
///
/// Version 2 carries whole seconds up to 255 (RFC 3768 section 5.3.7); see [`AdvertInterval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Centiseconds(u16);

impl Centiseconds {
    /// Smallest interval version 3 can carry: 10 ms.
    pub const MIN: Self = Self(1);
    /// Largest interval version 3 can carry: 40.95 s.
    pub const MAX: Self = Self(4095);

    /// `None` outside 1 to 4095.
    pub const fn new(value: u16) -> Option<Self> {
        if value >= 1 && value <= 4095 { Some(Self(value)) } else { None }
    }

    /// The number as it stands in the packet.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The same length of time as a [`Duration`].
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64 * 10)
    }
}

/// Advertisement interval as its version carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AdvertInterval {
    /// Whole seconds, 1 to 255 (RFC 3768 section 5.3.7).
    Seconds(NonZeroU8),
    /// Hundredths of a second (RFC 9568 section 5.2.7).
    Centiseconds(Centiseconds),
}

impl AdvertInterval {
    /// The same length of time as a [`Duration`].
    pub const fn duration(self) -> Duration {
        match self {
            Self::Seconds(s) => Duration::from_secs(s.get() as u64),
            Self::Centiseconds(c) => c.duration(),
        }
    }

    /// The version whose header carries it.
    pub const fn version(self) -> Version {
        match self {
            Self::Seconds(_) => Version::V2,
            Self::Centiseconds(_) => Version::V3,
        }
    }
}

/// Protocol version (RFC 9568 section 5.2.1, RFC 3768 section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// RFC 3768: whole seconds, optional authentication data.
    V2,
    /// RFC 5798 and RFC 9568: centiseconds, both address families.
    V3,
}

impl Version {
    /// The number in the high nibble of the first octet.
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// `None` for a version that is not spoken.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// Address family of a virtual router; the two are separate virtual routers even with equal VRIDs
/// (RFC 9568 section 5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Octets of an address.
    pub const fn address_length(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}
