//! What the supervisor keeps for the check worker, and what it does with its news.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_config::model::{LvsFlushOnStop, Model};
use steadfast_control::event::{Balancing, Ending, Happening as Public, Why};
use steadfast_control::{status as report, wording};
use steadfast_health::{Cause, CheckId, CheckKey, CheckResume, Config, Happening, Machine, Resume};
use steadfast_kernel::channel::Channel;
use steadfast_kernel::ipvs::ServiceKey;
use steadfast_kernel::space::Space;
use steadfast_time::Moment;
use steadfast_vrrp::State;

use super::headings::{Headings, Last};
use super::slot::Slot;
use super::{Post, Workers};
use crate::check::report::{Figures, service as service_report};
use crate::check::{Job, Terms};
use crate::digest::check::{Boiler, followed, settings};
use crate::link::check::change::Change;
use crate::link::check::seen::{Followed, Seen, Surroundings};
use crate::link::check::work::Settings;
use crate::link::check::{Check, Found, News, Notice, Order, Remembered, Told};
use crate::link::life::Lives;
use crate::served::{Known, Marks, Packed, Placed, Revision, Served};
use crate::supervisor::names::NamesLeft;
use crate::supervisor::notify::scripts::{Owner, Transition};
use crate::supervisor::reload::effective::Effective;
use crate::supervisor::scripts::runner::{Ended, Purpose};
use crate::supervisor::upgrade::left::BalancingLeft;
use crate::supervisor::{RUNS, Supervisor, moment};

/// The load balancer: what is asked of it often, and what a successor of the worker needs. What runs is in the configuration,
/// and boiled down when it is needed: that is a hundred times as large as the packed model.
#[derive(Debug)]
pub(crate) struct BalancingKept {
    /// The services that run, and what was told last of them.
    headings: Headings,
    /// Those of groups: of which, and at which place among those that use the group.
    places: BTreeMap<Arc<str>, (Arc<str>, usize)>,
    /// Of those that are no more, until the worker has told of their ends.
    former_places: BTreeMap<Arc<str>, (Arc<str>, usize)>,
    /// What the supervisor has to see on behalf of the worker.
    followed: Followed,
    /// Entries of the kernel that a reload took away while no worker could do it: they go with the next start.
    abandoned: BTreeSet<ServiceKey>,
    checks: BTreeMap<CheckKey, CheckResume>,
    /// A worker has begun once.
    pub(crate) started: bool,
    /// A worker began, and has not said that it took its entries away.
    pub(crate) table_out: bool,
    /// Where the table is.
    space: Space,
    /// Of the spread of first checks, for every worker.
    seed: u64,
    /// Of groups whose packets are marked.
    pub(crate) marks: Marks,
}

/// What the worker keeps for a supervisor that comes after this one, should it die.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Keepsake {
    /// What names stand for.
    pub(crate) names: NamesLeft,
    marks: Marks,
    seed: u64,
}

impl Keepsake {
    /// As it was written down. What cannot be read is not known.
    pub(crate) fn of(octets: &[u8]) -> Self {
        postcard::from_bytes(octets).unwrap_or_default()
    }
}

/// What a check worker is sent with.
pub(crate) struct Errand {
    job: Job,
    terms: Terms,
}

impl BalancingKept {
    pub(crate) fn new(model: &Model, packed: &Packed, known: &Known, space: Space) -> Self {
        let mut kept = Self {
            headings: Headings::default(),
            places: BTreeMap::new(),
            former_places: BTreeMap::new(),
            followed: followed(model),
            abandoned: BTreeSet::new(),
            checks: BTreeMap::new(),
            started: false,
            table_out: false,
            space,
            seed: settings(model).seed,
            marks: Marks::default(),
        };
        kept.marks.give(model);
        let services = Served::of(packed, known, &kept.marks).services();
        kept.take_in(&services);
        kept
    }

