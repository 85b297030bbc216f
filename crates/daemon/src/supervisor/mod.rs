//! The supervisor: parses and checks the file, starts the worker, runs scripts, keeps the event
//! log, answers the control socket. Single-threaded, so that it can fork workers without exec.

mod control;
mod findings;
mod journal;
mod notify;
mod reload;
mod scripts;
mod start;
mod stop;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use steadfast_config::KnownErrors;
use steadfast_config::load::Loaded;
use steadfast_config::model::{Global, Model};
use steadfast_config::table::Feature;
use steadfast_kernel::channel::Channel;
use steadfast_kernel::process::Exit;
use steadfast_kernel::process::pidfile::{self, PidFile};
use steadfast_kernel::process::signal::{Signal, Signals};
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_vrrp::{InstanceId, Moment};

use self::control::dump::Dump;
use self::control::status::{self, Asked};
use self::control::{CLIENTS_MAX, Control};
use self::journal::Journal;
use self::notify::scripts::{self as notifying, Order};
use self::reload::{Confirmation, Reloads};
use self::scripts::checks::Checks;
use self::scripts::hooks::Shutdown;
use self::scripts::programs::Programs;
use self::scripts::runner::Runner;
use self::workers::known::Known;
use self::workers::process::{Respawn, Worker};
use self::workers::service::{Beat, Service};
use crate::digest::vrrp::digest;
use crate::link::vrrp::work::{VirtualAddress, Work};
use crate::link::vrrp::{FromWorker, ToWorker};
use crate::options::Options;
use crate::record::{Happening, Severity};
use crate::report::{self, Answer, Request};
use crate::vrrp::Terms;

pub use self::start::run;

/// How long stop scripts may take; keepalived gives them as long.
const STOP_SCRIPTS: Duration = Duration::from_secs(1);
/// Quiet time after which memory that a start, a reload or a burst of events needed is given back.
const SETTLE_AFTER: Duration = Duration::from_millis(1_500);
/// How long a worker may take for its hand-overs beyond the configured `child_wait_time`.
const DRAIN_MARGIN: Duration = Duration::from_secs(1);

const SIGNALS: u64 = 0;
const CONTROL: u64 = 1;
const CHANNEL: u64 = 2;
const CHILD: u64 = 3;
const RELOAD_TIME: u64 = 4;
const CLIENTS: u64 = 1 << 32;
const RUNS: u64 = 1 << 48;

/// The supervisor's state.
struct Supervisor {
    options: Options,
    poller: Poller,
    signals: Signals,
    control: Option<Control>,
    notifier: Service,
    journal: Journal,
    loaded: Effective,
    work: Work,
    programs: Programs,
    known: Known,
    /// Instances that a reload removed and that still hand over, with what they hold.
    leaving: BTreeMap<InstanceId, Vec<VirtualAddress>>,
    /// What a reload took from instances that stay, until the worker says that it knows.
    dropped: Vec<VirtualAddress>,
    checks: Checks,
    order: Order,
    runner: Runner,
    worker: Option<Worker>,
    respawn: Respawn,
    start_worker_at: Option<Moment>,
    restarts: u32,
    generation: u32,
    refused_reload: Option<String>,
    asked: Asked,
    started_at: Moment,
    reloads: Reloads,
    /// The startup script runs, and is waited for until then.
    starting: Option<Moment>,
    stopping: Option<Stopping>,
    /// The worker's exit status, when it said that another start is useless.
    worker_gave_up: Option<u8>,
    pid_files: Vec<PidFile>,
    /// A worker began, and has not said that it gave everything up.
    addresses_out: bool,
    told_turned_away: report::Control,
    sequence_of_dumps: u64,
    /// When to give back memory that only a start or a reload needed.
    settle_at: Option<Moment>,
    worker_terms: Terms,
}

/// What is kept of a loaded configuration. The whole model is wanted only by dumps and comparisons,
/// and is a tenth of its size when packed.
struct Effective {
    global: Global,
    wants_vrrp: bool,
    packed: Vec<u8>,
    /// Names of the instances as configured.
    order: Vec<Arc<str>>,
    /// What it asks for that does nothing in this version.
    not_active: Vec<String>,
    /// Errors that it has all the same.
    errors: KnownErrors,
}

