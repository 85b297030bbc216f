//! The machine: what the caller drives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::{Entry, Moment, Queue};

use crate::action::{Contribution, Input, Override, Sink, Target, Verdict};
use crate::check::{Check, Manner};
use crate::config::{CheckId, CheckKey, Config, ServerId, ServiceConfig, ServiceId};
use crate::event::{Cause, Event, Happening};
use crate::index::Index;
use crate::pool::Pool;
use crate::server::{Server, Settings};
use crate::service::Service;
use crate::slab::Slab;
use crate::status::Resume;

/// No check is asked earlier than this after it was added; the rest of its first delay is random.
pub const FIRST_DELAY: Duration = Duration::from_secs(1);

/// All services of one worker.
#[derive(Debug)]
pub struct Machine {
    pub(crate) services: Slab<ServiceId, Service>,
    pub(crate) servers: Slab<ServerId, Server>,
    pub(crate) checks: Slab<CheckId, Check>,
    pub(crate) service_keys: BTreeMap<Arc<str>, ServiceId>,
    /// Checks by their keys.
    pub(crate) check_keys: Index,
    pub(crate) manners: Pool<Manner>,
    pub(crate) settings: Pool<Settings>,
    pub(crate) queue: Queue<Timer>,
    pub(crate) seed: u64,
    pub(crate) tell_initial: bool,
    pub(crate) started: bool,
    pub(crate) stopping: bool,
}

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A check is to be asked.
    Check(CheckId),
    /// The weight of a server grows.
    Growth(ServerId),
}

impl Machine {
    /// Every server as its checks start, or as a dead predecessor left it. Nothing is asked for before the first
    /// [`advance`](Self::advance).
    pub fn new(now: Moment, config: Config, resume: Resume) -> Self {
        let Config { services, seed, tell_initial } = config;
        Self::of(now, services, seed, tell_initial, resume)
    }

    /// The same of services that are made one after another.
    pub fn of(
        now: Moment,
        services: impl IntoIterator<Item = ServiceConfig>,
        seed: u64,
        tell_initial: bool,
        resume: Resume,
    ) -> Self {
        let mut machine = Self {
            services: Slab::default(),
            servers: Slab::default(),
            checks: Slab::default(),
            service_keys: BTreeMap::new(),
            check_keys: Index::default(),
            manners: Pool::default(),
            settings: Pool::default(),
            queue: Queue::default(),
            seed,
            tell_initial,
            started: false,
            stopping: false,
        };
        for service in services {
            machine.enrol(now, service);
        }
        machine.take_over(now, resume);
        machine
    }

    /// Something happened at `now`.
    pub fn handle(&mut self, now: Moment, input: Input, sink: &mut impl Sink) {
        if self.stopping {
            return;
        }
        match input {
            Input::Verdict { check, verdict } => self.verdict(now, check, verdict, sink),
            Input::Present { service, present } => self.present(now, service, present, sink),
            Input::Override { server, by } => self.override_server(now, server, by, sink),
            Input::Stop => self.stop(now, sink),
        }
    }

    /// Runs every timer that is due at `now`; the first call asks for the entries of every service.
    pub fn advance(&mut self, now: Moment, sink: &mut impl Sink) {
        if self.stopping {
            return;
        }
        if !std::mem::replace(&mut self.started, true) {
            for service in self.services.keys() {
                self.tell_initial(now, service, sink);
                self.settle(now, service, &Cause::Start, sink);
            }
        }
        while let Some(entry) = self.queue.peek().filter(|entry| entry.at <= now) {
            self.queue.pop();
            match entry.key {
                Timer::Check(check) => self.due(now, entry.at, check, sink),
                Timer::Growth(server) => self.grow(now, server, sink),
            }
        }
    }