    /// For the program that comes.
    pub(crate) fn left(&self) -> BalancingLeft {
        let Resume { services, checks, .. } = self.resume();
        BalancingLeft {
            worker: None,
            known: Remembered { services, checks, ..Remembered::default() },
            abandoned: self.abandoned.clone(),
            started: self.started,
            seed: self.seed,
            marks: self.marks.clone(),
            space: self.space.kept(),
        }
    }

    /// Goes on with what another program left.
    pub(crate) fn adopt(&mut self, left: BalancingLeft) {
        self.remember(left.known);
        (self.abandoned, self.started, self.seed) = (left.abandoned, left.started, left.seed);
        self.marks = left.marks;
        self.table_out = self.started;
    }

    /// Goes on with what a worker has whose supervisor died; the other configuration is in force already.
    pub(crate) fn take_over(
        &mut self,
        kept: Keepsake,
        mut entries: BTreeSet<ServiceKey>,
        (loaded, known): (&Effective, &Known),
    ) {
        (self.marks, self.seed) = (kept.marks, kept.seed);
        (self.started, self.table_out) = (true, true);
        if loaded.global.firewall.ipvs_table.is_some() {
            self.marks.give(&loaded.model());
        }
        let services = Served::of(&loaded.packed, known, &self.marks).services();
        self.take_in(&services);
        for key in services.iter().flat_map(|placed| placed.outline.keys.iter()) {
            entries.remove(key);
        }
        self.abandoned = entries;
    }

    fn take_in(&mut self, services: &[Placed]) {
        let grouped = services.iter().filter_map(|Placed { outline, .. }| {
            Some((Arc::clone(&outline.key), outline.place_in_group.clone()?))
        });
        self.places = grouped.collect();
        self.headings.follow(services);
    }

    /// How many services run.
    pub(crate) fn count(&self) -> usize {
        self.headings.len()
    }

    /// What they are called, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.headings.iter().map(|heading| &heading.name)
    }

    /// Goes on with another configuration. What the kernel has of services that are no more is taken away by whoever
    /// is the worker next. What the worker has to change comes back.
    pub(crate) fn follow(&mut self, revision: Revision) -> Change {
        let Revision { change, services, mut gone } = revision;
        self.abandoned.append(&mut gone);
        if !self.abandoned.is_empty() {
            let stay = services.iter().flat_map(|placed| placed.outline.keys.iter());
            stay.for_each(|key| {
                self.abandoned.remove(key);
            });
        }
        let places_before = std::mem::take(&mut self.places);
        self.take_in(&services);
        self.former_places = places_before;
        self.former_places.retain(|service, _| !self.places.contains_key(service));
        change
    }

    /// Everything is told of services that are no more.
    pub(crate) fn forget_former(&mut self) {
        self.former_places.clear();
    }

    /// Sees this on behalf of the worker from here on.
    pub(crate) fn look_for(&mut self, followed: Followed) {
        self.followed = followed;
    }

    /// What keepalived calls a service in its FIFOs: of a group by its place among those that use the group.
    pub(crate) fn fifo_name(&self, service: &str) -> String {
        match self.places.get(service).or_else(|| self.former_places.get(service)) {
            Some((group, place)) => format!("[{group}]:{place}"),
            None => report::unnumbered_service(service).to_owned(),
        }
    }

    /// What keepalived calls a server of a service.
    pub(crate) fn server_name(&self, service: &str, server: SocketAddr) -> String {
        format!("[{}]:{}:{}", server.ip(), protocol(service), server.port())
    }

    /// Every service, without its servers.
    pub(crate) fn overview(&self) -> Vec<report::Service> {
        let services = self.headings.iter().map(|heading| {
            let kept = heading.last();
            report::Service {
                name: Arc::clone(&heading.name),
                up: kept.map(|kept| kept.quorum),
                quorum: heading.quorum,
                hysteresis: heading.hysteresis,
                live_weight: None,
                suspended: kept.is_some_and(|kept| kept.suspended),
                waits_for: None,
                refused: None,
                scheduler: heading.scheduler.to_string(),
                sorry_server: None,
                servers: Vec::new(),
                traffic: None,
            }
        });
        services.collect()
    }

    /// These services as the worker told of them last.
    pub(crate) fn last_known(
        &self,
        now: Moment,
        served: Served<'_>,
        named: &BTreeSet<Arc<str>>,
    ) -> Vec<report::Service> {
        let (mut unpacking, mut boiler) = (served.unpacking(), Boiler::default());
        let found = served.services().into_iter().filter(|placed| named.contains(&placed.outline.key));
        let (services, placements): (Vec<_>, Vec<_>) = found
            .filter_map(|Placed { place, outline, .. }| {
                let service = boiler.balanced(outline, &served.server(&mut unpacking, place)?);
                Some((service.health, service.placement))
            })
            .unzip();
        let machine = Machine::new(now, Config { services, ..Config::default() }, self.resume());
        let known = placements.into_iter().filter_map(|placement| {
            let kept = self.headings.last(&placement.key);
            let service = service_report(now, &machine, &placement, &Figures::default())?;
            Some(report::Service { up: kept.map(|kept| kept.quorum), live_weight: None, ..service })
        });
        let mut known: Vec<_> = known.collect();
        known.sort_by(|one, other| one.name.cmp(&other.name));
        known
    }

    /// How many servers a service has.
    pub(crate) fn servers_of(&self, service: &str) -> u32 {
        self.headings.servers(service)
    }

    /// What was told last of a service.
    pub(crate) fn last_of(&self, service: &str) -> Option<&Last> {
        self.headings.last(service)
    }

    fn resume(&self) -> Resume {
        Resume {
            services: self.headings.resume(),
            checks: self.checks.values().cloned().collect(),
            others_have_run: self.started,
        }
    }

    fn remember(&mut self, remembered: Remembered) {
        let Remembered { checks, ordinary, services, gone } = remembered;
        for key in ordinary {
            self.checks.remove(&key);
        }
        for check in checks {
            self.checks.insert(check.key.clone(), check);
        }
        for service in services {
            self.headings.remember(service);
        }
        for key in gone {
            self.headings.forget(&key);
        }
    }
}

