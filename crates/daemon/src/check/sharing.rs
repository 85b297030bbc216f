//! Entries of the kernel that several services serve: each has the servers that any of them wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use steadfast_kernel::ipvs::{Server, ServerKey, ServiceKey};

use crate::link::check::work::Shared;

/// The place of the first service that has an entry. Of those behind it each has its own ([`Shared::place`]).
pub(super) const OWNER: u32 = 0;

/// The entries of which there is more than one service.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    entries: BTreeMap<ServiceKey, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Who serves it, by place.
    services: BTreeMap<u32, Arc<str>>,
    /// How each of them wants a server, by place.
    wanted: BTreeMap<ServerKey, BTreeMap<u32, Server>>,
}

impl Sharing {
    /// A service serves an entry behind others.
    pub(super) fn join(&mut self, service: &Arc<str>, shared: &Shared) {
        let entry = self.entries.entry(shared.key).or_default();
        entry.services.insert(OWNER, Arc::clone(&shared.owner));
        entry.services.insert(shared.place, Arc::clone(service));
    }

    /// A service is the first that has an entry.
    pub(super) fn own(&mut self, service: &Arc<str>, key: ServiceKey) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.services.insert(OWNER, Arc::clone(service));
        }
    }

    /// A service does not serve an entry any more at this place.
    pub(super) fn leave(&mut self, service: &Arc<str>, key: ServiceKey, place: u32) {
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.services.get(&place) == Some(service)
        {
            entry.services.remove(&place);
        }
    }

    /// Whether an entry is shared, or was until [`services`](Self::services) is asked for next.
    pub(super) fn is_shared(&self, key: ServiceKey) -> bool {
        self.entries.contains_key(&key)
    }

    /// Who serves an entry, in the order of their places. If that is the owner alone, the entry is shared no more.
    pub(super) fn services(&mut self, key: ServiceKey) -> Option<BTreeMap<u32, Arc<str>>> {
        let services = self.entries.get(&key)?.services.clone();
        if services.keys().all(|place| *place == OWNER) {
            self.entries.remove(&key);
        }
        Some(services)
    }

    /// What each service wants in an entry, from here on; what the entry has then comes back.
    pub(super) fn fill(
        &mut self,
        key: ServiceKey,
        servers: impl IntoIterator<Item = (u32, BTreeMap<ServerKey, Server>)>,
    ) -> BTreeMap<ServerKey, Server> {
        let mut wanted: BTreeMap<ServerKey, BTreeMap<u32, Server>> = BTreeMap::new();
        for (place, servers) in servers {
            for (server, how) in servers {
                wanted.entry(server).or_default().insert(place, how);
            }
        }
        let together =
            wanted.iter().filter_map(|(server, wishes)| Some((*server, together(wishes)?))).collect();
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.wanted = wanted;
        }
        together
    }

    /// How a server is wanted in an entry by all its services, when the one at a place wants it so, or does not.
    pub(super) fn want(
        &mut self,
        key: ServiceKey,
        place: u32,
        server: ServerKey,
        how: Option<Server>,
    ) -> Option<Server> {
        let Some(entry) = self.entries.get_mut(&key) else { return how };
        let wishes = entry.wanted.entry(server).or_default();
        match how {
            Some(how) => wishes.insert(place, how),
            None => wishes.remove(&place),
        };
        let together = together(wishes);
        if together.is_none() {
            entry.wanted.remove(&server);
        }
        together
    }
}

/// The first service counts that gives the server connections, else the first that wants it at all.
fn together(wishes: &BTreeMap<u32, Server>) -> Option<Server> {
    wishes.values().find(|server| server.weight > 0).or_else(|| wishes.values().next()).copied()
}

#[cfg(test)]
mod tests {
    use steadfast_kernel::ipvs::{Forwarding, Transport};

    use super::*;

    const KEY: ServiceKey = ServiceKey::Address {
        transport: Transport::Tcp,
        address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        port: 80,
    };

    fn server(weight: u32) -> Server {
        Server { forwarding: Forwarding::Masquerade, weight, upper_threshold: 0, lower_threshold: 0 }
    }

    fn at(last: u8) -> ServerKey {
        ServerKey { address: [10, 0, 0, last].into(), port: 80 }
    }

    #[test]
    fn a_server_stays_as_long_as_any_service_wants_it() {
        let [first, second]: [Arc<str>; 2] = ["first".into(), "second".into()];
        let mut sharing = Sharing::default();
        assert_eq!(sharing.services(KEY), None);
        // Alone the wish of a service is what the entry has.
        assert_eq!(sharing.want(KEY, OWNER, at(1), Some(server(3))), Some(server(3)));
        sharing.join(&second, &Shared { key: KEY, owner: Arc::clone(&first), place: 1 });
        assert_eq!(sharing.services(KEY).unwrap().into_values().collect::<Vec<_>>(), [first, second.clone()]);
        let parts = [
            (OWNER, BTreeMap::from([(at(1), server(1)), (at(3), server(3))])),
            (1, BTreeMap::from([(at(2), server(2)), (at(3), server(5))])),
        ];
        let all = BTreeMap::from([(at(1), server(1)), (at(2), server(2)), (at(3), server(3))]);
        assert_eq!(sharing.fill(KEY, parts), all);
        // It fails for one of them, for both, and comes back for one.
        assert_eq!(sharing.want(KEY, OWNER, at(3), None), Some(server(5)));
        assert_eq!(sharing.want(KEY, 1, at(3), None), None);
        assert_eq!(sharing.want(KEY, OWNER, at(3), Some(server(3))), Some(server(3)));
        // Weight 0 of one does not keep connections from a server that serves the other.
        assert_eq!(sharing.want(KEY, 1, at(3), Some(server(5))), Some(server(3)));
        assert_eq!(sharing.want(KEY, OWNER, at(3), Some(server(0))), Some(server(5)));
        assert_eq!(sharing.want(KEY, 1, at(3), Some(server(0))), Some(server(0)));
        sharing.leave(&second, KEY, 1);
        assert_eq!(sharing.services(KEY).map(|services| services.len()), Some(1));
        assert_eq!(sharing.services(KEY), None);
    }
}
