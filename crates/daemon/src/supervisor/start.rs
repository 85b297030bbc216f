//! The way to a running supervisor.

use std::collections::BTreeMap;
use std::path::Path;

use steadfast_config::load::{LoadOptions, Loaded, Mode, load};
use steadfast_config::model::Global;
use steadfast_config::source::Files;
use steadfast_control::event::{Fault, Happening, Severity};
use steadfast_control::wording;
use steadfast_kernel::namespace::Network;
use steadfast_kernel::process::pidfile::{PidFile, PidFileError};
use steadfast_kernel::process::signal::{self, Signal, Signals};
use steadfast_kernel::process::{self, Foreground, ProcessEvents, limits, user};
use steadfast_kernel::space::{Space, SpaceId};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::Moment;

use super::control::{Control, Desk};
use super::faults::Faults;
use super::findings::Report;
use super::journal::Journal;
use super::journal::log::Log;
use super::names::Names;
use super::notify::fifo::Fifos;
use super::notify::mail::{Mail, Subjects};
use super::records::Records;
use super::reload::effective::Effective;
use super::reload::{self, Reloads};
use super::scripts::Scripts;
use super::scripts::hooks::Hook;
use super::scripts::programs::Programs;
use super::watches::Watches;
use super::watches::processes::Processes;
use super::workers::Workers;
use super::workers::check::BalancingKept;
use super::workers::service::Service;
use super::workers::vrrp::Routers;
use super::{CONTROL, SETTLE_AFTER, SIGNALS, Supervisor, moment};
use crate::beside::{self, Runs, Turn};
use crate::digest::vrrp::{buffer, digest};
use crate::digest::watches::Orders;
use crate::host::ThisMachine;
use crate::link::vrrp::work::Work;
use crate::options::Options;
use crate::places::{self, Places};

/// Exit status for anything that is neither the configuration nor a permission.
const STATUS_FATAL: u8 = 1;
/// The network namespace of the table of IPVS, where it is another than that of the process.
const SPACE_OF_IPVS: SpaceId = SpaceId(1);
/// keepalived's umask: nothing for group and others.
const UMASK: u32 = 0o177;

/// Runs a daemon; the exit status comes back. In the background mode the process that was started waits until the
/// daemon is ready, and ends with status 0, or with the daemon's and its error.
pub fn run(options: Options) -> u8 {
    match prepare(options) {
        Ok(supervisor) => supervisor.run(),
        Err(status) => status,
    }
}

/// Reads a configuration, and what is to be said about it.
///
/// # Errors
/// When the machine cannot be asked about its interfaces.
pub(super) fn read(options: &Options, file: &Path) -> Result<(Loaded, Report), steadfast_kernel::Error> {
    let machine = ThisMachine::ask()?;
    let source = Files { config_id: options.config_id.clone().map(String::into_bytes), ..Files::default() };
    let load_options = LoadOptions {
        mode: Mode::Run,
        check_includes: options.strict_includes,
        silenced: options.allowed.clone(),
        without_vrrp: !options.run_vrrp,
        ..LoadOptions::default()
    };
    let loaded = load(&source, file, &machine, &load_options);
    let report = Report::of(&loaded);
    Ok((loaded, report))
}

fn prepare(mut options: Options) -> Result<Supervisor, u8> {
    limits::tune_allocator();
    limits::set_umask(options.umask.unwrap_or(UMASK));
    if options.core_dump {
        let _ = limits::allow_core_dumps();
    }
    let mut process_events = None;
    if let Some(name) = &options.namespace {
        process_events = ProcessEvents::open().ok();
        enter(name)?;
    }
    let (mut loaded, mut report) = read(&options, &options.configuration).map_err(complain)?;
    if options.namespace.is_none()
        && let Some(name) = &loaded.model.global.net_namespace
    {
        process_events = ProcessEvents::open().ok();
        enter(name)?;
        // The interfaces that the file means are those in there.
        (loaded, report) = read(&options, &options.configuration).map_err(complain)?;
    }
    make_files_as(&options, &loaded.model.global);
    let mut journal = Journal::new(Log::open(&options, &identity(&options, &loaded.model.global)));
    report.tell_start(&mut journal, loaded.start_status().is_err());
    loaded.start_status()?;
    if !options.foreground {
        options.leave_folder();
    }
    let places = Places::of(&options, &loaded.model.global);
    let pid_files =
        lock_pid_files(&options, &loaded, &places).map_err(|reason| refuse(&mut journal, &reason))?;
    let turn =
        look_around(&options, &loaded, &mut journal).map_err(|reason| refuse(&mut journal, &reason))?;
    let space = space_of_ipvs(&options, &loaded).map_err(|reason| refuse(&mut journal, &reason))?;
    let mut foreground = None;
    if !options.foreground {
        foreground = Some(process::daemonise().map_err(|error| complain(error.to_string()))?);
        journal.log().set_pid(std::process::id());
    }
    let process_events = process_events.filter(|_| !loaded.model.track_processes.is_empty());
    let opened = (pid_files, turn, process_events, space);
    assemble(options, loaded, journal, opened, places, &mut foreground).map_err(|error| {
        if let Some(foreground) = foreground {
            foreground.report(STATUS_FATAL, &format!("steadfast: {error}\n"));
        }
        complain(error.to_string())
    })
}

