//! Routers that watch over their master by BFD, in virtual time: VRRP and BFD machines of each and what stands between
//! them, with faults from a seed, and rules over who owned what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::{
    Event as SessionEvent, Hops, Machine as Sessions, SessionId, SessionStatus, State as SessionState,
};
use steadfast_detection::{Detection, is_made};
use steadfast_time::{Moment, Random};
use steadfast_vrrp::{
    Action, Config, Datagram, Destination, FastDetection, Input, InstanceConfig, InstanceId, InterfaceId,
    Machine as Routers, Plan,
};
use steadfast_wire::vrrp::{AdvertInterval, Carrier, Centiseconds, Priority, Vrid};

use crate::agenda::Agenda;

/// Routers, the better first.
pub const NODES: usize = 3;
/// Virtual routers that they share.
pub const INSTANCES: u32 = 3;
/// Intervals of the sessions.
pub const DETECTION: FastDetection =
    FastDetection { interval: Duration::from_millis(15), multiplier: const { NonZeroU8::new(3).unwrap() } };
/// A packet's way, and how late a machine is woken: at most.
pub const DELAY_MAX: Duration = Duration::from_micros(400);
/// The first elections are over.
pub const SETTLED: Duration = Duration::from_secs(8);
/// After the last fault: a master down interval, an interval, and a second until sessions speak.
const SETTLING: Duration = Duration::from_secs(8);
const LAN: InterfaceId = InterfaceId(0);
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const PRIORITIES: [u8; NODES] = [200, 150, 100];
/// Datagrams that a hung router's socket keeps.
const INBOX_MAX: usize = 4_096;

/// Something that befalls a router or the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The router hangs for this long.
    Pause(usize, Duration),
    /// Its worker dies, and a successor goes on after this time.
    KillWorker(usize, Duration),
    /// It has no power for this long.
    PowerLoss(usize, Duration),
    /// What the first sends does not reach the second for this long.
    Cut(usize, usize, Duration),
    /// So many packets of sessions in a row do not arrive.
    Lose(usize, usize, u32),
    /// Sessions of this router are to run at another interval.
    Reload(usize, Duration),
    /// It stops in order, and starts again after this time.
    Restart(usize, Duration),
}

/// Who came to own a virtual router, or owns it no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// When.
    pub at: Moment,
    /// Which router.
    pub node: usize,
    /// Which virtual router.
    pub instance: InstanceId,
    /// It does.
    pub owns: bool,
}

/// What came of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// What befell whom.
    pub mishaps: Vec<(Moment, Mishap)>,
    /// Oldest first.
    pub ownership: Vec<Ownership>,
    /// Sessions at the end, with the router that they are of.
    pub sessions: Vec<(usize, SessionStatus)>,
}

#[derive(Clone)]
enum Packet {
    Advert { source: IpAddr, hop_limit: u8, carrier: Carrier, message: Vec<u8> },
    Control { source: IpAddr, destination: IpAddr, message: Vec<u8> },
}

enum Due {
    Mishap(Mishap),
    Wakeup(usize),
    Arrival { from: usize, to: usize, packet: Packet },
    Begin(usize),
    PauseOver(usize),
    CutOver(usize, usize),
}

/// The machines of one worker.
struct Worker {
    routers: Routers,
    sessions: Sessions,
    detection: Detection,
}

struct Node {
    worker: Option<Worker>,
    interval: Duration,
    paused: bool,
    stopping: bool,
    /// What arrived while it hung.
    inbox: Vec<Packet>,
    routers: BTreeMap<InstanceId, steadfast_vrrp::Resume>,
    sessions: BTreeMap<SessionId, steadfast_bfd::Resume>,
    owned: BTreeSet<InstanceId>,
    alarm: Option<Moment>,
}

#[derive(Default)]
struct Outbox {
    adverts: Vec<Packet>,
    packets: Vec<Packet>,
    actions: Vec<Action>,
    told: Vec<SessionEvent>,
    followers: Vec<InstanceId>,
    changed: Vec<SessionId>,
}

impl steadfast_vrrp::Sink for Outbox {
    fn transmit(&mut self, advert: steadfast_vrrp::Transmit<'_>) -> bool {
        let steadfast_vrrp::Transmit { source, hop_limit, carrier, message, .. } = advert;
        let group = matches!(advert.destination, Destination::Group(_));
        self.adverts.push(Packet::Advert { source, hop_limit, carrier, message: message.to_vec() });
        group
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn follow(&mut self, instance: InstanceId) {
        self.followers.push(instance);
    }

    fn remember(&mut self, _: InstanceId) {}

    fn forged(&mut self) {}
}

impl steadfast_bfd::Sink for Outbox {
    fn transmit(&mut self, packet: steadfast_bfd::Transmit<'_>) {
        let path = &packet.session.path;
        let Some(source) = path.local else { return };
        let message = packet.message.to_vec();
        self.packets.push(Packet::Control { source, destination: path.remote, message });
    }

