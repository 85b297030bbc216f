//! The check worker: asks servers how they are, and keeps the kernel's load balancer as the answers want it.
//!
//! ```text
//!   supervisor ══ channel ══ loop ── machine: what do answers mean?
//!                             │  └── table ── netlink ── IPVS
//!                             └──── probes ── sockets ── servers
//! ```

mod following;
mod operator;
mod presence;
mod probes;
pub(crate) mod report;
mod sharing;
mod spec;
mod supervisor;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use steadfast_health::{
    CheckId, CheckKey, CheckResume, Event, Happening, Input, Machine, Resume, Sink, Target, Verdict,
};
use steadfast_kernel::channel::Channel;
use steadfast_kernel::ipvs::{Ipvs, ServiceKey};
use steadfast_kernel::netlink::Requests;
use steadfast_kernel::nftables;
use steadfast_kernel::process::confinement::{
    Access, Call, Cores, Family, Files, Needs, confine, yield_memory_first,
};
use steadfast_kernel::process::pidfile::PidFile;
use steadfast_kernel::process::signal::{self, Signal, Signals};
use steadfast_kernel::process::{limits, memory};
use steadfast_kernel::rendezvous::Rendezvous;
use steadfast_kernel::space::Space;
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_kernel::{Capability, Error};
use steadfast_probe::tls::Context;
use steadfast_time::Moment;

use self::following::Following;
use self::presence::Presence;
use self::probes::{CONVERSATIONS_MAX, Judged, Probes};
use self::report::{Part, Reports};
use self::table::Table;
use crate::beside;
use crate::digest::check::Services;
use crate::link::check::seen::Surroundings;
use crate::link::check::work::{Identity, Settings};
use crate::link::check::{News, Notice, Remembered, Told};
use crate::link::life::Life;
use crate::link::lifecycle::{FromWorker, Trouble};
use crate::link::line::{Line, give_up};
use crate::served::{Known, Marks, Packed, Served};
use crate::vrrp::{SETTINGS, scheduling};

/// Descriptors besides those of conversations.
const OTHER_DESCRIPTORS: usize = 64;

/// How long after a start or a reload memory is given back, if everything is in the kernel by then.
const SETTLE_AFTER: Duration = Duration::from_millis(500);

const CHANNEL: u64 = 0;
const SIGNALS: u64 = 1;
const ADDRESSES: u64 = 2;
const FILTERS: u64 = 3;
const PROBES: u64 = 16;

/// What does not change while a daemon runs.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Where the table is; servers are asked from where the process lives.
    pub(crate) space: Space,
    /// Leave the table in place at the end.
    pub(crate) keep_table: bool,
    /// There was a worker before this one: the table is as it left it.
    pub(crate) begun_before: bool,
    /// Give up what the work does not need; `None` to keep everything.
    pub(crate) confined: Option<Cores>,
    /// The worker's pid file.
    pub(crate) pid_file: PathBuf,
}

/// What is to be done, and how things are.
pub(crate) struct Job {
    /// The services.
    pub(crate) packed: Packed,
    /// What is known of the names of their servers.
    pub(crate) known: Known,
    /// Of groups whose packets are marked.
    pub(crate) marks: Marks,
    /// How to run and use the kernel.
    pub(crate) settings: Settings,
    /// Entries of the kernel that a reload took away while no worker could do it: they go at the start.
    pub(crate) abandoned: BTreeSet<ServiceKey>,
    /// What a predecessor knew.
    pub(crate) resume: Resume,
    /// What is followed.
    pub(crate) surroundings: Surroundings,
    /// To be kept for a supervisor that comes after this one.
    pub(crate) kept: Vec<u8>,
}

/// What the work needs of the kernel.
pub(crate) const NEEDS: Needs = Needs {
    capabilities: &[
        Capability::NetAdmin,
        Capability::NetRaw,
        Capability::NetBindService,
        Capability::SysNice,
        Capability::IpcLock,
        Capability::SysResource,
    ],
    families: &[Family::Inet, Family::Inet6, Family::Netlink],
    // Of a supervisor that comes after the one that died, too.
    calls: &[Call::Connect, Call::Accept],
    files: &[CERTIFICATES, SETTINGS],
};
/// A certificate and its key for checks over TLS. Where they are a reload may change.
const CERTIFICATES: Files = Files { below: "/", access: Access::Read };
/// Thousandths of all memory by which this worker is a likelier victim than the others when memory runs out: its
/// successor finds the table as it was, and the addresses stay.
const MEMORY_YIELDED_FIRST: i32 = 500;