/// Where the table of IPVS is, be there virtual servers from the start or not: a reload may bring some, and this cannot
/// change then.
fn space_of_ipvs(options: &Options, loaded: &Loaded) -> Result<Space, String> {
    let name = loaded.model.global.net_namespace_ipvs.as_deref().filter(|_| options.run_checkers);
    let opened = name.map_or_else(|| Ok(Space::own()), |name| Space::open(SPACE_OF_IPVS, name));
    opened.map_err(|error| format!("net_namespace_ipvs {}: {error}", name.unwrap_or_default()))
}

/// Looks for other daemons in this network namespace; in words, why this one may not run beside them. Until it speaks
/// itself, and can be seen, no other one looks: that is its turn.
fn look_around(options: &Options, loaded: &Loaded, journal: &mut Journal) -> Result<Option<Turn>, String> {
    if !options.run_vrrp || !loaded.model.wants_vrrp() {
        return Ok(None);
    }
    let turn = Turn::take();
    if let Err(error) = &turn {
        journal.add(Happening::Fault(Fault::NotWaitedFor { reason: error.to_string() }));
    }
    let wanted = Runs::of(&loaded.model);
    for other in beside::others(&[std::process::id()]) {
        if let Some(clash) = other.clash(&wanted) {
            return Err(wording::clash(&clash));
        }
        if let Some(why) = other.unknown() {
            let neighbour = other.who().clone();
            journal.add(Happening::Fault(Fault::Beside { neighbour, reason: why.to_owned() }));
        }
    }
    Ok(turn.ok())
}

/// Said where a person looks and where the log goes.
fn refuse(journal: &mut Journal, reason: &str) -> u8 {
    journal.line_off_console(Severity::Error, &format!("not started: {reason}"));
    complain(reason)
}

fn assemble(
    options: Options,
    loaded: Loaded,
    mut journal: Journal,
    (mut pid_files, turn, process_events, space): (Vec<PidFile>, Option<Turn>, Option<ProcessEvents>, Space),
    places: Places,
    foreground: &mut Option<Foreground>,
) -> Result<Supervisor, steadfast_kernel::Error> {
    for file in &mut pid_files {
        file.write()?;
    }
    signal::ignore(Signal::PIPE)?;
    let mut caught = vec![
        Signal::TERMINATE,
        Signal::INTERRUPT,
        Signal::HANGUP,
        Signal::USER_1,
        Signal::USER_2,
        Signal::CHILD,
    ];
    caught.extend(Signal::realtime_max_minus(1));
    caught.extend(Signal::realtime_min_plus(2));
    let signals = Signals::open(&caught)?;
    process::become_subreaper()?;
    let poller = Poller::open()?;
    poller.add(&signals, SIGNALS, Interest::Readable)?;
    let control = listen(&options, &places, &mut journal);
    if let Some(control) = &control {
        poller.add(control.listener(), CONTROL, Interest::Readable)?;
    }
    reload::save(&mut journal, &loaded, 1);
    reload::remove_stale_marker(&loaded.model.global, &pid_files);
    let (effective, mut model) = Effective::of(loaded, &options);
    let now = moment();
    let mut names = Names::default();
    names.configure(now, &model);
    names.expand(&mut model);
    let work = digest(&model, &Work::default(), &BTreeMap::new(), options.log_addresses);
    let balancing = BalancingKept::new(&model, space);
    let mut faults = Vec::new();
    let programs = Programs::resolve(&model, &work, &mut faults);
    let mail = Mail::new(Subjects::of(&model, &work));
    let orders = Orders::of(&model, &work);
    // A worker forked while it is there would keep its copy for good.
    drop(model);
    let service = Service::open(now, foreground.take());
    let workers = Workers::new(&places, service.beat());
    let mut supervisor = Supervisor {
        options,
        started_at: now,
        poller,
        signals,
        service,
        pid_files,
        journal,
        desk: Desk::new(control),
        faults: Faults::default(),
        loaded: effective,
        reloads: Reloads::new(),
        scripts: Scripts::new(programs),
        fifos: Fifos::default(),
        mail,
        names,
        records: Records::new(&places),
        watches: Watches::new(Processes::new(process_events)),
        workers,
        routers: Routers::new(work),
        turn,
        balancing,
        stopping: None,
        settle_at: Some(now + SETTLE_AFTER),
    };
    faults.into_iter().for_each(|fault| supervisor.fault(fault));
    supervisor.configure_watches(orders, true);
    supervisor.begin(now);
    Ok(supervisor)
}

/// The rights of files that are made here.
fn make_files_as(options: &Options, global: &Global) {
    limits::set_umask(options.umask.or(global.umask).unwrap_or(UMASK));
}