    fn transmit_echo(&mut self, _: steadfast_bfd::Transmit<'_>) {}

    fn tell(&mut self, _: &steadfast_bfd::SessionConfig, event: SessionEvent) {
        self.told.push(event);
    }

    fn remember(&mut self, session: SessionId) {
        self.changed.push(session);
    }
}

impl Worker {
    fn hear(&mut self, now: Moment, own: IpAddr, packet: &Packet, out: &mut Outbox) {
        match packet {
            Packet::Advert { source, hop_limit, carrier, message } => {
                let datagram = Datagram {
                    interface: LAN,
                    source: *source,
                    destination: GROUP,
                    hop_limit: Some(*hop_limit),
                    carrier: *carrier,
                    message,
                };
                self.routers.handle(now, Input::Datagram(datagram), out);
            }
            Packet::Control { source, destination, message } if *destination == own => {
                let datagram = steadfast_bfd::Datagram {
                    interface: Some(steadfast_bfd::InterfaceId(LAN.0)),
                    hops: Hops::Single,
                    source: *source,
                    destination: own,
                    hop_limit: Some(255),
                    message,
                };
                self.detection.knock(now, &datagram, &mut self.sessions, out);
                self.sessions.handle(now, steadfast_bfd::Input::Datagram(datagram), out);
            }
            Packet::Control { .. } => {}
        }
        self.settle(now, out);
    }

    /// In the order of the daemon's timing thread.
    fn advance(&mut self, now: Moment, out: &mut Outbox) {
        self.sessions.advance(now, out);
        self.settle(now, out);
        self.routers.advance(now, out);
        self.settle(now, out);
    }

    fn settle(&mut self, now: Moment, out: &mut Outbox) {
        let (told, followers) = (std::mem::take(&mut out.told), std::mem::take(&mut out.followers));
        let (routers, sessions) = (&mut self.routers, &mut self.sessions);
        self.detection.settle(now, &told, followers, routers, sessions, out);
    }

    fn next_wakeup(&self) -> Option<Moment> {
        [self.routers.next_wakeup(), self.sessions.next_wakeup()].into_iter().flatten().min()
    }
}

/// Address of a router.
pub fn address(node: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(node + 1).unwrap_or(u8::MAX)).into()
}

fn config(node: usize, interval: Duration) -> Config {
    let centiseconds = Centiseconds::new(100).map(AdvertInterval::Centiseconds);
    let priority = PRIORITIES.get(node).copied().unwrap_or(1);
    let instance = |number: u32| {
        let vrid = u8::try_from(number + 1).ok().and_then(Vrid::new)?;
        Some(Arc::new(InstanceConfig {
            priority: Priority::new(priority),
            addresses: vec![Ipv4Addr::new(10, 1, 0, vrid.get()).into()],
            fast_detection: Some(FastDetection { interval, ..DETECTION }),
            ..InstanceConfig::plain(InstanceId(number), vrid, LAN, GROUP, centiseconds?)
        }))
    };
    Config { instances: (0..INSTANCES).filter_map(instance).collect(), ..Config::default() }
}

struct World {
    now: Moment,
    agenda: Agenda<Due>,
    nodes: Vec<Node>,
    random: Random,
    cuts: BTreeMap<(usize, usize), u32>,
    losses: BTreeMap<(usize, usize), u32>,
    run: Run,
}

/// Lives through these mishaps, and until everything had time to settle.
pub fn run(seed: u64, mishaps: &[(Duration, Mishap)]) -> Run {
    let node = || Node {
        worker: None,
        interval: DETECTION.interval,
        paused: false,
        stopping: false,
        inbox: Vec::new(),
        routers: BTreeMap::new(),
        sessions: BTreeMap::new(),
        owned: BTreeSet::new(),
        alarm: None,
    };
    let mut world = World {
        now: Moment::ZERO,
        agenda: Agenda::new(),
        nodes: (0..NODES).map(|_| node()).collect(),
        random: Random::new(seed),
        cuts: BTreeMap::new(),
        losses: BTreeMap::new(),
        run: Run::default(),
    };
    for node in 0..NODES {
        let at = Moment::ZERO + world.random.between(Duration::from_millis(1), Duration::from_millis(500));
        world.push(at, Due::Begin(node));
    }
    let mut end = Duration::ZERO;
    for (at, mishap) in mishaps {
        world.push(Moment::ZERO + *at, Due::Mishap(*mishap));
        end = end.max(*at + mishap.lasts());
    }
    world.live(Moment::ZERO + end + SETTLING);
    let workers =
        world.nodes.iter().enumerate().filter_map(|(node, host)| Some((node, host.worker.as_ref()?)));
    let sessions =
        workers.flat_map(|(node, worker)| worker.sessions.status().map(move |status| (node, status)));
    world.run.sessions = sessions.collect();
    world.run
}

impl Mishap {
    fn lasts(self) -> Duration {
        match self {
            Self::Pause(_, span)
            | Self::KillWorker(_, span)
            | Self::PowerLoss(_, span)
            | Self::Cut(_, _, span)
            | Self::Restart(_, span) => span,
            Self::Lose(..) | Self::Reload(..) => Duration::from_secs(1),
        }
    }
}

impl World {
    fn push(&mut self, at: Moment, due: Due) {
        self.agenda.foresee(at, due);
    }

