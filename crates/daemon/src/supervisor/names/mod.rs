//! Real servers by name: a process of its own looks the names up again and again, so that a name service that hangs delays
//! nothing; what it found becomes servers as by a reload. What was known last stands while it finds nothing.

mod lookup;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, Read as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_config::model::{Model, ServerAddress};
use steadfast_control::event::{Balancing, Fault, Happening, Matter};
use steadfast_kernel::process::signal::Signal;
use steadfast_kernel::process::{Child, Forked, exit_now, fork};
use steadfast_kernel::wait::poll::Interest;
use steadfast_time::Moment;
use steadfast_wire::vrrp::Family;

use super::scripts::programs;
use super::{NAMES, Supervisor, moment};
use crate::link::check::change::Change;
use crate::link::check::{Check, Order};
use crate::link::lifecycle::Worker;

/// Names that are looked up; further ones have no servers.
pub(crate) const NAMES_MAX: usize = 4_096;
/// Addresses of one name that become servers.
pub(crate) const ADDRESSES_MAX: usize = 64;
/// A round of looking all of them up is ended after this long; what it found till then counts.
const ROUND_MAX: Duration = Duration::from_secs(60);
/// While a name cannot be looked up all are looked up again after this long, if not sooner.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// What a round tells is bounded by names and addresses; this is more.
const REPORT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Octets read of it at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Query {
    name: Arc<str>,
    family: Family,
}

/// A server that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    address: IpAddr,
    /// Of a service (SRV), which has its port and its share.
    port_and_weight: Option<(u16, u16)>,
}

/// What came of a query: the servers, in order, or why there are none.
type Answer = (Query, Result<Vec<Endpoint>, String>);

/// The names, and what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    wanted: BTreeSet<Query>,
    known: BTreeMap<Query, Vec<Endpoint>>,
    /// What was known when the servers were made of it.
    used: BTreeMap<Query, Vec<Endpoint>>,
    interval: Duration,
    under_way: Option<Round>,
    next: Option<Moment>,
    /// The servers are not those that are known: another reload is under way.
    behind: bool,
}

#[derive(Debug)]
struct Round {
    child: Child,
    report: PipeReader,
    heard: Vec<u8>,
    until: Moment,
}

impl Names {
    /// Goes on with the names of another configuration; those that are new are looked up at once. What is known is used from
    /// here on.
    pub(crate) fn configure(&mut self, now: Moment, model: &Model) {
        let before = std::mem::take(&mut self.wanted);
        for service in &model.virtual_servers {
            let names = service.real_servers.iter().filter_map(|server| server.name.as_deref());
            let queries = names.map(|name| Query { name: Arc::from(&**name), family: service.family });
            self.wanted.extend(queries);
        }
        while self.wanted.len() > NAMES_MAX {
            self.wanted.pop_last();
        }
        self.known.retain(|query, _| self.wanted.contains(query));
        self.used.clone_from(&self.known);
        self.interval = model.global.resolve_interval.duration();
        if !self.wanted.is_subset(&before) {
            self.next = Some(now);
        }
        if self.wanted.is_empty() {
            self.next = None;
        }
    }

    /// Puts the servers that names stand for in the place of the names.
    pub(crate) fn expand(&self, model: &mut Model) {
        for service in &mut model.virtual_servers {
            if service.real_servers.iter().all(|server| server.name.is_none()) {
                continue;
            }
            let addressed = service.real_servers.iter().filter(|server| server.name.is_none());
            let mut taken: BTreeSet<ServerAddress> = addressed.map(|server| server.address).collect();
            let mut servers = Vec::new();
            for server in std::mem::take(&mut service.real_servers) {
                let Some(name) = server.name.as_deref() else {
                    servers.push(server);
                    continue;
                };
                let query = Query { name: Arc::from(&**name), family: service.family };
                for endpoint in self.used.get(&query).into_iter().flatten() {
                    let mut found = server.clone();
                    found.name = None;
                    found.address.address = endpoint.address;
                    if let Some((port, weight)) = endpoint.port_and_weight {
                        found.address.port = port;
                        found.weight = i32::from(weight.max(1));
                    }
                    if taken.insert(found.address) {
                        servers.push(found);
                    }
                }
            }
            service.real_servers = servers;
        }
    }

    /// Whether a process looks names up for us.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        self.under_way.as_ref().is_some_and(|round| round.child.pid() == pid)
    }

    /// Whether a name is looked up.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.wanted.iter().any(|query| &*query.name == name)
    }

    /// When something is due.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        match &self.under_way {
            Some(round) => Some(round.until),
            None => self.next,
        }
    }
}

