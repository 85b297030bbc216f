//! What can be told of services, servers and checks, and what a successor needs to go on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;

use crate::action::{Contribution, Override, Target};
use crate::check::Check;
use crate::config::{CheckId, CheckKey, ServerId, ServiceId, SorryConfig};
use crate::machine::Machine;
use crate::server::Server;

/// What a successor needs to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The services.
    pub services: Vec<ServiceResume>,
    /// The checks.
    pub checks: Vec<CheckResume>,
    /// Of the checks only those are here that are not as they begin, but for having been asked: all others have been.
    pub others_have_run: bool,
}

/// A service as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceResume {
    /// Which.
    pub key: Arc<str>,
    /// Whether it had its quorum.
    pub quorum: bool,
    /// Whether its checks rested.
    pub suspended: bool,
    /// Servers in the hands of an operator.
    pub servers: Vec<ServerResume>,
}

/// A server in the hands of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerResume {
    /// Which.
    pub address: SocketAddr,
    /// How it is used.
    pub by: Override,
}

/// A check as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResume {
    /// Which.
    pub key: CheckKey,
    /// What it asks: by this and its target it is known again where its settings are others by now.
    pub question: Arc<str>,
    /// Whether it was up.
    pub up: bool,
    /// Whether a whole round of its pages had been judged.
    pub has_run: bool,
    /// Failures in a row that did not count.
    pub failures: u32,
    /// Rounds in a row that went well.
    pub successes: u32,
    /// The page to be asked next.
    pub step: u16,
    /// The page that made it go down.
    pub failed_step: Option<u16>,
    /// What it said of the weight.
    pub contribution: Contribution,
    /// What was wrong last.
    pub last_failure: Option<Arc<str>>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its number.
    pub id: ServiceId,
    /// What it is called.
    pub key: Arc<str>,
    /// Whether it has its quorum.
    pub quorum: bool,
    /// Live weight needed.
    pub needed: u32,
    /// Margin around it.
    pub hysteresis: u32,
    /// Live weight.
    pub live_weight: u64,
    /// Whether its checks rest.
    pub suspended: bool,
    /// The sorry server.
    pub sorry: Option<SorryConfig>,
    /// Its servers, in the order of the configuration.
    pub servers: Vec<ServerId>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Its number.
    pub id: ServerId,
    /// Of which service.
    pub service: ServiceId,
    /// Address and port.
    pub address: SocketAddr,
    /// None of its checks is down, and nobody has taken it out.
    pub alive: bool,
    /// It is not installed before each of its checks has been made, and waits for that.
    pub unproven: bool,
    /// When it came up or went down last, if it did.
    pub changed: Option<Moment>,
    /// Configured weight.
    pub configured_weight: u32,
    /// What its configuration, its checks and its operator make of its weight.
    pub weight: u32,
    /// The weight that its service shall give it, if it shall have it.
    pub entry: Option<u32>,
    /// How an operator uses it.
    pub by: Override,
    /// Its checks.
    pub checks: Vec<CheckId>,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// Its number.
    pub id: CheckId,
    /// Who is asked, and how.
    pub key: CheckKey,
    /// Whether it is up.
    pub up: bool,
    /// Whether it has been asked.
    pub has_run: bool,
    /// Failures in a row that do not count yet.
    pub failures: u32,
    /// How many failures in a row do not count.
    pub retries: u32,
    /// What was wrong last.
    pub last_failure: Option<Arc<str>>,
    /// When it went up or down last, if it did.
    pub changed: Option<Moment>,
    /// How long it took last until a verdict.
    pub took: Option<Duration>,
    /// How often it was judged.
    pub verdicts: u64,
    /// How often as bad.
    pub bad_verdicts: u64,
    /// When it is asked next, if it is not being asked.
    pub next: Option<Moment>,
    /// How many servers hang on it.
    pub users: usize,
}

impl Machine {
    /// A service by its number.
    pub fn service(&self, id: ServiceId) -> Option<ServiceStatus> {
        let service = self.services.get(id)?;
        Some(ServiceStatus {
            id,
            key: service.config.key.clone(),
            quorum: service.quorum,
            needed: service.config.quorum,
            hysteresis: service.config.hysteresis,
            live_weight: service.live,
            suspended: service.suspended,
            sorry: service.config.sorry,
            servers: service.servers.clone(),
        })
    }

    /// A server by its number.
    pub fn server(&self, id: ServerId) -> Option<ServerStatus> {
        let server = self.servers.get(id)?;
        Some(ServerStatus {
            id,
            service: server.service,
            address: server.address(),
            alive: server.alive(),
            unproven: !server.proven,
            changed: server.changed.map(Moment::from),
            configured_weight: server.config.weight,
            weight: server.weight,
            entry: server.wanted(),
            by: server.by(),
            checks: server.checks().collect(),
        })
    }