/// Runs a worker in a process of its own until its supervisor ends it; the exit status comes back.
pub(crate) fn run(job: Job, mut channel: Channel, life: Life, terms: &Terms) -> i32 {
    // Once it is confined the process cannot enter another network namespace.
    let elsewhere = match socket_elsewhere(&terms.space) {
        Ok(socket) => socket,
        Err(error) => return give_up(&mut channel, &error),
    };
    let marking = job.settings.marking.as_ref().map(|_| terms.space.within(open_filters).flatten());
    let (marking, no_marks) = match marking.transpose() {
        Ok(sockets) => (sockets, None),
        Err(error) => (None, Some(Notice::Setting { reason: format!("nftables_ipvs: {error}") })),
    };
    let (marking, filter_monitor) = marking.unzip();
    // Held until the end, and taken away by the supervisor. A worker without its pid file works as well. Whoever is confined
    // cannot make a file.
    let mut pid_file = PidFile::lock(&terms.pid_file, beside::is_keepalived).ok();
    if let Some(file) = &mut pid_file {
        let _ = file.write();
    }
    // Done without where it is not to be had, or where no pid file leads there: the death of the supervisor is then the
    // worker's end.
    let rendezvous = pid_file.as_ref().and_then(|_| Rendezvous::open().ok());
    let troubles = give_up_needless(terms);
    let line = Line::new(channel, rendezvous, CHANNEL);
    let opened = match open(&line, filter_monitor) {
        Ok(opened) => opened,
        Err(error) => return give_up(&mut line.into_channel(), &error),
    };
    let table = Table::new(job.settings.clone(), terms.begun_before, elsewhere, marking);
    let mut checker = Checker::new(job, line, opened, table, terms);
    no_marks.into_iter().for_each(|notice| checker.notice(notice));
    troubles.into_iter().for_each(|trouble| checker.trouble(trouble));
    checker.run(&life);
    0
}

/// The socket that leads to the table, where that is not in the process's own network namespace.
fn socket_elsewhere(space: &Space) -> Result<Option<Requests>, Error> {
    if space.is_own() { Ok(None) } else { space.within(Ipvs::socket)?.map(Some) }
}

/// What writes packet filters, and what hears of them.
fn open_filters() -> Result<(Requests, nftables::Monitor), Error> {
    Ok((nftables::socket()?, nftables::Monitor::open()?))
}

/// What the work does without; what cannot be given up is told.
fn give_up_needless(terms: &Terms) -> Vec<Trouble> {
    let memory =
        yield_memory_first(MEMORY_YIELDED_FIRST).map_err(|error| Trouble::Scheduling { error: error.into() });
    let confined = terms.confined.map_or(Ok(()), |cores| confine(&NEEDS, cores));
    let confined = confined.map_err(|error| Trouble::Unconfined { error: error.into() });
    [memory, confined].into_iter().filter_map(Result::err).collect()
}

/// What the kernel has to grant before anything can begin.
struct Opened {
    poller: Poller,
    signals: Signals,
    filter_monitor: Option<nftables::Monitor>,
}

fn open(line: &Line, filter_monitor: Option<nftables::Monitor>) -> Result<Opened, Error> {
    // The supervisor decides what these mean; a terminal sends them to every process of the group.
    for signal in [Signal::INTERRUPT, Signal::HANGUP, Signal::USER_1, Signal::USER_2, Signal::PIPE] {
        signal::ignore(signal)?;
    }
    let poller = Poller::open()?;
    let signals = Signals::open(&[Signal::TERMINATE])?;
    poller.add(&signals, SIGNALS, Interest::Readable)?;
    if let Some(monitor) = &filter_monitor {
        poller.add(monitor, FILTERS, Interest::Readable)?;
    }
    line.listen(&poller)?;
    Ok(Opened { poller, signals, filter_monitor })
}

/// The worker's state.
struct Checker {
    settings: Settings,
    machine: Machine,
    table: Table,
    probes: Probes,
    line: Line,
    poller: Poller,
    signals: Signals,
    filter_monitor: Option<nftables::Monitor>,
    keep_table: bool,
    /// There was a worker before this one: who is to be told was told.
    begun_before: bool,
    stopping: bool,
    /// A successor goes on with everything.
    leaving: bool,
    /// For a supervisor that comes after this one.
    kept: Vec<u8>,
    /// It came, and knows nothing else.
    confided: bool,
    reports: Reports,
    following: Following,
    presence: Presence,
    told: Vec<Told>,
    /// Checks of which a successor has to know more than that they exist.
    unusual: BTreeMap<CheckId, CheckResume>,
    /// When to give back memory that only a start or a reload needed.
    settle_at: Option<Moment>,
}