impl Supervisor {
    /// Begins a round that is due. In the process that looks names up this never returns.
    pub(crate) fn start_names(mut self) -> Self {
        let now = moment();
        let due = self.names.under_way.is_none() && self.names.next.is_some_and(|at| at <= now);
        if !due || self.stopping.is_some() {
            return self;
        }
        self.names.next = Some(now + self.names.interval);
        let started = std::io::pipe().map_err(|error| error.to_string()).and_then(|(report, said)| {
            fork("steadfast_names").map(|forked| (forked, report, said)).map_err(|error| error.to_string())
        });
        match started {
            Ok((Forked::Child, report, said)) => {
                let queries = self.names.wanted.iter().cloned().collect();
                // Connections of clients and workers must not stay open because of a name service that hangs.
                drop((self, report));
                lookup::look_up(queries, said);
                exit_now(0)
            }
            Ok((Forked::Parent(child), report, _)) => {
                let _ = self.poller.add(&report, NAMES, Interest::Readable);
                self.names.under_way =
                    Some(Round { child, report, heard: Vec::new(), until: now + ROUND_MAX });
            }
            Err(reason) => {
                let queries = self.names.wanted.clone();
                queries.into_iter().for_each(|query| self.name_failed(&query, &reason));
            }
        }
        self
    }

    /// A round has something to tell, or has ended.
    pub(crate) fn hear_names(&mut self) {
        let Some(round) = &mut self.names.under_way else { return };
        let mut piece = vec![0; PIECE_BYTES];
        match round.report.read(&mut piece) {
            Ok(length) if length > 0 && round.heard.len() + length <= REPORT_BYTES_MAX => {
                round.heard.extend_from_slice(piece.get(..length).unwrap_or_default());
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => self.end_round(),
        }
    }

    /// Ends a round that takes too long.
    pub(crate) fn names_overdue(&mut self, now: Moment) {
        if self.names.under_way.as_ref().is_some_and(|round| round.until <= now) {
            self.end_round();
        }
        if self.names.behind {
            self.use_names(now);
        }
    }

    /// What is still to be told, if anything, is not wanted any more.
    pub(crate) fn abandon_names(&mut self) -> Option<Vec<u8>> {
        let mut round = self.names.under_way.take()?;
        let _ = self.poller.remove(&round.report);
        let _ = round.child.signal(Signal::KILL);
        let _ = round.child.wait();
        Some(round.heard)
    }

    /// A round has told everything, or is late.
    fn end_round(&mut self) {
        let Some(heard) = self.abandon_names() else { return };
        let mut answers: BTreeMap<Query, Result<Vec<Endpoint>, String>> =
            lookup::read(&heard).into_iter().collect();
        let missing = self.names.wanted.iter().any(|query| !matches!(answers.get(query), Some(Ok(_))));
        if missing {
            self.names.next = Some(moment() + self.names.interval.min(RETRY_AFTER));
        }
        for query in self.names.wanted.clone() {
            match answers.remove(&query) {
                Some(Ok(found)) => self.name_found(&query, found),
                Some(Err(reason)) => self.name_failed(&query, &reason),
                None => self.name_failed(&query, "there is no answer"),
            }
        }
        if self.names.behind {
            self.use_names(moment());
        }
    }

    fn name_found(&mut self, query: &Query, found: Vec<Endpoint>) {
        self.fault_over(&Matter::Name(Arc::clone(&query.name)));
        if self.names.known.get(query) != Some(&found) {
            let addresses = found.iter().map(|endpoint| endpoint.address).collect();
            let name = Arc::clone(&query.name);
            self.tell(Happening::Balancing(Balancing::Resolved { name, addresses }));
            self.names.known.insert(query.clone(), found);
            self.names.behind = true;
        }
    }

    fn name_failed(&mut self, query: &Query, reason: &str) {
        let known = self.names.known.get(query).map_or(0, Vec::len);
        self.fault(Fault::Name { name: Arc::clone(&query.name), reason: reason.to_owned(), known });
    }

    /// The configuration in force, with the servers that names stand for.
    pub(crate) fn served_model(&self) -> Model {
        let mut model = self.loaded.model();
        self.names.expand(&mut model);
        model
    }

    /// The servers become those that are known, unless a reload is under way: then afterwards.
    fn use_names(&mut self, now: Moment) {
        if !self.may_change_servers() {
            return;
        }
        self.names.behind = false;
        let before = crate::digest::check::digest(&self.served_model());
        self.names.used.clone_from(&self.names.known);
        let model = self.served_model();
        let balancing = crate::digest::check::digest(&model);
        let change = Change::between(&before, &balancing);
        if !change.concerns_services() {
            return;
        }
        // What cannot be run was told when the configuration was read.
        self.scripts.programs.services = programs::services(&model, &mut Vec::new());
        self.mail.subjects.follow_servers(&model);
        let followed = crate::digest::check::followed(&model);
        drop(model);
        self.balancing.follow(&before, &balancing, followed);
        let wanted = self.wants_checks();
        let order = Order::Reload(Box::new(change));
        if let Some(awaited) = self.hand_over::<Check>(order, wanted, now) {
            self.await_servers(Worker::Check, awaited);
        }
    }
}
