//! What a check worker is given to do: the configuration file boiled down to values that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_health::ServiceConfig;
use steadfast_kernel::ipvs::{Forwarding, ServerKey, Service, ServiceKey, SyncDaemon};

use super::seen::Followed;
use crate::link::vrrp::work::Settings as Scheduling;

/// Everything one check worker runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// The services by what they are called.
    pub services: BTreeMap<Arc<str>, Arc<Balanced>>,
    /// How the worker runs and uses the kernel.
    pub settings: Settings,
    /// Entries of the kernel that a reload took away while no worker could do it: they go at the start.
    pub abandoned: BTreeSet<ServiceKey>,
    /// What the supervisor has to see on its behalf.
    pub followed: Followed,
}

/// A service, and what it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balanced {
    /// For the machine.
    pub health: ServiceConfig,
    /// Of which group it is, and at which place among those that use the group.
    pub place_in_group: Option<(Arc<str>, usize)>,
    /// What it is in the kernel: one entry, or those of a group.
    pub keys: Vec<ServiceKey>,
    /// How these balance.
    pub service: Service,
    /// How packets reach its servers, ordered by address.
    pub servers: Vec<Reach>,
    /// Likewise the sorry server.
    pub sorry: Option<Reach>,
    /// It is in the kernel only while this instance is master.
    pub only_while_master: Option<Arc<str>>,
}

/// How packets reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Address and port as configured.
    pub address: SocketAddr,
    /// The way.
    pub forwarding: Forwarding,
    /// No new connections from this many on; 0 is no limit.
    pub upper_threshold: u32,
    /// New connections again below this many.
    pub lower_threshold: u32,
}

impl Reach {
    /// What it is in an entry of the kernel, which translates ports only together with addresses: any other server
    /// hears the port that the client asked for, of which a mark tells nothing.
    pub fn in_service(&self, service: ServiceKey) -> ServerKey {
        let port = match (self.forwarding, service) {
            (Forwarding::Masquerade, _) => self.address.port(),
            (_, ServiceKey::Address { port, .. }) => port,
            (_, ServiceKey::Mark { .. }) => 0,
        };
        ServerKey { address: self.address.ip(), port }
    }
}

/// How the worker runs and uses the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Of the process.
    pub scheduling: Scheduling,
    /// Empty the table at the start.
    pub flush: bool,
    /// Empty it at the end, also of what others put there.
    pub flush_at_end: bool,
    /// How long connections are remembered, seconds: TCP, TCP after a FIN, UDP.
    pub timeouts: [Option<u32>; 3],
    /// Daemons that tell connections to other directors, or hear of theirs.
    pub sync: Vec<SyncDaemon>,
    /// Of these only that of its role runs: the one that tells while this instance is master, else the one that hears.
    pub sync_follows: Option<Arc<str>>,
    /// At the start scripts are run also for the servers that are up from the beginning.
    pub tell_initial: bool,
    /// Who the checks are over TLS, for servers that ask.
    pub identity: Option<Identity>,
    /// Seed of the spread of first checks.
    pub seed: u64,
}

/// Where a certificate lies, with those that vouch for it, and its key: files in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The certificates.
    pub certificate: Arc<str>,
    /// The key.
    pub key: Arc<str>,
}
