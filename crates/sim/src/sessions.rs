//! BFD sessions between two routers in virtual time: faults from a seed, and rules over what happened.
//!
//! ```text
//!   router 0 ──── link: delay, loss, disorder, one way or both cut ──── router 1
//! ```
//!
//! Echo packets go round by the other router, whatever its daemon does, unless its forwarding is stuck.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::{
    Algorithm, Config, Datagram, Echo, Event, Hops, Input, Key, Machine, Microseconds, Plan, SessionConfig,
    SessionId, Sink, State, Transmit,
};
use steadfast_time::{Moment, Random};

use crate::agenda::Agenda;

/// The session of both routers.
const SESSION: SessionId = SessionId(0);
/// How long a successor of a killed worker takes to start.
const WORKER_RESTART: Duration = Duration::from_millis(2);
/// From the last fault to the end of a run: what is left of the slowest detection time that the settings
/// allow, a second until the peers speak, and a packet lost on the way.
const SETTLING: Duration = Duration::from_secs(8);
/// A second until both speak, and one more.
const BEGINNING: Duration = Duration::from_secs(2);
/// Datagrams that a hung router's socket keeps.
const INBOX_MAX: usize = 64;
/// A timer, a way out and a way back: what the simulated world adds to the detection by echo packets.
const ECHO_SLACK: Duration = Duration::from_millis(2);

/// Something that befalls a router or the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The router hangs for this long; its socket goes on filling.
    Pause(usize, Duration),
    /// Its worker dies, and a successor goes on.
    KillWorker(usize),
    /// It starts anew and remembers nothing.
    Restart(usize),
    /// Other intervals from here on.
    Reload(usize),
    /// What this router sends is lost for this long.
    Cut(usize, Duration),
    /// This router forwards nothing for this long, while its daemon speaks.
    Stuck(usize, Duration),
    /// Every packet is lost with this chance for this long.
    Loss(u64, Duration),
}

/// What happened, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// To whom or what.
    Mishap(Mishap),
    /// A packet left a router.
    Sent {
        /// Which.
        router: usize,
        /// With its state.
        up: bool,
    },
    /// A machine told something.
    Told {
        /// Which router's.
        router: usize,
        /// What.
        event: Event,
    },
}

/// A run and its end.
#[derive(Debug, Default)]
pub struct Run {
    /// Oldest first.
    pub history: Vec<(Moment, Happening)>,
    /// States of both ends at the end.
    pub states: Vec<State>,
}

/// The rule that a run breaks, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// When.
    pub at: Moment,
    /// Which.
    pub rule: String,
}

enum Due {
    Mishap(Mishap),
    Wakeup(usize),
    Arrival(usize, Packet),
    Successor(usize),
    PauseOver(usize),
    CutOver(usize),
    StuckOver(usize),
    LossOver,
}

/// What arrives at a router.
enum Packet {
    Control(Vec<u8>),
    /// One of its own.
    Echo(Vec<u8>),
}

struct Router {
    machine: Option<Machine>,
    config: SessionConfig,
    paused: bool,
    inbox: Vec<Packet>,
    resume: Vec<steadfast_bfd::Resume>,
    cuts: u32,
    stuck: u32,
    /// When the machine wants to be woken, and the number of that in the queue.
    alarm: Option<(Moment, u64)>,
}

struct World {
    now: Moment,
    agenda: Agenda<Due>,
    routers: Vec<Router>,
    random: Random,
    /// What both sign with.
    key: Option<Key>,
    losses: Vec<u64>,
    run: Run,
}

struct Outbox {
    packets: Vec<Vec<u8>>,
    echoes: Vec<Vec<u8>>,
    events: Vec<Event>,
}

impl Sink for Outbox {
    fn transmit(&mut self, packet: Transmit<'_>) {
        self.packets.push(packet.message.to_vec());
    }

    fn transmit_echo(&mut self, packet: Transmit<'_>) {
        self.echoes.push(packet.message.to_vec());
    }

    fn tell(&mut self, _: &SessionConfig, event: Event) {
        self.events.push(event);
    }

    fn remember(&mut self, _: SessionId) {}
}

/// Runs two routers for half a minute of mishaps (none if `calm`), and until they had time to recover.
pub fn run(seed: u64, calm: bool) -> Run {
    let mut random = Random::new(seed);
    let key = any_key(&mut random);
    let routers = (0..2).map(|router| Router::new(router, key.as_ref(), &mut random)).collect();
    let mut world = World {
        now: Moment::ZERO,
        agenda: Agenda::new(),
        routers,
        random,
        key,
        losses: Vec::new(),
        run: Run::default(),
    };
    let storm = Duration::from_secs(30);
    for router in 0..2 {
        world.push(Moment::ZERO, Due::Mishap(Mishap::Restart(router)));
    }
    for _ in 0..if calm { 0 } else { world.random.below(40) } {
        let at = Moment::ZERO + world.random.between(Duration::from_secs(1), storm);
        let mishap = world.any_mishap();
        world.push(at, Due::Mishap(mishap));
    }
    // The longest mishap is over two seconds after the storm.
    world.live(Moment::ZERO + storm + Duration::from_secs(2) + SETTLING);
    world.run
}

