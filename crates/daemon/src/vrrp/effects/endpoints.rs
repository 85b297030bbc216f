//! Which sockets the instances need, which are open, and which instances have to do without.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::{Hops, SessionConfig, SessionId};
use steadfast_control::wording;
use steadfast_kernel::datagram::{Endpoint, ReceiveSocket, SendSocket};
use steadfast_kernel::error::Errno;
use steadfast_kernel::{BufferSize, Error};
use steadfast_vrrp::config::Transport;
use steadfast_vrrp::{InstanceConfig, InstanceId, InterfaceId, Moment};
use steadfast_wire::vrrp::{Family, IpProtocol};

use super::interfaces::Interfaces;
use crate::link::vrrp::work::{AdvertBuffer, VirtualAddress, Work};
use crate::vrrp::timing::ToTiming;
use crate::vrrp::timing::sockets::{Place, SocketKey};

/// Sockets that could not be opened are tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What is bound to no interface.
const NO_INTERFACE: u32 = 0;
/// Descriptors of a worker besides its sockets for adverts.
const OTHER_DESCRIPTORS: u64 = 32;
/// Descriptors of one endpoint: one hears, one speaks.
const ENDPOINT_DESCRIPTORS: u64 = 2;

/// What a pair of sockets shall be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Need {
    /// Index of the interface that they are bound to.
    index: u32,
    /// Receive buffer, if the instances ask for one.
    buffer_bytes: Option<u32>,
}

/// Open sockets by purpose, and what they are like.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    open: BTreeMap<SocketKey, Need>,
    /// Purposes whose sockets could not be opened, and why.
    failing: BTreeMap<SocketKey, Arc<str>>,
    /// Sessions that were told to have no socket, and why.
    sessions_without: BTreeMap<SessionId, Arc<str>>,
    /// Instances that were told to have no sockets, and why.
    without: BTreeMap<InstanceId, Arc<str>>,
    /// Instances that a reload took out and that still hand over: they have to say so, and to hear who comes after them. With
    /// the addresses that they had.
    leaving: BTreeMap<InstanceId, (Arc<InstanceConfig>, Vec<VirtualAddress>)>,
    /// One of those has left.
    outdated: bool,
    retry_at: Option<Moment>,
}

/// What comes of bringing the sockets up to date.
#[derive(Debug, Default)]
pub(crate) struct Updated {
    /// For the timing thread, in order.
    pub(crate) messages: Vec<ToTiming>,
    /// What nobody needs any more. Where a reload took it away, what is said last still leaves by it.
    pub(crate) closed: Vec<SocketKey>,
    /// For the supervisor: what could not be opened, each told once.
    pub(crate) problems: Vec<(InterfaceId, Error)>,
}

impl Endpoints {
    /// Opens what is missing and closes what nobody needs.
    pub(crate) fn update(&mut self, work: &Work, interfaces: &Interfaces, now: Moment) -> Updated {
        let needed = self.needed(work, interfaces);
        self.outdated = false;
        let mut updated = Updated::default();
        // Where only the buffer differs, the new pair takes the place of the old.
        let stays = |key: &SocketKey, open: &Need| needed.get(key).map(|need| need.index) == Some(open.index);
        let gone: Vec<SocketKey> =
            self.open.iter().filter(|(key, open)| !stays(key, open)).map(|(key, _)| *key).collect();
        self.open.retain(|key, open| needed.get(key) == Some(open));
        self.failing.retain(|key, _| needed.contains_key(key));
        self.open_missing(needed, now, &mut updated);
        // A new pair takes the place of the old one.
        updated.closed = gone.into_iter().filter(|key| !self.open.contains_key(key)).collect();
        self.tell_instances(work, interfaces, &mut updated.messages);
        self.tell_sessions(work, &mut updated.messages);
        updated
    }

    /// A reload takes an instance out: its sockets stay until it [has left](Self::left).
    pub(crate) fn leave(&mut self, instance: &Arc<InstanceConfig>, addresses: Vec<VirtualAddress>) {
        self.leaving.insert(instance.id, (Arc::clone(instance), addresses));
    }