    /// A check by its number.
    pub fn check(&self, id: CheckId) -> Option<CheckStatus> {
        let check = self.checks.get(id)?;
        let idle = !check.running && !check.parked && !check.config.rhythm.unasked;
        Some(CheckStatus {
            id,
            key: check.key(),
            up: check.up,
            has_run: check.has_run,
            failures: check.failures(),
            retries: check.config.rhythm.retries,
            last_failure: check.last_failure(),
            changed: check.changed.map(Moment::from),
            took: check.took.map(Duration::from),
            verdicts: check.verdicts.into(),
            bad_verdicts: check.bad_verdicts().into(),
            next: idle.then(|| check.next()),
            users: check.users().count(),
        })
    }

    /// Every service, by number.
    pub fn service_ids(&self) -> Vec<ServiceId> {
        self.services.keys()
    }

    /// Every check, by number.
    pub fn check_ids(&self) -> Vec<CheckId> {
        self.checks.keys()
    }

    /// Whether the results of a check come unasked.
    pub fn is_unasked(&self, id: CheckId) -> bool {
        self.checks.get(id).is_some_and(|check| check.config.rhythm.unasked)
    }

    /// Who is asked by a check.
    pub fn check_key(&self, id: CheckId) -> Option<CheckKey> {
        self.checks.get(id).map(Check::key)
    }

    /// Where a server listens.
    pub fn server_address(&self, id: ServerId) -> Option<SocketAddr> {
        self.servers.get(id).map(Server::address)
    }

    /// The server of a service with that address.
    pub fn find_server(&self, service: ServiceId, address: SocketAddr) -> Option<ServerId> {
        let servers = &self.services.get(service)?.servers;
        servers.iter().copied().find(|id| self.server_address(*id) == Some(address))
    }

    /// With which weight a service shall have an entry, if it shall have it.
    pub fn entry(&self, service: ServiceId, target: Target) -> Option<u32> {
        match target {
            Target::Sorry => self.services.get(service)?.sorry_wanted,
            Target::Server(address) => self.servers.get(self.find_server(service, address)?)?.wanted(),
        }
    }

    /// Every entry that a service shall have, with its weight.
    pub fn entries(&self, service: ServiceId) -> impl Iterator<Item = (Target, u32)> + '_ {
        let service = self.services.get(service);
        let sorry = service.and_then(|service| service.sorry_wanted).map(|weight| (Target::Sorry, weight));
        let servers = service.into_iter().flat_map(|service| &service.servers);
        let servers = servers.filter_map(|id| self.servers.get(*id));
        servers.filter_map(|server| Some((Target::Server(server.address()), server.wanted()?))).chain(sorry)
    }

    /// The addresses of the servers of a service, in the order of the configuration.
    pub fn server_addresses(&self, service: ServiceId) -> impl Iterator<Item = SocketAddr> + '_ {
        let servers = self.services.get(service).into_iter().flat_map(|service| &service.servers);
        servers.filter_map(|id| self.server_address(*id))
    }

    /// What a successor needs to go on.
    pub fn resume(&self) -> Resume {
        let services = self.services.keys().into_iter().filter_map(|id| self.service_resume(id));
        let checks = self.checks.iter().map(|(_, check)| CheckResume::of(check));
        Resume { services: services.collect(), checks: checks.collect(), others_have_run: false }
    }

    /// What a successor needs of one service.
    pub fn service_resume(&self, id: ServiceId) -> Option<ServiceResume> {
        let service = self.services.get(id)?;
        Some(ServiceResume {
            key: service.config.key.clone(),
            quorum: service.quorum,
            suspended: service.suspended,
            servers: service.servers.iter().filter_map(|id| self.server_resume(*id)).collect(),
        })
    }

    /// What a successor needs of one check, and whether that is no more than of a check that has been asked and has
    /// found its target as it began.
    pub fn check_resume(&self, id: CheckId) -> Option<(CheckResume, bool)> {
        let check = self.checks.get(id)?;
        let as_begun =
            check.up != check.config.alpha && check.failures() == 0 && check.failed_step().is_none();
        let usual = as_begun && check.contribution() == Contribution::None && check.step == 0;
        Some((CheckResume::of(check), usual))
    }

    fn server_resume(&self, id: ServerId) -> Option<ServerResume> {
        let server = self.servers.get(id).filter(|server| server.by() != Override::None)?;
        Some(ServerResume { address: server.address(), by: server.by() })
    }
}

impl CheckResume {
    pub(crate) fn of(check: &Check) -> Self {
        Self {
            key: check.key(),
            question: Arc::clone(&check.config.question),
            up: check.up,
            has_run: check.has_run,
            failures: check.failures(),
            successes: check.successes(),
            step: check.step,
            failed_step: check.failed_step(),
            contribution: check.contribution(),
            last_failure: check.last_failure(),
        }
    }
}