    /// Tells of the servers of a service that are alive from the beginning, where that is wanted and nobody told it before.
    fn tell_initial(&self, now: Moment, id: ServiceId, sink: &mut impl Sink) {
        let wanted = self.services.get(id).filter(|service| self.tell_initial && !service.resumed);
        let Some(service) = wanted else { return };
        for server in service.servers.iter().filter_map(|id| self.servers.get(*id)) {
            if server.alive() {
                let happening = Happening::Server {
                    server: server.address(),
                    service: service.config.key.clone(),
                    up: true,
                    cause: Cause::Start,
                    notify: true,
                };
                sink.event(Event { at: now, happening });
            }
        }
    }

    /// When [`advance`](Self::advance) has something to do, if ever.
    pub fn next_wakeup(&self) -> Option<Moment> {
        if self.stopping {
            return None;
        }
        if !self.started {
            return Some(Moment::ZERO);
        }
        self.queue.peek().map(|entry| entry.at)
    }

    /// Room for what is to come is given back.
    pub fn compact(&mut self) {
        self.services.compact();
        self.servers.compact();
        self.checks.compact();
        self.queue.compact();
        // What is put in one after another leaves every node of the map half full.
        self.service_keys = std::mem::take(&mut self.service_keys).into_iter().collect();
    }

    /// The number of a service by its key.
    pub fn service_id(&self, key: &str) -> Option<ServiceId> {
        self.service_keys.get(key).copied()
    }

    /// How often an entry was put into the queue of deadlines or taken out.
    #[cfg(test)]
    pub(crate) fn queue_touched(&self) -> u64 {
        self.queue.touched()
    }

    fn due(&mut self, now: Moment, at: Moment, id: CheckId, sink: &mut impl Sink) {
        // A number can have come to stand for another check, or its time have moved.
        let Some(check) = self.checks.get_mut(id).filter(|check| check.next() == at) else { return };
        if check.running || check.config.rhythm.unasked {
            return;
        }
        check.parked = check.active_users == 0;
        if !check.parked {
            check.begin(now);
            sink.probe(id, check.step);
        }
    }

    pub(crate) fn schedule(&mut self, id: CheckId) {
        let Some(check) = self.checks.get(id) else { return };
        if !check.config.rhythm.unasked && !check.parked {
            self.queue.push(Entry { at: check.next(), key: Timer::Check(id) });
        }
    }

    fn verdict(&mut self, now: Moment, id: CheckId, verdict: Verdict, sink: &mut impl Sink) {
        let Some(check) = self.checks.get_mut(id) else { return };
        // A verdict on what was not asked is about what is no more.
        if !check.running && !check.config.rhythm.unasked {
            return;
        }
        let reason = match &verdict {
            Verdict::Good { .. } | Verdict::Trouble { .. } => None,
            Verdict::Bad { reason } => Some(Arc::clone(reason)),
        };
        let judgement = check.judge(now, verdict);
        let (up, retries) = (check.up, check.config.rhythm.retries);
        let log_all = check.config.log_all_failures;
        let concerned = judgement.changed || judgement.reweighed || judgement.first;
        let users: Vec<_> = if concerned { check.users().collect() } else { Vec::new() };
        self.schedule(id);
        if let Some(reason) = judgement.trouble {
            sink.event(Event { at: now, happening: Happening::Trouble { check: id, reason } });
        }
        if let (Some(reason), Some(attempt), true) = (reason.clone(), judgement.failure, log_all) {
            let happening = Happening::Failure { check: id, reason, attempt, retries };
            sink.event(Event { at: now, happening });
        }
        for user in users {
            let proven = judgement.first && self.prove(user);
            if judgement.changed {
                self.check_changed(now, id, user, up, reason.clone(), sink);
            } else if judgement.reweighed {
                self.update_server(now, user, &Cause::Contribution { check: id }, sink);
            } else if proven {
                // What it counted as till then it is: there is nothing to tell.
                self.appear(now, user, sink);
            }
        }
    }

