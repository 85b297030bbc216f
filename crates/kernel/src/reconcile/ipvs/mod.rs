//! Wanted services and servers of IPVS against those that exist: the difference, written in few large batches.
//!
//! ```text
//! wish, unwish ──▶ desired ─┐
//!                           ├─ dirty ─▶ difference ─▶ install: services, servers, then what goes
//! adopt, survey ─▶ present ─┘                          │
//!        ▲                                             ▼
//!        └──────────────────── lists ─────────────── kernel
//! ```
//!
//! Work is proportional to what changed: only what is marked dirty is looked at. What is new is added before anything
//! is removed, so that no service is without a server in between. Services that nobody here wants belong to others and
//! are left alone; servers of a wanted service belong here.

mod difference;
mod held;
mod keys;
mod rarely;
mod sorted;
mod survey;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use super::pause::wait_after;
use super::{Fate, Heard, RETRY_INTERVAL_NANOSECONDS, Reconcile, Report, Thing};
use crate::error::{Capability, Error, Result};
use crate::ipvs::{Command, Ipvs, Outcome, Refusal, Server, ServerKey, Service, ServiceKey};

use held::Held;
use survey::Survey;

pub use survey::{SURVEY_INTERVAL_NANOSECONDS, SURVEY_SERVICES_MAX};
pub use sync::{SyncFailure, settle_sync_daemons};

/// What the kernel refused is tried again after twice the time of before, but no longer than this.
pub const RETRY_INTERVAL_MAX_NANOSECONDS: u64 = 60 * RETRY_INTERVAL_NANOSECONDS;

/// Commands of one round; the rest waits for the next, so that the caller's other work gets its turn.
pub const COMMANDS_MAX: usize = 4_096;

/// Keeps the table of IPVS as it is wanted.
#[derive(Debug, Default)]
pub struct Services {
    /// What is wanted, and what the kernel has of what is or was wanted.
    held: BTreeMap<ServiceKey, Held>,
    /// Where these may differ. Of a service that is not there its servers are not here: they come with it.
    dirty: BTreeSet<Item>,
    /// What becomes dirty at a time.
    later: BTreeSet<(u64, Item)>,
    refused: BTreeMap<Item, Refused>,
    /// Services of which the picture is known to be wrong.
    stale: BTreeSet<ServiceKey>,
    /// What others removed and what is not there again.
    taken_away: BTreeSet<Item>,
    survey: Survey,
    reports: Vec<Report>,
}

/// What the kernel refused, and refuses still.
#[derive(Debug, Default)]
struct Refused {
    /// Attempts in a row; 0 stands for one after which the table was read again.
    attempts: u32,
    /// Why, where that was told.
    error: Option<Box<Error>>,
}

impl Refused {
    /// Whether the last attempt was refused for another reason, and the table has not been read since.
    fn was_for_another_reason(&self, refusal: Refusal) -> bool {
        self.attempts > 0 && self.error.as_ref().is_some_and(|error| error.errno != refusal.errno())
    }
}

/// A service, or a server of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The service.
    pub service: ServiceKey,
    /// Its server, if it is one.
    pub server: Option<ServerKey>,
}

/// A service, or a server of one, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A service; another's settings under the same key replace the former.
    Service(ServiceKey, Service),
    /// A server of a service. Without such a service this has no effect.
    Server(ServiceKey, ServerKey, Server),
}

impl Item {
    /// The service itself.
    pub const fn service(service: ServiceKey) -> Self {
        Self { service, server: None }
    }

    /// A server of it.
    pub const fn server(service: ServiceKey, server: ServerKey) -> Self {
        Self { service, server: Some(server) }
    }

    fn thing(self) -> Thing {
        match self.server {
            None => Thing::Service(self.service),
            Some(server) => Thing::Server(self.service, server),
        }
    }
}

impl Reconcile for Services {
    type Way = Ipvs;
    type Key = Item;
    type Wish = Wish;

    fn key(wish: &Wish) -> Item {
        match wish {
            Wish::Service(service, _) => Item::service(*service),
            Wish::Server(service, server, _) => Item::server(*service, *server),
        }
    }

    fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::Service(key, service) => self.wish_service(key, service),
            Wish::Server(key, server_key, server) => self.wish_server(key, server_key, server),
        }
    }

    /// A service goes with its servers.
    fn unwish(&mut self, item: &Item) {
        match item.server {
            None => self.unwish_service(item.service),
            Some(server) => self.unwish_server(item.service, server),
        }
    }

    /// The kernel announces nothing of IPVS.
    fn heard(&mut self, _: Heard<'_>, _: u64) {}

    /// A part of the round through the table, when it is time to.
    fn survey(&mut self, ipvs: &mut Ipvs, now: u64) -> Result<()> {
        if self.survey.begin(now) {
            let goes_on = self.look(ipvs, true)?;
            self.survey.again(now, goes_on);
        }
        Ok(())
    }

    /// What goes has to wait for what comes: no service is without a server in between.
    fn retract(&mut self, _: &mut Ipvs, _: u64) -> Result<()> {
        Ok(())
    }

    /// Writes the difference to the kernel, at most [`COMMANDS_MAX`] of it.
    fn install(&mut self, ipvs: &mut Ipvs, now: u64) -> Result<()> {
        self.take_due(now);
        self.refresh(ipvs)?;
        let commands = self.difference();
        let outcomes = ipvs.send(&commands)?;
        for (command, outcome) in commands.into_iter().zip(outcomes) {
            let item = Item { service: command.service(), server: command.server() };
            self.dirty.remove(&item);
            self.settle(item, command, outcome, now);
        }
        Ok(())
    }

    fn next_wakeup(&self) -> Option<u64> {
        if !self.dirty.is_empty() || !self.stale.is_empty() {
            return Some(0);
        }
        let later = self.later.first().map(|(time, _)| *time);
        later.into_iter().chain(self.survey.due()).min()
    }

    fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }
}

impl Services {
    fn wish_service(&mut self, key: ServiceKey, service: Service) {
        let held = self.held.entry(key).or_default();
        let was_wanted = held.is_wanted();
        if !held.wish(service) {
            return;
        }
        if !was_wanted {
            // Servers that are there from before are kept only if they are wanted again.
            self.dirty.extend(held.differing().map(|server| Item::server(key, server)));
        }
        // What was refused was another wish.
        self.refused.remove(&Item::service(key));
        self.dirty.insert(Item::service(key));
    }

    fn unwish_service(&mut self, key: ServiceKey) {
        if self.held.get_mut(&key).is_some_and(Held::unwish) {
            self.forget_attempts(key);
            self.dirty.insert(Item::service(key));
        }
    }

    fn wish_server(&mut self, key: ServiceKey, server_key: ServerKey, server: Server) {
        let Some(held) = self.held.get_mut(&key) else { return };
        if held.wish_server(server_key, server) {
            let item = Item::server(key, server_key);
            self.refused.remove(&item);
            if held.is_present() {
                self.dirty.insert(item);
            }
        }
    }

    fn unwish_server(&mut self, key: ServiceKey, server: ServerKey) {
        let Some(held) = self.held.get_mut(&key) else { return };
        if held.unwish_server(server) {
            let item = Item::server(key, server);
            self.refused.remove(&item);
            self.taken_away.remove(&item);
            if held.is_present() {
                self.dirty.insert(item);
            }
        }
    }

    /// These servers of a service are wanted, and no others.
    pub fn wish_servers(&mut self, key: ServiceKey, servers: &BTreeMap<ServerKey, Server>) {
        let Some(held) = self.held.get(&key) else { return };
        let before = held.wanted_servers().map(|(server, _)| server);
        let gone: Vec<_> = before.filter(|server| !servers.contains_key(server)).collect();
        for (server_key, server) in servers {
            self.wish_server(key, *server_key, *server);
        }
        gone.into_iter().for_each(|server| self.unwish_server(key, server));
    }

    /// Nothing shall exist: what was made here is removed by the next round.
    pub fn unwish_all(&mut self) {
        let services: Vec<_> = self.services().collect();
        for service in services {
            self.unwish_service(service);
        }
    }

    /// A service of an earlier run that nobody wants any more is removed by the next round.
    pub fn discard(&mut self, key: ServiceKey) {
        if !self.is_wanted(key) {
            self.stale.insert(key);
        }
    }

