//! Where adverts and actions of one turn of the timing thread gather.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use steadfast_bfd::{SessionConfig, SessionId, State};
use steadfast_detection::is_made;
use steadfast_kernel::datagram::{Packet, SendBatch, SendFailure, SocketIndex, Way};
use steadfast_vrrp::{Action, Datagram, Destination, Event, InstanceId, InterfaceId, Moment, Sink, Transmit};

use super::FromTiming;
use super::machines::Protocol;
use super::sockets::{Place, SocketKey, Sockets};
use super::told::{Tell, Told};
use crate::link::vrrp::Watching;
use crate::vrrp::lane::Sender;

/// The machine's sink.
pub(crate) struct Out {
    lane: Sender<FromTiming>,
    batch: SendBatch,
    routes: BTreeMap<SocketKey, (SocketIndex, Option<u32>)>,
    /// Where echo packets of sessions go round.
    ways: BTreeMap<SessionId, Way>,
    changed: Vec<InstanceId>,
    changed_sessions: Vec<SessionId>,
    /// What followers of sessions have not heard yet ([`steadfast_bfd::Event::Path`]).
    judged: Vec<steadfast_bfd::Event>,
    /// How often was told of sessions that nobody configured.
    told: Told,
    /// Instances that may follow another master.
    followers: Vec<InstanceId>,
    /// Interfaces whose adverts were refused, and when that last happened: each is told once.
    refusing: BTreeMap<InterfaceId, Moment>,
    failures: u64,
    /// Instances may have begun to speak, or ceased.
    speakers_changed: bool,
    /// Virtual routers that are not configured here and were told.
    unknown: BTreeSet<(InterfaceId, u8)>,
}

/// Refusals at an interface are told again after none for so long.
pub(crate) const REFUSALS_OVER: Duration = Duration::from_secs(60);
/// Virtual routers that are not configured here and are told, at most.
const UNKNOWN_TOLD_MAX: usize = 256;