    fn live(&mut self, end: Moment) {
        while let Some((at, due)) = self.agenda.next_until(end) {
            self.now = at;
            match due {
                Due::Mishap(mishap) => self.strike(mishap),
                Due::Wakeup(node) => {
                    if let Some(host) = self.nodes.get_mut(node) {
                        host.alarm = host.alarm.filter(|alarm| *alarm > at);
                    }
                    self.drive(node, |_, _, _| {});
                }
                Due::Arrival { from, to, packet } => self.arrive(from, to, packet),
                Due::Begin(node) => self.begin(node),
                Due::PauseOver(node) => self.wake(node),
                Due::CutOver(from, to) => {
                    let count = self.cuts.entry((from, to)).or_default();
                    *count = count.saturating_sub(1);
                }
            }
        }
    }

    fn strike(&mut self, mishap: Mishap) {
        self.run.mishaps.push((self.now, mishap));
        let after = |span: Duration| self.now + span;
        match mishap {
            Mishap::Pause(node, span) => {
                let Some(host) = self.nodes.get_mut(node).filter(|host| !host.paused) else { return };
                host.paused = true;
                let at = self.now + span;
                self.push(at, Due::PauseOver(node));
            }
            Mishap::KillWorker(node, span) => {
                let (now, at) = (self.now, after(span));
                let Some(host) = self.nodes.get_mut(node) else { return };
                if host.worker.take().is_some() {
                    host.routers.values_mut().for_each(|resume| resume.lived_until(now));
                    host.alarm = None;
                    self.push(at, Due::Begin(node));
                }
            }
            Mishap::PowerLoss(node, span) => {
                let at = after(span);
                if self.switch_off(node) {
                    self.push(at, Due::Begin(node));
                }
            }
            Mishap::Cut(from, to, span) => {
                let at = after(span);
                *self.cuts.entry((from, to)).or_default() += 1;
                self.push(at, Due::CutOver(from, to));
            }
            Mishap::Lose(from, to, packets) => drop(self.losses.insert((from, to), packets)),
            Mishap::Reload(node, interval) => self.reload(node, interval),
            Mishap::Restart(node, span) => {
                let at = after(span);
                let Some(host) = self.nodes.get_mut(node).filter(|host| !host.paused) else { return };
                host.stopping = true;
                self.drive(node, |worker, now, out| {
                    worker.routers.handle(now, Input::Stop, out);
                    worker.sessions.handle(now, steadfast_bfd::Input::Stop, out);
                });
                self.push(at, Due::Mishap(Mishap::PowerLoss(node, Duration::from_millis(1))));
            }
        }
    }

    fn switch_off(&mut self, node: usize) -> bool {
        let Some(host) = self.nodes.get_mut(node) else { return false };
        let ran = host.worker.take().is_some();
        host.routers.clear();
        host.sessions.clear();
        host.inbox.clear();
        (host.paused, host.stopping, host.alarm) = (false, false, None);
        for instance in std::mem::take(&mut host.owned) {
            self.run.ownership.push(Ownership { at: self.now, node, instance, owns: false });
        }
        ran
    }

    fn begin(&mut self, node: usize) {
        let seed = self.random.number();
        let now = self.now;
        let Some(host) = self.nodes.get_mut(node).filter(|host| host.worker.is_none()) else { return };
        let sessions = host.sessions.values().cloned().collect();
        let routers = host.routers.values().cloned().collect();
        let mut worker = Worker {
            routers: Routers::new(now, config(node, host.interval), routers),
            sessions: Sessions::new(now, &steadfast_bfd::Config::default(), seed, Vec::new()),
            detection: Detection::new(sessions),
        };
        let IpAddr::V4(own) = address(node) else { return };
        let mut out = Outbox::default();
        let interface =
            Input::Interface { interface: LAN, up: true, source_v4: Some(own), source_v6: None, mtu: 1500 };
        worker.routers.handle(now, interface, &mut out);
        worker.detection.configure(now, &worker.routers, &mut worker.sessions, &mut out);
        host.worker = Some(worker);
        self.carry_out(node, out);
        self.drive(node, |_, _, _| {});
    }