    /// Instances that were taken out and have not left yet, with the addresses that they had.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (&InstanceConfig, &[VirtualAddress])> {
        self.leaving.values().map(|(instance, addresses)| (&**instance, addresses.as_slice()))
    }

    /// An instance that was taken out has handed over.
    pub(crate) fn left(&mut self, instance: InstanceId) {
        self.outdated |= self.leaving.remove(&instance).is_some();
    }

    fn needed(&self, work: &Work, interfaces: &Interfaces) -> BTreeMap<SocketKey, Need> {
        let mut needed: BTreeMap<SocketKey, Need> = keys_of_sessions(work)
            .map(|key| (key, Need { index: NO_INTERFACE, buffer_bytes: None }))
            .collect();
        let leaving = self.leaving.values().map(|(instance, _)| instance);
        let instances = work.machine.instances.iter().chain(leaving);
        for instance in instances.filter(|instance| instance.broken.is_none()) {
            if !interfaces.is_there(instance.adverts_on) {
                continue;
            }
            let index = interfaces.last(instance.adverts_on).index.unwrap_or(NO_INTERFACE);
            // Over unicast the routes choose the interface: those of its VRF, if it is in one or has nothing else.
            let vrf = interfaces.last(instance.interface).vrf.unwrap_or(NO_INTERFACE);
            let buffer = work.install(instance.id).and_then(|install| install.advert_buffer);
            let buffer = buffer.map(|buffer| buffer_bytes(buffer, instance, interfaces));
            for key in keys(instance, interfaces).into_iter().flatten() {
                let index = if matches!(key.place, Place::Source(_)) { vrf } else { index };
                let need = needed.entry(key).or_insert(Need { index, buffer_bytes: None });
                let so_far = need.buffer_bytes;
                need.buffer_bytes =
                    so_far.map_or(buffer, |so_far| Some(so_far.saturating_add(buffer.unwrap_or(0))));
            }
        }
        let detection = keys_of_detection(work, interfaces);
        needed.extend(detection.map(|(key, index)| (key, Need { index, buffer_bytes: None })));
        needed
    }

    /// When [`Self::update`] has something to try again.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        self.retry_at
    }

    /// Whether [`Self::update`] has something to do.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.outdated || self.retry_at.is_some_and(|at| at <= now)
    }

    /// The timing thread could not use a pair of sockets.
    pub(crate) fn failed(&mut self, key: SocketKey, error: &Error, now: Moment) {
        if self.open.remove(&key).is_some() {
            self.failing.insert(key, wording::no_socket(error).into());
            self.retry_at.get_or_insert(now + RETRY_AFTER);
        }
    }

    fn open_missing(&mut self, needed: BTreeMap<SocketKey, Need>, now: Moment, updated: &mut Updated) {
        let retry = self.retry_at.is_none_or(|at| at <= now);
        // Where one finds no descriptor left, none will.
        let mut exhausted: Option<Error> = None;
        for (key, need) in needed {
            if self.open.contains_key(&key) || (!retry && self.failing.contains_key(&key)) {
                continue;
            }
            let error = match &exhausted {
                Some(error) => error.clone(),
                None => match pair(key, need) {
                    Ok((receive, send)) => {
                        self.open.insert(key, need);
                        self.failing.remove(&key);
                        let (receive, send) = (Box::new(receive), Box::new(send));
                        updated.messages.push(ToTiming::Opened { key, receive, send });
                        continue;
                    }
                    Err(error) if matches!(error.errno, Errno::MFILE | Errno::NFILE) => {
                        exhausted.insert(error).clone()
                    }
                    Err(error) => error,
                },
            };
            let first = self.failing.insert(key, wording::no_socket(&error).into()).is_none();
            // A session of the configuration tells by itself why it is down.
            if first && key.bound_to().is_some() {
                updated.problems.push((key.interface, error));
            }
        }
        if self.failing.is_empty() {
            self.retry_at = None;
        } else if retry {
            self.retry_at = Some(now + RETRY_AFTER);
        }
    }

    /// An instance without sockets must not take part in the election. What changed since it was last told goes to the
    /// timing thread, one message for each reason.
    fn tell_instances(&mut self, work: &Work, interfaces: &Interfaces, messages: &mut Vec<ToTiming>) {
        let mut without = BTreeMap::new();
        for instance in work.machine.instances.iter().filter(|instance| instance.broken.is_none()) {
            if let Some(reason) = self.obstacle(instance, interfaces) {
                without.insert(instance.id, reason);
            }
        }
        let cleared = self.without.keys().filter(|id| !without.contains_key(id)).copied().collect::<Vec<_>>();
        let mut by_reason: BTreeMap<Option<&Arc<str>>, Vec<InstanceId>> = BTreeMap::new();
        for (id, reason) in &without {
            if self.without.get(id) != Some(reason) {
                by_reason.entry(Some(reason)).or_default().push(*id);
            }
        }
        if !cleared.is_empty() {
            by_reason.insert(None, cleared);
        }
        for (reason, instances) in by_reason {
            messages.push(ToTiming::Channel { instances, obstacle: reason.map(Arc::clone) });
        }
        self.without = without;
    }

    /// Sessions that a reload brought were told nothing yet.
    pub(crate) fn forget_sessions_told(&mut self) {
        self.sessions_without.clear();
    }

    /// A session without a socket is AdminDown. What changed since it was last told goes to the timing thread.
    fn tell_sessions(&mut self, work: &Work, messages: &mut Vec<ToTiming>) {
        let failing = |session: &Arc<SessionConfig>| {
            let reason = self.failing.get(&SocketKey::of_session(&session.path))?;
            Some((session.id, Arc::clone(reason)))
        };
        let without: BTreeMap<SessionId, Arc<str>> =
            work.sessions.sessions.iter().filter_map(failing).collect();
        let cleared: Vec<SessionId> =
            self.sessions_without.keys().filter(|id| !without.contains_key(id)).copied().collect();
        if !cleared.is_empty() {
            messages.push(ToTiming::SessionChannel { sessions: cleared, obstacle: None });
        }
        for (id, reason) in &without {
            if self.sessions_without.get(id) != Some(reason) {
                let obstacle = Some(Arc::clone(reason));
                messages.push(ToTiming::SessionChannel { sessions: vec![*id], obstacle });
            }
        }
        self.sessions_without = without;
    }

    fn obstacle(&self, instance: &InstanceConfig, interfaces: &Interfaces) -> Option<Arc<str>> {
        if !interfaces.is_there(instance.interface) {
            return Some("its interface does not exist".into());
        }
        if instance.adverts_on != instance.interface
            && interfaces.of(instance.adverts_on).is_none_or(|link| !link.up)
        {
            return Some("the interface with its virtual MAC address is missing or switched off".into());
        }
        // Without a source address it is in FAULT for that.
        let keys = keys(instance, interfaces);
        keys.into_iter().flatten().find_map(|key| self.failing.get(&key).cloned())
    }
}