impl Effective {
    /// With the model, for what is to be made of it now.
    fn of(loaded: Loaded, options: &Options) -> (Self, Model) {
        let mut asked: BTreeSet<Feature> = loaded.features.iter().copied().collect();
        asked.extend(options.snmp.then_some(Feature::Snmp));
        let not_active = asked.into_iter().map(|feature| feature.title().to_owned()).collect();
        let errors = KnownErrors::of(&loaded);
        let model = loaded.model;
        let effective = Self {
            global: model.global.clone(),
            wants_vrrp: model.wants_vrrp(),
            // Writing to memory cannot fail, and the model has nothing that cannot be written.
            packed: postcard::to_stdvec(&model).unwrap_or_default(),
            order: model.instances.iter().map(|instance| Arc::clone(&instance.name)).collect(),
            not_active,
            errors,
        };
        (effective, model)
    }

    /// The whole model.
    fn model(&self) -> Model {
        postcard::from_bytes(&self.packed).unwrap_or_default()
    }
}

/// Name of the worker in process lists: `vrrp_process_name`, or keepalived's.
fn worker_name(global: &Global) -> &str {
    global.vrrp_process.name.as_deref().unwrap_or("keepalived_vrrp")
}

/// A stop under way.
struct Stopping {
    /// The worker is killed when this is reached.
    worker_until: Moment,
    /// Scripts are killed when this is reached; set once the worker is gone.
    scripts_until: Option<Moment>,
    /// The script after everything else.
    shutdown: Shutdown,
}

impl Supervisor {
    /// Runs until a signal ends it; the exit status comes back.
    fn run(mut self) -> u8 {
        let mut events = Events::default();
        loop {
            let now = moment();
            self.timers(now);
            if self.is_finished(now) {
                self.farewell();
                return self.worker_gave_up.unwrap_or(0);
            }
            let deadline = self.next_wakeup().map(Moment::as_nanos);
            if self.poller.wait(&mut events, deadline).is_err() {
                continue;
            }
            let ready: Vec<_> = events.iter().collect();
            for ready in ready {
                self.ready(ready.token);
            }
        }
    }

    fn ready(&mut self, token: u64) {
        match token {
            SIGNALS => self.take_signals(),
            CONTROL => {
                if let Some(control) = &mut self.control {
                    control.accept(&self.poller, CLIENTS);
                }
            }
            CHANNEL => self.hear_worker(),
            CHILD => self.worker_ended(),
            RELOAD_TIME => self.reload_time_changed(),
            token if token >= RUNS => {
                if let Some(ended) = self.runner.ready(moment(), token - RUNS, &self.poller) {
                    self.script_ended(ended);
                }
            }
            token if token >= CLIENTS => self.hear_client(token - CLIENTS),
            _ => {}
        }
    }

    fn take_signals(&mut self) {
        while let Some(received) = self.signals.next_pending() {
            match received.signal {
                Signal::TERMINATE => self.stop(),
                Signal::INTERRUPT if !self.options.ignore_interrupt => self.stop(),
                Signal::HANGUP => self.reload(),
                Signal::USER_1 => self.ask_worker(status::Purpose::Dump(Dump::Data)),
                Signal::USER_2 => self.ask_worker(status::Purpose::Dump(Dump::Statistics)),
                signal if Some(signal) == Signal::realtime_max_minus(1) => {
                    self.ask_worker(status::Purpose::StatisticsAndClear);
                }
                signal if Some(signal) == Signal::realtime_min_plus(2) => {
                    self.ask_worker(status::Purpose::Dump(Dump::Json));
                }
                Signal::CHILD => self.reap_adopted(),
                _ => {}
            }
        }
    }

    /// Orphans of scripts become our children; nobody else waits for them.
    fn reap_adopted(&mut self) {
        let worker = self.worker.as_ref().map(|worker| worker.child.pid());
        while let Some(pid) = steadfast_kernel::process::ended_child() {
            if Some(pid) == worker || self.runner.owns(pid) {
                break;
            }
            steadfast_kernel::process::reap(pid);
        }
    }

    // Worker.

    fn start_worker(&mut self, now: Moment) {
        self.start_worker_at = None;
        let name = worker_name(&self.loaded.global).to_owned();
        match Worker::start(now, &name, |channel| self.become_worker(channel)) {
            Ok(worker) => {
                let _ = self.poller.add(&worker.channel, CHANNEL, Interest::Readable);
                let _ = self.poller.add(&worker.child, CHILD, Interest::Readable);
                let pid = worker.child.pid();
                self.worker = Some(worker);
                // The worker takes their addresses away; nobody tells anything of them again.
                for instance in std::mem::take(&mut self.leaving).into_keys() {
                    self.known.forget(instance);
                }
                self.dropped.clear();
                self.tell(None, Happening::WorkerStarted { pid });
            }
            Err(error) => {
                self.journal.line(Severity::Error, &format!("the vrrp worker cannot be started: {error}"));
                self.start_worker_at =
                    Some(now + self.respawn.after(Duration::ZERO).max(Duration::from_secs(1)));
            }
        }
    }