    /// Whether a server that waited for its checks has waited for the last of them.
    pub(crate) fn prove(&mut self, id: ServerId) -> bool {
        let Some(server) = self.servers.get(id).filter(|server| !server.proven) else { return false };
        let asked = |check| self.checks.get(check).is_none_or(|check| check.has_run);
        let proven = !server.config.proven_first || server.checks().all(asked);
        if let Some(server) = self.servers.get_mut(id) {
            server.proven = proven;
        }
        proven
    }

    fn appear(&mut self, now: Moment, id: ServerId, sink: &mut impl Sink) {
        let Some(server) = self.servers.get(id) else { return };
        self.refresh(now, server.service, &[id], sink);
    }

    fn check_changed(
        &mut self,
        now: Moment,
        check: CheckId,
        id: ServerId,
        up: bool,
        reason: Option<Arc<str>>,
        sink: &mut impl Sink,
    ) {
        let Some(server) = self.servers.get_mut(id) else { return };
        let was = server.alive();
        // A server that has the same check twice is among its users twice.
        server.failing = if up { server.failing.saturating_sub(1) } else { server.failing.saturating_add(1) };
        let server_follows = server.alive() != was;
        let (address, service) = (server.address(), server.service);
        let Some(service) = self.key(service) else { return };
        let told = reason.clone();
        let happening =
            Happening::Check { check, server: address, service, up, reason: told, server_follows };
        sink.event(Event { at: now, happening });
        self.update_server(now, id, &Cause::Check { check, reason }, sink);
    }

    /// A server may have come, gone, or changed its weight: its entry, what is told of it, and its service follow.
    pub(crate) fn update_server(&mut self, now: Moment, id: ServerId, cause: &Cause, sink: &mut impl Sink) {
        let Some(change) = self.weigh(now, id) else { return };
        self.refresh(now, change.service, &[id], sink);
        self.tell(now, &change, cause, sink);
        let cause = match cause {
            Cause::Check { .. } | Cause::Contribution { .. } => Cause::Server { server: change.address },
            other => other.clone(),
        };
        self.settle(now, change.service, &cause, sink);
    }

    /// Tells what weighing a server has shown.
    pub(crate) fn tell(&self, now: Moment, change: &Weighed, cause: &Cause, sink: &mut impl Sink) {
        let Some(service) = self.key(change.service) else { return };
        if change.alive != change.was_alive {
            let happening = Happening::Server {
                server: change.address,
                service: service.clone(),
                up: change.alive,
                cause: cause.clone(),
                notify: true,
            };
            sink.event(Event { at: now, happening });
        }
        if change.weight != change.was_weight {
            let happening = Happening::Weight {
                server: change.address,
                service,
                from: change.was_weight,
                to: change.weight,
                cause: cause.clone(),
            };
            sink.event(Event { at: now, happening });
        }
    }

    /// What a service is called.
    pub(crate) fn key(&self, id: ServiceId) -> Option<Arc<str>> {
        self.services.get(id).map(|service| service.config.key.clone())
    }

    /// Weighs a server anew, and what it adds to its service.
    pub(crate) fn weigh(&mut self, now: Moment, id: ServerId) -> Option<Weighed> {
        let server = self.servers.get(id)?;
        let contributions = server
            .checks()
            .map(|check| self.checks.get(check).map_or(Contribution::None, |check| check.contribution()));
        let weight = server.weigh(contributions);
        let server = self.servers.get_mut(id)?;
        let service = self.services.get_mut(server.service)?;
        let (alive, was_alive, was_weight) = (server.alive(), server.was_alive, server.weight);
        let was_live = server.live();
        server.weight = weight;
        server.was_alive = alive;
        if alive != was_alive && self.started {
            server.changed = Some(now.into());
        }
        server.counted = alive;
        service.live = service.live.saturating_sub(u64::from(was_live)) + u64::from(server.live());
        // What is alive from the beginning has had its time to warm up.
        if alive && !was_alive && self.started && !server.config.slow_start.is_zero() {
            server.start_slowly(now);
            if let Some(at) = server.next_growth(now) {
                self.queue.push(Entry { at, key: Timer::Growth(id) });
            }
        }
        let (service, address) = (server.service, server.address());
        Some(Weighed { service, address, alive, was_alive, weight, was_weight })
    }

