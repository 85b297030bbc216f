//! The program that takes another one's place: whether it could, and how it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use steadfast_config::load::Loaded;
use steadfast_control::event::Happening;
use steadfast_control::request::UpgradeReport;
use steadfast_kernel::process::handover::{self, Kept, Program, State};
use steadfast_kernel::process::pidfile::PidFile;
use steadfast_kernel::process::signal::{Signal, Signals};
use steadfast_kernel::process::{self, Child, ProcessEvents};
use steadfast_kernel::space::Space;
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::Moment;

use super::left::{Asked, Left, WorkerLeft};
use crate::link::check::Check;
use crate::link::inheritance::Inheritable as _;
use crate::link::lifecycle::Worker;
use crate::link::vrrp::Vrrp;
use crate::link::vrrp::inheritance::Inheritance;
use crate::options::Options;
use crate::places::Places;
use crate::supervisor::control::Control;
use crate::supervisor::faults::Faults;
use crate::supervisor::foundation::Foundation;
use crate::supervisor::journal::Journal;
use crate::supervisor::journal::log::Log;
use crate::supervisor::names::Names;
use crate::supervisor::reload::Reloads;
use crate::supervisor::workers::Post;
use crate::supervisor::{CLIENTS, CONTROL, SIGNALS, Supervisor, moment, start};

/// What a program says that could take over, before its version.
pub(super) const READY: &str = "ready to take over:";
/// Exit status of one that could not.
const STATUS_REFUSED: u8 = 1;

/// Workers that are to have successors.
#[derive(Debug)]
pub(super) struct Succession {
    after: After,
    awaited: BTreeSet<Worker>,
}

/// What it comes of.
#[derive(Debug)]
pub(crate) enum After {
    /// This process ran another program.
    Upgrade {
        /// Of this version.
        from: String,
        /// As asked.
        asked: Asked,
    },
    /// Another supervisor died.
    Death {
        /// Workers are without one since then.
        since: Moment,
    },
}

/// A state that this program can go on with.
struct Rehearsed {
    left: Left,
    inheritance: Inheritance,
    options: Options,
    loaded: Loaded,
}

/// Says on standard output whether this program, with these options, could go on with the state at a path; the exit status
/// comes back.
pub fn check(options: Options, state: &Path) -> u8 {
    let octets = State::read(state).map_err(|error| format!("cannot read {}: {error}", state.display()));
    match octets.and_then(|octets| rehearse(options, &octets)) {
        Ok(_) => {
            println!("{READY} {}", env!("CARGO_PKG_VERSION"));
            0
        }
        Err(reason) => {
            println!("steadfast: {reason}");
            STATUS_REFUSED
        }
    }
}

/// Everything that can go wrong before anything is taken over.
fn rehearse(mut options: Options, octets: &[u8]) -> Result<Rehearsed, String> {
    let left = Left::from_octets(octets)
        .map_err(|why| format!("the state of the daemon cannot be taken over: {why}"))?;
    let inheritance = Inheritance::from_octets(&left.routers.inheritance)
        .map_err(|why| format!("the state of the virtual routers cannot be taken over: {why}"))?;
    options.resolve(&left.folder);
    let (loaded, report) =
        start::read(&options, &options.configuration).map_err(|error| error.to_string())?;
    if loaded.start_status().is_err() {
        let first = report.lines().into_iter().next().unwrap_or_default();
        return Err(format!("it does not accept the configuration: {first}"));
    }
    Ok(Rehearsed { left, inheritance, options, loaded })
}

/// What the program left that this process ran before, if there was one. The first thing that a program asks.
pub fn inherited() -> Option<Vec<u8>> {
    let octets = State::inherited();
    handover::forget_inheritance();
    octets
}

/// What the kernel may refuse for want of something.
struct Prepared {
    poller: Poller,
    signals: Signals,
}

impl Prepared {
    fn new() -> Result<Self, steadfast_kernel::Error> {
        let poller = Poller::open()?;
        let signals = start::catch_signals()?;
        poller.add(&signals, SIGNALS, Interest::Readable)?;
        process::become_subreaper()?;
        Ok(Self { poller, signals })
    }
}

