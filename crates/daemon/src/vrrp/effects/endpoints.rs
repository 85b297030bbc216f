//! Which sockets the instances need, and which are open.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use steadfast_kernel::datagram::{Endpoint, ReceiveSocket, SendSocket};
use steadfast_vrrp::config::Transport;
use steadfast_vrrp::{InstanceConfig, InterfaceId};
use steadfast_wire::vrrp::Family;

use super::interfaces::Interfaces;
use crate::link::vrrp::work::Work;
use crate::vrrp::timing::ToTiming;
use crate::vrrp::timing::sockets::{Place, SocketKey};

/// Open sockets by purpose, with the interface index they are bound to.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    open: BTreeMap<SocketKey, u32>,
    /// Purposes whose sockets could not be opened: each is told once.
    failing: BTreeSet<SocketKey>,
}

impl Endpoints {
    /// Opens what is missing and closes what nobody needs; the timing thread is to be told the
    /// messages, the supervisor the problems.
    pub(crate) fn update(
        &mut self,
        work: &Work,
        interfaces: &Interfaces,
    ) -> (Vec<ToTiming>, Vec<(InterfaceId, String)>) {
        let needed = needed(work, interfaces);
        let (mut messages, mut problems) = (Vec::new(), Vec::new());
        let stale = |key: &SocketKey, index: &u32| needed.get(key) != Some(index);
        let gone: Vec<SocketKey> =
            self.open.iter().filter(|(key, index)| stale(key, index)).map(|(key, _)| *key).collect();
        for key in gone {
            self.open.remove(&key);
            messages.push(ToTiming::Closed(key));
        }
        self.failing.retain(|key| needed.contains_key(key));
        for (key, index) in needed {
            if self.open.contains_key(&key) {
                continue;
            }
            match pair(key, index) {
                Ok((receive, send)) => {
                    self.open.insert(key, index);
                    self.failing.remove(&key);
                    messages.push(ToTiming::Opened { key, receive: Box::new(receive), send: Box::new(send) });
                }
                Err(error) => {
                    if self.failing.insert(key) {
                        problems.push((key.interface, error));
                    }
                }
            }
        }
        (messages, problems)
    }
}

fn needed(work: &Work, interfaces: &Interfaces) -> BTreeMap<SocketKey, u32> {
    let instances = work.machine.instances.iter().filter(|instance| instance.broken.is_none());
    instances
        .filter_map(|instance| {
            let index = interfaces.last(instance.interface).index?;
            let place = place(instance, interfaces)?;
            Some((SocketKey { interface: instance.interface, place }, index))
        })
        .collect()
}

fn place(instance: &InstanceConfig, interfaces: &Interfaces) -> Option<Place> {
    match &instance.transport {
        Transport::Multicast { group } => Some(Place::Group(*group)),
        Transport::Unicast { .. } => {
            let state = interfaces.last(instance.interface);
            let own = match instance.family {
                Family::V4 => state.source_v4.map(IpAddr::V4),
                Family::V6 => state.source_v6.map(IpAddr::V6),
            };
            instance.source.or(own).map(Place::Source)
        }
    }
}

fn pair(key: SocketKey, index: u32) -> Result<(ReceiveSocket, SendSocket), String> {
    let endpoint = match key.place {
        Place::Group(group) => Endpoint::Group { interface: index, group },
        Place::Source(source) => Endpoint::Unicast { interface: None, source },
    };
    let open =
        || Ok::<_, steadfast_kernel::Error>((ReceiveSocket::open(endpoint)?, SendSocket::open(endpoint)?));
    open().map_err(|error| error.to_string())
}