    fn grow(&mut self, now: Moment, id: ServerId, sink: &mut impl Sink) {
        let Some(server) = self.servers.get_mut(id) else { return };
        if !server.is_slow() {
            return;
        }
        let service = server.service;
        if let Some(at) = server.next_growth(now) {
            self.queue.push(Entry { at, key: Timer::Growth(id) });
        }
        self.refresh(now, service, &[id], sink);
    }

    /// Judges the quorum of a service; if it flips, all entries follow.
    pub(crate) fn settle(&mut self, now: Moment, id: ServiceId, cause: &Cause, sink: &mut impl Sink) {
        if !self.started {
            return;
        }
        let Some(service) = self.services.get_mut(id) else { return };
        let starting = !std::mem::replace(&mut service.started, true);
        let quorum = service.has_quorum();
        let flipped = std::mem::replace(&mut service.quorum, quorum) != quorum;
        let told = starting && service.resumed;
        if !flipped && !starting {
            return;
        }
        let servers = service.servers.clone();
        let Some(service) = self.services.get(id) else { return };
        let happening = Happening::Quorum {
            service: service.config.key.clone(),
            up: quorum,
            starting: starting && !told,
            quorum: service.config.quorum,
            hysteresis: service.config.hysteresis,
            sum: service.live,
            cause: cause.clone(),
            // keepalived tells nobody of a service that begins without servers, unless the sorry server stands in.
            notify: quorum || !starting || service.config.sorry.is_some(),
        };
        self.refresh(now, id, &servers, sink);
        if flipped || !told {
            sink.event(Event { at: now, happening });
        }
    }

    /// Asks for what differs from what was asked for, of these servers and the sorry server: first what comes.
    pub(crate) fn refresh(&mut self, now: Moment, id: ServiceId, servers: &[ServerId], sink: &mut impl Sink) {
        let Some(service) = self.services.get_mut(id).filter(|service| service.started) else { return };
        let displaced = service.displaced();
        let name = service.config.key.clone();
        let mut going = Vec::new();
        let mut ask = |target, weight: Option<u32>, sink: &mut _| match weight {
            Some(_) => Sink::want(sink, &name, target, weight),
            None => going.push(target),
        };
        let sorry = service.sorry_entry();
        if std::mem::replace(&mut service.sorry_wanted, sorry) != sorry {
            ask(Target::Sorry, sorry, sink);
        }
        for key in servers {
            let Some(server) = self.servers.get_mut(*key) else { continue };
            let entry = server.entry(now, displaced);
            if server.want(entry) != entry {
                ask(Target::Server(server.address()), entry, sink);
            }
        }
        for target in going {
            sink.want(&name, target, None);
        }
    }

    fn present(&mut self, now: Moment, id: ServiceId, present: bool, sink: &mut impl Sink) {
        let Some(service) = self.services.get(id).filter(|service| service.config.ha_suspend) else {
            return;
        };
        if service.suspended == present {
            let service = service.config.key.clone();
            self.suspend(now, id, !present);
            let happening = Happening::Suspended { service, suspended: !present };
            sink.event(Event { at: now, happening });
        }
    }

    /// Lets the checks of a service rest, or wakes them up.
    pub(crate) fn suspend(&mut self, now: Moment, id: ServiceId, suspended: bool) {
        let Some(service) = self.services.get_mut(id) else { return };
        if std::mem::replace(&mut service.suspended, suspended) == suspended {
            return;
        }
        let servers = service.servers.clone();
        let checks: Vec<_> = servers
            .iter()
            .filter_map(|server| self.servers.get(*server))
            .flat_map(|server| server.checks().map(|check| (check, server.awaits_checks())))
            .collect();
        for (id, awaited) in checks {
            let Some(check) = self.checks.get_mut(id) else { continue };
            if suspended {
                check.active_users = check.active_users.saturating_sub(1);
                continue;
            }
            check.active_users += 1;
            self.wake(now, id, awaited);
        }
    }

