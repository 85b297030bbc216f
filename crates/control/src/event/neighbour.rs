//! Other daemons on the same machine, and what they run.

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::{Family, Vrid};

/// A daemon beside this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its process id; `None` when it may not be looked into, as in another container.
    pub pid: Option<u32>,
    /// Its name in process lists.
    pub name: String,
}

/// What makes two virtual routers the same on a segment (RFC 9568 section 1.2: a VRID and a family on a LAN).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VirtualRouter {
    /// Name of its interface.
    pub interface: String,
    /// Its family.
    pub family: Family,
    /// Its identifier.
    pub vrid: Vrid,
}

/// A virtual router that another daemon runs already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    /// The other daemon.
    pub neighbour: Neighbour,
    /// The virtual router.
    pub router: VirtualRouter,
    /// Name of its instance there.
    pub theirs: String,
    /// Name of its instance here.
    pub ours: String,
}