    fn reload(&mut self, node: usize, interval: Duration) {
        let Some(host) = self.nodes.get_mut(node).filter(|host| !host.stopping) else { return };
        let old = std::mem::replace(&mut host.interval, interval);
        let plan = Plan::between(&config(node, old), &config(node, interval));
        self.drive(node, |worker, now, out| {
            worker.routers.apply(now, plan, out);
            worker.detection.configure(now, &worker.routers, &mut worker.sessions, out);
        });
    }

    fn wake(&mut self, node: usize) {
        let Some(host) = self.nodes.get_mut(node) else { return };
        host.paused = false;
        host.alarm = None;
        let inbox = std::mem::take(&mut host.inbox);
        // What waits is read before timers run.
        self.drive(node, |worker, now, out| {
            inbox.iter().for_each(|packet| worker.hear(now, address(node), packet, out));
        });
    }

    fn arrive(&mut self, from: usize, to: usize, packet: Packet) {
        let Some(host) = self.nodes.get_mut(to) else { return };
        if self.cuts.get(&(from, to)).is_some_and(|cuts| *cuts > 0) {
            return;
        }
        if matches!(packet, Packet::Control { .. })
            && let Some(left) = self.losses.get_mut(&(from, to)).filter(|left| **left > 0)
        {
            *left -= 1;
            return;
        }
        if host.paused {
            if host.inbox.len() < INBOX_MAX {
                host.inbox.push(packet);
            }
            return;
        }
        self.drive(to, |worker, now, out| worker.hear(now, address(to), &packet, out));
    }

    /// Lets a router do something and run its timers, and carries out what it asks for.
    fn drive(&mut self, node: usize, act: impl FnOnce(&mut Worker, Moment, &mut Outbox)) {
        let mut out = Outbox::default();
        let now = self.now;
        let Some(host) = self.nodes.get_mut(node).filter(|host| !host.paused) else { return };
        let Some(worker) = host.worker.as_mut() else { return };
        act(worker, now, &mut out);
        worker.settle(now, &mut out);
        worker.advance(now, &mut out);
        self.carry_out(node, out);
    }

    fn carry_out(&mut self, node: usize, out: Outbox) {
        let now = self.now;
        let Some(host) = self.nodes.get_mut(node) else { return };
        let Some(worker) = host.worker.as_ref() else { return };
        for session in out.changed.iter().filter(|session| is_made(**session)) {
            if let Some(resume) = worker.sessions.resume_state(*session) {
                host.sessions.insert(*session, resume);
            }
        }
        for instance in (0..INSTANCES).map(InstanceId) {
            if let Some(resume) = worker.routers.resume_state(instance) {
                host.routers.insert(instance, resume);
            }
        }
        for action in out.actions {
            if let Action::Addresses { instance, wanted: owns } = action {
                let changed = if owns { host.owned.insert(instance) } else { host.owned.remove(&instance) };
                if changed {
                    self.run.ownership.push(Ownership { at: now, node, instance, owns });
                }
            }
        }
        let wakeup = worker.next_wakeup();
        if let Some(at) = wakeup.filter(|at| host.alarm.is_none_or(|alarm| *at < alarm)) {
            host.alarm = Some(at);
            let late = self.random.between(Duration::from_nanos(1), DELAY_MAX);
            self.push(at.max(now) + late, Due::Wakeup(node));
        }
        for packet in out.adverts.into_iter().chain(out.packets) {
            for to in (0..NODES).filter(|to| *to != node) {
                let delay = self.random.between(Duration::from_micros(20), DELAY_MAX);
                self.push(now + delay, Due::Arrival { from: node, to, packet: packet.clone() });
            }
        }
    }
}

impl Run {
    /// Ends of sessions that are up at the end.
    pub fn up(&self) -> usize {
        self.sessions.iter().filter(|(_, status)| status.state == SessionState::Up).count()
    }

    /// Who owns a virtual router at the end.
    pub fn owners(&self, instance: InstanceId) -> Vec<usize> {
        let mut owners = BTreeSet::new();
        for change in self.ownership.iter().filter(|change| change.instance == instance) {
            if change.owns {
                owners.insert(change.node)
            } else {
                owners.remove(&change.node)
            };
        }
        owners.into_iter().collect()
    }

    /// Changes of ownership from then on.
    pub fn changes_since(&self, since: Moment) -> impl Iterator<Item = &Ownership> {
        self.ownership.iter().filter(move |change| change.at >= since)
    }
}