/// Goes on in the place of the program that ran before, or gives way to it again; the exit status comes back.
pub fn succeed(options: Options, octets: &[u8]) -> u8 {
    // What was left open may be more than the limit allows that the program before gave back.
    start::allow_descriptors();
    let prepare = |rehearsed| Ok((rehearsed, Prepared::new().map_err(|error| error.to_string())?));
    let reason = match rehearse(options, octets).and_then(prepare) {
        Ok((rehearsed, prepared)) => match rehearsed.take_over(prepared) {
            Ok(supervisor) => return supervisor.run(),
            Err(error) => return start::complain(format!("cannot take over: {error}")),
        },
        Err(reason) => reason,
    };
    let given_way = give_way(octets, &reason);
    start::complain(format!("cannot take over: {reason}; and cannot give way: {given_way}"))
}

/// Becomes the program again that ran before. Comes back only where that is impossible: in words, why.
fn give_way(octets: &[u8], reason: &str) -> String {
    let given = || -> Result<steadfast_kernel::Error, String> {
        let mut left = Left::from_octets(octets).map_err(|why| why.to_string())?;
        let descriptors = left.descriptors();
        let before = left.program.take().ok_or("it is the one that ran before")?;
        let before = Program::of_kept(before).map_err(|error| error.to_string())?;
        left.gave_way = Some(reason.to_owned());
        let state = State::write(&left.to_octets()).map_err(|error| error.to_string())?;
        let kept: Vec<Kept> = descriptors.into_iter().filter(|kept| *kept != before.kept()).collect();
        Ok(before.become_it(&state, &kept))
    };
    given().map_or_else(|reason| reason, |error| error.to_string())
}

impl Left {
    /// Every descriptor that has to live on.
    pub(super) fn descriptors(&self) -> Vec<Kept> {
        let workers = [self.routers.worker, self.balancing.worker].into_iter().flatten();
        self.program
            .into_iter()
            .chain(self.process_events)
            .chain(self.balancing.space)
            .chain(self.pid_files.iter().map(|(file, _)| *file))
            .chain(self.control.iter().flat_map(|clients| clients.descriptors()))
            .chain(self.fifos.iter().map(|fifo| fifo.descriptor()))
            .chain(workers.map(|worker| worker.channel))
            .collect()
    }
}

impl Rehearsed {
    /// # Errors
    /// When a descriptor is not there that the program before left, or cannot be watched.
    fn take_over(self, prepared: Prepared) -> Result<Supervisor, steadfast_kernel::Error> {
        let Self { left, inheritance, options, loaded } = self;
        let Prepared { poller, signals } = prepared;
        start::settle(&options, &loaded.model.global);
        let mut journal = Journal::new(Log::open(&options, &start::identity(&options, &loaded.model.global)));
        journal.adopt(left.journal);
        let places = Places::of(&options, &loaded.model.global);
        let pid_files = left.pid_files.into_iter().map(|(kept, path)| PidFile::adopt(kept, &path));
        let pid_files = pid_files.collect::<Result<Vec<_>, _>>()?;
        let control = left.control.map(|left| Control::adopt(left, &poller, CLIENTS)).transpose()?;
        if let Some(control) = &control {
            poller.add(control.listener(), CONTROL, Interest::Readable)?;
        }
        let process_events = left.process_events.and_then(|kept| ProcessEvents::adopt(kept).ok());
        // The way back: it is not needed any more.
        let _ = left.program.map(Program::of_kept);
        let space = left.balancing.space.map(|kept| Space::adopt(start::SPACE_OF_IPVS, kept));
        let foundation = Foundation {
            options,
            loaded,
            journal,
            poller,
            signals,
            pid_files,
            control,
            process_events,
            faults: Faults::adopt(&left.faults),
            names: Names::adopt(left.names),
            work: left.routers.work,
            // An upgrade waits for them.
            leaving: BTreeMap::new(),
            space: space.transpose()?.unwrap_or_else(Space::own),
            folder: left.folder,
            foreground: None,
        };
        let now = moment();
        let (mut supervisor, orders) = foundation.build(&places, now);
        supervisor.started_at = left.started_at;
        supervisor.reloads = Reloads::resumed(left.generation, left.refused, left.reload, left.reload_for);
        supervisor.mail.adopt(left.mail);
        let balancing_worker = left.balancing.worker;
        supervisor.balancing.adopt(left.balancing);
        let routers = &mut supervisor.routers;
        routers.known.adopt(inheritance, left.routers.groups);
        (routers.addresses_out, routers.started) = (left.routers.addresses_out, left.routers.started);
        supervisor.configure_watches(orders, false);
        supervisor.settle_process();
        supervisor.configure_schedule();
        supervisor.adopt_fifos(left.fifos);
        supervisor.configure_fifos();
        supervisor.scripts.checks.configure(now, &supervisor.scripts.programs);
        supervisor.scripts.checks.adopt(now, left.checks);
        for pid in left.ended {
            let _ = Child::adopt(pid).and_then(|child| child.signal_group(Signal::KILL));
        }
        // A worker may have ended since the other program looked last. It is known before anybody else's children are
        // reaped, so that its end is told like any other.
        supervisor.resume_worker::<Vrrp>(left.routers.worker, now);
        supervisor.resume_worker::<Check>(balancing_worker, now);
        supervisor.reap_adopted();
        match left.gave_way {
            None => {
                let after = After::Upgrade { from: left.version, asked: left.asked };
                supervisor.begin_succession(after, now);
            }
            Some(reason) => {
                let program: PathBuf = left.asked.program;
                supervisor.refuse_upgrade(left.asked.client, &program, &reason);
            }
        }
        Ok(supervisor)
    }
}

