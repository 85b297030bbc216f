//! Looking for changes that other programs made. The kernel announces none, so that its table is read again and again,
//! a part at a time.

use std::collections::BTreeMap;

use super::{Item, Present, Reconciler, list_servers};
use crate::error::Result;
use crate::ipvs::{Ipvs, ListedService, Server, ServerKey, Service, ServiceKey};

/// Services whose servers are read by one step, so that the caller's other work gets its turn.
pub const SURVEY_SERVICES_MAX: usize = 64;

/// How far the round through the table has come.
#[derive(Debug, Default)]
pub struct Survey {
    /// The last service whose servers were read; none between two rounds.
    after: Option<ServiceKey>,
}

/// Something that another program changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of which service.
    pub service: ServiceKey,
    /// What.
    pub found: Found,
}

/// What another program did to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Removed it with its servers.
    ServiceRemoved,
    /// Changed its settings to these.
    ServiceChanged(Service),
    /// Removed a server.
    ServerRemoved(ServerKey),
    /// Changed the settings of a server to these.
    ServerChanged(ServerKey, Server),
    /// Added a server that is not wanted.
    ServerAdded(ServerKey, Server),
}

impl Reconciler {
    /// One step of a round through the table: the first compares all services, each further one the servers of
    /// [`SURVEY_SERVICES_MAX`] of them. Returns what others changed, each change once, and whether the round goes on.
    /// With `mend` the next [`apply`](Self::apply) puts everything back as it is wanted.
    ///
    /// # Errors
    /// When the kernel gives no list.
    pub fn survey(&mut self, ipvs: &mut Ipvs, mend: bool) -> Result<(Vec<Finding>, bool)> {
        let mut findings = Vec::new();
        let services = match self.survey.after {
            None => {
                self.survey_services(ipvs, mend, &mut findings)?;
                self.services_after(None)
            }
            after => self.services_after(after),
        };
        for key in &services {
            self.survey_servers(ipvs, *key, mend, &mut findings)?;
        }
        self.survey.after = services.last().copied().filter(|_| services.len() == SURVEY_SERVICES_MAX);
        Ok((findings, self.survey.after.is_some()))
    }

    fn services_after(&self, after: Option<ServiceKey>) -> Vec<ServiceKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let range = (after.map_or(Unbounded, Excluded), Unbounded);
        let present = self.present.range(range).map(|(key, _)| *key);
        present.filter(|key| self.desired.contains_key(key)).take(SURVEY_SERVICES_MAX).collect()
    }

    fn survey_services(&mut self, ipvs: &mut Ipvs, mend: bool, findings: &mut Vec<Finding>) -> Result<()> {
        let listed: BTreeMap<_, _> =
            ipvs.services()?.into_iter().map(|listed| (listed.key, listed.service)).collect();
        let watched: Vec<_> =
            self.present.keys().copied().filter(|key| self.desired.contains_key(key)).collect();
        for key in watched {
            let found = match listed.get(&key) {
                Some(service) => Some(service.clone()),
                // A list can lack what moved while it was made.
                None => ipvs.service(key)?.map(|ListedService { service, .. }| service),
            };
            let Some(present) = self.present.get_mut(&key) else { continue };
            match found {
                None => {
                    self.present.remove(&key);
                    findings.push(Finding { service: key, found: Found::ServiceRemoved });
                }
                Some(service) if service != present.service => {
                    present.service = service.clone();
                    findings.push(Finding { service: key, found: Found::ServiceChanged(service) });
                }
                Some(_) => continue,
            }
            if mend {
                self.dirty.insert(Item { service: key, server: None });
            }
        }
        Ok(())
    }

    fn survey_servers(
        &mut self,
        ipvs: &mut Ipvs,
        key: ServiceKey,
        mend: bool,
        findings: &mut Vec<Finding>,
    ) -> Result<()> {
        let mut listed = list_servers(ipvs, key)?;
        let Some(present) = self.present.get_mut(&key) else { return Ok(()) };
        if present.servers.keys().any(|server| !listed.contains_key(server)) {
            // A list can lack what moved while it was made.
            let again = list_servers(ipvs, key)?;
            listed = again;
        }
        let wanted = self.desired.get(&key).map(|wanted| &wanted.servers);
        let changed = changes(present, &listed, wanted);
        present.servers = listed;
        for found in changed {
            if mend {
                self.dirty.insert(Item { service: key, server: Some(found.0) });
            }
            findings.push(Finding { service: key, found: found.1 });
        }
        Ok(())
    }
}

/// What differs from what was last known. What came to be as it is wanted is no change that matters.
fn changes(
    present: &Present,
    listed: &BTreeMap<ServerKey, Server>,
    wanted: Option<&BTreeMap<ServerKey, Server>>,
) -> Vec<(ServerKey, Found)> {
    let is_wanted = |key: &ServerKey, server: &Server| {
        wanted.and_then(|wanted| wanted.get(key)).is_some_and(|wanted| server.satisfies(*wanted))
    };
    let mut changes = Vec::new();
    for (key, server) in listed {
        match present.servers.get(key) {
            Some(known) if server == known => {}
            _ if is_wanted(key, server) => {}
            Some(_) => changes.push((*key, Found::ServerChanged(*key, *server))),
            None => changes.push((*key, Found::ServerAdded(*key, *server))),
        }
    }
    let gone = present.servers.keys().filter(|key| !listed.contains_key(key));
    changes.extend(gone.map(|key| (*key, Found::ServerRemoved(*key))));
    changes
}