    /// In the child: everything that only the supervisor needs goes, descriptors and memory, or the
    /// pages would be kept twice and a client would never see its connection end.
    fn become_worker(&mut self, channel: Channel) -> i32 {
        let mut work = std::mem::take(&mut self.work);
        work.abandoned = std::mem::take(&mut self.leaving).into_values().flatten().collect();
        work.abandoned.append(&mut self.dropped);
        let resume = self.known.resume();
        self.control = None;
        self.loaded.packed = Vec::new();
        self.programs = Programs::default();
        self.known = Known::default();
        self.checks = Checks::default();
        self.reloads = Reloads::default();
        self.journal.forget();
        steadfast_kernel::process::limits::trim_allocator();
        crate::vrrp::run(work, resume, channel, &self.worker_terms)
    }

    fn hear_worker(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        let heard = worker.heard(&self.poller, CHANNEL);
        for message in heard {
            self.take_news(message);
        }
    }

    fn take_news(&mut self, message: FromWorker) {
        if !matches!(message, FromWorker::Pong) {
            self.settle_at = Some(moment() + SETTLE_AFTER);
        }
        match message {
            FromWorker::Started => {
                self.addresses_out = true;
                self.notifier.ready(&self.summary());
                self.reload_confirmed(Confirmation::Started);
            }
            FromWorker::Pong => self.notifier.answered(),
            FromWorker::Happened(events) => {
                for event in events {
                    let transition = notifying::transition(&self.programs, &event);
                    let happening = self.known.told(&event);
                    self.tell(None, happening);
                    if let Some(transition) = transition {
                        self.notify(transition);
                    }
                }
            }
            FromWorker::Removed(instance) => {
                self.leaving.remove(&instance);
                self.known.forget(instance);
                self.programs.instances.retain(|id, _| *id != instance || self.work.install(*id).is_some());
            }
            FromWorker::Resume(states) => states.into_iter().for_each(|state| self.known.keep(state)),
            FromWorker::Notice(notice) => {
                let (severity, happening) = self.known.noticed(notice);
                self.tell(Some(severity), happening);
            }
            FromWorker::Instances { request, instances } => self.asked.instances(request, instances),
            FromWorker::Worker { request, worker } => {
                let done = self.asked.finished(request, worker);
                self.answer_asked(done);
            }
            FromWorker::Reloaded(_) => {
                self.dropped.clear();
                self.notifier.ready(&self.summary());
                self.reload_confirmed(Confirmation::Reloaded);
            }
            FromWorker::Drained => self.addresses_out = false,
        }
    }

    fn worker_ended(&mut self) {
        self.hear_worker();
        let Some(worker) = &mut self.worker else { return };
        let exit = match worker.child.try_wait() {
            Ok(Some(exit)) => exit,
            Ok(None) => return,
            Err(_) => Exit::Status(1),
        };
        let now = moment();
        let (pid, ran) = (worker.child.pid(), now.since(worker.started_at));
        let _ = self.poller.remove(&worker.channel);
        let _ = self.poller.remove(&worker.child);
        self.worker = None;
        self.remove_pid_file_of(pid);
        let done = self.asked.abandon();
        self.answer_asked(done);
        if self.stopping.is_some() {
            return;
        }
        if let Some(status) = Self::gives_up(exit) {
            self.worker_gave_up = Some(status);
            self.stop();
            return;
        }
        let outcome = match exit {
            Exit::Status(status) => format!("exited with status {status}"),
            Exit::Signal(signal) => format!("was ended by signal {}", signal.number()),
        };
        self.restarts += 1;
        self.start_worker_at = Some(now + self.respawn.after(ran));
        // A new worker comes first: every millisecond without one is one in which no advert is sent.
        if self.start_worker_at.is_some_and(|at| at <= now) && !self.options.dont_respawn {
            self.start_worker(now);
        }
        self.tell(None, Happening::WorkerDied { pid, outcome, successor: !self.options.dont_respawn });
        if self.options.dont_respawn {
            self.start_worker_at = None;
            self.stop();
        }
        // Its successor begins with the configuration it did not confirm.
        self.reload_over();
    }