impl Errand {
    /// The worker's whole life; its exit status comes back.
    pub(crate) fn run(self, channel: Channel, lives: &Lives) -> i32 {
        crate::check::run(self.job, channel, lives.of(0), &self.terms)
    }
}

impl Supervisor {
    /// What the worker is to keep, written down.
    fn keepsake(&self) -> Vec<u8> {
        let (names, marks) = (self.names.left(), self.balancing.marks.clone());
        let kept = Keepsake { names, marks, seed: self.balancing.seed };
        postcard::to_stdvec(&kept).unwrap_or_default()
    }

    /// Gives the worker what it is to keep, after that has changed.
    pub(crate) fn have_kept(&mut self) {
        if self.workers.check.is_filled() {
            let kept = self.keepsake();
            self.workers.check.order(Order::Keep(kept), &self.poller);
        }
    }

    /// Leaves everything behind that the worker does not need.
    pub(super) fn into_check_errand(self) -> Errand {
        let surroundings = self.surroundings();
        let kept = self.keepsake();
        let resume = self.balancing.resume();
        let BalancingKept { abandoned, started, space, seed, marks, .. } = self.balancing;
        let (packed, known) = (self.loaded.packed, self.names.into_used());
        let settings = Settings { seed, ..settings(&packed.rest()) };
        let pid_file = self.workers.check.pid_file().clone();
        let confined = self.options.confinement();
        let keep_table = self.options.keep_ipvs;
        let terms = Terms { space, keep_table, begun_before: started, confined, pid_file };
        Errand { job: Job { packed, known, marks, settings, abandoned, resume, surroundings, kept }, terms }
    }

