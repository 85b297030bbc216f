//! Lets a scenario happen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::{Moment, Random};
use steadfast_vrrp::{
    Action, Config, Event, Input, InstanceId, InterfaceId, Machine, Plan, Reading, Resume, ScriptId, Served,
    WatchId,
};
use steadfast_wire::vrrp::{Advert, Family};

use crate::agenda::Agenda;
use crate::history::{Happening, History};
use crate::host::{Host, INBOX_MAX, Packet};
use crate::participant::{Outbox, Output, Participant, SentAdvert};
use crate::scenario::{Fault, RouterId, RouterPlan, Scenario, Step};

/// Far more than any scenario needs at its beginning, and in each second of it; reached only by machines that never sleep, or
/// answer each other without end.
const EVENTS_MAX: u64 = 500_000;
const EVENTS_A_SECOND_MAX: u64 = 20_000;
/// How long a successor of a killed worker takes to start.
const WORKER_RESTART: Duration = Duration::from_millis(2);
const MTU: u32 = 1500;

/// Runs a scenario with the daemon's machine in every router.
pub fn run(scenario: &Scenario) -> History {
    run_with(scenario, |_, now, config, resume| Box::new(Machine::new(now, config, resume)))
}

/// Runs a scenario with whatever `build` puts into a router.
pub fn run_with(
    scenario: &Scenario,
    build: impl FnMut(RouterId, Moment, Config, Vec<Resume>) -> Box<dyn Participant>,
) -> History {
    let mut world = World {
        scenario,
        build,
        now: Moment::ZERO,
        agenda: Agenda::new(),
        hosts: scenario.routers.iter().map(|_| Host::default()).collect(),
        random: Random::new(scenario.seed),
        blocked: BTreeMap::new(),
        muted: BTreeMap::new(),
        loss_permille: 0,
        history: History::default(),
        outbox: Outbox::default(),
    };
    for router in scenario.router_ids() {
        world.push(Moment::ZERO, Due::Fault(Fault::PowerOn(router)));
    }
    for Step { at, fault } in &scenario.steps {
        world.push(*at, Due::Fault(fault.clone()));
    }
    world.run();
    world.history
}

struct World<'a, Build> {
    scenario: &'a Scenario,
    build: Build,
    now: Moment,
    agenda: Agenda<Due>,
    hosts: Vec<Host>,
    random: Random,
    blocked: BTreeMap<InterfaceId, BTreeSet<(RouterId, RouterId)>>,
    muted: BTreeMap<InterfaceId, BTreeSet<(RouterId, RouterId)>>,
    loss_permille: u64,
    history: History,
    outbox: Outbox,
}

/// What is to happen.
pub(crate) enum Due {
    Fault(Fault),
    Wakeup { router: RouterId, number: u64 },
    Arrival { router: RouterId, packet: Packet },
    Script { router: RouterId, script: ScriptId, life: u64 },
    Successor { router: RouterId, life: u64 },
    Prepared { router: RouterId, instance: InstanceId, since: Moment },
    Answer { router: RouterId, instance: InstanceId, asked: Moment, served: Option<Served> },
}