/// Descriptors that a worker needs for this, whatever its interfaces are like.
pub(crate) fn descriptors_needed(work: &Work) -> u64 {
    let purposes: BTreeSet<(InterfaceId, Family, Option<IpAddr>, IpProtocol)> = work
        .machine
        .instances
        .iter()
        .flat_map(|instance| {
            let address = match instance.transport {
                Transport::Multicast { group } => Some(group),
                Transport::Unicast { .. } => instance.source,
            };
            let key = move |protocol| (instance.adverts_on, instance.family, address, protocol);
            [IpProtocol::Vrrp, instance.protocol()].map(key)
        })
        .collect();
    let sessions: BTreeSet<SocketKey> = keys_of_sessions(work).collect();
    let watching = work.machine.instances.iter().filter(|instance| instance.fast_detection.is_some());
    let watching: BTreeSet<(InterfaceId, Family, Option<IpAddr>)> =
        watching.map(|instance| (instance.interface, instance.family, instance.source)).collect();
    u64::try_from(purposes.len() + sessions.len() + watching.len()).unwrap_or(u64::MAX) * ENDPOINT_DESCRIPTORS
        + OTHER_DESCRIPTORS
}

/// What an instance adds to the receive buffer of its socket.
fn buffer_bytes(buffer: AdvertBuffer, instance: &InstanceConfig, interfaces: &Interfaces) -> u32 {
    match buffer {
        AdvertBuffer::Bytes(bytes) => bytes,
        AdvertBuffer::Datagrams(count) => interfaces.last(instance.adverts_on).mtu.saturating_mul(count),
        AdvertBuffer::Adverts(count) => instance.datagram_bytes().saturating_mul(count),
    }
}