impl Supervisor {
    /// Each worker that runs is to have a successor. Where there is none, or one that is gone, one is started.
    pub(crate) fn begin_succession(&mut self, after: After, now: Moment) {
        let mut awaited = BTreeSet::new();
        if self.wants_vrrp() || self.workers.vrrp.is_taken() {
            awaited.insert(Worker::Vrrp);
        }
        if self.wants_checks() || self.workers.check.is_taken() {
            awaited.insert(Worker::Check);
        }
        self.send_away::<Vrrp>(&awaited, now);
        self.send_away::<Check>(&awaited, now);
        self.upgrade.succession = Some(Succession { after, awaited });
        self.end_succession_if_over();
    }

    fn send_away<R: Post>(&mut self, awaited: &BTreeSet<Worker>, now: Moment) {
        let slot = R::slot(&mut self.workers);
        slot.leave(&self.poller);
        if awaited.contains(&R::WORKER) && !slot.is_filled() {
            slot.start(now);
        }
    }

    /// Goes on with a worker of the program that ran before. Instead of one that is gone another is started.
    fn resume_worker<R: Post>(&mut self, left: Option<WorkerLeft>, now: Moment) {
        let Some(left) = left else { return };
        if R::slot(&mut self.workers).adopt(now, left, &self.poller).is_err() {
            R::slot(&mut self.workers).start(now);
        }
    }

    /// A worker of this program runs.
    pub(crate) fn succeeded(&mut self, worker: Worker) {
        if let Some(succession) = &mut self.upgrade.succession {
            succession.awaited.remove(&worker);
            self.end_succession_if_over();
        }
    }

    fn end_succession_if_over(&mut self) {
        let Some(Succession { after, .. }) =
            self.upgrade.succession.take_if(|succession| succession.awaited.is_empty())
        else {
            return;
        };
        match after {
            After::Upgrade { from, asked } => self.upgraded(from, asked),
            After::Death { since } => self.took_over(since),
        }
        self.service.ready(&self.summary());
    }

    fn upgraded(&mut self, from: String, asked: Asked) {
        let to = env!("CARGO_PKG_VERSION").to_owned();
        let milliseconds = milliseconds_since(asked.at);
        let happening = Happening::Upgraded { from: from.clone(), to: to.clone(), milliseconds };
        let detail = happening.message();
        self.tell(happening);
        let program = asked.program.display().to_string();
        self.answer_upgrade(asked.client, UpgradeReport { upgraded: true, from, to, program, detail });
    }
}

pub(crate) fn milliseconds_since(moment: Moment) -> u64 {
    u64::try_from(super::moment().since(moment).as_millis()).unwrap_or(u64::MAX)
}