/// What the machine asks for, until it is done.
#[derive(Debug, Default)]
struct Wishes {
    probes: Vec<(CheckId, u16)>,
    forgotten: Vec<CheckId>,
    entries: Vec<(Arc<str>, Target, Option<u32>)>,
    dropped: Vec<Arc<str>>,
    events: Vec<Event>,
}

impl Sink for Wishes {
    fn probe(&mut self, check: CheckId, step: u16) {
        self.probes.push((check, step));
    }

    fn forget(&mut self, check: CheckId) {
        self.forgotten.push(check);
    }

    fn want(&mut self, service: &Arc<str>, target: Target, weight: Option<u32>) {
        self.entries.push((Arc::clone(service), target, weight));
    }

    fn drop_service(&mut self, service: &Arc<str>) {
        self.dropped.push(Arc::clone(service));
    }

    fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}

impl Checker {
    fn new(job: Job, line: Line, opened: Opened, mut table: Table, terms: &Terms) -> Self {
        let now = moment();
        let Job { packed, known, marks, settings, abandoned, resume, surroundings, kept } = job;
        let inherited: Vec<_> = resume.checks.iter().map(|check| check.key.clone()).collect();
        let mut placements = Vec::new();
        let served = Served::of(&packed, &known, &marks);
        let groups = served.groups();
        let services = Services::of(&groups, served.servers()).map(|service| {
            placements.push(service.placement);
            service.health
        });
        let machine = Machine::of(now, services, settings.seed, settings.tell_initial, resume);
        drop((packed, groups));
        limits::trim_allocator();
        placements.iter().for_each(|placement| table.configure(placement, &machine));
        abandoned.into_iter().for_each(|key| table.discard(key));
        let (tls, problem) = context(settings.identity.as_ref());
        let mut checker = Self {
            table,
            machine,
            probes: Probes::new(PROBES, tls),
            line,
            poller: opened.poller,
            signals: opened.signals,
            filter_monitor: opened.filter_monitor,
            keep_table: terms.keep_table,
            begun_before: terms.begun_before,
            stopping: false,
            leaving: false,
            kept,
            confided: false,
            reports: Reports::default(),
            following: Following::of(surroundings),
            presence: Presence::default(),
            told: Vec::new(),
            unusual: BTreeMap::new(),
            settle_at: Some(now + SETTLE_AFTER),
            settings,
        };
        problem.into_iter().for_each(|notice| checker.notice(notice));
        checker.take_stock(inherited);
        checker
    }

    fn run(&mut self, life: &Life) {
        let now = moment();
        self.schedule(&crate::link::vrrp::work::Settings::default());
        self.allow_descriptors();
        self.begin_following(now);
        self.follow_addresses(now);
        self.advance(now);
        let services: Vec<_> = self.table.services().keys().cloned().collect();
        self.remember_services(&services);
        self.table.settle(now);
        self.report();
        self.tell(&FromWorker::Started);
        let mut events = Events::default();
        while !self.stopping {
            let due = self.next_wakeup();
            life.wait(&self.poller, &mut events, due);
            let ready: Vec<_> = events.iter().collect();
            let now = moment();
            for ready in ready {
                match ready.token {
                    CHANNEL => self.hear_supervisor(),
                    SIGNALS => self.hear_signals(),
                    ADDRESSES => self.hear_addresses(now),
                    FILTERS => self.hear_filters(),
                    _ => {
                        let judged = self.probes.ready(now, ready, &self.poller);
                        self.judge(now, judged);
                    }
                }
            }
            if self.stopping || self.line.is_forsaken(&self.poller) {
                break;
            }
            let expired = self.probes.expire(now);
            self.judge(now, expired);
            let begun = self.probes.begin_waiting(now, |check| self.machine.check_key(check), &self.poller);
            self.judge(now, begun);
            self.advance(now);
            self.table.settle(now);
            self.go_on_reporting(now);
            self.report();
            self.give_back(now);
        }
        if self.leaving { self.leave() } else { self.end() }
    }

    /// When everything is in the kernel, what that alone needed goes: memory, and pages of the program.
    fn give_back(&mut self, now: Moment) {
        if self.settle_at.is_none_or(|at| at > now) {
            return;
        }
        if self.table.is_writing() {
            self.settle_at = Some(now + SETTLE_AFTER);
            return;
        }
        self.settle_at = None;
        self.table.compact();
        self.machine.compact();
        memory::settle();
    }