impl Supervisor {
    /// How this process is, as configured: what it is called, and the rights of the files that it makes.
    pub(super) fn settle_process(&mut self) {
        make_files_as(&self.options, &self.loaded.global);
        // Its name has no octet of 0, for which alone it could be refused.
        let _ = process::rename(self.loaded.global.process_name.as_deref());
        self.watches.processes.resize(buffer(&self.loaded.global.process_monitor_buffer));
    }

    fn begin(&mut self, now: Moment) {
        let configuration = self.options.configuration.display().to_string();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.tell(Happening::Started { version, configuration });
        if self.options.dump_configuration {
            self.log_configuration();
        }
        for name in self.loaded.not_active.clone() {
            self.journal.line(Severity::Warning, &format!("{name}: accepted, not active in this version"));
        }
        self.settle_process();
        self.configure_schedule();
        self.configure_fifos();
        limits::trim_allocator();
        self.scripts.starting = self.run_hook(now, Hook::Startup);
        if self.scripts.starting.is_none() {
            self.start_work();
        }
    }

    /// Starts everything that waits for the startup script.
    pub(super) fn start_work(&mut self) {
        let now = moment();
        if self.wants_vrrp() {
            self.workers.vrrp.start(now);
        }
        if self.wants_checks() {
            self.workers.check.start(now);
        }
        if !self.wants_vrrp() && !self.wants_checks() {
            let why = match (self.loaded.wants_vrrp, self.loaded.wants_checkers) {
                (true, _) => "VRRP is left out (-C)",
                (false, true) => "the load balancer is left out (-P)",
                (false, false) => {
                    "the configuration has no vrrp_instance, no bfd_instance and no virtual_server"
                }
            };
            self.tell(Happening::Fault(Fault::NothingToRun { reason: why.to_owned() }));
            self.service.ready(&self.summary());
        }
        self.scripts.checks.configure(now, &self.scripts.programs);
        limits::trim_allocator();
        self.reload_over();
    }

    /// Whether the configuration has something for a vrrp worker, whose timing thread runs BFD sessions too.
    pub(super) fn wants_vrrp(&self) -> bool {
        let wants_bfd = self.options.run_bfd && self.loaded.wants_bfd;
        (self.options.run_vrrp && self.loaded.wants_vrrp) || wants_bfd
    }

    /// Whether the configuration has something for a check worker.
    pub(super) fn wants_checks(&self) -> bool {
        self.options.run_checkers && self.loaded.wants_checkers
    }

    fn log_configuration(&mut self) {
        // Logs are read by more people than configurations.
        if let Ok(text) = serde_json::to_string_pretty(&self.loaded.model().without_secrets()) {
            for line in text.lines() {
                self.journal.line(Severity::Info, line);
            }
        }
    }
}

fn enter(name: &str) -> Result<(), u8> {
    let path = Path::new("/run/netns").join(name);
    let entered = Network::open(&path).and_then(|network| network.enter());
    entered.map_err(|error| complain(format!("cannot enter network namespace {name}: {error}")))
}

fn listen(options: &Options, places: &Places, journal: &mut Journal) -> Option<Control> {
    let gid = match options.control_group.as_deref().map(user::lookup_group) {
        None => None,
        Some(Ok(Some(gid))) => Some(gid),
        Some(_) => {
            let group = options.control_group.as_deref().unwrap_or_default();
            journal.line(
                Severity::Warning,
                &format!("there is no group {group}: only root may use the control socket"),
            );
            None
        }
    };
    match Control::listen(&places.control_socket, gid) {
        Ok(control) => Some(control),
        Err(reason) => {
            journal.line(Severity::Warning, &format!("no control socket: {reason}"));
            None
        }
    }
}

/// The supervisor's pid file first. A daemon that has one runs; in words, which.
fn lock_pid_files(options: &Options, loaded: &Loaded, places: &Places) -> Result<Vec<PidFile>, String> {
    let lock = |path: &Path| {
        if let Err(error) = places::make_folder(path) {
            let _ = complain(format!("cannot make the folder of {}: {error}", path.display()));
        }
        PidFile::lock(path, beside::is_keepalived).map_err(|error| match error {
            found @ PidFileError::AlreadyRunning { .. } => format!("a daemon is {found}"),
            PidFileError::Unusable(error) => error.to_string(),
        })
    };
    let locked = lock(&places.pid_file)?;
    // Another daemon's worker, even one that lost its supervisor, has the same addresses.
    if options.run_vrrp && loaded.model.wants_vrrp() {
        lock(&places.vrrp_pid_file)?;
    }
    if options.run_checkers && loaded.model.wants_checkers() {
        lock(&places.checkers_pid_file)?;
    }
    Ok(vec![locked])
}

/// keepalived's name in the log, with what tells several daemons of a machine apart.
fn identity(options: &Options, global: &Global) -> String {
    let parts = [places::namespace(options, global), global.instance.as_deref()];
    parts.into_iter().flatten().fold("Keepalived".to_owned(), |name, part| format!("{name}_{part}"))
}

fn complain(reason: impl std::fmt::Display) -> u8 {
    eprintln!("steadfast: {reason}");
    STATUS_FATAL
}