/// Where masters are watched over, and the index of the interface: one endpoint for each address that adverts come from.
fn keys_of_detection(work: &Work, interfaces: &Interfaces) -> impl Iterator<Item = (SocketKey, u32)> {
    let watching = work.machine.instances.iter().filter(|instance| instance.fast_detection.is_some());
    watching.filter(|instance| instance.broken.is_none()).filter_map(|instance| {
        let index = interfaces.last(instance.interface).index?;
        let place = Place::Sessions { hops: Hops::Single, local: source(instance, interfaces)? };
        let key = SocketKey { interface: instance.interface, place, ip_protocol: IpProtocol::Vrrp };
        Some((key, index))
    })
}

fn keys_of_sessions(work: &Work) -> impl Iterator<Item = SocketKey> {
    let sessions = work.sessions.sessions.iter();
    let echoing = sessions.clone().filter(|session| session.has_echoes());
    let echoes = echoing.map(|session| SocketKey::of_echoes(session.path.remote.is_ipv4()));
    sessions.map(|session| SocketKey::of_session(&session.path)).chain(echoes)
}

/// The sockets of an instance. One with an authentication header also hears adverts without: a router that leaves it
/// out is told of, rather than being a second master that nobody knows of.
fn keys(
    instance: &InstanceConfig,
    interfaces: &Interfaces,
) -> Option<impl Iterator<Item = SocketKey> + use<>> {
    let (interface, place) = (instance.adverts_on, place(instance, interfaces)?);
    let own = instance.protocol();
    let other = (own != IpProtocol::Vrrp).then_some(IpProtocol::Vrrp);
    Some(std::iter::once(own).chain(other).map(move |ip_protocol| SocketKey {
        interface,
        place,
        ip_protocol,
    }))
}

fn place(instance: &InstanceConfig, interfaces: &Interfaces) -> Option<Place> {
    match &instance.transport {
        Transport::Multicast { group } => Some(Place::Group(*group)),
        Transport::Unicast { .. } => source(instance, interfaces).map(Place::Source),
    }
}

/// Where the adverts of an instance come from.
fn source(instance: &InstanceConfig, interfaces: &Interfaces) -> Option<IpAddr> {
    let state = interfaces.last(instance.interface);
    let own = match instance.family {
        Family::V4 => state.source_v4.map(IpAddr::V4),
        Family::V6 => state.source_v6.map(IpAddr::V6),
    };
    instance.source.or(own)
}

fn pair(key: SocketKey, need: Need) -> Result<(ReceiveSocket, SendSocket), Error> {
    let Need { index, buffer_bytes } = need;
    let endpoint = match key.place {
        Place::Group(group) => Endpoint::Group { interface: index, group },
        Place::Source(source) => {
            Endpoint::Unicast { interface: Some(index).filter(|index| *index != NO_INTERFACE), source }
        }
        Place::Echoes { ipv4 } => Endpoint::Echo { ipv4 },
        Place::Sessions { hops, local } => {
            Endpoint::Session { port: hops.port(), local, interface: key.bound_to().map(|_| index) }
        }
    };
    let receive = ReceiveSocket::open(endpoint, key.ip_protocol)?;
    if let Some(bytes) = buffer_bytes {
        receive.resize(BufferSize { bytes, force: false });
    }
    Ok((receive, SendSocket::open(endpoint)?))
}