impl Router {
    fn new(router: usize, key: Option<&Key>, random: &mut Random) -> Self {
        Self {
            machine: None,
            config: any_config(router, key, random),
            paused: false,
            inbox: Vec::new(),
            resume: Vec::new(),
            cuts: 0,
            stuck: 0,
            alarm: None,
        }
    }
}

fn address(router: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, if router == 0 { 1 } else { 2 }).into()
}

/// Half of the worlds sign nothing.
fn any_key(random: &mut Random) -> Option<Key> {
    let choices = [
        None,
        None,
        None,
        Some(Algorithm::Password),
        Some(Algorithm::MeticulousMd5),
        Some(Algorithm::MeticulousSha1),
    ];
    let algorithm = random.pick(&choices).copied().flatten()?;
    Key::new(algorithm, 1, b"of both").ok()
}

/// The second router may be passive; one of two has to begin.
fn any_config(router: usize, key: Option<&Key>, random: &mut Random) -> SessionConfig {
    let mut interval = || {
        let choices = [1_000, 5_000, 10_000, 50_000, 300_000];
        Microseconds::new(random.pick(&choices).copied().unwrap_or(10_000))
    };
    let [desired_min_tx, required_min_rx, echo_tx, echo_rx] = std::array::from_fn(|_| interval());
    // A third of the ends sends no echo packets, or takes none.
    let mut echo = |interval| if random.permille(333) { Microseconds::ZERO } else { interval };
    let (echo_tx, echo_rx) = (echo(echo_tx), echo(echo_rx));
    SessionConfig {
        desired_min_tx,
        required_min_rx,
        echo_tx,
        echo_rx,
        multiplier: u8::try_from(2 + random.below(4)).ok().and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MIN),
        passive: router == 1 && random.permille(300),
        key: key.cloned(),
        ..SessionConfig::plain(SESSION, address(1 - router))
    }
}

impl World {
    fn any_mishap(&mut self) -> Mishap {
        let router = usize::from(self.random.permille(500));
        let long = self.random.between(Duration::from_millis(1), Duration::from_secs(2));
        match self.random.below(7) {
            0 => Mishap::Pause(router, long),
            1 => Mishap::KillWorker(router),
            2 => Mishap::Restart(router),
            3 => Mishap::Cut(router, long),
            4 => Mishap::Stuck(router, long),
            5 => Mishap::Loss(self.random.below(1000), long),
            _ => Mishap::Reload(router),
        }
    }

    fn live(&mut self, end: Moment) {
        while let Some((at, due)) = self.agenda.next_until(end) {
            self.now = at;
            match due {
                Due::Mishap(mishap) => self.strike(mishap),
                Due::Wakeup(router) => self.drive(router, |machine, now, out| machine.advance(now, out)),
                Due::Arrival(router, packet) => self.arrive(router, packet),
                Due::Successor(router) => self.succeed(router),
                Due::PauseOver(router) => self.wake(router),
                Due::CutOver(router) => {
                    let router = self.routers.get_mut(router);
                    router.into_iter().for_each(|router| router.cuts -= 1);
                }
                Due::StuckOver(router) => {
                    let router = self.routers.get_mut(router);
                    router.into_iter().for_each(|router| router.stuck -= 1);
                }
                Due::LossOver => drop(self.losses.pop()),
            }
        }
        let state = |router: &Router| router.machine.as_ref()?.status().next().map(|status| status.state);
        self.run.states =
            self.routers.iter().map(|router| state(router).unwrap_or(State::AdminDown)).collect();
    }

    fn strike(&mut self, mishap: Mishap) {
        self.record(Happening::Mishap(mishap));
        match mishap {
            Mishap::Pause(router, span) => {
                let Some(host) = self.routers.get_mut(router) else { return };
                if !host.paused {
                    host.paused = true;
                    self.push(self.now + span, Due::PauseOver(router));
                }
            }
            Mishap::KillWorker(router) => {
                let Some(host) = self.routers.get_mut(router) else { return };
                if host.machine.take().is_some() {
                    self.push(self.now + WORKER_RESTART, Due::Successor(router));
                }
            }
            Mishap::Restart(router) => {
                let Some(host) = self.routers.get_mut(router) else { return };
                host.resume.clear();
                host.machine = None;
                self.push(self.now + WORKER_RESTART, Due::Successor(router));
            }
            Mishap::Reload(router) => self.reload(router),
            Mishap::Cut(router, span) => {
                let Some(host) = self.routers.get_mut(router) else { return };
                host.cuts += 1;
                self.push(self.now + span, Due::CutOver(router));
            }
            Mishap::Stuck(router, span) => {
                let Some(host) = self.routers.get_mut(router) else { return };
                host.stuck += 1;
                self.push(self.now + span, Due::StuckOver(router));
            }
            Mishap::Loss(permille, span) => {
                self.losses.push(permille);
                self.push(self.now + span, Due::LossOver);
            }
        }
    }

