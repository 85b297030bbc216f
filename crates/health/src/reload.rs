//! Coming, going and staying: at the start, at a reload, and where a predecessor died. What stays keeps its state and its
//! rhythm.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::net::SocketAddr;
use std::sync::Arc;

use steadfast_time::Moment;

use crate::action::{Sink, Target};
use crate::check::{Check, Manner};
use crate::config::{
    CheckConfig, CheckId, CheckKey, Config, ServerConfig, ServerId, ServiceConfig, ServiceId,
};
use crate::event::{Cause, Event, Happening};
use crate::index;
use crate::machine::{FIRST_DELAY, Machine};
use crate::server::{Server, Settings};
use crate::service::Service;
use crate::slab::Slab;
use crate::status::{CheckResume, Resume};

/// How a check begins that nobody has made before.
#[derive(Clone, Copy)]
struct Begin<'a> {
    /// The checks that its server had till now.
    before: &'a [CheckId],
    /// What is to be down until it has been asked is so.
    alpha_counts: bool,
    /// Its server waits for it.
    hurried: bool,
}

impl Machine {
    /// Goes on with another configuration. Of what is the same in both nothing is asked for.
    pub fn reload(&mut self, now: Moment, config: Config, sink: &mut impl Sink) {
        let staying: BTreeSet<_> = config.services.iter().map(|service| service.key.clone()).collect();
        let gone: Vec<_> = self.service_keys.keys().filter(|key| !staying.contains(*key)).cloned().collect();
        self.revise(now, config.services, &gone, sink);
    }

    /// The same where it is known what differs: `services` are new or have other settings, and those of the keys `gone`
    /// are no more. All others are not looked at.
    pub fn revise(
        &mut self,
        now: Moment,
        services: Vec<ServiceConfig>,
        gone: &[Arc<str>],
        sink: &mut impl Sink,
    ) {
        if self.stopping {
            return;
        }
        let mut seen = BTreeSet::new();
        for new in services {
            if !seen.insert(new.key.clone()) {
                continue;
            }
            match self.service_keys.get(&new.key) {
                Some(id) => self.change(now, *id, new, sink),
                None => {
                    let Some(id) = self.enrol(now, new) else { continue };
                    self.settle(now, id, &Cause::Reload, sink);
                }
            }
        }
        // What comes is there before anything goes.
        for key in gone {
            let Some(id) = self.service_keys.remove(key) else { continue };
            let notify = self.services.get(id).is_some_and(|service| service.config.omega);
            self.tell_end(now, id, &Cause::Reload, notify, sink);
            let servers = self.services.get(id).map(|service| service.servers.clone()).unwrap_or_default();
            for server in servers {
                self.dismiss(server, sink);
            }
            self.services.remove(id);
        }
        self.manners.sweep();
        self.settings.sweep();
    }

    /// The number of a check by its key.
    fn check_id(&self, key: &CheckKey) -> Option<CheckId> {
        let is =
            |place| self.checks.get(CheckId(place)).is_some_and(|check| check.identity() == key.identity());
        self.check_keys.get(&key.identity(), is).map(CheckId)
    }

    /// A service that was not there before. None if there is one of that key.
    pub(crate) fn enrol(&mut self, now: Moment, mut config: ServiceConfig) -> Option<ServiceId> {
        if self.service_keys.contains_key(&config.key) {
            return None;
        }
        let servers = std::mem::take(&mut config.servers);
        let key = config.key.clone();
        let id = self.services.insert(Service::new(config));
        self.service_keys.insert(key, id);
        let mut known = BTreeMap::new();
        for server in servers {
            if let btree_map::Entry::Vacant(vacant) = known.entry(server.address) {
                vacant.insert(());
                self.add_server(now, id, server);
            }
        }
        Some(id)
    }

    /// A server that was not there before.
    fn add_server(&mut self, now: Moment, service: ServiceId, config: ServerConfig) -> ServerId {
        let settings = self.settings.share(Settings::of(&config));
        let begin = Begin { before: &[], alpha_counts: true, hurried: settings.proven_first };
        let id = self.servers.insert(Server::new(service, config.address, settings));
        let checks: Vec<CheckId> =
            config.checks.iter().map(|check| self.acquire(now, check, id, service, begin)).collect();
        if let Some(server) = self.servers.get_mut(id) {
            server.set_checks(&checks);
        }
        if let Some(service) = self.services.get_mut(service) {
            service.servers.push(id);
        }
        self.recount(id);
        self.begin(now, id);
        id
    }

    /// Nobody is told of what a server is at its beginning.
    fn begin(&mut self, now: Moment, id: ServerId) {
        if let Some(server) = self.servers.get_mut(id) {
            server.was_alive = server.alive();
        }
        self.prove(id);
        self.weigh(now, id);
    }