    /// The services that are wanted, in order.
    pub fn services(&self) -> impl Iterator<Item = ServiceKey> + '_ {
        self.held.iter().filter(|(_, held)| held.is_wanted()).map(|(key, _)| *key)
    }

    fn is_wanted(&self, key: ServiceKey) -> bool {
        self.held.get(&key).is_some_and(Held::is_wanted)
    }

    /// Room for services and servers to come is given back.
    pub fn compact(&mut self) {
        self.held.values_mut().for_each(Held::compact);
        // What is put in one after another leaves every node of the map half full.
        self.held = std::mem::take(&mut self.held).into_iter().collect();
    }

    /// Whether the kernel has the server as it is wanted, as far as is known.
    pub fn is_served(&self, key: ServiceKey, server: ServerKey) -> bool {
        let Some(held) = self.held.get(&key) else { return false };
        let pair = held.wanted_server(server).zip(held.present_server(server));
        pair.is_some_and(|(wanted, found)| found.satisfies(wanted))
    }

    /// What the kernel refuses of a service and its servers, in their order.
    pub fn refusals(&self, key: ServiceKey) -> impl Iterator<Item = &Error> + '_ {
        let all = self.refused.range(Item::service(key)..).take_while(move |(item, _)| item.service == key);
        all.filter_map(|(_, refused)| refused.error.as_deref())
    }

    /// Whether nothing waits to be written.
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty() && self.later.is_empty() && self.stale.is_empty()
    }

    /// Reads what an earlier run left of the wanted services, so that only the difference is written. To be called when
    /// everything is wanted, before the first round.
    ///
    /// # Errors
    /// When the kernel gives no list.
    pub fn adopt(&mut self, ipvs: &mut Ipvs) -> Result<()> {
        self.forget_present();
        for listed in ipvs.services()? {
            if self.is_wanted(listed.key) || self.stale.contains(&listed.key) {
                let servers = list_servers(ipvs, listed.key)?;
                self.take_over(listed.key, Some((listed.service, servers)));
                if self.is_wanted(listed.key) && self.is_of_others(listed.key) {
                    self.reports.push(Item::service(listed.key).thing().came(Fate::TakenOver));
                }
            }
        }
        self.stale.clear();
        self.dirty_wanted();
        Ok(())
    }

    /// Takes every service of the namespace away, also those of others, and what is wanted is written anew.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn flush(&mut self, ipvs: &mut Ipvs) -> Result<()> {
        ipvs.flush()?;
        self.forget_present();
        self.stale.clear();
        self.dirty_wanted();
        Ok(())
    }

    /// Nothing is known of what the kernel has.
    fn forget_present(&mut self) {
        self.held.values_mut().for_each(Held::gone);
        self.held.retain(|_, held| held.is_wanted());
    }

    fn dirty_wanted(&mut self) {
        let services: Vec<_> = self.services().collect();
        services.into_iter().for_each(|service| self.dirty_all(service));
    }

    /// Whether every service of the kernel is wanted here.
    ///
    /// # Errors
    /// When the kernel gives no list.
    pub fn is_alone(&mut self, ipvs: &mut Ipvs) -> Result<bool> {
        Ok(ipvs.services()?.iter().all(|listed| self.is_wanted(listed.key)))
    }

    /// What the next round would do, as far as is known.
    pub fn planned(&mut self) -> Vec<Command> {
        self.difference()
    }

    /// Reads again what the kernel's answers have shown to be other than thought.
    fn refresh(&mut self, ipvs: &mut Ipvs) -> Result<()> {
        while let Some(key) = self.stale.first().copied() {
            let present = match ipvs.service(key)? {
                Some(listed) => Some((listed.service, list_servers(ipvs, key)?)),
                None => None,
            };
            self.stale.remove(&key);
            self.take_over(key, present);
        }
        Ok(())
    }

    fn take_over(&mut self, key: ServiceKey, present: Option<(Service, BTreeMap<ServerKey, Server>)>) {
        match present {
            Some((service, servers)) => self.held.entry(key).or_default().found(service, &servers),
            None => self.set_gone(key),
        }
        self.dirty_all(key);
    }

    /// Whether the kernel has more than is wanted of a service, or has it otherwise. What it lacks only is to be written.
    fn is_of_others(&self, key: ServiceKey) -> bool {
        let Some(held) = self.held.get(&key) else { return false };
        let surplus = || held.present_servers().any(|(server, _)| held.wanted_server(server).is_none());
        held.present_service() != held.wanted_service() || surplus()
    }

    /// The kernel does not have a service.
    fn set_gone(&mut self, key: ServiceKey) {
        if let Some(held) = self.held.get_mut(&key) {
            held.gone();
            if !held.is_wanted() {
                self.held.remove(&key);
            }
        }
    }

    /// Everything of a service may differ, or be as it is wanted though the kernel was last heard to refuse it.
    fn dirty_all(&mut self, key: ServiceKey) {
        let first = Item::service(key);
        self.dirty.insert(first);
        let differing = self.held.get(&key).into_iter().flat_map(Held::differing);
        self.dirty.extend(differing.map(|server| Item::server(key, server)));
        let is_ours = |item: &Item| item.service == key;
        self.dirty.extend(self.refused.range(first..).map(|(item, _)| *item).take_while(is_ours));
        self.dirty.extend(self.taken_away.range(first..).copied().take_while(is_ours));
    }

    fn take_due(&mut self, now: u64) {
        while let Some(&(time, item)) = self.later.first()
            && time <= now
        {
            self.later.pop_first();
            self.dirty.insert(item);
        }
    }

    fn forget_attempts(&mut self, key: ServiceKey) {
        let first = Item::service(key);
        let ours = |items: &mut dyn Iterator<Item = Item>| -> Vec<Item> {
            items.take_while(|item| item.service == key).collect()
        };
        for item in ours(&mut self.refused.range(first..).map(|(item, _)| *item)) {
            self.refused.remove(&item);
        }
        for item in ours(&mut self.taken_away.range(first..).copied()) {
            self.taken_away.remove(&item);
        }
        self.later.retain(|(_, item)| item.service != key);
    }

    fn settle(&mut self, item: Item, command: Command, outcome: Outcome, now: u64) {
        let refusal = match outcome {
            Outcome::Done => {
                let was_told = self.refused.remove(&item).is_some_and(|refused| refused.error.is_some());
                return self.done(item, command, was_told);
            }
            Outcome::Unknown => {
                self.stale.insert(item.service);
                return;
            }
            Outcome::Refused(refusal) => refusal,
        };
        match (&command, refusal) {
            (Command::DeleteService(_) | Command::DeleteServer(..), Refusal::ServiceMissing)
            | (Command::DeleteServer(..), Refusal::ServerMissing) => {
                self.refused.remove(&item);
                self.done(item, command, false);
            }
            // Its service is about to be tried again, and with it all its servers.
            (Command::AddServer(..), Refusal::ServiceMissing)
                if !self.held.get(&item.service).is_some_and(Held::is_present) => {}
            (_, Refusal::AlreadyThere | Refusal::ServiceMissing | Refusal::ServerMissing)
                if self.refused.get(&item).is_none_or(|known| known.was_for_another_reason(refusal)) =>
            {
                self.refused.entry(item).or_default().attempts = 0;
                self.stale.insert(item.service);
                self.tell_of_others(item, refusal);
            }
            _ => {
                let known = self.refused.entry(item).or_default();
                known.attempts = known.attempts.saturating_add(1);
                let wait = wait_after(known.attempts, RETRY_INTERVAL_MAX_NANOSECONDS);
                self.later.insert((now.saturating_add(wait), item));
                let error = refused(&command, refusal);
                // Another reason is told as well.
                if known.error.as_deref() != Some(&error) {
                    known.error = Some(Box::new(error.clone()));
                    self.reports.push(item.thing().came(Fate::Refused(Box::new(error))));
                }
            }
        }
    }

    /// The picture was wrong: somebody else was at work since it was made.
    fn tell_of_others(&mut self, item: Item, refusal: Refusal) {
        let (item, fate) = match refusal {
            Refusal::AlreadyThere => (item, Fate::TakenOver),
            Refusal::ServiceMissing => (Item::service(item.service), Fate::TakenAway),
            _ => (item, Fate::TakenAway),
        };
        // One that is missing is missed by each of its servers.
        if fate != Fate::TakenAway || self.taken_away.insert(item) {
            self.reports.push(item.thing().came(fate));
        }
    }

    /// `was_told` that the kernel refuses it.
    fn done(&mut self, item: Item, command: Command, was_told: bool) {
        let held = self.held.entry(item.service).or_default();
        let fate = match command {
            Command::AddService(_, service) => {
                held.added(service);
                Fate::Installed
            }
            Command::SetService(_, service) => {
                held.found_service(service);
                Fate::Installed
            }
            Command::DeleteService(key) => {
                self.set_gone(key);
                Fate::Gone
            }
            Command::AddServer(_, key, server) | Command::SetServer(_, key, server) => {
                held.found_server(key, Some(server));
                Fate::Installed
            }
            Command::DeleteServer(_, key) => {
                held.found_server(key, None);
                Fate::Gone
            }
        };
        let fate = match (self.taken_away.remove(&item), was_told) {
            (true, _) => Fate::PutBack,
            (false, true) => Fate::Accepted,
            (false, false) => fate,
        };
        self.reports.push(item.thing().came(fate));
    }
}

#[cfg(test)]
mod tests;

/// With what the number means for this command in place of the kernel's own words, of which it has none.
fn refused(command: &Command, refusal: Refusal) -> Error {
    let meaning = match refusal {
        Refusal::NotPermitted(_) | Refusal::Other(_) => None,
        _ => Some(refusal.to_string()),
    };
    let error = Error { kernel_message: meaning, ..Error::new(command.to_string(), refusal.errno()) };
    error.needing(Capability::NetAdmin)
}

/// The servers of a service, without what changes by itself.
fn list_servers(ipvs: &mut Ipvs, key: ServiceKey) -> Result<BTreeMap<ServerKey, Server>> {
    Ok(ipvs.servers(key)?.into_iter().map(|listed| (listed.key, listed.server)).collect())
}
