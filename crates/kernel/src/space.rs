//! Spaces: the network namespaces that one process works in at the same time.
//!
//! An interface index, an address, a route, a socket and the table of IPVS mean something only within one of them; so
//! what is kept of several is kept by [`SpaceId`] first. A socket belongs for good to the space that it was made in,
//! whichever thread uses it later: only the moment of making it has to be spent there ([`Space::within`]).

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::namespace::{NAMED_NETWORKS, Network};
use crate::process::handover::Kept;

/// The network namespace that a machine starts with: that of its first process.
const INITIAL: &str = "/proc/1/ns/net";

/// Which of the spaces of this process: the first part of every key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceId(pub u16);

impl SpaceId {
    /// The one that the process lives in.
    pub const OWN: Self = Self(0);
}

/// A network namespace to work in.
#[derive(Debug)]
pub struct Space {
    id: SpaceId,
    /// None for the process's own.
    network: Option<Network>,
}

impl Space {
    /// The one that the process lives in.
    pub const fn own() -> Self {
        Self { id: SpaceId::OWN, network: None }
    }

    /// One that another process or `ip netns` made.
    ///
    /// # Errors
    /// When there is no such namespace, or /proc is not mounted.
    pub fn open(id: SpaceId, name: &str) -> Result<Self> {
        Ok(Self { id, network: Some(Network::open(&path(name))?) })
    }

    /// One that the program held which this process ran before.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub fn adopt(id: SpaceId, kept: Kept) -> Result<Self> {
        Ok(Self { id, network: Some(Network::adopt(kept)?) })
    }

    /// Its descriptor, for the program that comes; none of the process's own.
    pub fn kept(&self) -> Option<Kept> {
        self.network.as_ref().map(Kept::of)
    }

    /// Which one it is.
    pub const fn id(&self) -> SpaceId {
        self.id
    }

    /// Whether the process lives in it, so that nothing has to be entered.
    pub const fn is_own(&self) -> bool {
        self.network.is_none()
    }

    /// Does `work` in the space, on the calling thread, which then goes back to where it was. What `work` starts must not
    /// outlive it, but for sockets.
    ///
    /// # Errors
    /// When the space cannot be entered: CAP_SYS_ADMIN is needed. `work` has not been done then.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        let Some(network) = &self.network else { return Ok(work()) };
        let way_back = WayBack(Network::current()?);
        network.enter()?;
        let done = work();
        drop(way_back);
        Ok(done)
    }
}

/// Where a name leads: one of `ip netns`, a path where it has a slash, the machine's first one where it is empty.
fn path(name: &str) -> PathBuf {
    match name {
        "" => INITIAL.into(),
        path if path.contains('/') => path.into(),
        name => Path::new(NAMED_NETWORKS).join(name),
    }
}

/// Leads the thread back, also out of a panic.
struct WayBack(Network);

impl Drop for WayBack {
    /// A thread that stayed would work on the interfaces of others from here on: better no process than that.
    fn drop(&mut self) {
        if self.0.enter().is_err() {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests;