    fn next_wakeup(&mut self) -> Option<Moment> {
        if !self.reports.is_idle() {
            return Some(Moment::ZERO);
        }
        let table = self.table.next_wakeup();
        let alone = self.line.alone_until();
        let wakeups = [self.machine.next_wakeup(), self.probes.next_wakeup(), table, self.settle_at, alone];
        wakeups.into_iter().flatten().min()
    }

    /// What others do to the packet filters is set right.
    fn hear_filters(&mut self) {
        let (Some(monitor), Some(filters)) = (&mut self.filter_monitor, self.table.filters()) else { return };
        match monitor.is_changed(filters.table(), filters.port()) {
            Ok(true) => filters.disturbed(),
            Ok(false) => {}
            Err(error) => self.trouble(Trouble::Netlink { error: error.into() }),
        }
    }

    /// A part of what somebody wants to know.
    fn go_on_reporting(&mut self, now: Moment) {
        let part = self.reports.go_on(now, &self.machine, &mut self.table);
        if let Some(Part { request, services, last }) = part {
            self.news(News::Services { request, services, last });
        }
    }

    fn advance(&mut self, now: Moment) {
        let mut wishes = Wishes::default();
        self.machine.advance(now, &mut wishes);
        self.fulfil(now, wishes);
    }

    /// What probes found, and what follows from it.
    fn judge(&mut self, now: Moment, judged: impl IntoIterator<Item = Judged>) {
        let mut waiting: Vec<Judged> = judged.into_iter().collect();
        while let Some(Judged { check, verdict, .. }) = waiting.pop() {
            let mut wishes = Wishes::default();
            self.take_verdict(now, check, verdict, &mut wishes);
            waiting.extend(self.carry_out(now, wishes));
        }
    }

    fn take_verdict(&mut self, now: Moment, check: CheckId, verdict: Verdict, wishes: &mut Wishes) {
        self.machine.handle(now, Input::Verdict { check, verdict }, wishes);
        self.remember_check(check);
    }

    fn fulfil(&mut self, now: Moment, wishes: Wishes) {
        let judged = self.carry_out(now, wishes);
        self.judge(now, judged);
    }

    /// What is known at once comes back: a verdict is not to be told while the machine is still asking.
    fn carry_out(&mut self, now: Moment, wishes: Wishes) -> Vec<Judged> {
        self.probes.forget(&wishes.forgotten.iter().copied().collect());
        wishes.forgotten.iter().for_each(|check| self.following.forget(*check));
        for (service, target, weight) in wishes.entries {
            self.table.want(&service, target, weight, &self.machine);
        }
        for service in wishes.dropped {
            // At the end the table is emptied as a whole, or left as it is.
            if !self.stopping {
                self.table.drop_service(&service, &self.machine);
            }
        }
        self.take_events(wishes.events);
        let mut judged = Vec::new();
        for (check, step) in wishes.probes {
            let Some(key) = self.machine.check_key(check) else { continue };
            judged.extend(self.probes.begin(now, check, &key, step, &self.poller));
        }
        judged
    }

    fn take_events(&mut self, events: Vec<Event>) {
        for event in events {
            let check = concerned(&event.happening)
                .and_then(|check| self.machine.check_key(check))
                .map(|key| spec::name(&key));
            if let Happening::Quorum { service, .. }
            | Happening::Suspended { service, .. }
            | Happening::Overridden { service, .. } = &event.happening
            {
                let service = Arc::clone(service);
                self.remember_service(&service);
            }
            self.told.push(Told { event, check });
        }
    }

    /// Tells what a successor needs, and leaves the table as it is.
    fn leave(&mut self) {
        if self.confided {
            self.remember_everything();
        }
        self.report();
        self.tell(&FromWorker::Left);
        self.flush_before_exit();
    }

    /// The last things.
    fn end(&mut self) {
        let now = moment();
        // Before anything is told: of thousands of servers that takes its time.
        if !self.keep_table {
            self.table.end(now);
        }
        let mut wishes = Wishes::default();
        self.machine.handle(now, Input::Stop, &mut wishes);
        self.carry_out(now, wishes);
        self.report();
        self.tell(&FromWorker::Drained);
        self.flush_before_exit();
    }

    fn schedule(&mut self, before: &crate::link::vrrp::work::Settings) {
        for error in scheduling::change(before, &self.settings.scheduling) {
            self.trouble(Trouble::Scheduling { error: error.into() });
        }
    }