    /// A server wants to know of a check that did not before; `awaited` if it is not in the table without.
    pub(crate) fn wake(&mut self, now: Moment, id: CheckId, awaited: bool) {
        let Some(check) = self.checks.get(id) else { return };
        // As at a start.
        let soon = (awaited && !check.has_run).then(|| now + self.spread(&check.key(), FIRST_DELAY));
        let Some(check) = self.checks.get_mut(id) else { return };
        if check.wake(now, soon) {
            self.schedule(id);
        }
    }

    fn override_server(&mut self, now: Moment, id: ServerId, by: Override, sink: &mut impl Sink) {
        let Some(server) = self.servers.get_mut(id) else { return };
        if server.set_by(by) == by {
            return;
        }
        let (server, service) = (server.address(), server.service);
        let Some(service) = self.key(service) else { return };
        sink.event(Event { at: now, happening: Happening::Overridden { server, service, by } });
        self.update_server(now, id, &Cause::Operator, sink);
    }

    fn stop(&mut self, now: Moment, sink: &mut impl Sink) {
        for service in self.services.keys() {
            let notify = self.services.get(service).is_some_and(|service| service.config.omega);
            self.tell_end(now, service, &Cause::Stop, notify, sink);
        }
        self.stopping = true;
    }

    /// What is told of a service that ends: its servers go down, then the quorum.
    pub(crate) fn tell_end(
        &mut self,
        now: Moment,
        id: ServiceId,
        cause: &Cause,
        notify: bool,
        sink: &mut impl Sink,
    ) {
        let Some(service) = self.services.get(id) else { return };
        let name = service.config.key.clone();
        for server in service.servers.iter().filter_map(|key| self.servers.get(*key)) {
            if server.alive() {
                let happening = Happening::Server {
                    server: server.address(),
                    service: name.clone(),
                    up: false,
                    cause: cause.clone(),
                    notify,
                };
                sink.event(Event { at: now, happening });
            }
        }
        if service.quorum {
            let happening = Happening::Quorum {
                service: name.clone(),
                up: false,
                starting: false,
                quorum: service.config.quorum,
                hysteresis: service.config.hysteresis,
                // Of its servers it has been told that they are gone.
                sum: 0,
                cause: cause.clone(),
                notify,
            };
            sink.event(Event { at: now, happening });
        }
        sink.drop_service(&name);
    }

    /// The random part of a first delay: another for each check, the same for the same seed.
    pub(crate) fn spread(&self, key: &CheckKey, bound: Duration) -> Duration {
        let mut mixed = self.seed;
        let address = match key.target.ip() {
            std::net::IpAddr::V4(address) => u64::from(u32::from(address)),
            std::net::IpAddr::V6(address) => {
                let [.., a, b, c, d, e, f, g, h] = address.octets();
                u64::from_be_bytes([a, b, c, d, e, f, g, h])
            }
        };
        for word in [address, u64::from(key.target.port())] {
            // Sebastiano Vigna's splitmix64.
            mixed = (mixed ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
        }
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let part = (u128::from(mixed) * u128::from(bound)) >> 64;
        Duration::from_nanos(u64::try_from(part).unwrap_or(bound))
    }
}

/// What weighing a server has shown.
#[derive(Debug)]
pub(crate) struct Weighed {
    pub(crate) service: ServiceId,
    pub(crate) address: SocketAddr,
    pub(crate) alive: bool,
    pub(crate) was_alive: bool,
    pub(crate) weight: u32,
    pub(crate) was_weight: u32,
}
