//! Real servers by name: a process of its own looks the names up again and again, so that a name service that hangs delays
//! nothing; what it found becomes servers as by a reload. What was known last stands while it finds nothing.

mod lookup;
mod name_server;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, Read as _};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_config::model::Model;
use steadfast_control::event::{Balancing, Fault, Happening, Matter};
use steadfast_kernel::process::signal::Signal;
use steadfast_kernel::process::{Child, Forked, exit_now, fork};
use steadfast_kernel::wait::poll::Interest;
use steadfast_time::Moment;
use steadfast_wire::vrrp::Family;

use super::scripts::programs::Programs;
use super::{NAMES, Supervisor, moment};
use crate::link::check::{Check, Order};
use crate::link::lifecycle::Worker;
use crate::served::{Endpoint, Known, Query, Revision, Served, expand};

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

/// What came of a query: the servers, in order, or why there are none.
type Answer = (Query, Result<Vec<Endpoint>, String>);

/// The names, and what is known of them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    wanted: BTreeSet<Query>,
    /// Those of the configuration that are too many.
    left_out: usize,
    known: Known,
    /// What was known when the servers were made of it.
    used: Known,
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

/// What names stand for, as it is left to another program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NamesLeft(Vec<(Query, Vec<Endpoint>)>);

impl Names {
    /// For the program that comes.
    pub(crate) fn left(&self) -> NamesLeft {
        NamesLeft(self.used.iter().map(|(query, found)| (query.clone(), found.clone())).collect())
    }

    /// What another program left.
    pub(crate) fn adopt(left: NamesLeft) -> Self {
        Self { known: left.0.into_iter().collect(), ..Self::default() }
    }

    /// A round is under way.
    pub(crate) fn is_looking(&self) -> bool {
        self.under_way.is_some()
    }

    /// Goes on with the names of another configuration; those that are new are looked up at once. What is known is used from
    /// here on.
    pub(crate) fn configure(&mut self, now: Moment, model: &Model) {
        let before = std::mem::take(&mut self.wanted);
        for service in &model.virtual_servers {
            let names = service.real_servers.iter().filter_map(|server| server.name.as_deref());
            let queries = names.map(|name| Query { name: Arc::from(&**name), family: service.family });
            self.wanted.extend(queries);
        }
        self.left_out = self.wanted.len().saturating_sub(NAMES_MAX);
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

    /// Puts the servers that names stand for in the place of the names, and who is told of servers follows. What checks need is
    /// made of the names before: it is there when a name becomes known.
    pub(crate) fn expand(&self, model: &mut Model, programs: &mut Programs) {
        if !self.wanted.is_empty() {
            model.virtual_servers.iter_mut().for_each(|service| expand(&self.used, service));
            programs.follow_servers(model);
        }
    }

    /// What the servers are made of.
    pub(crate) fn used(&self) -> &Known {
        &self.used
    }

    /// The same, for whoever makes them next.
    pub(crate) fn into_used(self) -> Known {
        self.used
    }

    /// Whether a process looks names up for us.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        self.under_way.as_ref().is_some_and(|round| round.child.pid() == pid)
    }

    /// Whether a name is looked up in a family.
    pub(crate) fn has(&self, name: &Arc<str>, family: Family) -> bool {
        self.wanted.contains(&Query { name: Arc::clone(name), family })
    }

    /// How many names have no servers because there are too many.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
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
                self.confine_helper();
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

    /// No round begins any more.
    pub(crate) fn end_names(&mut self) {
        self.abandon_names();
        self.names.next = None;
    }

    /// What is still to be told, if anything, is not wanted any more.
    fn abandon_names(&mut self) -> Option<Vec<u8>> {
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

    /// Tells whether there are more names than are looked up.
    pub(crate) fn tell_names_left_out(&mut self) {
        match self.names.left_out() {
            0 => self.fault_over(&Matter::Names),
            count => self.fault(Fault::NamesLeftOut { count, bound: NAMES_MAX }),
        }
    }

    fn name_found(&mut self, query: &Query, found: Vec<Endpoint>) {
        self.fault_over(&Matter::Name(Arc::clone(&query.name), query.family));
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
        let (name, family) = (Arc::clone(&query.name), query.family);
        self.fault(Fault::Name { name, family, reason: reason.to_owned(), known });
    }

    /// The virtual servers of the configuration in force, with the servers that names stand for and the marks of groups.
    pub(crate) fn served(&self) -> Served<'_> {
        Served::of(&self.loaded.packed, &self.names.used, &self.balancing.marks)
    }

    /// The servers become those that are known, unless a reload is under way: then afterwards.
    fn use_names(&mut self, now: Moment) {
        if !self.may_change_servers() {
            return;
        }
        self.names.behind = false;
        let packed = &self.loaded.packed;
        let marks = &self.balancing.marks;
        let before = Served::of(packed, &self.names.used, marks);
        let after = Served::of(packed, &self.names.known, marks);
        let settings = crate::digest::check::settings(&packed.rest());
        let revision = Revision::between(before, after, settings);
        self.names.used.clone_from(&self.names.known);
        if !revision.change.concerns_services() {
            return;
        }
        let mut model = self.loaded.model();
        let programs = &mut self.scripts.programs;
        let scripts_before = programs.take_services();
        self.names.expand(&mut model, programs);
        programs.keep_former(scripts_before, &model);
        self.mail.subjects.follow_servers(&model);
        drop(model);
        let change = self.balancing.follow(revision);
        self.have_kept();
        let wanted = self.wants_checks();
        let order = Order::Reload(Box::new(change));
        if let Some(awaited) = self.hand_over::<Check>(order, wanted, now) {
            self.await_servers(Worker::Check, awaited);
        } else {
            self.forget_former_services();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use steadfast_config::model::{RealServer, ServerAddress, ServiceTarget, VirtualServer};

    use super::*;

    fn named(count: usize, family: Family) -> VirtualServer {
        let mut service = VirtualServer { family, ..VirtualServer::new(ServiceTarget::Mark(1)) };
        for number in 0..count {
            let mut server = RealServer::new(ServerAddress { address: IpAddr::from([0, 0, 0, 0]), port: 80 });
            server.name = Some(Box::new(format!("s{number}.lab").as_str().into()));
            service.real_servers.push(server);
        }
        service
    }

    #[test]
    fn names_beyond_the_bound_are_counted_until_there_are_fewer() {
        let mut names = Names::default();
        // The same name twice in one family is one name, in two families two.
        let virtual_servers = vec![named(NAMES_MAX, Family::V4), named(3, Family::V4), named(2, Family::V6)];
        let mut model = Model { virtual_servers, ..Model::default() };
        names.configure(Moment::ZERO, &model);
        assert_eq!(names.left_out(), 2);
        let one: Arc<str> = "s1.lab".into();
        assert!(names.has(&one, Family::V4));
        model.virtual_servers.pop();
        names.configure(Moment::ZERO, &model);
        assert_eq!(names.left_out(), 0);
        assert!(names.has(&one, Family::V4) && !names.has(&one, Family::V6));
    }
}