    fn reload(&mut self, router: usize) {
        let Some(host) = self.routers.get_mut(router) else { return };
        let fresh = any_config(router, self.key.as_ref(), &mut self.random);
        let old = std::mem::replace(&mut host.config, fresh);
        let list = |config: &SessionConfig| Config { sessions: vec![Arc::new(config.clone())] };
        let plan = Plan::between(&list(&old), &list(&host.config));
        self.drive(router, |machine, now, out| machine.apply(now, &plan, out));
    }

    fn succeed(&mut self, router: usize) {
        let seed = self.random.number();
        let Some(host) = self.routers.get_mut(router) else { return };
        let config = Config { sessions: vec![Arc::new(host.config.clone())] };
        host.alarm = None;
        host.machine = Some(Machine::new(self.now, &config, seed, host.resume.clone()));
        self.drive(router, |machine, now, out| machine.advance(now, out));
    }

    fn wake(&mut self, router: usize) {
        let Some(host) = self.routers.get_mut(router) else { return };
        host.paused = false;
        host.alarm = None;
        for packet in std::mem::take(&mut host.inbox) {
            self.arrive(router, packet);
        }
        self.drive(router, |machine, now, out| machine.advance(now, out));
    }

    fn arrive(&mut self, router: usize, packet: Packet) {
        let Some(host) = self.routers.get_mut(router) else { return };
        if host.paused {
            if host.inbox.len() < INBOX_MAX {
                host.inbox.push(packet);
            }
            return;
        }
        let message = match packet {
            Packet::Control(message) => message,
            Packet::Echo(message) => {
                let Some(echo) = Echo::parse(&message) else { return };
                return self.drive(router, |machine, now, out| machine.handle(now, Input::Echo(echo), out));
            }
        };
        let datagram = Datagram {
            interface: None,
            hops: Hops::Single,
            source: address(1 - router),
            destination: address(router),
            hop_limit: Some(255),
            message: &message,
        };
        self.drive(router, |machine, now, out| {
            // As its two sockets see it, in either order.
            if let Some(session) = machine.echoes_by(now, &datagram) {
                machine.handle(now, Input::EchoWay(session), out);
            }
            machine.handle(now, Input::Datagram(datagram), out);
        });
    }

    /// Lets a live machine do something, and carries out what it asks for.
    fn drive(&mut self, router: usize, act: impl FnOnce(&mut Machine, Moment, &mut Outbox)) {
        let mut out = Outbox { packets: Vec::new(), echoes: Vec::new(), events: Vec::new() };
        let Some(host) = self.routers.get_mut(router) else { return };
        if host.paused {
            return;
        }
        let Some(machine) = host.machine.as_mut() else { return };
        act(machine, self.now, &mut out);
        host.resume = machine.resume_state(SESSION).into_iter().collect();
        let (cut, wakeup) = (host.cuts > 0, machine.next_wakeup());
        if wakeup != host.alarm.map(|(at, _)| at) {
            host.alarm = wakeup.map(|at| (at, self.agenda.foreseen()));
            if let Some(at) = wakeup {
                let late = self.random.between(Duration::from_nanos(1), Duration::from_micros(300));
                self.push(at.max(self.now) + late, Due::Wakeup(router));
            }
        }
        for event in out.events {
            self.record(Happening::Told { router, event });
        }
        for message in out.packets {
            let up = message.get(1).is_some_and(|flags| flags >> 6 == 3);
            self.record(Happening::Sent { router, up });
            let lost = self.losses.last().copied().unwrap_or(0);
            if !cut && !self.random.permille(lost) {
                let delay = self.random.between(Duration::from_micros(20), Duration::from_micros(400));
                self.push(self.now + delay, Due::Arrival(1 - router, Packet::Control(message)));
            }
        }
        let other = self.routers.get(1 - router);
        let returns = !cut && other.is_some_and(|other| other.cuts == 0 && other.stuck == 0);
        for message in out.echoes {
            let lost = self.losses.last().copied().unwrap_or(0);
            let passes = [(); 2].map(|()| !self.random.permille(lost)) == [true; 2];
            if returns && passes {
                let delay = self.random.between(Duration::from_micros(40), Duration::from_micros(800));
                self.push(self.now + delay, Due::Arrival(router, Packet::Echo(message)));
            }
        }
    }