    /// A worker that was killed leaves its pid file.
    fn remove_pid_file_of(&self, worker: u32) {
        if pidfile::read(&self.worker_terms.pid_file) == Some(worker) {
            let _ = std::fs::remove_file(&self.worker_terms.pid_file);
        }
    }
}

impl Supervisor {
    // Time.

    fn timers(&mut self, now: Moment) {
        if self.start_worker_at.is_some_and(|at| at <= now) {
            self.start_worker(now);
        }
        if self.asked.wakeup().is_some_and(|at| at <= now) {
            let answered = self.asked.abandon();
            self.answer_asked(answered);
        }
        match self.notifier.beat(now, self.worker.is_some()) {
            Beat::Rest => {}
            Beat::Ask => {
                if let Some(worker) = &mut self.worker {
                    worker.tell(&ToWorker::Ping, &self.poller, CHANNEL);
                }
            }
            Beat::Hung => self.kill_hung_worker(),
        }
        self.run_scripts(now);
        self.give_up_startup(now);
        self.reload_if_due(now);
        self.tell_turned_away();
        if self.settle_at.is_some_and(|at| at <= now) {
            self.settle_at = None;
            steadfast_kernel::process::memory::settle();
        }
    }

    fn next_wakeup(&self) -> Option<Moment> {
        let beat = Some(self.notifier.wakeup());
        let wakeups = [
            self.start_worker_at,
            self.asked.wakeup(),
            beat,
            self.scripts_wakeup(),
            self.stop_wakeup(),
            self.settle_at,
            self.starting,
            self.reloads.schedule.wakeup(),
        ];
        wakeups.into_iter().flatten().min()
    }

    fn kill_hung_worker(&mut self) {
        if let Some(worker) = &self.worker {
            let message = "the vrrp worker does not answer: it is killed, and its successor goes on";
            self.journal.line(Severity::Error, message);
            worker.kill();
        }
    }

    // News.

    /// Each bound of the control socket is told when it is reached for the first time.
    fn tell_turned_away(&mut self) {
        let Some(control) = &self.control else { return };
        let (before, after) = (self.told_turned_away, control.turned_away());
        self.told_turned_away = after;
        if before.clients_refused == 0 && after.clients_refused > 0 {
            let detail = format!("control socket: a client was refused, {CLIENTS_MAX} are connected");
            self.tell(None, Happening::Bound { detail });
        }
        if before.clients_too_slow == 0 && after.clients_too_slow > 0 {
            let detail = "control socket: a client that does not read was hung up on".to_owned();
            self.tell(None, Happening::Bound { detail });
        }
    }

    fn tell(&mut self, severity: Option<Severity>, happening: Happening) {
        let record = self.journal.add(severity, happening);
        if let Some(control) = &mut self.control {
            control.publish(&record, &self.poller, CLIENTS);
        }
    }

    fn hear_client(&mut self, client: u64) {
        let Some(control) = &mut self.control else { return };
        for request in control.ready(client, &self.poller, CLIENTS) {
            match request {
                Request::Plan { path } => self.send_plan(client, Path::new(&path)),
                Request::Status => self.ask_worker(status::Purpose::Client(client)),
                Request::Events { follow } => self.send_events(client, follow),
            }
        }
    }

    fn send_events(&mut self, client: u64, follow: bool) {
        let Some(control) = &mut self.control else { return };
        for record in self.journal.kept() {
            control.answer(client, &Answer::Event(Box::new(record)), &self.poller, CLIENTS);
        }
        if follow {
            control.follow(client);
        } else {
            control.answer(client, &Answer::End, &self.poller, CLIENTS);
            control.finish(client, &self.poller, CLIENTS);
        }
    }

    /// One line for the service manager.
    fn summary(&self) -> String {
        let instances = self.work.machine.instances.len();
        format!("{instances} virtual routers, configuration {}", self.generation)
    }
}

/// The supervisor's clock, shared with the workers.
fn moment() -> Moment {
    Moment::from_nanos(clock::monotonic())
}

#[cfg(test)]
mod tests {
    use steadfast_config::{AnyMachine, Files, LoadOptions, load};

    use super::*;

    #[test]
    fn a_packed_model_is_the_model() {
        let everything = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tests/everything.conf");
        let loaded = load(&Files::default(), &everything, &AnyMachine, &LoadOptions::default());
        let (effective, model) = Effective::of(loaded, &Options::default());
        assert!(!model.instances.is_empty() && !model.virtual_servers.is_empty());
        assert_eq!(effective.model(), model);
    }
}