    /// Counts the checks of a server that are down.
    fn recount(&mut self, id: ServerId) {
        let Some(server) = self.servers.get(id) else { return };
        let down = server.checks().filter(|check| self.checks.get(*check).is_some_and(|check| !check.up));
        let failing = u32::try_from(down.count()).unwrap_or(u32::MAX);
        if let Some(server) = self.servers.get_mut(id) {
            server.failing = failing;
        }
    }

    /// The check of that key, with one more user.
    fn acquire(
        &mut self,
        now: Moment,
        config: &CheckConfig,
        server: ServerId,
        service: ServiceId,
        begin: Begin<'_>,
    ) -> CheckId {
        let awake = self.services.get(service).is_some_and(|service| !service.suspended);
        let id = match self.check_id(&config.key) {
            Some(id) => id,
            None => self.add_check(now, config, begin),
        };
        if let Some(check) = self.checks.get_mut(id) {
            check.add_user(server);
            check.active_users += u32::from(awake);
        }
        if awake {
            self.wake(now, id, begin.hurried);
        }
        id
    }

    /// A check that was not there before, or asked at other times.
    fn add_check(&mut self, now: Moment, config: &CheckConfig, begin: Begin<'_>) -> CheckId {
        let first = if begin.hurried {
            now + self.spread(&config.key, FIRST_DELAY)
        } else {
            now + FIRST_DELAY + self.spread(&config.key, config.rhythm.warmup)
        };
        let manner = self.manners.share(Manner::of(config));
        let mut check = Check::new(config.key.target, manner, first);
        // Under a server that serves already, a check that nobody has asked must not take it away.
        check.up |= !begin.alpha_counts;
        let before = begin.before.iter().filter_map(|id| self.checks.get(*id));
        // Of several the one that is down counts: what it found has not been refuted.
        let before = before.filter(|check| check.asks_as(config)).min_by_key(|check| check.up);
        if let Some(before) = before {
            check.go_on_from(now, before);
        }
        let id = self.checks.insert(check);
        let checks = &self.checks;
        self.check_keys.insert(&config.key.identity(), id.0, |place| hash_of(checks, place));
        self.schedule(id);
        id
    }

    /// One user less; with the last one it goes.
    fn release(&mut self, id: CheckId, server: ServerId, awake: bool, sink: &mut impl Sink) {
        let Some(check) = self.checks.get_mut(id) else { return };
        if check.remove_user(server) {
            check.active_users = check.active_users.saturating_sub(u32::from(awake));
        }
        if !check.is_used() {
            let (key, checks) = (check.key(), &self.checks);
            self.check_keys.remove(&key.identity(), |place| place == id.0, |place| hash_of(checks, place));
            self.checks.remove(id);
            sink.forget(id);
        }
    }

    fn dismiss(&mut self, id: ServerId, sink: &mut impl Sink) {
        let Some(server) = self.servers.remove(id) else { return };
        let awake = self.services.get(server.service).is_some_and(|service| !service.suspended);
        for check in server.checks() {
            self.release(check, id, awake, sink);
        }
    }

    /// A service that stays, perhaps with other settings and servers.
    fn change(&mut self, now: Moment, id: ServiceId, mut new: ServiceConfig, sink: &mut impl Sink) {
        let servers = std::mem::take(&mut new.servers);
        let Some(service) = self.services.get_mut(id) else { return };
        let watch = new.ha_suspend;
        let watched = std::mem::replace(&mut service.config, new).ha_suspend;
        if watch != watched {
            // While its servers are those that its checks count.
            self.suspend(now, id, watch);
        }
        let Some(service) = self.services.get_mut(id) else { return };
        let old = std::mem::take(&mut service.servers);
        let mut leaving: BTreeMap<SocketAddr, ServerId> =
            old.iter().filter_map(|key| Some((self.servers.get(*key)?.address(), *key))).collect();
        let mut order = Vec::with_capacity(servers.len());
        let mut seen = BTreeMap::new();
        for server in servers {
            if seen.insert(server.address, ()).is_some() {
                continue;
            }
            match leaving.remove(&server.address) {
                Some(key) => {
                    self.change_server(now, key, server, sink);
                    order.push(key);
                }
                None => order.push(self.add_server(now, id, server)),
            }
        }
        if let Some(service) = self.services.get_mut(id) {
            service.servers = order.clone();
            for key in leaving.values() {
                let live = self.servers.get(*key).map_or(0, Server::live);
                service.live = service.live.saturating_sub(u64::from(live));
            }
        }
        self.refresh(now, id, &order, sink);
        self.settle(now, id, &Cause::Reload, sink);
        for key in leaving.into_values() {
            self.remove_server(now, id, key, sink);
        }
    }