    /// Everything that the load balancer follows, as far as it is known.
    pub(crate) fn surroundings(&self) -> Surroundings {
        let followed = &self.balancing.followed;
        let files =
            followed.files.iter().filter_map(|name| Some((Arc::clone(name), self.watches.number(name)?)));
        let known = &self.routers.known;
        let sessions = known.session_paths().filter(|(name, _)| followed.sessions.contains(name));
        let masters = self.routers.work.machine.instances.iter().filter(|config| {
            followed.instances.contains(&config.name)
                && matches!(known.standing(config.id), Some((State::Master, _)))
        });
        Surroundings {
            files: files.collect(),
            sessions: sessions.collect(),
            masters: masters.map(|config| Arc::clone(&config.name)).collect(),
        }
    }

    /// Something is not as it was; the check worker is told where it follows that.
    pub(crate) fn seen(&mut self, seen: Seen) {
        if self.balancing.followed.has(&seen) {
            self.workers.check.order(Order::Seen(seen), &self.poller);
        }
    }

    /// Something happened to a service, a server or a check.
    fn balanced(&mut self, told: Told) {
        let notified = told.event.happening.clone();
        let check = told.check.unwrap_or_default();
        let told_check = check.clone();
        let why = |cause: Cause| match cause {
            Cause::Start => Why::Start,
            Cause::Check { reason, .. } => Why::Check { check: check.clone(), reason },
            Cause::Contribution { .. } => Why::Contribution { check: check.clone() },
            Cause::Server { server } => Why::Server { server },
            Cause::Operator => Why::Operator,
            Cause::Reload => Why::Reload,
            Cause::Stop => Why::Stop,
        };
        let happening = match told.event.happening {
            Happening::Check { server, service, up, reason, .. } => {
                Balancing::Check { check, server, service, up, reason }
            }
            Happening::Failure { reason, attempt, retries, .. } => {
                Balancing::Failure { check, reason, attempt, retries }
            }
            Happening::Trouble { reason, .. } => Balancing::Trouble { check, reason },
            Happening::Server { server, service, up, cause, .. } => {
                Balancing::Server { server, service, up, why: why(cause) }
            }
            Happening::Weight { server, service, from, to, cause } => {
                Balancing::Weight { server, service, from, to, why: why(cause) }
            }
            Happening::Quorum { service, up, starting, quorum, hysteresis, sum, cause, .. } => {
                Balancing::Quorum { service, up, starting, quorum, hysteresis, sum, why: why(cause) }
            }
            Happening::Suspended { service, suspended } => Balancing::Suspended { service, suspended },
            Happening::Overridden { server, service, by } => Balancing::Overridden { server, service, by },
        };
        self.tell(Public::Balancing(happening));
        self.notify_of_balancing(&notified);
        self.mail_of_balancing(&notified, &told_check);
    }

    /// Runs the program of a check.
    fn check_server(&mut self, check: CheckId, settings: Arc<str>) {
        let Some(known) = self.scripts.programs.server_checks.get(&settings) else {
            let found = Found::NotRun("its program cannot be run: see the log of the start or reload".into());
            return self.tell_found(check, settings, found);
        };
        let (command, limit) = (known.program.command.clone(), Some(known.program.limit));
        let purpose = Purpose::Server(check, Arc::clone(&settings));
        let started = self.scripts.runner.start(moment(), &command, purpose, limit, &self.poller, RUNS);
        if let Err(ending) = started {
            self.tell_found(check, settings, Found::NotRun(wording::ending(&ending).as_str().into()));
        }
    }

    /// The program of a check ended, or exceeded its time.
    pub(crate) fn server_checked(&mut self, check: CheckId, settings: Arc<str>, ended: &Ended) {
        if ended.overstayed && ended.gone {
            // Its failure was told when it exceeded its time.
            return;
        }
        let dynamic = self.scripts.programs.server_checks.get(&settings).is_some_and(|check| check.dynamic);
        let said = || {
            let output = ended.output.trim();
            let printed = if output.is_empty() { String::new() } else { format!("; it printed: {output}") };
            Arc::from(format!("{} {}{printed}", ended.command, wording::ending(&ended.ending)).as_str())
        };
        let found = match ended.ending {
            Ending::Exited { status: 0 } => Found::Good(None),
            // The weight is two less than the status.
            Ending::Exited { status } if dynamic && status >= 2 => {
                Found::Good(u32::try_from(status - 2).ok())
            }
            _ if !ended.ran => Found::NotRun(said()),
            _ => Found::Bad(said()),
        };
        self.tell_found(check, settings, found);
    }

