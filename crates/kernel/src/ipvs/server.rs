//! Servers: those that serve a service.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::Statistics;

/// What tells one server of a service from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerKey {
    /// Address.
    pub address: IpAddr,
    /// Port; 0 for services of marks or of every port.
    pub port: u16,
}

/// How a server is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Its share; 0 gets no new connections. The kernel reads it as signed: up to 2,147,483,647.
    pub weight: u32,
    /// No new connections from this many on; 0 is no limit.
    pub upper_threshold: u32,
    /// New connections again below this many; 0 is three quarters of the upper one.
    pub lower_threshold: u32,
}

/// How packets reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forwarding {
    /// Address translation.
    Masquerade,
    /// Direct routing.
    Direct,
    /// A tunnel.
    Tunnel(Tunnel),
    /// The address is the kernel's own: it says so in place of the method that was asked for.
    Local,
    /// Past the balancer; the kernel's own for `cache_bypass`.
    Bypass,
}

/// Encapsulation of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// Where the server listens for it.
        port: NonZeroU16,
        /// Its checksum.
        checksum: Checksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// Its checksum.
        checksum: Checksum,
    },
}

/// Checksum of an encapsulation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checksum {
    /// None.
    #[default]
    None,
    /// Computed.
    Computed,
    /// Left to the receiver.
    Remote,
}

/// A server as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedServer {
    /// Which.
    pub key: ServerKey,
    /// Its settings.
    pub server: Server,
    /// What it does.
    pub connections: Connections,
    /// What it has done.
    pub statistics: Statistics,
}

/// Connections of a server at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Established.
    pub active: u32,
    /// In any other state.
    pub inactive: u32,
    /// Templates of persistence.
    pub persistent: u32,
}

impl Server {
    /// Whether the kernel has what is `wanted`.
    pub fn satisfies(self, wanted: Self) -> bool {
        let forwarding = match (self.forwarding, wanted.forwarding) {
            // A method is pointless for the kernel's own address, and it does not keep it.
            (Forwarding::Local, _) => wanted.forwarding,
            (found, _) => found,
        };
        Self { forwarding, ..self } == wanted
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}
