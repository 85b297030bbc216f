//! One service: what is wanted of it, and what the kernel has. There may be tens of thousands of servers, nearly all of which
//! are as they are wanted, so that only differences are held beside what is wanted.

use std::collections::BTreeMap;

use super::rarely::Rarely;
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
    servers: Sorted,
}

/// Where the kernel has something else.
#[derive(Debug, Default)]
struct Present {
    /// None: it is as it is wanted.
    service: Option<Box<Service>>,
    /// Servers that are otherwise than wanted, or not there; all others are as they are wanted.
    others: Rarely<ServerKey, Option<Server>>,
}

impl Present {
    fn set(&mut self, key: ServerKey, found: Option<Server>, wanted: Option<Server>) {
        if found == wanted {
            self.others.remove(&key);
        } else {
            self.others.insert(key, found);
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
        self.present.as_ref()?.service.as_deref().or_else(|| self.wanted_service())
    }

    pub(super) fn wanted_server(&self, key: ServerKey) -> Option<Server> {
        self.wanted.as_ref()?.servers.get(&key)
    }

    pub(super) fn present_server(&self, key: ServerKey) -> Option<Server> {
        let other = self.present.as_ref()?.others.get(&key);
        other.unwrap_or_else(|| self.wanted_server(key))
    }

    pub(super) fn wanted_servers(&self) -> impl Iterator<Item = (ServerKey, Server)> + '_ {
        self.wanted.iter().flat_map(|wanted| wanted.servers.iter())
    }

    /// Servers that the kernel has, in no order.
    pub(super) fn present_servers(&self) -> impl Iterator<Item = (ServerKey, Server)> + '_ {
        let others = self.present.iter().flat_map(|present| present.others.iter());
        let others = others.filter_map(|(key, found)| Some((key, found?)));
        let as_wanted = self
            .present
            .iter()
            .flat_map(|present| self.wanted_servers().filter(|(key, _)| !present.others.contains(key)));
        as_wanted.chain(others)
    }

    /// Servers of which wanted and present may differ.
    pub(super) fn differing(&self) -> impl Iterator<Item = ServerKey> + '_ {
        self.present.iter().flat_map(|present| present.others.iter()).map(|(key, _)| key)
    }

    // What is wanted.

    /// Whether anything else was wanted before.
    pub(super) fn wish(&mut self, service: Service) -> bool {
        match &mut self.wanted {
            Some(wanted) if wanted.service == service => false,
            Some(wanted) => {
                let before = std::mem::replace(&mut wanted.service, service);
                if let Some(present) = &mut self.present {
                    present.service.get_or_insert_with(|| Box::new(before));
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
            present.service.get_or_insert_with(|| Box::new(wanted.service));
            let as_wanted = wanted.servers.iter().filter(|(key, _)| !present.others.contains(key));
            let as_wanted = as_wanted.map(|(key, server)| (key, Some(server)));
            let others = present.others.iter().filter(|(_, found)| found.is_some());
            present.others = as_wanted.chain(others).collect();
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
            let found = present.others.get(&key).unwrap_or(before);
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
            let found = present.others.get(&key).unwrap_or(Some(before));
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
        let found = servers
            .iter()
            .filter(|(key, found)| self.wanted_server(**key) != Some(**found))
            .map(|(key, found)| (*key, Some(*found)));
        let missing = self.wanted_servers().map(|(key, _)| key).filter(|key| !servers.contains_key(key));
        let others = found.chain(missing.map(|key| (key, None))).collect();
        self.present = Some(Present { service: None, others });
        self.found_service(service);
    }

    /// Another one is there, or its settings are others.
    pub(super) fn found_service(&mut self, service: Service) {
        let as_wanted = self.wanted_service() == Some(&service);
        if let Some(present) = &mut self.present {
            present.service = (!as_wanted).then(|| Box::new(service));
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
