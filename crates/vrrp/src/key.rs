//! What makes a virtual router the same one: its peers know it by nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_wire::vrrp::{Family, Vrid};

use crate::config::{InstanceConfig, InterfaceId, Transport};

/// Two configurations with the same key are one virtual router, and all else may change while it runs. RFC 9568 section
/// 1.6 knows a virtual router by VRID and family on a link; that it goes to another group, or from another source to
/// single peers, makes it another one, as in keepalived.
///
/// `Interface` is a name in a configuration, and a number in a machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouterKey<Interface> {
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Interface that carries the adverts.
    pub interface: Interface,
    /// How its peers are reached.
    pub path: Path,
}

/// How the peers of a virtual router are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// By a multicast group.
    Group(IpAddr),
    /// One by one, from a configured source address. Which peers they are may change.
    Source(Option<IpAddr>),
}

impl<Interface> RouterKey<Interface> {
    /// The same with the interface told otherwise.
    pub fn on<Other>(self, interface: impl FnOnce(Interface) -> Other) -> RouterKey<Other> {
        let Self { vrid, family, interface: told, path } = self;
        RouterKey { vrid, family, interface: interface(told), path }
    }
}

impl InstanceConfig {
    /// What makes it the same virtual router.
    pub fn key(&self) -> RouterKey<InterfaceId> {
        let path = match &self.transport {
            Transport::Multicast { group } => Path::Group(*group),
            Transport::Unicast { .. } => Path::Source(self.source),
        };
        RouterKey { vrid: self.vrid, family: self.family, interface: self.interface, path }
    }
}

/// Which of `old` each of `new` was before, as a place in `old`. Each is found once.
///
/// The first to be known again are those that kept key and name, so that routers which only their peers tell apart keep
/// to themselves; what is left of the same key got another name.
pub fn known_again<Interface: Ord>(
    old: impl IntoIterator<Item = (RouterKey<Interface>, Arc<str>)>,
    new: &[(RouterKey<Interface>, Arc<str>)],
) -> Vec<Option<usize>> {
    let mut alike: BTreeMap<RouterKey<Interface>, VecDeque<(usize, Arc<str>)>> = BTreeMap::new();
    for (place, (key, name)) in old.into_iter().enumerate() {
        alike.entry(key).or_default().push_back((place, name));
    }
    let mut of_that_name = |(key, name): &(RouterKey<Interface>, Arc<str>)| {
        let alike = alike.get_mut(key)?;
        let at = alike.iter().position(|(_, other)| other == name)?;
        alike.remove(at).map(|(place, _)| place)
    };
    let mut found: Vec<Option<usize>> = new.iter().map(&mut of_that_name).collect();
    for (found, (key, _)) in found.iter_mut().zip(new).filter(|(found, _)| found.is_none()) {
        *found = alike.get_mut(key).and_then(VecDeque::pop_front).map(|(place, _)| place);
    }
    found
}