    fn allow_descriptors(&mut self) {
        let checks = self.machine.check_ids().len().min(CONVERSATIONS_MAX);
        let needed = u64::try_from(checks + OTHER_DESCRIPTORS).unwrap_or(u64::MAX);
        if let Err(error) = limits::allow_descriptors(needed) {
            self.notice(Notice::Setting { reason: error.to_string() });
        }
    }

    // What a successor needs.

    /// What the supervisor keeps of a check is what it was told last, by whichever worker: of a check that is `inherited` as
    /// unusual it has to be told when that is over, and at once where it is no check any more or goes on under another key.
    fn take_stock(&mut self, inherited: Vec<CheckKey>) {
        self.remember_checks(self.machine.check_ids(), inherited);
    }

    fn remember_check(&mut self, check: CheckId) {
        self.remember_checks([check], Vec::new());
    }

    /// The keys `gone` stand for no check any more, but for those of `checks`. In one message: a worker may die between two.
    fn remember_checks(&mut self, checks: impl IntoIterator<Item = CheckId>, gone: Vec<CheckKey>) {
        let mut remembered = Remembered { ordinary: gone, ..Remembered::default() };
        for check in checks {
            let Some((resume, usual)) = self.machine.check_resume(check) else { continue };
            let known = self.unusual.get(&check);
            if usual {
                if self.unusual.remove(&check).is_some() {
                    remembered.ordinary.push(resume.key);
                }
            } else if known != Some(&resume) {
                self.unusual.insert(check, resume.clone());
                remembered.checks.push(resume);
            }
        }
        if !remembered.is_empty() {
            self.news(News::Resume(Box::new(remembered)));
        }
    }

    /// For who was not told of each change.
    fn remember_everything(&mut self) {
        let all = self.machine.check_ids().into_iter().filter_map(|check| self.machine.check_resume(check));
        let checks = all.filter(|(_, usual)| !usual).map(|(resume, _)| resume).collect();
        self.news(News::Resume(Box::new(Remembered { checks, ..Remembered::default() })));
        let services: Vec<_> = self.table.services().keys().cloned().collect();
        self.remember_services(&services);
    }

    fn remember_service(&mut self, service: &Arc<str>) {
        self.remember_services(std::slice::from_ref(service));
    }

    fn remember_services(&mut self, services: &[Arc<str>]) {
        let mut remembered = Remembered::default();
        for service in services {
            let id = self.machine.service_id(service);
            match id.and_then(|id| self.machine.service_resume(id)) {
                Some(resume) => remembered.services.push(resume),
                None => remembered.gone.push(Arc::clone(service)),
            }
        }
        self.news(News::Resume(Box::new(remembered)));
    }
}

/// The check that an event speaks of.
fn concerned(happening: &Happening) -> Option<CheckId> {
    use steadfast_health::Cause;
    match happening {
        Happening::Check { check, .. }
        | Happening::Failure { check, .. }
        | Happening::Trouble { check, .. } => Some(*check),
        Happening::Server { cause, .. }
        | Happening::Weight { cause, .. }
        | Happening::Quorum { cause, .. } => match cause {
            Cause::Check { check, .. } | Cause::Contribution { check } => Some(*check),
            _ => None,
        },
        Happening::Suspended { .. } | Happening::Overridden { .. } => None,
    }
}

/// What the checks over TLS have in common. With an identity that cannot be used they are nobody, and that is told.
fn context(identity: Option<&Identity>) -> (Option<Context>, Option<Notice>) {
    let read = |identity: &Identity| {
        let file = |path: &str| std::fs::read(path).map_err(|error| format!("{path}: {error}"));
        let (certificate, key) = (file(&identity.certificate)?, file(&identity.key)?);
        let read =
            steadfast_probe::tls::Identity::read(&certificate, &key).map_err(|error| error.to_string());
        read.and_then(|identity| Context::new(Some(identity)).map_err(|error| error.to_string()))
    };
    let (context, problem) = match identity.map(read) {
        Some(Ok(context)) => return (Some(context), None),
        Some(Err(reason)) => {
            let reason = format!("SSL: checks show no certificate to servers: {reason}");
            (Context::new(None), Some(Notice::Check { reason }))
        }
        None => (Context::new(None), None),
    };
    match context {
        Ok(context) => (Some(context), problem),
        Err(error) => (None, Some(Notice::Check { reason: format!("there can be no TLS: {error}") })),
    }
}

/// The worker's clock, shared with the supervisor.
fn moment() -> Moment {
    Moment::from_nanos(clock::monotonic())
}