impl Out {
    pub(crate) fn new(lane: Sender<FromTiming>) -> Self {
        Self {
            lane,
            batch: SendBatch::default(),
            routes: BTreeMap::new(),
            ways: BTreeMap::new(),
            changed: Vec::new(),
            changed_sessions: Vec::new(),
            judged: Vec::new(),
            told: Told::default(),
            followers: Vec::new(),
            refusing: BTreeMap::new(),
            failures: 0,
            speakers_changed: true,
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

    /// Echo packets of this session go this way.
    pub(super) fn echo_way(&mut self, session: SessionId, way: Way) {
        self.ways.insert(session, way);
    }

    /// Forgets the ways of sessions that are no more.
    pub(super) fn keep_ways(&mut self, mut is_there: impl FnMut(SessionId) -> bool) {
        self.ways.retain(|session, _| is_there(*session));
    }

    /// Queues an echo packet.
    pub(super) fn echo(&mut self, way: &Way, payload: &[u8], session: SessionId) {
        if let Some(&(socket, _)) = self.routes.get(&SocketKey::of_echoes(way.source.is_ipv4())) {
            self.batch.push_echo(socket, way, payload, Protocol::Bfd.tag(session.0));
        }
    }

    /// An advert for a virtual router that nobody configured here. The second octet is its number
    /// (RFC 9568 section 5.2.3).
    pub(crate) fn unknown_vrid(&mut self, datagram: &Datagram<'_>) {
        let message = datagram.carrier.message(datagram.message);
        let Some(&vrid) = message.and_then(|message| message.get(1)) else { return };
        if self.unknown.len() < UNKNOWN_TOLD_MAX && self.unknown.insert((datagram.interface, vrid)) {
            self.lane.push_news(FromTiming::UnknownVrid(datagram.interface, datagram.source, vrid));
        }
    }

    /// Something for the effects thread.
    pub(crate) fn tell(&mut self, message: FromTiming) {
        if message.is_news() {
            self.lane.push_news(message);
        } else {
            self.lane.push(message);
        }
    }

    /// News that were dropped because the effects thread did not take them.
    pub(crate) fn news_lost(&self) -> u64 {
        self.lane.dropped()
    }

    /// Sends all adverts that have gathered. What the kernel refused comes back, the datagrams of one instance together.
    pub(crate) fn send(&mut self, sockets: &Sockets, now: Moment) -> Vec<SendFailure> {
        if self.batch.is_empty() {
            return Vec::new();
        }
        self.batch.flush(|index| sockets.sending(index));
        let failures = self.batch.take_failures();
        self.failures += u64::try_from(failures.len()).unwrap_or(u64::MAX);
        for failure in &failures {
            let Some(interface) = sockets.interface(failure.socket) else { continue };
            let last = self.refusing.insert(interface, now);
            if last.is_none_or(|last| now.since(last) > REFUSALS_OVER) {
                self.lane.push_news(FromTiming::SendFailed(interface, failure.errno));
            }
        }
        failures
    }

    /// Instances whose state changed in this turn.
    pub(crate) fn take_changed(&mut self) -> Vec<InstanceId> {
        std::mem::take(&mut self.changed)
    }

    /// Whether instances may have begun to speak, or ceased, since this was last asked.
    pub(crate) fn take_speakers_changed(&mut self) -> bool {
        std::mem::take(&mut self.speakers_changed)
    }

    /// Sessions whose state changed in this turn.
    pub(crate) fn take_changed_sessions(&mut self) -> Vec<SessionId> {
        let mut changed = std::mem::take(&mut self.changed_sessions);
        // Strangers can change some many times in a turn.
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// What followers of sessions have not heard yet, oldest first.
    pub(super) fn take_judged(&mut self) -> Vec<steadfast_bfd::Event> {
        std::mem::take(&mut self.judged)
    }

    /// Instances that may follow another master than they did.
    pub(super) fn take_followers(&mut self) -> Vec<InstanceId> {
        std::mem::take(&mut self.followers)
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

    fn queue(&mut self, key: SocketKey, advert: &Transmit<'_>, destination: IpAddr) -> bool {
        let Some(&(socket, interface)) = self.routes.get(&key) else { return false };
        let Transmit { source, hop_limit, carrier, message, .. } = *advert;
        let packet = Packet { source, destination, hop_limit, carrier, message };
        self.batch.push(socket, interface, &packet, Protocol::Vrrp.tag(advert.instance.0))
    }
}

impl Sink for Out {
    fn transmit(&mut self, advert: Transmit<'_>) -> bool {
        let (interface, ip_protocol) = (advert.interface, advert.carrier.protocol());
        match advert.destination {
            Destination::Group(group) => {
                self.queue(SocketKey { interface, place: Place::Group(group), ip_protocol }, &advert, group)
            }
            Destination::Peers(peers) => {
                let key = SocketKey { interface, place: Place::Source(advert.source), ip_protocol };
                // One socket serves them all.
                peers.iter().fold(false, |_, peer| self.queue(key, &advert, peer.address))
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
        self.speakers_changed |= matches!(action, Action::Removed { .. });
        self.tell(FromTiming::Act(action));
    }

    fn remember(&mut self, instance: InstanceId) {
        self.speakers_changed = true;
        if self.changed.last() != Some(&instance) {
            self.changed.push(instance);
        }
    }

    fn follow(&mut self, instance: InstanceId) {
        self.followers.push(instance);
    }

    /// Only a flight record tells of it.
    fn forged(&mut self) {}
}

impl steadfast_bfd::Sink for Out {
    fn transmit(&mut self, packet: steadfast_bfd::Transmit<'_>) {
        let path = &packet.session.path;
        // Without a socket the session is AdminDown, or about to hear that it is.
        let Some(&(socket, _)) = self.routes.get(&SocketKey::of_session(path)) else { return };
        let to = SocketAddr::new(path.remote, path.hops.port());
        self.batch.push_payload(socket, to, packet.message, Protocol::Bfd.tag(packet.session.id.0));
    }

    fn transmit_echo(&mut self, packet: steadfast_bfd::Transmit<'_>) {
        let session = packet.session.id;
        if let Some(way) = self.ways.get(&session).copied() {
            self.echo(&way, packet.message, session);
        }
    }

    fn tell(&mut self, session: &SessionConfig, event: steadfast_bfd::Event) {
        if let steadfast_bfd::Event::Path { .. } = event {
            self.judged.push(event.clone());
        }
        if !is_made(session.id) {
            Self::tell(self, FromTiming::Session(event));
        } else if let Some((mut watching, at)) = watching(session, event) {
            let tell = self.told.turn(session.id, at);
            watching.is_last = tell == Tell::Last;
            if tell != Tell::No {
                Self::tell(self, FromTiming::Watching(Box::new(watching)));
            }
        }
    }

    fn remember(&mut self, session: SessionId) {
        if self.changed_sessions.last() != Some(&session) {
            self.changed_sessions.push(session);
        }
    }
}

/// Whoever knocks can have a session that nobody configured: only those count that were up.
fn watching(session: &SessionConfig, event: steadfast_bfd::Event) -> Option<(Watching, Moment)> {
    let steadfast_bfd::Event::State { from, to, at, .. } = &event else { return None };
    let interface = InterfaceId(session.path.interface?.0);
    let (counts, at) = ([*from, *to].contains(&State::Up), *at);
    counts.then_some((Watching { interface, peer: session.path.remote, event, is_last: false }, at))
}
