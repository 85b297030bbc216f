//! Services: what clients connect to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Family;

use super::Statistics;

/// Longest name of a scheduler or persistence engine (IP_VS_SCHEDNAME_MAXLEN less its NUL).
pub const NAME_BYTES_MAX: usize = 15;

/// What a service balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// What tells one service from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServiceKey {
    /// Packets to an address and port.
    Address {
        /// Transport protocol.
        transport: Transport,
        /// Address.
        address: IpAddr,
        /// Port; 0 is every port, which needs persistence.
        port: u16,
    },
    /// Packets with a firewall mark. Services with the same mark and another family are others.
    Mark {
        /// Address family.
        family: Family,
        /// The mark.
        mark: u32,
    },
}

/// How a service balances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The scheduler.
    pub scheduler: Name,
    /// Options of the scheduler.
    pub scheduler_flags: SchedulerFlags,
    /// Schedules every packet for itself (UDP).
    pub one_packet: bool,
    /// Sends a client to the same server again.
    pub persistence: Option<Persistence>,
}

/// The three options of a scheduler, bit 0 first. For `sh` and `mh`: fallback, then port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerFlags(u8);

/// Sends a client to the same server again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persistence {
    /// For this long after its last connection.
    pub seconds: u32,
    /// Clients with this many leading bits in common are one; `None` only for a mask that another program set and that
    /// is no prefix.
    pub prefix: Option<u8>,
    /// Tells clients apart by more than their address.
    pub engine: Option<Name>,
}

/// Name of a scheduler or persistence engine. Thousands of services have one, so that it stands in no memory of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name {
    /// UTF-8, and NUL behind it.
    octets: [u8; NAME_BYTES_MAX],
}

/// A service as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedService {
    /// Which.
    pub key: ServiceKey,
    /// Its settings.
    pub service: Service,
    /// What it has done.
    pub statistics: Statistics,
}

impl Transport {
    /// Its number in the IP header.
    pub(super) const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// Its place where something is held for each of them.
    pub const fn place(self) -> usize {
        match self {
            Self::Tcp => 0,
            Self::Udp => 1,
            Self::Sctp => 2,
        }
    }

    pub(super) const fn of_number(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl ServiceKey {
    /// Address family of its packets.
    pub const fn family(self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(address),
            Self::Mark { family, .. } => family,
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { transport, address, port } => {
                let name = match transport {
                    Transport::Tcp => "tcp",
                    Transport::Udp => "udp",
                    Transport::Sctp => "sctp",
                };
                write!(f, "{name} {}", SocketAddr::new(*address, *port))
            }
            Self::Mark { family: Family::V4, mark } => write!(f, "mark {mark}"),
            Self::Mark { family: Family::V6, mark } => write!(f, "IPv6 mark {mark}"),
        }
    }
}

impl SchedulerFlags {
    /// From their three bits; further ones are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 7)
    }

    /// The three bits.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl Name {
    /// None if it is empty, too long, or holds a NUL.
    pub fn new(name: &str) -> Option<Self> {
        let mut octets = [0; NAME_BYTES_MAX];
        let fits = !name.is_empty() && !name.contains('\0');
        octets.get_mut(..name.len()).filter(|_| fits)?.copy_from_slice(name.as_bytes());
        Some(Self { octets })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        let name = self.octets.split(|octet| *octet == 0).next().unwrap_or_default();
        // It was made of text.
        str::from_utf8(name).unwrap_or_default()
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name).ok_or("not the name of a scheduler or persistence engine")
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_long_as_the_kernel_takes() {
        for name in ["rr", "wlc", "fifteen_octets_"] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
            assert_eq!(Name::try_from(String::from(Name::new(name).unwrap())), Ok(Name::new(name).unwrap()));
        }
        for name in ["", "sixteen_octets__", "a\0b"] {
            assert_eq!(Name::new(name), None);
            assert!(Name::try_from(name.to_owned()).is_err());
        }
    }
}
