//! The vrrp worker: a timing thread that is never kept waiting, and an effects thread that may be.
//!
//! ```text
//!   supervisor ══ channel ══ effects thread ── netlink, gratuitous ARP, neighbour advertisements
//!                              │        ▲
//!                       lane   ▼        │   lane
//!                            timing thread ── VRRP sockets, timers, the machine
//! ```

mod effects;
mod lane;
#[cfg(test)]
pub(crate) mod network;
pub(crate) mod scheduling;
mod timing;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use steadfast_detection::{Detection, is_made};
use steadfast_kernel::channel::Channel;
use steadfast_kernel::process::confinement::{Access, Call, Cores, Family, Files, Needs, confine};
use steadfast_kernel::process::limits;
use steadfast_kernel::process::pidfile::PidFile;
use steadfast_kernel::process::signal::{self, Signal, Signals};
use steadfast_kernel::rendezvous::Rendezvous;
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::wake::Waker;
use steadfast_kernel::{Capability, Error};
use steadfast_record::{Budget, Memory, Recorder};
use steadfast_vrrp::{Machine, Moment};

use self::effects::{CHANNEL, Effects, Kernel, Lanes};
use self::lane::lane;
use self::timing::{Coalescing, Followed, Machines, Timing};
use crate::beside;
use crate::link::inheritance::Inheritable as _;
use crate::link::life::Lives;
use crate::link::lifecycle::Trouble;
use crate::link::line::{Line, STATUS_FATAL, give_up};
use crate::link::vrrp::Living;
use crate::link::vrrp::inheritance::Inheritance;
use crate::link::vrrp::work::Work;

/// The threads by the numbers of their signs of life.
const TIMING: usize = 0;
const EFFECTS: usize = 1;

/// Stack of the effects thread: its deepest call is netlink.
const EFFECTS_STACK_BYTES: usize = 512 * 1024;
/// Timers of the timing thread may be this late for the kernel's convenience.
const TIMER_SLACK_NANOSECONDS: NonZeroU64 = match NonZeroU64::new(1_000) {
    Some(slack) => slack,
    None => NonZeroU64::MIN,
};

/// What the work needs of the kernel.
pub(crate) const NEEDS: Needs = Needs {
    capabilities: &[
        Capability::NetAdmin,
        Capability::NetRaw,
        Capability::SysNice,
        Capability::IpcLock,
        Capability::SysResource,
    ],
    families: &[Family::Inet, Family::Inet6, Family::Netlink, Family::Packet],
    // Of those that are asked who serves, and of a supervisor that comes after the one that died.
    calls: &[Call::Connect, Call::Accept],
    files: &[OWN_FILES, SETTINGS],
};

/// What a worker looks up about itself: its memory and its threads.
pub(crate) const OWN_FILES: Files = Files { below: "/proc/self", access: Access::Read };
/// Settings of interfaces and of the load balancer.
pub(crate) const SETTINGS: Files = Files { below: "/proc/sys/net", access: Access::Write };

/// Runs a worker in a process of its own until its supervisor ends it; the exit status comes back.
///
/// `left` is what the predecessor left ([`Inheritance`]).
pub(crate) fn run(
    work: Work,
    left: &[u8],
    mut channel: Channel,
    lives: &Lives,
    terms: &Terms,
    recorder: Option<(Memory, Budget)>,
) -> i32 {
    // Whoever is confined cannot look into processes that are not, nor make a file.
    let living = beside::living(&[std::process::id(), std::os::unix::process::parent_id()]);
    // Held until the end, and taken away by the supervisor. A worker without its pid file works as well.
    let mut pid_file = PidFile::lock(&terms.pid_file, beside::is_keepalived).ok();
    if let Some(file) = &mut pid_file {
        let _ = file.write();
    }
    // Done without where it is not to be had, or where no pid file leads there: the death of the supervisor is then the
    // worker's end.
    let rendezvous = pid_file.as_ref().and_then(|_| Rendezvous::open().ok());
    let unconfined = terms.confined.and_then(|cores| confine(&NEEDS, cores).err());
    let opened = match open() {
        Ok(opened) => opened,
        Err(error) => return give_up(&mut channel, &error),
    };
    let troubles = unconfined.map(|error| Trouble::Unconfined { error: error.into() }).into_iter().collect();
    match prepare(work, left, (channel, rendezvous, lives), opened, (troubles, recorder), &living, terms) {
        Ok((timing, effects)) => {
            // Not inherited by the other thread, which exists already. Done without where it is not to be had: timing
            // must be right without it.
            let _ = limits::set_timer_slack(TIMER_SLACK_NANOSECONDS);
            timing.run();
            i32::from(effects.join().is_err())
        }
        Err(failure) => {
            let (mut channel, error) = *failure;
            give_up(&mut channel, &error)
        }
    }
}