    fn push(&mut self, at: Moment, due: Due) {
        self.agenda.foresee(at, due);
    }

    fn record(&mut self, what: Happening) {
        self.run.history.push((self.now, what));
    }
}

impl Run {
    /// The first rule that is broken.
    pub fn broken(&self, calm: bool) -> Option<Broken> {
        self.recovers()
            .or_else(|| if calm { self.never_falls() } else { None })
            .or_else(|| self.tells_changes())
            .or_else(|| self.finds_what_is_stuck())
    }

    /// When everything is over, both ends are up.
    fn recovers(&self) -> Option<Broken> {
        let at = self.history.last().map_or(Moment::ZERO, |(at, _)| *at);
        let rule = format!("both ends come up when nothing hinders them: {:?}", self.states);
        (self.states != [State::Up, State::Up]).then_some(Broken { at, rule })
    }

    /// Without mishaps nothing goes down once the first packets, which may overtake each other, have arrived.
    fn never_falls(&self) -> Option<Broken> {
        let falls = |what: &Happening| {
            matches!(what, Happening::Told { event: Event::State { from: State::Up, .. }, .. })
        };
        let begun = Moment::ZERO + BEGINNING;
        let (at, _) = self.history.iter().find(|(at, what)| *at > begun && falls(what))?;
        Some(Broken { at: *at, rule: "an undisturbed session stays up".to_owned() })
    }

    /// What trackers are told changes each time: good, bad, good.
    fn tells_changes(&self) -> Option<Broken> {
        let mut last = [None, None];
        for (at, what) in &self.history {
            match what {
                Happening::Mishap(Mishap::Restart(router)) => {
                    last.get_mut(*router).into_iter().for_each(|last| *last = None);
                }
                Happening::Told { router, event: Event::Path { good, .. } } => {
                    let Some(before) = last.get_mut(*router) else { continue };
                    if before.replace(*good) == Some(*good) {
                        let rule = format!("router {router} tells that its path is {good} twice");
                        return Some(Broken { at: *at, rule });
                    }
                }
                _ => {}
            }
        }
        let at = self.history.last().map_or(Moment::ZERO, |(at, _)| *at);
        let rule = format!("at the end nobody is told that the path is broken: {last:?}");
        last.contains(&Some(false)).then_some(Broken { at, rule })
    }

    /// A router whose echo packets came back finds in time that the other forwards nothing any more, though that one's
    /// control packets still arrive.
    fn finds_what_is_stuck(&self) -> Option<Broken> {
        // How long each router takes to find it, while its echo packets come back.
        let mut echoing: [Option<Duration>; 2] = [None, None];
        for (place, (at, what)) in self.history.iter().enumerate() {
            match what {
                Happening::Mishap(Mishap::Stuck(stuck, span)) => {
                    let router = 1 - *stuck;
                    let Some(detection) = echoing.get(router).copied().flatten() else { continue };
                    let by = *at + detection + ECHO_SLACK;
                    let rest = self.history.get(place + 1..).unwrap_or_default();
                    let meanwhile = || rest.iter().take_while(|(at, _)| *at <= by).map(|(_, what)| what);
                    let disturbed = meanwhile().any(|what| matches!(what, Happening::Mishap(_)));
                    let falls = |what: &Happening| matches!(what, Happening::Told { router: of, event: Event::State { from: State::Up, .. } } if *of == router);
                    if *span > detection + ECHO_SLACK && !disturbed && !meanwhile().any(falls) {
                        let rule =
                            format!("router {router} finds within {detection:?} that the other is stuck");
                        return Some(Broken { at: by, rule });
                    }
                }
                // Whatever else happens may stop them.
                Happening::Mishap(_) => echoing = [None, None],
                Happening::Told { router, event } => {
                    let Some(echoing) = echoing.get_mut(*router) else { continue };
                    match event {
                        Event::Echo { returned: true, interval, detection_us, .. } => {
                            *echoing = Some(Duration::from_micros(*detection_us) + interval.duration());
                        }
                        Event::State { .. } => *echoing = None,
                        _ => {}
                    }
                }
                Happening::Sent { .. } => {}
            }
        }
        None
    }

    /// The last lines before a moment.
    pub fn trace(&self, until: Moment, lines: usize) -> String {
        let end = self.history.partition_point(|(at, _)| *at <= until);
        let shown = self.history.get(end.saturating_sub(lines)..end).unwrap_or_default();
        shown.iter().map(|(at, what)| format!("{} {what:?}\n", at.as_nanos() / 1000)).collect()
    }
}
