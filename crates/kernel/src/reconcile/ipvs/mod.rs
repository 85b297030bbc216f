//! Wanted services and servers of IPVS against those that exist: the difference, written in few large batches.
//!
//! ```text
//! want, unwant ──▶ desired ─┐
//!                           ├─ dirty ─▶ difference ─▶ apply: services, servers, then what goes
//! adopt, survey ─▶ present ─┘                          │
//!        ▲                                             ▼
//!        └──────────────────── lists ─────────────── kernel
//! ```
//!
//! Work is proportional to what changed: only what is marked dirty is looked at. What is new is added before anything
//! is removed, so that no service is without a server in between. Services that nobody here wants belong to others and
//! are left alone; servers of a wanted service belong here.

mod difference;
mod survey;
mod sync;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::ipvs::{Command, Ipvs, Outcome, Refusal, Server, ServerKey, Service, ServiceKey};

pub use survey::{Finding, Found, SURVEY_SERVICES_MAX, Survey};
pub use sync::{SyncFailure, settle_sync_daemons};

/// What the kernel refused is tried again after this time, then after twice that, and so on.
pub const RETRY_INTERVAL_NANOSECONDS: u64 = 1_000_000_000;

/// No longer than this between two attempts.
pub const RETRY_INTERVAL_MAX_NANOSECONDS: u64 = 60 * RETRY_INTERVAL_NANOSECONDS;

/// Commands of one [`Reconciler::apply`]; the rest waits for the next, so that the caller's other work gets its turn.
pub const COMMANDS_MAX: usize = 4_096;

/// Keeps the table of IPVS as it is wanted.
#[derive(Debug, Default)]
pub struct Reconciler {
    desired: BTreeMap<ServiceKey, Wanted>,
    /// What the kernel has of what is or was wanted.
    present: BTreeMap<ServiceKey, Present>,
    /// Where desired and present may differ.
    dirty: BTreeSet<Item>,
    /// What becomes dirty at a time.
    later: BTreeSet<(u64, Item)>,
    /// Attempts in a row that the kernel refused; 0 stands for one after which the table was read again.
    refused: BTreeMap<Item, u32>,
    /// Services of which the picture is known to be wrong.
    stale: BTreeSet<ServiceKey>,
    survey: Survey,
}

/// A service, or a server of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    service: ServiceKey,
    server: Option<ServerKey>,
}

#[derive(Debug)]
struct Wanted {
    service: Service,
    servers: BTreeMap<ServerKey, Server>,
}

#[derive(Debug)]
struct Present {
    service: Service,
    servers: BTreeMap<ServerKey, Server>,
}

/// What [`Reconciler::apply`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Commands that the kernel carried out.
    pub done: usize,
    /// Commands that it refused; each is tried again later.
    pub failures: Vec<Failure>,
}

/// A refused command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was tried.
    pub command: Command,
    /// Why not.
    pub refusal: Refusal,
    /// The how manyth attempt this was; of those behind the first nobody needs to be told.
    pub attempt: u32,
}

impl Reconciler {
    /// The service shall exist. Other settings under the same key replace the former.
    pub fn want_service(&mut self, key: ServiceKey, service: Service) {
        match self.desired.get_mut(&key) {
            Some(wanted) if wanted.service == service => return,
            Some(wanted) => wanted.service = service,
            None => {
                // Servers that are there from before are kept only if they are wanted again.
                let left = self.present.get(&key).map(|present| &present.servers).into_iter().flatten();
                self.dirty.extend(left.map(|(server, _)| Item { service: key, server: Some(*server) }));
                self.desired.insert(key, Wanted { service, servers: BTreeMap::new() });
            }
        }
        self.dirty.insert(Item { service: key, server: None });
    }

    /// The service shall not exist, nor its servers.
    pub fn unwant_service(&mut self, key: ServiceKey) {
        if self.desired.remove(&key).is_some() {
            self.forget_attempts(key);
            self.dirty.insert(Item { service: key, server: None });
        }
    }

    /// The service shall have this server, with these settings. Without such a service this has no effect.
    pub fn want_server(&mut self, key: ServiceKey, server_key: ServerKey, server: Server) {
        let Some(wanted) = self.desired.get_mut(&key) else { return };
        if wanted.servers.insert(server_key, server) != Some(server) {
            self.dirty.insert(Item { service: key, server: Some(server_key) });
        }
    }

