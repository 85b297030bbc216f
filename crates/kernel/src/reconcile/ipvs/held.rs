//! One service: what is wanted of it, and what the kernel has. There may be tens of thousands of servers, nearly all of which
//! are as they are wanted, so that only differences are held beside what is wanted.

use std::collections::BTreeMap;

use super::sorted::Sorted;
use crate::ipvs::{Server, ServerKey, Service};

/// A service that is wanted, or there, or both.
#[derive(Debug, Default)]
pub(super) struct Held {
    wanted: Option<Wanted>,
    present: Option<Present>,
}

#[derive(Debug)]
struct Wanted {
    service: Service,
    servers: Sorted<ServerKey, Server>,
}

/// Where the kernel has something else.
#[derive(Debug, Default)]
struct Present {
    /// None: it is as it is wanted.
    service: Option<Service>,
    /// Servers that are otherwise than wanted, or not there; all others are as they are wanted.
    others: BTreeMap<ServerKey, Option<Server>>,
}

impl Present {
    fn set(&mut self, key: ServerKey, found: Option<Server>, wanted: Option<Server>) {
        if found == wanted {
            self.others.remove(&key);
            self.give_back();
        } else {
            self.others.insert(key, found);
        }
    }

    /// An empty map keeps a node.
    fn give_back(&mut self) {
        if self.others.is_empty() {
            self.others = BTreeMap::new();
        }
    }
}

impl Held {
    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(super) const fn is_present(&self) -> bool {
        self.present.is_some()
    }

    pub(super) fn wanted_service(&self) -> Option<&Service> {
        self.wanted.as_ref().map(|wanted| &wanted.service)
    }

    pub(super) fn present_service(&self) -> Option<&Service> {
        self.present.as_ref()?.service.as_ref().or_else(|| self.wanted_service())
    }

    pub(super) fn wanted_server(&self, key: ServerKey) -> Option<Server> {
        self.wanted.as_ref()?.servers.get(&key).copied()
    }

    pub(super) fn present_server(&self, key: ServerKey) -> Option<Server> {
        let other = self.present.as_ref()?.others.get(&key);
        other.map_or_else(|| self.wanted_server(key), |other| *other)
    }

    pub(super) fn wanted_servers(&self) -> impl Iterator<Item = (ServerKey, Server)> + '_ {
        self.wanted.iter().flat_map(|wanted| wanted.servers.iter()).copied()
    }

    /// Servers that the kernel has, in no order.
    pub(super) fn present_servers(&self) -> impl Iterator<Item = (ServerKey, Server)> + '_ {
        let others = self.present.iter().flat_map(|present| &present.others);
        let others = others.filter_map(|(key, found)| Some((*key, (*found)?)));
        let as_wanted = self
            .present
            .iter()
            .flat_map(|present| self.wanted_servers().filter(|(key, _)| !present.others.contains_key(key)));
        as_wanted.chain(others)
    }

    /// Servers of which wanted and present may differ.
    pub(super) fn differing(&self) -> impl Iterator<Item = ServerKey> + '_ {
        self.present.iter().flat_map(|present| present.others.keys().copied())
    }

    // What is wanted.

    /// Whether anything else was wanted before.
    pub(super) fn wish(&mut self, service: Service) -> bool {
        match &mut self.wanted {
            Some(wanted) if wanted.service == service => false,
            Some(wanted) => {
                let before = std::mem::replace(&mut wanted.service, service);
                if let Some(present) = &mut self.present {
                    present.service.get_or_insert(before);
                }
                true
            }
            None => {
                self.wanted = Some(Wanted { service, servers: Sorted::default() });
                true
            }
        }
    }

    /// Whether it was wanted before.
    pub(super) fn unwish(&mut self) -> bool {
        let Some(wanted) = self.wanted.take() else { return false };
        if let Some(present) = &mut self.present {
            present.service.get_or_insert(wanted.service);
            for (key, server) in wanted.servers.into_entries() {
                present.others.entry(key).or_insert(Some(server));
            }
            present.others.retain(|_, found| found.is_some());
        }
        true
    }

    /// Whether anything else was wanted before; without the service nothing is.
    pub(super) fn wish_server(&mut self, key: ServerKey, server: Server) -> bool {
        let Some(wanted) = &mut self.wanted else { return false };
        let before = wanted.servers.insert(key, server);
        if before == Some(server) {
            return false;
        }
        if let Some(present) = &mut self.present {
            let found = present.others.get(&key).copied().unwrap_or(before);
            present.set(key, found, Some(server));
        }
        true
    }

    /// Whether it was wanted before.
    pub(super) fn unwish_server(&mut self, key: ServerKey) -> bool {
        let Some(before) = self.wanted.as_mut().and_then(|wanted| wanted.servers.remove(&key)) else {
            return false;
        };
        if let Some(present) = &mut self.present {
            let found = present.others.get(&key).copied().unwrap_or(Some(before));
            present.set(key, found, None);
        }
        true
    }

    /// Room for more servers is given back.
    pub(super) fn compact(&mut self) {
        if let Some(wanted) = &mut self.wanted {
            wanted.servers.compact();
        }
    }

    // What the kernel has.

    /// All of it.
    pub(super) fn found(&mut self, service: Service, servers: &BTreeMap<ServerKey, Server>) {
        let mut others: BTreeMap<_, _> = servers
            .iter()
            .filter(|(key, found)| self.wanted_server(**key) != Some(**found))
            .map(|(key, found)| (*key, Some(*found)))
            .collect();
        let missing = self.wanted_servers().map(|(key, _)| key).filter(|key| !servers.contains_key(key));
        others.extend(missing.map(|key| (key, None)));
        self.present = Some(Present { service: None, others });
        self.found_service(service);
    }

    /// Another one is there, or its settings are others.
    pub(super) fn found_service(&mut self, service: Service) {
        let as_wanted = self.wanted_service() == Some(&service);
        if let Some(present) = &mut self.present {
            present.service = (!as_wanted).then_some(service);
        }
    }

    /// It is new, and has no server yet.
    pub(super) fn added(&mut self, service: Service) {
        self.found(service, &BTreeMap::new());
    }

    /// It is not there.
    pub(super) fn gone(&mut self) {
        self.present = None;
    }

    /// A server is there, or is not.
    pub(super) fn found_server(&mut self, key: ServerKey, found: Option<Server>) {
        let wanted = self.wanted_server(key);
        if let Some(present) = &mut self.present {
            present.set(key, found, wanted);
        }
    }
}

#[cfg(test)]
mod tests;
