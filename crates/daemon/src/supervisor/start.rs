//! The way to a running supervisor.

use std::path::{Path, PathBuf};
use std::time::Duration;

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

use super::control::Control;
use super::faults::Faults;
use super::findings::Report;
use super::foundation::Foundation;
use super::journal::Journal;
use super::journal::log::Log;
use super::names::Names;
use super::orphans::Orphans;
use super::reload;
use super::scripts::hooks::Hook;
use super::scripts::runner::DESCRIPTORS_NEEDED;
use super::{CONTROL, SIGNALS, Supervisor, moment};
use crate::beside::{self, Runs, Turn};
use crate::digest::process::buffer;
use crate::host::ThisMachine;
use crate::options::Options;
use crate::places::{self, Places};

/// Exit status for anything that is neither the configuration nor a permission.
const STATUS_FATAL: u8 = 1;
/// The network namespace of the table of IPVS, where it is another than that of the process.
pub(super) const SPACE_OF_IPVS: SpaceId = SpaceId(1);
/// The supervisor is the largest of the processes, and its death would cost the notify scripts of that moment: when memory
/// runs out, ordinary programs go first.
const OUT_OF_MEMORY_SCORE: i32 = -500;
/// keepalived's umask: nothing for group and others.
const UMASK: u32 = 0o177;
/// A daemon or a worker that was killed has its pid file for a moment more; a machine that is short of memory takes its time.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

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
    settle(&options, &Global::default());
    // Where it is not to be had, relative paths mean nothing either.
    let folder = std::env::current_dir().unwrap_or_default();
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
    let (pid_files, orphans) =
        lock_pid_files(&options, &loaded, &places).map_err(|reason| refuse(&mut journal, &reason))?;
    let own: Vec<u32> = orphans.pids().chain([std::process::id()]).collect();
    let turn =
        look_around(&options, &loaded, &own, &mut journal).map_err(|reason| refuse(&mut journal, &reason))?;
    let space = space_of_ipvs(&options, &loaded).map_err(|reason| refuse(&mut journal, &reason))?;
    let mut foreground = None;
    if !options.foreground {
        foreground = Some(process::daemonise().map_err(|error| complain(error.to_string()))?);
        journal.log().set_pid(std::process::id());
    }
    let process_events = process_events.filter(|_| !loaded.model.track_processes.is_empty());
    let opened = Opened { pid_files, turn, process_events, space, folder, orphans };
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

/// Looks for daemons in this network namespace other than `own` processes; in words, why this one may not run beside them. Until it speaks
/// itself, and can be seen, no other one looks: that is its turn.
fn look_around(
    options: &Options,
    loaded: &Loaded,
    own: &[u32],
    journal: &mut Journal,
) -> Result<Option<Turn>, String> {
    if !options.run_vrrp || !loaded.model.wants_vrrp() {
        return Ok(None);
    }
    let turn = Turn::take();
    if let Err(error) = &turn {
        journal.add(Happening::Fault(Fault::NotWaitedFor { reason: error.to_string() }));
    }
    let wanted = Runs::of(&loaded.model);
    for other in beside::others(own) {
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

/// What is held before anything is assembled, and the folder that the daemon was started in.
struct Opened {
    pid_files: Vec<PidFile>,
    turn: Option<Turn>,
    process_events: Option<ProcessEvents>,
    space: Space,
    folder: PathBuf,
    orphans: Orphans,
}

fn assemble(
    options: Options,
    loaded: Loaded,
    mut journal: Journal,
    opened: Opened,
    places: Places,
    foreground: &mut Option<Foreground>,
) -> Result<Supervisor, steadfast_kernel::Error> {
    let Opened { mut pid_files, turn, process_events, space, folder, orphans } = opened;
    for file in &mut pid_files {
        file.write()?;
    }
    let signals = catch_signals()?;
    process::become_subreaper()?;
    let poller = Poller::open()?;
    poller.add(&signals, SIGNALS, Interest::Readable)?;
    let control = listen(&options, &places, &mut journal);
    if let Some(control) = &control {
        poller.add(control.listener(), CONTROL, Interest::Readable)?;
    }
    reload::save(&mut journal, &loaded, 1);
    reload::remove_stale_marker(&loaded.model.global, &pid_files);
    let foundation = Foundation {
        options,
        loaded,
        journal,
        poller,
        signals,
        pid_files,
        control,
        process_events,
        faults: Faults::default(),
        names: Names::adopt(orphans.names()),
        work: orphans.work(),
        leaving: orphans.leaving(),
        space,
        folder,
        foreground: foreground.take(),
    };
    let now = moment();
    let (mut supervisor, orders) = foundation.build(&places, now);
    supervisor.turn = turn;
    supervisor.tell_names_left_out();
    supervisor.configure_watches(orders, orphans.since().is_none());
    supervisor.begin(now, orphans);
    Ok(supervisor)
}

/// Signals become something to read.
///
/// # Errors
/// When no descriptor is left.
pub(super) fn catch_signals() -> Result<Signals, steadfast_kernel::Error> {
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
    Signals::open(&caught)
}

/// How the process is from its first moment on.
pub(super) fn settle(options: &Options, global: &Global) {
    limits::tune_allocator();
    allow_descriptors();
    // Done without where it is not to be had. What a service manager has set below stays.
    let _ = limits::keep_from_memory_pressure(OUT_OF_MEMORY_SCORE);
    make_files_as(options, global);
    if options.core_dump {
        let _ = limits::allow_core_dumps();
    }
}

/// As many as are needed when all the scripts run that may; what finds none waits. With few scripts the limit that there is
/// does, and is no reason to warn.
pub(super) fn allow_descriptors() {
    let _ = limits::allow_descriptors(u64::try_from(DESCRIPTORS_NEEDED).unwrap_or(u64::MAX));
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

    fn begin(&mut self, now: Moment, orphans: Orphans) {
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
        if let Some(since) = orphans.since() {
            return self.take_over(orphans, since, now);
        }
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

/// The supervisor's pid file first, and with it the workers of one that died. A daemon that has one runs; in words, which.
fn lock_pid_files(
    options: &Options,
    loaded: &Loaded,
    places: &Places,
) -> Result<(Vec<PidFile>, Orphans), String> {
    let lock = |path: &Path| {
        if let Err(error) = places::make_folder(path) {
            let _ = complain(format!("cannot make the folder of {}: {error}", path.display()));
        }
        PidFile::lock_after(path, beside::is_keepalived, ENDS_WITHIN).map_err(|error| match error {
            found @ PidFileError::AlreadyRunning { .. } => format!("a daemon is {found}"),
            PidFileError::Unusable(error) => error.to_string(),
        })
    };
    let locked = lock(&places.pid_file)?;
    let orphans = Orphans::find(places);
    // Another daemon's worker has the same addresses.
    if options.run_vrrp && loaded.model.wants_vrrp() && orphans.vrrp.is_none() {
        lock(&places.vrrp_pid_file)?;
    }
    if options.run_checkers && loaded.model.wants_checkers() && orphans.check.is_none() {
        lock(&places.checkers_pid_file)?;
    }
    Ok((vec![locked], orphans))
}

/// keepalived's name in the log, with what tells several daemons of a machine apart.
pub(super) fn identity(options: &Options, global: &Global) -> String {
    let parts = [places::namespace(options, global), global.instance.as_deref()];
    parts.into_iter().flatten().fold("Keepalived".to_owned(), |name, part| format!("{name}_{part}"))
}

pub(super) fn complain(reason: impl std::fmt::Display) -> u8 {
    eprintln!("steadfast: {reason}");
    STATUS_FATAL
}