    fn change_server(&mut self, now: Moment, id: ServerId, new: ServerConfig, sink: &mut impl Sink) {
        let settings = self.settings.share(Settings::of(&new));
        let same_checks = self.has_checks(id, &new.checks);
        let checks = new.checks;
        let Some(server) = self.servers.get_mut(id) else { return };
        let service = server.service;
        let same = server.config.weight == settings.weight && same_checks;
        server.config = settings;
        if same {
            self.prove(id);
            return;
        }
        if !same_checks {
            let old: Vec<_> = server.checks().collect();
            let (alpha_counts, hurried) = (server.failing > 0, server.awaits_checks());
            let begin = Begin { before: &old, alpha_counts, hurried };
            let fresh: Vec<CheckId> =
                checks.iter().map(|check| self.acquire(now, check, id, service, begin)).collect();
            let awake = self.services.get(service).is_some_and(|service| !service.suspended);
            let Some(server) = self.servers.get_mut(id) else { return };
            server.set_checks(&fresh);
            for check in old {
                self.release(check, id, awake, sink);
            }
            self.recount(id);
        }
        self.prove(id);
        if let Some(change) = self.weigh(now, id) {
            self.tell(now, &change, &Cause::Reload, sink);
        }
    }

    /// Whether a server has these checks, and no others.
    fn has_checks(&self, id: ServerId, wanted: &[CheckConfig]) -> bool {
        let mut checks = self.servers.get(id).into_iter().flat_map(Server::checks);
        let is = |id: CheckId, config: &CheckConfig| {
            self.checks.get(id).is_some_and(|check| check.is_configured_as(config))
        };
        wanted.iter().all(|config| checks.next().is_some_and(|id| is(id, config))) && checks.next().is_none()
    }

    fn remove_server(&mut self, now: Moment, service: ServiceId, id: ServerId, sink: &mut impl Sink) {
        let (Some(server), Some(service)) = (self.servers.get(id), self.key(service)) else { return };
        let address = server.address();
        if server.wanted().is_some() {
            sink.want(&service, Target::Server(address), None);
        }
        if server.alive() {
            let happening =
                Happening::Server { server: address, service, up: false, cause: Cause::Reload, notify: true };
            sink.event(Event { at: now, happening });
        }
        self.dismiss(id, sink);
    }

    /// What a predecessor knew.
    pub(crate) fn take_over(&mut self, now: Moment, resume: Resume) {
        if resume.others_have_run {
            for id in self.checks.keys() {
                if let Some(check) = self.checks.get_mut(id) {
                    check.has_run = true;
                }
            }
        }
        self.take_over_checks(resume.checks);
        for known in resume.services {
            let Some(id) = self.service_id(&known.key) else { continue };
            let Some(service) = self.services.get_mut(id) else { continue };
            service.quorum = known.quorum;
            service.resumed = true;
            if service.config.ha_suspend && !known.suspended {
                self.suspend(now, id, false);
            }
            let by_address: BTreeMap<_, _> =
                known.servers.into_iter().map(|server| (server.address, server.by)).collect();
            let servers = self.services.get(id).map(|service| service.servers.clone()).unwrap_or_default();
            for key in servers {
                let Some(server) = self.servers.get_mut(key) else { continue };
                server.set_by(by_address.get(&server.address()).copied().unwrap_or_default());
            }
        }
        for id in self.servers.keys() {
            self.recount(id);
            self.begin(Moment::ZERO, id);
        }
    }

    /// Checks of which a predecessor knew something. One that is made otherwise since is known by what it asks.
    fn take_over_checks(&mut self, mut all: Vec<CheckResume>) {
        let mut otherwise = BTreeMap::new();
        for known in all.extract_if(.., |known| self.check_id(&known.key).is_none()) {
            let asks = (known.key.target, Arc::clone(&known.question));
            match otherwise.entry(asks) {
                btree_map::Entry::Vacant(vacant) => drop(vacant.insert(known)),
                // Of several the one that is down counts: what it found has not been refuted.
                btree_map::Entry::Occupied(mut before) if !known.up => drop(before.insert(known)),
                btree_map::Entry::Occupied(_) => {}
            }
        }
        if !otherwise.is_empty() {
            for id in self.checks.keys() {
                let Some(check) = self.checks.get_mut(id) else { continue };
                let asks = (check.target(), Arc::clone(&check.config.question));
                if let Some(known) = otherwise.get(&asks) {
                    check.resume(known.clone());
                }
            }
        }
        // Whoever is as it was is what it was.
        for known in all {
            let id = self.check_id(&known.key);
            if let Some(check) = id.and_then(|id| self.checks.get_mut(id)) {
                check.resume(known);
            }
        }
    }
}

fn hash_of(checks: &Slab<CheckId, Check>, place: u32) -> u64 {
    checks.get(CheckId(place)).map_or(0, |check| index::hash(&check.identity()))
}