    fn tell_found(&mut self, check: CheckId, settings: Arc<str>, found: Found) {
        self.workers.check.order(Order::Ran { check, settings, found }, &self.poller);
    }

    /// Scripts and FIFOs are told of a server or of a quorum, in keepalived's order.
    fn notify_of_balancing(&mut self, happening: &Happening) {
        let flushed = self.loaded.global.lvs_flush_on_stop != LvsFlushOnStop::No;
        let (service, server, up) = match happening {
            // Where the table is flushed, servers are not removed one by one.
            Happening::Server { cause: Cause::Stop, .. } if flushed => return,
            Happening::Server { service, server, up, notify: true, .. } => (service, Some(*server), *up),
            Happening::Quorum { service, up, notify: true, .. } => (service, None, *up),
            _ => return,
        };
        let owner = Owner::Service(Arc::clone(service));
        if let Some(command) = self.scripts.programs.of_service(service, server, up) {
            let commands = vec![command.clone()];
            self.notify(Transition { owner: owner.clone(), commands });
        }
        let name = self.balancing.fifo_name(service);
        let state = if up { "UP" } else { "DOWN" };
        let line = match server {
            Some(server) => {
                let server = self.balancing.server_name(service, server);
                format!("RS {server} {name} {state}\n")
            }
            None => format!("VS {name} {state}\n"),
        };
        self.write_to_fifos(&owner, &line);
    }
}

impl Post for Check {
    fn slot(workers: &mut Workers) -> &mut Slot<Self> {
        &mut workers.check
    }

    fn hear(supervisor: &mut Supervisor, news: News) {
        match news {
            News::Happened(happened) => happened.into_iter().for_each(|told| supervisor.balanced(told)),
            News::Resume(remembered) => supervisor.balancing.remember(*remembered),
            News::Services { request, services, last } => {
                supervisor.services_told(request, services, last);
            }
            News::Handled { request, servers } => supervisor.operated(request, servers),
            News::Run { check, settings } => supervisor.check_server(check, settings),
            News::Notice(notice) => supervisor.tell(Public::Balancing(noticed(notice))),
        }
    }

    fn forked(supervisor: &mut Supervisor) {
        // The worker takes them away.
        supervisor.balancing.abandoned.clear();
    }

    fn started(supervisor: &mut Supervisor) {
        supervisor.balancing.started = true;
        // The one that ends the table at a stop is the last.
        supervisor.balancing.table_out |= supervisor.stopping.is_none();
    }

    fn reloaded(supervisor: &mut Supervisor) {
        supervisor.balancing.abandoned.clear();
    }

    fn drained(supervisor: &mut Supervisor) {
        supervisor.balancing.table_out = false;
    }

    fn ended(supervisor: &mut Supervisor) {
        supervisor.abandon_inquiry();
        supervisor.abandon_operations();
        supervisor.end_table();
    }
}

/// The protocol of a service as its name has it; marks have none.
fn protocol(service: &str) -> &str {
    let protocol =
        report::unnumbered_service(service).rsplit("]:").next().and_then(|rest| rest.split(':').next());
    protocol.filter(|protocol| matches!(*protocol, "tcp" | "udp" | "sctp")).unwrap_or("none")
}

fn noticed(notice: Notice) -> Balancing {
    match notice {
        Notice::NoTable { reason } => Balancing::NoTable { reason },
        Notice::Table => Balancing::Table,
        Notice::Refused { what, reason } => Balancing::Refused { change: what, reason },
        Notice::Changed { what } => Balancing::Changed { change: what },
        Notice::Check { reason } => Balancing::NoCheck { reason },
        Notice::Setting { reason } => Balancing::Setting { reason },
    }
}
