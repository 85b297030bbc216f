//! Looking for changes that other programs made. The kernel announces none, so that its table is read again and again,
//! a part at a time.

use std::collections::BTreeMap;

use super::held::Held;
use super::{Item, Services, list_servers};
use crate::error::Result;
use crate::ipvs::{Ipvs, ListedService, Server, ServerKey, ServiceKey};
use crate::reconcile::Fate;

/// Services whose servers are read by one step, so that the caller's other work gets its turn.
pub const SURVEY_SERVICES_MAX: usize = 64;

/// Between two rounds through the table.
pub const SURVEY_INTERVAL_NANOSECONDS: u64 = 10_000_000_000;

/// How far the round through the table has come.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The last service whose servers were read; none between two rounds.
    after: Option<ServiceKey>,
    /// When the next step is to be made; not before somebody asked for one.
    due: Option<u64>,
}

impl Survey {
    /// Whether a step is due. Who asks for the first time has just written everything.
    pub(super) fn begin(&mut self, now: u64) -> bool {
        *self.due.get_or_insert(now.saturating_add(SURVEY_INTERVAL_NANOSECONDS)) <= now
    }

    /// A step was made.
    pub(super) const fn again(&mut self, now: u64, goes_on: bool) {
        let wait = if goes_on { 0 } else { SURVEY_INTERVAL_NANOSECONDS };
        self.due = Some(now.saturating_add(wait));
    }

    pub(super) const fn due(&self) -> Option<u64> {
        self.due
    }
}

impl Services {
    /// One step of a round through the table: the first compares all services, each further one the servers of
    /// [`SURVEY_SERVICES_MAX`] of them. What others changed is reported, each change once; whether the round goes on comes
    /// back. With `mend` the next round puts everything back as it is wanted.
    ///
    /// # Errors
    /// When the kernel gives no list.
    pub fn look(&mut self, ipvs: &mut Ipvs, mend: bool) -> Result<bool> {
        let services = match self.survey.after {
            None => {
                self.look_at_services(ipvs, mend)?;
                self.services_after(None)
            }
            after => self.services_after(after),
        };
        for key in &services {
            self.look_at_servers(ipvs, *key, mend)?;
        }
        self.survey.after = services.last().copied().filter(|_| services.len() == SURVEY_SERVICES_MAX);
        Ok(self.survey.after.is_some())
    }

    fn services_after(&self, after: Option<ServiceKey>) -> Vec<ServiceKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let watched = self.held.range(range).filter(|(_, held)| is_watched(held));
        watched.map(|(key, _)| *key).take(SURVEY_SERVICES_MAX).collect()
    }

    fn look_at_services(&mut self, ipvs: &mut Ipvs, mend: bool) -> Result<()> {
        let listed: BTreeMap<_, _> =
            ipvs.services()?.into_iter().map(|listed| (listed.key, listed.service)).collect();
        let watched: Vec<_> =
            self.held.iter().filter(|(_, held)| is_watched(held)).map(|(key, _)| *key).collect();
        for key in watched {
            let found = match listed.get(&key) {
                Some(service) => Some(service.clone()),
                // A list can lack what moved while it was made.
                None => ipvs.service(key)?.map(|ListedService { service, .. }| service),
            };
            let Some(held) = self.held.get_mut(&key) else { continue };
            match found {
                None => {
                    held.gone();
                    self.found(Item::service(key), Fate::TakenAway, mend);
                }
                Some(service) if held.present_service() != Some(&service) => {
                    held.found_service(service);
                    self.found(Item::service(key), Fate::Changed, mend);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn look_at_servers(&mut self, ipvs: &mut Ipvs, key: ServiceKey, mend: bool) -> Result<()> {
        let mut listed = list_servers(ipvs, key)?;
        let Some(held) = self.held.get_mut(&key) else { return Ok(()) };
        if held.present_servers().any(|(server, _)| !listed.contains_key(&server)) {
            // A list can lack what moved while it was made.
            listed = list_servers(ipvs, key)?;
        }
        let changed = differences(held, &listed);
        for (server, _) in &changed {
            held.found_server(*server, listed.get(server).copied());
        }
        let (right, told): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|(server, _)| is_as_wanted(held, *server, &listed));
        for (server, fate) in told {
            self.found(Item::server(key, server), fate, mend);
        }
        if mend {
            // It may have been refused before.
            self.dirty.extend(right.into_iter().map(|(server, _)| Item::server(key, server)));
        }
        Ok(())
    }

    fn found(&mut self, item: Item, fate: Fate, mend: bool) {
        if mend {
            self.dirty.insert(item);
            if fate == Fate::TakenAway {
                self.taken_away.insert(item);
            }
        }
        self.reports.push(item.thing().came(fate));
    }
}

fn is_watched(held: &Held) -> bool {
    held.is_wanted() && held.is_present()
}

/// What differs from what was last known.
fn differences(held: &Held, listed: &BTreeMap<ServerKey, Server>) -> Vec<(ServerKey, Fate)> {
    let mut changes = Vec::new();
    for (key, server) in listed {
        match held.present_server(*key) {
            Some(known) if *server == known => {}
            Some(_) => changes.push((*key, Fate::Changed)),
            None => changes.push((*key, Fate::Intruded)),
        }
    }
    let gone = held.present_servers().filter(|(key, _)| !listed.contains_key(key));
    let mut gone: Vec<_> = gone.map(|(key, _)| (key, Fate::TakenAway)).collect();
    gone.sort_by_key(|(key, _)| *key);
    changes.extend(gone);
    changes
}

/// Whether a server came to be as it is wanted, which is no change that matters.
fn is_as_wanted(held: &Held, key: ServerKey, listed: &BTreeMap<ServerKey, Server>) -> bool {
    let found = listed.get(&key).zip(held.wanted_server(key));
    found.is_some_and(|(found, wanted)| found.satisfies(wanted))
}
