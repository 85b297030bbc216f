//! Where adverts and actions of one turn of the timing thread gather.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use steadfast_kernel::datagram::{SendBatch, SocketIndex};
use steadfast_vrrp::{Action, Datagram, Destination, Event, InstanceId, InterfaceId, Sink, Transmit};

use super::FromTiming;
use super::sockets::{Place, SocketKey, Sockets};
use crate::vrrp::lane::Sender;

/// The machine's sink.
pub(crate) struct Out {
    lane: Sender<FromTiming>,
    batch: SendBatch,
    routes: BTreeMap<SocketKey, (SocketIndex, Option<u32>)>,
    changed: Vec<InstanceId>,
    /// Interfaces whose last adverts were refused: each is told once.
    refusing: BTreeSet<InterfaceId>,
    failures: u64,
    /// Virtual routers that are not configured here and were told.
    unknown: BTreeSet<(InterfaceId, u8)>,
}

/// Virtual routers that are not configured here and are told, at most.
const UNKNOWN_TOLD_MAX: usize = 256;

impl Out {
    pub(crate) fn new(lane: Sender<FromTiming>) -> Self {
        Self {
            lane,
            batch: SendBatch::default(),
            routes: BTreeMap::new(),
            changed: Vec::new(),
            refusing: BTreeSet::new(),
            failures: 0,
            unknown: BTreeSet::new(),
        }
    }

    /// Adverts with this key leave by this socket; `interface` is its index.
    pub(crate) fn route(&mut self, key: SocketKey, socket: SocketIndex, interface: Option<u32>) {
        self.routes.insert(key, (socket, interface));
    }

    /// There is no socket for this key.
    pub(crate) fn unroute(&mut self, key: SocketKey) {
        self.routes.remove(&key);
    }

    /// An advert for a virtual router that nobody configured here. The second octet is its number
    /// (RFC 9568 section 5.2.3).
    pub(crate) fn unknown_vrid(&mut self, datagram: &Datagram<'_>) {
        let Some(&vrid) = datagram.message.get(1) else { return };
        if self.unknown.len() < UNKNOWN_TOLD_MAX && self.unknown.insert((datagram.interface, vrid)) {
            self.lane.push(FromTiming::UnknownVrid(datagram.interface, datagram.source, vrid));
        }
    }

    /// Something for the effects thread.
    pub(crate) fn tell(&mut self, message: FromTiming) {
        self.lane.push(message);
    }

    /// Sends all adverts of this turn.
    pub(crate) fn send(&mut self, sockets: &Sockets) {
        if self.batch.is_empty() {
            return;
        }
        self.batch.flush(|index| sockets.sending(index));
        if self.batch.failures().is_empty() {
            self.refusing.clear();
            return;
        }
        self.failures += u64::try_from(self.batch.failures().len()).unwrap_or(u64::MAX);
        let mut refused = Vec::new();
        for failure in self.batch.failures() {
            if let Some(interface) = sockets.interface(failure.socket)
                && self.refusing.insert(interface)
            {
                refused.push((interface, failure.errno));
            }
        }
        for (interface, errno) in refused {
            let error = steadfast_kernel::Error::new("send an advert", errno);
            self.lane.push(FromTiming::SendFailed(interface, error));
        }
    }

    /// Instances whose state changed in this turn.
    pub(crate) fn take_changed(&mut self) -> Vec<InstanceId> {
        std::mem::take(&mut self.changed)
    }

    /// Passes on what gathered.
    pub(crate) fn flush_lane(&mut self) {
        self.lane.flush();
    }

    /// The lane was full.
    pub(crate) fn is_behind(&self) -> bool {
        self.lane.is_behind()
    }

    /// Adverts that the kernel refused.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    fn queue(&mut self, key: SocketKey, advert: &Transmit<'_>, destination: IpAddr) {
        if let Some(&(socket, interface)) = self.routes.get(&key) {
            let tag = u64::from(advert.instance.0);
            self.batch.push(
                socket,
                interface,
                (advert.source, destination),
                advert.hop_limit,
                advert.message,
                tag,
            );
        }
    }
}

impl Sink for Out {
    fn transmit(&mut self, advert: Transmit<'_>) {
        let interface = advert.interface;
        match advert.destination {
            Destination::Group(group) => {
                self.queue(SocketKey { interface, place: Place::Group(group) }, &advert, group);
            }
            Destination::Peers(peers) => {
                let key = SocketKey { interface, place: Place::Source(advert.source) };
                for peer in peers {
                    self.queue(key, &advert, peer.address);
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        // What a successor would otherwise not know: the state, script results behind a priority, and the
        // interval learned from a master.
        if let Action::Event(
            Event::InstanceState { instance, .. }
            | Event::PriorityChanged { instance, .. }
            | Event::MasterChanged { instance, .. },
        ) = &action
        {
            self.remember(*instance);
        }
        self.lane.push(FromTiming::Act(action));
    }

    fn remember(&mut self, instance: InstanceId) {
        if self.changed.last() != Some(&instance) {
            self.changed.push(instance);
        }
    }
}