impl<Build> World<'_, Build>
where
    Build: FnMut(RouterId, Moment, Config, Vec<Resume>) -> Box<dyn Participant>,
{
    fn run(&mut self) {
        let mut events = 0;
        while let Some((at, due)) = self.agenda.next_until(self.scenario.end) {
            events += 1;
            self.now = at;
            let seconds = at.since(Moment::ZERO).as_secs();
            if events > EVENTS_MAX + EVENTS_A_SECOND_MAX.saturating_mul(seconds) {
                self.record(Happening::Runaway);
                break;
            }
            self.happen(due);
        }
        self.history.end = self.scenario.end;
    }

    fn happen(&mut self, due: Due) {
        let Some(due) = self.unless_it_hangs(due) else { return };
        match due {
            Due::Fault(fault) => self.strike(fault),
            Due::Wakeup { router, number } => {
                let Some(host) = self.hosts.get_mut(router.index()) else { return };
                if host.is_live() && host.wakeup.is_some_and(|(_, current)| current == number) {
                    host.wakeup = None;
                    self.drive(router, |daemon, now, out| daemon.advance(now, out));
                }
            }
            Due::Arrival { router, packet } => self.arrive(router, packet),
            Due::Script { router, script, life } => self.run_script(router, script, life),
            Due::Prepared { router, instance, since } => {
                self.drive(router, |daemon, now, out| {
                    daemon.handle(now, Input::Prepared { instance, since, success: true }, out);
                    daemon.advance(now, out);
                });
            }
            Due::Answer { router, instance, asked, served } => {
                self.drive(router, |daemon, now, out| {
                    daemon.handle(now, Input::WhoServes { instance, asked, served }, out);
                    daemon.advance(now, out);
                });
            }
            Due::Successor { router, life } => {
                let Some(host) = self.hosts.get_mut(router.index()) else { return };
                if host.powered && host.daemon.is_none() && host.life == life {
                    let resume = host.resume.values().cloned().collect();
                    self.start_daemon(router, resume);
                }
            }
        }
    }

    /// What a daemon that hangs is told of its scripts and questions waits for it, in a pipe or a socket.
    fn unless_it_hangs(&mut self, due: Due) -> Option<Due> {
        let (Due::Prepared { router, .. } | Due::Answer { router, .. }) = &due else { return Some(due) };
        match self.hosts.get_mut(router.index()).filter(|host| host.powered && host.paused) {
            Some(host) => {
                host.told.push(due);
                None
            }
            None => Some(due),
        }
    }

    /// What does not apply (resuming what does not hang) leaves no trace.
    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::PowerOn(router) => self.power_on(router),
            Fault::PowerOff(router) => self.power_off(router),
            Fault::Stop(router) => self.stop(router),
            Fault::Pause(router) => self.pause(router),
            Fault::Resume(router) => self.resume(router),
            Fault::KillWorker(router) => self.kill_worker(router),
            Fault::Reload { router, plan } => self.reload(router, plan),
            Fault::Link { router, segment, up } => self.set_link(router, segment, up),
            Fault::Partition { segment, blocked } => {
                self.blocked.insert(segment, blocked.clone());
                self.record(Happening::Fault(Fault::Partition { segment, blocked }));
            }
            Fault::Mute { segment, muted } => {
                self.muted.insert(segment, muted.clone());
                self.record(Happening::Fault(Fault::Mute { segment, muted }));
            }
            Fault::Loss { permille } => {
                self.loss_permille = permille;
                self.record(Happening::Fault(fault));
            }
            Fault::SetClock { router, ahead } => self.set_clock(router, ahead),
            Fault::Script { router, script, good } => {
                let Some(host) = self.hosts.get_mut(router.index()) else { return };
                let changed =
                    if good { host.scripts_bad.remove(&script) } else { host.scripts_bad.insert(script) };
                if changed {
                    self.record(Happening::Fault(fault));
                }
            }
            Fault::Session { router, session, up } => self.set_session(router, session, up),
        }
    }

    fn power_on(&mut self, router: RouterId) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if host.powered {
            host.start_again = host.stopping;
            return;
        }
        host.powered = true;
        host.start_again = false;
        self.record(Happening::Fault(Fault::PowerOn(router)));
        self.start_daemon(router, Vec::new());
    }

    fn start_daemon(&mut self, router: RouterId, resume: Vec<Resume>) {
        let Some(plan) = self.plan(router) else { return };
        let now = self.now + plan.clock;
        let daemon = (self.build)(router, now, plan.config(self.scenario.segments), resume);
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        host.daemon = Some(daemon);
        host.life += 1;
        let life = host.life;
        for script in plan.scripts.iter().map(|script| script.id) {
            let at = self.now + self.random.between(Duration::ZERO, self.scenario.script_interval);
            self.push(at, Due::Script { router, script, life });
        }
        self.tell_clock(router);
        self.tell_sessions(router);
        self.tell_interfaces(router);
    }

    fn set_clock(&mut self, router: RouterId, ahead: Duration) {
        self.record(Happening::Fault(Fault::SetClock { router, ahead }));
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        host.clock_ahead = ahead;
        self.tell_clock(router);
    }

    fn tell_clock(&mut self, router: RouterId) {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (Some(plan), Some(host)) = (self.plan(router), self.hosts.get(router.index())) else { return };
        let ahead = nanoseconds(host.clock_ahead).wrapping_sub(nanoseconds(plan.clock));
        self.drive(router, move |daemon, now, out| daemon.handle(now, Input::Clock { ahead }, out));
    }

    fn tell_interfaces(&mut self, router: RouterId) {
        for segment in self.scenario.segment_ids() {
            self.tell_interface(router, segment);
        }
        self.drive(router, |daemon, now, out| daemon.advance(now, out));
    }

    fn tell_interface(&mut self, router: RouterId, segment: InterfaceId) {
        let Some(host) = self.hosts.get(router.index()) else { return };
        let up = !host.links_down.contains(&segment);
        let v4 = router.address(segment, Family::V4);
        let v6 = router.address(segment, Family::V6);
        self.drive(router, move |daemon, now, out| {
            let input = Input::Interface {
                interface: segment,
                up,
                source_v4: if let IpAddr::V4(address) = v4 { Some(address) } else { None },
                // A link-local address goes with the link.
                source_v6: if let (IpAddr::V6(address), true) = (v6, up) { Some(address) } else { None },
                mtu: MTU,
            };
            daemon.handle(now, input, out);
        });
    }

    fn power_off(&mut self, router: RouterId) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.powered {
            return;
        }
        self.record(Happening::Fault(Fault::PowerOff(router)));
        self.switch_off(router);
    }

    fn switch_off(&mut self, router: RouterId) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        let owned = std::mem::take(&mut host.owned);
        host.switch_off();
        for instance in owned {
            self.record(Happening::Owns { router, instance, owns: false });
        }
    }

    fn stop(&mut self, router: RouterId) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.is_live() || host.stopping {
            return;
        }
        host.stopping = true;
        self.record(Happening::Fault(Fault::Stop(router)));
        self.drive(router, |daemon, now, out| {
            daemon.handle(now, Input::Stop, out);
            daemon.advance(now, out);
        });
    }

    fn pause(&mut self, router: RouterId) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.is_live() {
            return;
        }
        host.paused = true;
        host.wakeup = None;
        self.record(Happening::Fault(Fault::Pause(router)));
    }

    fn resume(&mut self, router: RouterId) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.paused {
            return;
        }
        host.paused = false;
        let (inbox, told) = (std::mem::take(&mut host.inbox), std::mem::take(&mut host.told));
        self.record(Happening::Fault(Fault::Resume(router)));
        self.drive(router, |daemon, now, out| {
            for packet in &inbox {
                daemon.handle(now, Input::Datagram(packet.datagram()), out);
            }
            daemon.advance(now, out);
        });
        told.into_iter().for_each(|due| self.happen(due));
        self.tell_clock(router);
        self.tell_sessions(router);
        self.tell_interfaces(router);
    }

    fn kill_worker(&mut self, router: RouterId) {
        let Some(clock) = self.plan(router).map(|plan| plan.clock) else { return };
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.is_live() || host.stopping {
            return;
        }
        host.daemon = None;
        host.wakeup = None;
        host.life += 1;
        let life = host.life;
        let now = self.now + clock;
        host.resume.values_mut().for_each(|resume| resume.lived_until(now));
        self.record(Happening::Fault(Fault::KillWorker(router)));
        self.push(self.now + WORKER_RESTART, Due::Successor { router, life });
    }

    fn reload(&mut self, router: RouterId, plan: Arc<RouterPlan>) {
        let Some(before) = self.plan(router) else { return };
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.is_live() || host.stopping {
            return;
        }
        host.plan = Some(Arc::clone(&plan));
        let segments = self.scenario.segments;
        let difference = Plan::between(&before.config(segments), &plan.config(segments));
        self.record(Happening::Fault(Fault::Reload { router, plan }));
        self.drive(router, |daemon, now, out| {
            daemon.apply(now, difference, out);
            daemon.advance(now, out);
        });
    }

    /// The settings in force.
    fn plan(&self, router: RouterId) -> Option<Arc<RouterPlan>> {
        let first = || self.scenario.routers.get(router.index()).cloned().map(Arc::new);
        self.hosts.get(router.index())?.plan.clone().or_else(first)
    }

    fn set_link(&mut self, router: RouterId, segment: InterfaceId, up: bool) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        let changed = if up { host.links_down.remove(&segment) } else { host.links_down.insert(segment) };
        if !changed {
            return;
        }
        self.record(Happening::Fault(Fault::Link { router, segment, up }));
        self.tell_interface(router, segment);
        self.drive(router, |daemon, now, out| daemon.advance(now, out));
    }

    fn set_session(&mut self, router: RouterId, session: WatchId, up: bool) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        let changed =
            if up { host.sessions_down.remove(&session) } else { host.sessions_down.insert(session) };
        if !changed {
            return;
        }
        self.record(Happening::Fault(Fault::Session { router, session, up }));
        self.tell_sessions(router);
        self.drive(router, |daemon, now, out| daemon.advance(now, out));
    }

    /// Before the start, and as soon as somebody hears it.
    fn tell_sessions(&mut self, router: RouterId) {
        let Some(plan) = self.plan(router) else { return };
        for &watch in &plan.sessions {
            let Some(host) = self.hosts.get(router.index()) else { return };
            let reading = Reading::Good(!host.sessions_down.contains(&watch));
            self.drive(router, |daemon, now, out| daemon.handle(now, Input::Watched { watch, reading }, out));
        }
    }

    fn run_script(&mut self, router: RouterId, script: ScriptId, life: u64) {
        let Some(host) = self.hosts.get(router.index()) else { return };
        if !host.powered || host.life != life {
            return;
        }
        let success = !host.scripts_bad.contains(&script);
        self.push(self.now + self.scenario.script_interval, Due::Script { router, script, life });
        self.drive(router, |daemon, now, out| {
            daemon.handle(now, Input::ScriptResult { script, success }, out);
            daemon.advance(now, out);
        });
    }

    fn arrive(&mut self, router: RouterId, packet: Packet) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.powered || host.links_down.contains(&packet.segment) {
            return;
        }
        if host.paused {
            if host.inbox.len() < INBOX_MAX {
                host.inbox.push_back(packet);
            }
            return;
        }
        self.drive(router, |daemon, now, out| {
            daemon.handle(now, Input::Datagram(packet.datagram()), out);
            daemon.advance(now, out);
        });
    }

    /// Lets a live daemon do something, carries out what it asks for, and sets its alarm.
    fn drive(&mut self, router: RouterId, act: impl FnOnce(&mut dyn Participant, Moment, &mut Outbox)) {
        let Some(plan) = self.scenario.routers.get(router.index()) else { return };
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if !host.is_live() {
            return;
        }
        let Some(daemon) = &mut host.daemon else { return };
        let mut outbox = std::mem::take(&mut self.outbox);
        act(daemon.as_mut(), self.now + plan.clock, &mut outbox);
        let drained = daemon.is_drained();
        for output in outbox.outputs.drain(..) {
            match output {
                Output::Advert(advert) => self.send(router, &advert),
                Output::Action(action) => self.carry_out(router, action),
            }
        }
        self.outbox = outbox;
        let Some(host) = self.hosts.get(router.index()) else { return };
        if host.stopping && drained {
            self.finish_stop(router);
        } else {
            self.set_alarm(router, plan.clock);
        }
    }

    fn finish_stop(&mut self, router: RouterId) {
        self.record(Happening::Off(router));
        self.switch_off(router);
        let start_again = self.hosts.get(router.index()).is_some_and(|host| host.start_again);
        if start_again {
            self.push(self.now, Due::Fault(Fault::PowerOn(router)));
        }
    }

    fn set_alarm(&mut self, router: RouterId, clock: Duration) {
        let lateness = self.random.between(Duration::from_nanos(1), self.scenario.lateness_max);
        let number = self.agenda.foreseen();
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        let wanted = host.daemon.as_ref().and_then(|daemon| daemon.next_wakeup());
        if wanted == host.wakeup.map(|(at, _)| at) {
            return;
        }
        host.wakeup = wanted.map(|at| (at, number));
        if let Some(at) = wanted {
            let at = (at - clock).max(self.now) + lateness;
            self.push(at, Due::Wakeup { router, number });
        }
    }

    fn carry_out(&mut self, router: RouterId, action: Action) {
        match action {
            Action::Addresses { instance, wanted } => {
                let Some(host) = self.hosts.get_mut(router.index()) else { return };
                let changed = if wanted { host.owned.insert(instance) } else { host.owned.remove(&instance) };
                if changed {
                    self.record(Happening::Owns { router, instance, owns: wanted });
                }
            }
            Action::Event(Event::InstanceState { instance, from, to, causes, .. }) => {
                self.record(Happening::State { router, instance, from, to, causes });
                self.keep_resume_state(router, instance);
            }
            // It outlives the worker that asked for it; a successor asks again.
            Action::Prepare { instance, since } => {
                self.keep_resume_state(router, instance);
                self.push(self.now + self.scenario.preparation, Due::Prepared { router, instance, since });
            }
            Action::Announce { instance, .. } => {
                let segment = self.scenario.instance(router, instance).map(|config| config.interface);
                let carried =
                    |host: &Host| segment.is_some_and(|segment| !host.links_down.contains(&segment));
                if self.hosts.get(router.index()).is_some_and(carried) {
                    self.record(Happening::Announced { router, instance });
                }
            }
            Action::AskWhoServes { instance, asked, only_arbiter: false } => {
                self.ask(router, instance, asked);
            }
            Action::Event(_)
            | Action::AskWhoServes { .. }
            | Action::CancelAnnounce { .. }
            | Action::AnnounceSource { .. }
            | Action::Removed { .. } => {}
        }
    }

    /// The kernel of every other owner answers, whatever its daemon does; silence takes as long as one waits for answers.
    fn ask(&mut self, router: RouterId, instance: InstanceId, asked: Moment) {
        let Some(config) = self.scenario.instance(router, instance) else { return };
        let Some(check) = config.split_brain_check.as_deref().filter(|check| check.link) else { return };
        let segment = config.interface;
        let reaches = |from: RouterId, to: RouterId| {
            !self.blocked.get(&segment).is_some_and(|pairs| pairs.contains(&(from, to)))
        };
        let connected = |of: RouterId| {
            self.hosts.get(of.index()).is_some_and(|host| host.powered && !host.links_down.contains(&segment))
        };
        let owner = self.scenario.router_ids().filter(|other| *other != router).find(|other| {
            let owns = self.hosts.get(other.index()).is_some_and(|host| host.owned.contains(&instance));
            owns && connected(*other) && reaches(router, *other) && reaches(*other, router)
        });
        let served = owner
            .filter(|_| connected(router))
            .zip(config.addresses.first())
            .map(|(other, address)| Served::Link { address: *address, hardware: [2, 0, 0, 0, 0, other.0] });
        let lost = self.random.permille(self.loss_permille);
        let served = served.filter(|_| !lost);
        let after = match served {
            Some(_) => self.random.between(Duration::from_nanos(2), self.scenario.network.delay_max * 2),
            None => check.within * 3 / 4,
        };
        self.push(self.now + after, Due::Answer { router, instance, asked, served });
    }

    fn keep_resume_state(&mut self, router: RouterId, instance: InstanceId) {
        let Some(host) = self.hosts.get_mut(router.index()) else { return };
        if let Some(resume) = host.daemon.as_ref().and_then(|daemon| daemon.resume_state(instance)) {
            host.resume.insert(instance, resume);
        }
    }

    fn send(&mut self, router: RouterId, advert: &SentAdvert) {
        let family = Family::of(advert.source);
        let message = advert.carrier.message(&advert.message);
        if let Some(parsed) = message.and_then(|message| Advert::parse(family, message).ok()) {
            let (instance, priority) = (advert.instance, parsed.priority);
            self.record(Happening::Advert { router, instance, priority });
        }
        let down = |host: &Host| host.links_down.contains(&advert.interface);
        if self.hosts.get(router.index()).is_none_or(down) {
            return;
        }
        let message: Arc<[u8]> = advert.message.as_slice().into();
        for destination in &advert.destinations {
            for to in self.scenario.router_ids().filter(|to| *to != router) {
                if !destination.is_multicast() && *destination != to.address(advert.interface, family) {
                    continue;
                }
                let packet = Packet {
                    from: router,
                    segment: advert.interface,
                    source: advert.source,
                    destination: *destination,
                    hop_limit: advert.hop_limit,
                    carrier: advert.carrier,
                    message: Arc::clone(&message),
                };
                self.travel(to, packet);
            }
        }
    }

    fn travel(&mut self, to: RouterId, packet: Packet) {
        let blocked =
            self.blocked.get(&packet.segment).is_some_and(|pairs| pairs.contains(&(packet.from, to)));
        let muted = self.muted.get(&packet.segment).is_some_and(|pairs| pairs.contains(&(packet.from, to)));
        if blocked || muted {
            return;
        }
        let mut copies = vec![packet.clone()];
        if self.random.permille(self.scenario.network.duplicates_permille) {
            copies.push(packet.clone());
        }
        if self.random.permille(self.scenario.network.corruptions_permille) {
            copies.push(Packet { message: corrupted(&packet.message, &mut self.random), ..packet });
        }
        for packet in copies {
            if self.random.permille(self.loss_permille) {
                continue;
            }
            let mut at =
                self.now + self.random.between(Duration::from_nanos(1), self.scenario.network.delay_max);
            if self.scenario.network.in_order
                && let Some(host) = self.hosts.get_mut(to.index())
            {
                let last = host.arrivals.entry((packet.from, packet.segment)).or_default();
                at = at.max(*last);
                *last = at;
            }
            self.push(at, Due::Arrival { router: to, packet });
        }
    }

    fn push(&mut self, at: Moment, due: Due) {
        self.agenda.foresee(at, due);
    }

    fn record(&mut self, what: Happening) {
        self.history.push(self.now, what);
    }
}

/// The message with one bit flipped: the smallest damage, which every checksum must notice.
fn corrupted(message: &[u8], random: &mut Random) -> Arc<[u8]> {
    let mut message = message.to_vec();
    let bit = random.below(u64::try_from(message.len() * 8).unwrap_or(0));
    let octet = usize::try_from(bit / 8).ok().and_then(|at| message.get_mut(at));
    if let Some(octet) = octet {
        *octet ^= 1 << (bit % 8);
    }
    message.into()
}