    /// The service shall not have this server.
    pub fn unwant_server(&mut self, key: ServiceKey, server: ServerKey) {
        let Some(wanted) = self.desired.get_mut(&key) else { return };
        if wanted.servers.remove(&server).is_some() {
            let item = Item { service: key, server: Some(server) };
            self.refused.remove(&item);
            self.dirty.insert(item);
        }
    }

    /// Nothing shall exist: what was made here is removed by the next [`apply`](Self::apply).
    pub fn unwant_all(&mut self) {
        let services: Vec<_> = self.desired.keys().copied().collect();
        for service in services {
            self.unwant_service(service);
        }
    }

    /// A service of an earlier run that nobody wants any more is removed by the next [`apply`](Self::apply).
    pub fn discard(&mut self, key: ServiceKey) {
        if !self.desired.contains_key(&key) {
            self.stale.insert(key);
        }
    }

    /// The services that are wanted, in order.
    pub fn services(&self) -> impl Iterator<Item = ServiceKey> + '_ {
        self.desired.keys().copied()
    }

    /// Whether the kernel has the server as it is wanted, as far as is known.
    pub fn is_served(&self, key: ServiceKey, server: ServerKey) -> bool {
        let wanted = self.desired.get(&key).and_then(|wanted| wanted.servers.get(&server));
        let found = self.present.get(&key).and_then(|present| present.servers.get(&server));
        wanted.zip(found).is_some_and(|(wanted, found)| found.satisfies(*wanted))
    }

    /// Whether nothing waits to be written.
    pub fn is_settled(&self) -> bool {
        self.dirty.is_empty() && self.later.is_empty() && self.stale.is_empty()
    }

    /// Reads what an earlier run left of the wanted services, so that only the difference is written. To be called when
    /// everything is wanted, before the first [`apply`](Self::apply).
    ///
    /// # Errors
    /// When the kernel gives no list.
    pub fn adopt(&mut self, ipvs: &mut Ipvs) -> Result<()> {
        self.present.clear();
        for listed in ipvs.services()? {
            if self.desired.contains_key(&listed.key) || self.stale.contains(&listed.key) {
                let present = Present { service: listed.service, servers: list_servers(ipvs, listed.key)? };
                self.take_over(listed.key, Some(present));
            }
        }
        self.stale.clear();
        let services: Vec<_> = self.desired.keys().copied().collect();
        for service in services {
            self.dirty_all(service);
        }
        Ok(())
    }

    /// Takes every service of the namespace away, also those of others, and what is wanted is written anew.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn flush(&mut self, ipvs: &mut Ipvs) -> Result<()> {
        ipvs.flush()?;
        self.present.clear();
        self.stale.clear();
        let services: Vec<_> = self.desired.keys().copied().collect();
        for service in services {
            self.dirty_all(service);
        }
        Ok(())
    }

    /// When [`apply`](Self::apply) has something to do, if ever: nanoseconds of CLOCK_BOOTTIME, 0 for at once.
    pub fn next_wakeup(&self) -> Option<u64> {
        if self.dirty.is_empty() && self.stale.is_empty() {
            self.later.first().map(|(time, _)| *time)
        } else {
            Some(0)
        }
    }

    /// Writes the difference to the kernel, at most [`COMMANDS_MAX`] of it.
    ///
    /// # Errors
    /// Only when the netlink socket itself fails or gives no list; the difference stays to be written. Refusals are in
    /// the result.
    pub fn apply(&mut self, ipvs: &mut Ipvs, now: u64) -> Result<Applied> {
        self.take_due(now);
        self.refresh(ipvs)?;
        let commands = self.difference();
        let outcomes = ipvs.send(&commands)?;
        let mut applied = Applied::default();
        for (command, outcome) in commands.into_iter().zip(outcomes) {
            let item = Item { service: command.service(), server: command.server() };
            self.dirty.remove(&item);
            self.settle(item, command, outcome, now, &mut applied);
        }
        Ok(applied)
    }

    /// What the next [`apply`](Self::apply) would do, as far as is known.
    pub fn planned(&mut self) -> Vec<Command> {
        self.difference()
    }

    /// Reads again what the kernel's answers have shown to be other than thought.
    fn refresh(&mut self, ipvs: &mut Ipvs) -> Result<()> {
        while let Some(key) = self.stale.first().copied() {
            let present = match ipvs.service(key)? {
                Some(listed) => Some(Present { service: listed.service, servers: list_servers(ipvs, key)? }),
                None => None,
            };
            self.stale.remove(&key);
            self.take_over(key, present);
        }
        Ok(())
    }

    fn take_over(&mut self, key: ServiceKey, present: Option<Present>) {
        match present {
            Some(present) => self.present.insert(key, present),
            None => self.present.remove(&key),
        };
        self.dirty_all(key);
    }

    /// Everything of a service may differ.
    fn dirty_all(&mut self, key: ServiceKey) {
        self.dirty.insert(Item { service: key, server: None });
        let wanted = self.desired.get(&key).into_iter().flat_map(|wanted| wanted.servers.keys());
        let found = self.present.get(&key).into_iter().flat_map(|present| present.servers.keys());
        self.dirty.extend(wanted.chain(found).map(|server| Item { service: key, server: Some(*server) }));
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
        let first = Item { service: key, server: None };
        let ours: Vec<_> = self
            .refused
            .range(first..)
            .map(|(item, _)| *item)
            .take_while(|item| item.service == key)
            .collect();
        for item in ours {
            self.refused.remove(&item);
        }
        self.later.retain(|(_, item)| item.service != key);
    }

    fn settle(&mut self, item: Item, command: Command, outcome: Outcome, now: u64, applied: &mut Applied) {
        let refusal = match outcome {
            Outcome::Done => {
                applied.done += 1;
                self.refused.remove(&item);
                self.done(command);
                return;
            }
            Outcome::Unknown => {
                self.stale.insert(item.service);
                return;
            }
            Outcome::Refused(refusal) => refusal,
        };
        match (&command, refusal) {
            (Command::DeleteService(_) | Command::DeleteServer(..), Refusal::ServiceMissing)
            | (Command::DeleteServer(..), Refusal::ServerMissing) => self.done(command),
            // Its service is about to be tried again, and with it all its servers.
            (Command::AddServer(..), Refusal::ServiceMissing)
                if !self.present.contains_key(&item.service) => {}
            (_, Refusal::AlreadyThere | Refusal::ServiceMissing | Refusal::ServerMissing)
                if !self.refused.contains_key(&item) =>
            {
                self.refused.insert(item, 0);
                self.stale.insert(item.service);
            }
            _ => {
                let attempt = self.refused.get(&item).map_or(1, |count| count.saturating_add(1));
                self.refused.insert(item, attempt);
                let doubled = RETRY_INTERVAL_NANOSECONDS.checked_shl(attempt - 1).unwrap_or(u64::MAX);
                let wait = doubled.min(RETRY_INTERVAL_MAX_NANOSECONDS);
                self.later.insert((now.saturating_add(wait), item));
                applied.failures.push(Failure { command, refusal, attempt });
            }
        }
    }

    fn done(&mut self, command: Command) {
        match command {
            Command::AddService(key, service) => {
                self.present.insert(key, Present { service, servers: BTreeMap::new() });
            }
            Command::SetService(key, service) => {
                if let Some(present) = self.present.get_mut(&key) {
                    present.service = service;
                }
            }
            Command::DeleteService(key) => {
                self.present.remove(&key);
            }
            Command::AddServer(key, server_key, server) | Command::SetServer(key, server_key, server) => {
                if let Some(present) = self.present.get_mut(&key) {
                    present.servers.insert(server_key, server);
                }
            }
            Command::DeleteServer(key, server) => {
                if let Some(present) = self.present.get_mut(&key) {
                    present.servers.remove(&server);
                }
            }
        }
    }
}

/// The servers of a service, without what changes by itself.
fn list_servers(ipvs: &mut Ipvs, key: ServiceKey) -> Result<BTreeMap<ServerKey, Server>> {
    Ok(ipvs.servers(key)?.into_iter().map(|listed| (listed.key, listed.server)).collect())
}
