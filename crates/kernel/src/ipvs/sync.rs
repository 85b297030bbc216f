//! The kernel's daemons that tell connections to other directors, and hear of theirs.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a daemon does. Both may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SyncRole {
    /// Tells.
    Master,
    /// Hears.
    Backup,
}

/// One of the two daemons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncDaemon {
    /// What it does.
    pub role: SyncRole,
    /// Interface it speaks on.
    pub interface: String,
    /// Directors with another number are not heard.
    pub id: u8,
    /// Longest message; the kernel's default, which follows the interface, without it.
    pub message_bytes: Option<u16>,
    /// Multicast group; 224.0.0.81 without it.
    pub group: Option<IpAddr>,
    /// UDP port; 8848 without it.
    pub port: Option<u16>,
    /// Hop limit; 1 without it.
    pub hops: Option<u8>,
}

impl SyncDaemon {
    /// Whether the daemon that runs is what is `wanted`: what is not said counts as the kernel's choice.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        fn said<T: PartialEq>(found: &Option<T>, wanted: &Option<T>) -> bool {
            wanted.is_none() || found == wanted
        }
        (self.role, &self.interface, self.id) == (wanted.role, &wanted.interface, wanted.id)
            && said(&self.message_bytes, &wanted.message_bytes)
            && said(&self.group, &wanted.group)
            && said(&self.port, &wanted.port)
            && said(&self.hops, &wanted.hops)
    }
}
