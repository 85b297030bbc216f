//! What every status tells of a service of the load balancer, and what was told last of it.

use std::sync::Arc;

use steadfast_health::{ServerResume, ServiceResume};
use steadfast_kernel::ipvs::Name;

use crate::served::Placed;

/// The services that run, by name. There may be thousands, of each of which little is to be kept.
#[derive(Debug, Default)]
pub(crate) struct Headings(Box<[Heading]>);

#[derive(Debug)]
pub(crate) struct Heading {
    pub(crate) name: Arc<str>,
    pub(crate) quorum: u32,
    pub(crate) hysteresis: u32,
    /// How many there are.
    pub(crate) servers: u32,
    pub(crate) scheduler: Name,
    last: Option<Last>,
}

/// A service as a worker told of it last.
#[derive(Debug)]
pub(crate) struct Last {
    pub(crate) quorum: bool,
    pub(crate) suspended: bool,
    /// Servers in the hands of an operator.
    pub(crate) servers: Box<[ServerResume]>,
}

impl Heading {
    pub(crate) fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }
}

impl Headings {
    /// Those of another configuration: what was told of services that stay is known of them.
    pub(crate) fn follow(&mut self, services: &[Placed]) {
        let mut before = std::mem::take(self);
        let headings = services.iter().map(|Placed { outline, server, count, .. }| Heading {
            name: Arc::clone(&outline.key),
            quorum: server.quorum,
            hysteresis: server.hysteresis,
            servers: u32::try_from(*count).unwrap_or(u32::MAX),
            scheduler: outline.service.scheduler,
            last: before.find(&outline.key).and_then(|heading| heading.last.take()),
        });
        let mut headings: Vec<_> = headings.collect();
        headings.sort_by(|one, other| one.name.cmp(&other.name));
        self.0 = headings.into();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Heading> {
        self.0.iter()
    }

    fn get(&self, name: &str) -> Option<&Heading> {
        let place = self.0.binary_search_by(|heading| (*heading.name).cmp(name)).ok()?;
        self.0.get(place)
    }

    fn find(&mut self, name: &str) -> Option<&mut Heading> {
        let place = self.0.binary_search_by(|heading| (*heading.name).cmp(name)).ok()?;
        self.0.get_mut(place)
    }

    /// What was told last of a service.
    pub(crate) fn last(&self, name: &str) -> Option<&Last> {
        self.get(name)?.last()
    }

    /// How many servers a service has.
    pub(crate) fn servers(&self, name: &str) -> u32 {
        self.get(name).map_or(0, |heading| heading.servers)
    }

    /// A worker told of a service. Of one that is no more nothing is kept.
    pub(crate) fn remember(&mut self, service: ServiceResume) {
        let ServiceResume { key, quorum, suspended, servers } = service;
        if let Some(heading) = self.find(&key) {
            heading.last = Some(Last { quorum, suspended, servers: servers.into() });
        }
    }

    /// A worker has a service no more.
    pub(crate) fn forget(&mut self, name: &str) {
        if let Some(heading) = self.find(name) {
            heading.last = None;
        }
    }

    /// What a successor of the worker needs to know of them.
    pub(crate) fn resume(&self) -> Vec<ServiceResume> {
        let told = self.iter().filter_map(|heading| Some((heading, heading.last()?)));
        let told = told.map(|(heading, last)| ServiceResume {
            key: Arc::clone(&heading.name),
            quorum: last.quorum,
            suspended: last.suspended,
            servers: last.servers.to_vec(),
        });
        told.collect()
    }
}
