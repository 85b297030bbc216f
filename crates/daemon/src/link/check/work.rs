//! What a check worker is given to do: the configuration file boiled down to values that can be compared.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_health::{ServiceConfig, Target};
use steadfast_kernel::ipvs::{Forwarding, Server, ServerKey, Service, ServiceKey, SyncDaemon, Transport};
use steadfast_kernel::nftables::Element;

use crate::link::vrrp::work::Settings as Scheduling;

/// A service, and what it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balanced {
    /// For the machine, which alone keeps it.
    pub health: ServiceConfig,
    /// For the kernel.
    pub placement: Arc<Placement>,
}

/// What a service is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// What it is called.
    pub key: Arc<str>,
    /// Its checks rest while its address is not here.
    pub ha_suspend: bool,
    /// Of which group it is, and at which place among those that use the group.
    pub place_in_group: Option<(Arc<str>, usize)>,
    /// One entry, or those of a group.
    pub keys: Box<[ServiceKey]>,
    /// Entries that services before it have and that it serves as well.
    pub shared: Box<[Shared]>,
    /// Addresses that the kernel knows by a mark alone.
    pub marked: Box<[Marked]>,
    /// How these balance.
    pub service: Service,
    /// How packets reach its servers.
    pub ways: Ways,
    /// Likewise the sorry server.
    pub sorry: Option<Reach>,
    /// It is in the kernel only while this instance is master.
    pub only_while_master: Option<Arc<str>>,
}

/// An entry of the kernel that a service serves together with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The entry.
    pub key: ServiceKey,
    /// The first service that has it.
    pub owner: Arc<str>,
    /// The how manieth this one is behind that, from 1.
    pub place: u32,
}

/// Addresses of a group, packets to which get a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// The protocol.
    pub transport: Transport,
    /// The first address.
    pub first: IpAddr,
    /// The last one.
    pub last: IpAddr,
    /// Port; 0 is every port.
    pub port: u16,
    /// The mark.
    pub mark: u32,
}

impl Marked {
    /// What the packet filters are to do.
    pub const fn element(self) -> Element {
        let Self { transport, first, last, port, mark } = self;
        Element::Marked { transport, first, last, port, mark }
    }

    /// Whether an address is among them.
    pub fn has(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

/// How packets reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Address and port as configured.
    pub address: SocketAddr,
    /// How from there.
    pub way: Way,
}

/// How packets reach servers, and how many connections one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The way.
    pub forwarding: Forwarding,
    /// No new connections from this many on; 0 is no limit.
    pub upper_threshold: u32,
    /// New connections again below this many.
    pub lower_threshold: u32,
}

/// The ways to the servers of a service. One that most of them have in common is held once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ways {
    common: Option<Way>,
    /// Those to other servers, ordered by address.
    others: Box<[(SocketAddr, Way)]>,
}

impl Ways {
    /// Of two servers with the same address the first counts.
    pub fn of(servers: impl IntoIterator<Item = Reach>) -> Self {
        let mut servers: Vec<_> = servers.into_iter().map(|reach| (reach.address, reach.way)).collect();
        servers.sort_by_key(|(address, _)| *address);
        servers.dedup_by_key(|(address, _)| *address);
        // Boyer and Moore's vote: the way of more than half of them, if there is such.
        let mut common = None;
        let mut lead = 0_u32;
        for (_, way) in &servers {
            if lead == 0 {
                common = Some(*way);
            }
            lead = if common == Some(*way) { lead + 1 } else { lead - 1 };
        }
        let others = servers.into_iter().filter(|(_, way)| Some(*way) != common);
        Self { common, others: others.collect() }
    }

    /// The way to a server.
    pub fn to(&self, address: SocketAddr) -> Option<Reach> {
        let place = self.others.binary_search_by_key(&address, |(address, _)| *address).ok();
        let other = place.and_then(|place| self.others.get(place)).map(|(_, way)| *way);
        other.or(self.common).map(|way| Reach { address, way })
    }
}

impl Placement {
    /// All entries of the kernel that it serves.
    pub fn entries(&self) -> impl Iterator<Item = ServiceKey> {
        self.keys.iter().copied().chain(self.shared.iter().map(|shared| shared.key))
    }

    /// How many these are.
    pub const fn entry_count(&self) -> usize {
        self.keys.len().saturating_add(self.shared.len())
    }

    /// How packets reach an entry.
    pub fn reach(&self, target: Target) -> Option<Reach> {
        match target {
            Target::Sorry => self.sorry,
            Target::Server(address) => self.ways.to(address),
        }
    }
}

impl Reach {
    /// What it is in an entry of the kernel, which translates ports only together with addresses: any other server
    /// hears the port that the client asked for, of which a mark tells nothing.
    pub fn in_service(&self, service: ServiceKey) -> ServerKey {
        let port = match (self.way.forwarding, service) {
            (Forwarding::Masquerade, _) => self.address.port(),
            (_, ServiceKey::Address { port, .. }) => port,
            (_, ServiceKey::Mark { .. }) => 0,
        };
        ServerKey { address: self.address.ip(), port }
    }

    /// How the kernel uses it with this weight.
    pub const fn server(&self, weight: u32) -> Server {
        let Way { forwarding, upper_threshold, lower_threshold } = self.way;
        Server { forwarding, weight, upper_threshold, lower_threshold }
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
    /// Connections end whose server is gone; persistence likewise.
    pub expire: [bool; 2],
    /// Daemons that tell connections to other directors, or hear of theirs.
    pub sync: Vec<SyncDaemon>,
    /// Of these only that of its role runs: the one that tells while this instance is master, else the one that hears.
    pub sync_follows: Option<Arc<str>>,
    /// At the start scripts are run also for the servers that are up from the beginning.
    pub tell_initial: bool,
    /// The packet filters that mark packets, if any do.
    pub marking: Option<Marking>,
    /// Who the checks are over TLS, for servers that ask.
    pub identity: Option<Identity>,
    /// Seed of the spread of first checks.
    pub seed: u64,
}

/// How the packet filters look that mark packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marking {
    /// Name of the tables.
    pub table: Arc<str>,
    /// Priority of the chains.
    pub priority: i32,
    /// Whether rules count.
    pub counters: bool,
}

/// Where a certificate lies, with those that vouch for it, and its key: files in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The certificates.
    pub certificate: Arc<str>,
    /// The key.
    pub key: Arc<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_most_servers_share_is_held_once() {
        let at = |last: u8| SocketAddr::from(([192, 0, 2, last], 80));
        let way =
            |upper_threshold| Way { forwarding: Forwarding::Direct, upper_threshold, lower_threshold: 0 };
        let reach = |last, upper| Reach { address: at(last), way: way(upper) };
        let ways = Ways::of([reach(9, 7), reach(3, 0), reach(1, 0), reach(2, 0), reach(9, 0)]);
        assert_eq!(ways.others.as_ref(), [(at(9), way(7))]);
        for (last, upper) in [(1, 0), (2, 0), (3, 0), (9, 7)] {
            assert_eq!(ways.to(at(last)), Some(reach(last, upper)));
        }
        assert_eq!(Ways::of([]).to(at(1)), None);
    }
}