/// What does not change while a daemon runs.
#[derive(Debug)]
pub(crate) struct Terms {
    /// The daemon runs since then.
    pub(crate) daemon_started_at: Moment,
    /// Leave addresses in place at the end.
    pub(crate) keep_addresses: bool,
    /// Give up what the work does not need; `None` to keep everything.
    pub(crate) confined: Option<Cores>,
    /// The worker's pid file.
    pub(crate) pid_file: PathBuf,
}

type Prepared = (Timing, std::thread::JoinHandle<()>);

fn prepare(
    work: Work,
    left: &[u8],
    (channel, rendezvous, lives): (Channel, Option<Rendezvous>, &Lives),
    opened: Opened,
    (mut troubles, recorder): (Vec<Trouble>, Option<(Memory, Budget)>),
    living: &[Living],
    terms: &Terms,
) -> Result<Prepared, Box<(Channel, Error)>> {
    let (to_timing, timing_inbox) = lane(opened.timing_waker);
    let (to_effects, effects_inbox) = lane(opened.effects_waker);
    let now = Moment::from_nanos(clock::monotonic());
    let coalescing = Coalescing::of(&work.machine, &work.sessions);
    let mut inheritance = Inheritance::from_octets(left).unwrap_or_else(|why| {
        troubles.push(Trouble::NotInherited { reason: why.to_string() });
        Inheritance::default()
    });
    let seed = steadfast_kernel::random::seed();
    let resume = std::mem::take(&mut inheritance.sessions);
    let (watching, resume) = resume.into_iter().partition(|resume| is_made(resume.session));
    let sessions = steadfast_bfd::Machine::new(now, &work.sessions, seed, resume);
    let followed = Followed::of(&work);
    let mut config = work.machine.clone();
    followed.fill(&mut config.watches, &sessions);
    let routers = Machine::new(now, config, inheritance.routers.clone());
    let routers = Recorder::new(routers, now, recorder);
    let machines = Machines { routers, sessions, followed, detection: Detection::new(watching) };
    let timing = match Timing::new(machines, coalescing, timing_inbox, to_effects, lives.of(TIMING)) {
        Ok(timing) => timing,
        Err(error) => return Err(Box::new((channel, error))),
    };
    let lanes = Lanes { to_timing, from_timing: effects_inbox };
    let line = Line::new(channel, rendezvous, CHANNEL);
    let mut effects = Effects::new(work, lanes, opened.sockets, line, opened.signals, terms);
    troubles.into_iter().for_each(|trouble| effects.trouble(trouble));
    if let Err(error) = effects.begin(inheritance, living) {
        return Err(Box::new((effects.into_channel(), error)));
    }
    let life = lives.of(EFFECTS);
    let thread = std::thread::Builder::new()
        .name("effects".to_owned())
        .stack_size(EFFECTS_STACK_BYTES)
        .spawn(move || effects.run(&life));
    match thread {
        Ok(thread) => Ok((timing, thread)),
        // Without a thread there is no memory either, and nothing that could be told.
        Err(_) => steadfast_kernel::process::exit_now(STATUS_FATAL),
    }
}

/// What the kernel has to grant before anything can begin.
struct Opened {
    timing_waker: Arc<Waker>,
    effects_waker: Arc<Waker>,
    signals: Signals,
    sockets: Kernel,
}

fn open() -> Result<Opened, Error> {
    // The supervisor decides what these mean; a terminal sends them to every process of the group.
    for signal in [Signal::INTERRUPT, Signal::HANGUP, Signal::USER_1, Signal::USER_2, Signal::PIPE] {
        signal::ignore(signal)?;
    }
    Ok(Opened {
        timing_waker: Arc::new(Waker::open()?),
        effects_waker: Arc::new(Waker::open()?),
        signals: Signals::open(&[Signal::TERMINATE])?,
        sockets: Kernel::open()?,
    })
}
