//! Scheduling, memory and resource limits of this process, and undoing them in its children.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::mm::MlockAllFlags;
use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::CpuSet;

use crate::error::{Attempt, Capability, Errno, Error, Result, check};

/// What the process had before it changed anything: its scripts get it back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Original {
    pub(crate) nice: i32,
    pub(crate) core: Rlimit,
    pub(crate) realtime: Rlimit,
    pub(crate) descriptors: Rlimit,
    pub(crate) processors: Option<CpuSet>,
    pub(crate) out_of_memory_score: i32,
}

/// A thread of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thread {
    /// The one that calls.
    Calling,
    /// The first one of the process.
    Main,
}

impl Thread {
    fn number(self) -> Option<Pid> {
        match self {
            Self::Calling => None,
            Self::Main => Some(rustix::process::getpid()),
        }
    }
}

static ORIGINAL: OnceLock<Original> = OnceLock::new();

/// The state to give back to children, taken before the first change.
pub(crate) fn original() -> &'static Original {
    ORIGINAL.get_or_init(|| Original {
        nice: rustix::process::getpriority_process(None).unwrap_or(0),
        core: rustix::process::getrlimit(Resource::Core),
        realtime: rustix::process::getrlimit(Resource::Rttime),
        descriptors: rustix::process::getrlimit(Resource::Nofile),
        processors: rustix::thread::sched_getaffinity(None).ok(),
        out_of_memory_score: out_of_memory_score().unwrap_or_default(),
    })
}

/// oom_score_adj of proc_pid_oom_score_adj(5).
pub(super) fn out_of_memory_score() -> Option<i32> {
    std::fs::read_to_string("/proc/self/oom_score_adj").ok()?.trim().parse().ok()
}

/// This process has another score than it had at first.
static IS_KEPT_LONGER: AtomicBool = AtomicBool::new(false);

/// Has the kernel take other processes first when memory runs out, by a score below 0 (proc_pid_oom_score_adj(5)); a lower
/// one stays. Workers inherit it, scripts do not.
///
/// # Errors
/// EACCES without CAP_SYS_RESOURCE.
pub fn keep_from_memory_pressure(score: i32) -> Result<()> {
    if original().out_of_memory_score <= score {
        return Ok(());
    }
    std::fs::write("/proc/self/oom_score_adj", score.to_string())
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        .attempt_with(Capability::SysResource, format!("set the out-of-memory score {score}"))?;
    IS_KEPT_LONGER.store(true, Ordering::Relaxed);
    Ok(())
}

/// Gives a child back the score that this process had at first, unless that was a protection: a program that eats the memory
/// must have none. Makes system calls only.
pub fn accept_memory_pressure() {
    let original = original().out_of_memory_score;
    if original < 0 || IS_KEPT_LONGER.load(Ordering::Relaxed) {
        write_out_of_memory_score(original.max(0).unsigned_abs());
    }
}

pub(super) fn write_out_of_memory_score(score: u32) {
    let digits = digits(score);
    // The kernel reads a number that begins with 0 as an octal one.
    let leading = digits.iter().take(digits.len() - 1).take_while(|digit| **digit == b'0').count();
    let digits = digits.get(leading..).unwrap_or_default();
    // SAFETY: system calls on a path that ends in NUL and a buffer that is readable for its length.
    unsafe {
        let score = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if score >= 0 {
            libc::write(score, digits.as_ptr().cast(), digits.len());
            libc::close(score);
        }
    }
}

/// A score is 1000 at most.
fn digits(score: u32) -> [u8; 4] {
    [1_000, 100, 10, 1].map(|place| b'0' + u8::try_from(score / place % 10).unwrap_or_default())
}

/// Sets the nice value of a thread, -20 (first served) to 19; `None` is the one it had at first.
///
/// # Errors
/// EPERM or EACCES without CAP_SYS_NICE for values below the present one.
pub fn set_nice(thread: Thread, nice: Option<i32>) -> Result<()> {
    let nice = nice.unwrap_or(original().nice);
    rustix::process::setpriority_process(thread.number(), nice)
        .attempt_with(Capability::SysNice, format!("set nice value {nice}"))
}

/// Gives a thread SCHED_RR of a priority (1 to 99), which its children start without; `None` takes it away.
///
/// # Errors
/// EPERM without CAP_SYS_NICE; EINVAL for other priorities.
pub fn set_round_robin(thread: Thread, priority: Option<u8>) -> Result<()> {
    original();
    let (policy, wanted) = match priority {
        Some(priority) => {
            (libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, format!("SCHED_RR with priority {priority}"))
        }
        None => (libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, "SCHED_OTHER".to_owned()),
    };
    let number = thread.number().map_or(0, |pid| pid.as_raw_nonzero().get());
    let parameter = libc::sched_param { sched_priority: priority.unwrap_or_default().into() };
    // SAFETY: the parameter lives across the call.
    check(unsafe { libc::sched_setscheduler(number, policy, &raw const parameter) })
        .attempt_with(Capability::SysNice, format!("schedule as {wanted}"))?;
    Ok(())
}

/// Bounds the time a real-time thread may run without waiting: at the bound SIGXCPU ends the process. `None` is the
/// bound there was at first. The hard limit stays, so that a bound can be raised again.
///
/// # Errors
/// None is expected.
pub fn set_realtime_limit(limit: Option<Duration>) -> Result<()> {
    let Rlimit { current, maximum } = original().realtime;
    let current = match limit {
        Some(limit) => {
            let wanted = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
            Some(maximum.map_or(wanted, |maximum| wanted.min(maximum)))
        }
        None => current,
    };
    rustix::process::setrlimit(Resource::Rttime, Rlimit { current, maximum }).attempt("set RLIMIT_RTTIME")
}

/// Keeps all memory, present and future, from being swapped out; pages are locked as they are touched, so that
/// untouched reserve costs nothing.
///
/// # Errors
/// EPERM or ENOMEM without CAP_IPC_LOCK.
pub fn lock_memory() -> Result<()> {
    rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .attempt_with(Capability::IpcLock, "lock memory")
}

/// Lets memory be swapped out again.
///
/// # Errors
/// None is expected.
pub fn unlock_memory() -> Result<()> {
    rustix::mm::munlockall().attempt("unlock memory")
}

/// Binds a thread to processors; without any, to those it had at first.
///
/// # Errors
/// EINVAL when none of them exists.
pub fn set_affinity(thread: Thread, processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    if let (true, Some(first)) = (processors.is_empty(), original().processors) {
        set = first;
    }
    for &processor in processors {
        if processor >= CpuSet::MAX_CPU {
            return Err(Error::new(format!("bind to processor {processor}"), Errno::INVAL));
        }
        set.set(processor);
    }
    rustix::thread::sched_setaffinity(thread.number(), &set).attempt("bind to processors")
}

/// Lets the process have at least so many descriptors open. What the system does not grant is left at the most that
/// it does; scripts start with what the process had at first.
///
/// # Errors
/// EPERM without CAP_SYS_RESOURCE, or beyond fs.nr_open.
pub fn allow_descriptors(needed: u64) -> Result<()> {
    original();
    let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if maximum.is_none_or(|maximum| maximum >= needed) {
        let enough = Rlimit { current: Some(needed), maximum };
        return rustix::process::setrlimit(Resource::Nofile, enough).attempt("raise the limit of open files");
    }
    let higher = Rlimit { current: Some(needed), maximum: Some(needed) };
    rustix::process::setrlimit(Resource::Nofile, higher).or_else(|errno| {
        rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
            .attempt("raise the limit of open files to the hard one")?;
        let allowed = maximum.unwrap_or(u64::MAX);
        let attempted = format!(
            "have {needed} files open, which this configuration needs: the limit is {allowed} (LimitNOFILE={needed} in \
             the systemd unit, or `ulimit -n {needed}`, raises it)"
        );
        Err(Error::new(attempted, errno).needing(Capability::SysResource))
    })
}

/// The limits of this process, which it had laid down.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaidDown {
    core: Rlimit,
    descriptors: Rlimit,
}

/// Goes back to the limits that the process had at first. The program that takes its place takes them for those that its
/// scripts are to have, and raises its own.
pub(super) fn lay_down() -> LaidDown {
    let Original { core, descriptors, .. } = *original();
    let own = LaidDown {
        core: rustix::process::getrlimit(Resource::Core),
        descriptors: rustix::process::getrlimit(Resource::Nofile),
    };
    LaidDown { core, descriptors }.take_up();
    own
}

impl LaidDown {
    /// What is refused stays as it is, which can be lived with.
    pub(super) fn take_up(self) {
        let _ = rustix::process::setrlimit(Resource::Core, self.core);
        let _ = rustix::process::setrlimit(Resource::Nofile, self.descriptors);
    }
}

/// Takes the limits of core dumps away; without CAP_SYS_RESOURCE the hard one stays.
///
/// # Errors
/// None is expected.
pub fn allow_core_dumps() -> Result<()> {
    let maximum = original().core.maximum;
    let unlimited = Rlimit { current: None, maximum: None };
    rustix::process::setrlimit(Resource::Core, unlimited)
        .or_else(|_| rustix::process::setrlimit(Resource::Core, Rlimit { current: maximum, maximum }))
        .attempt("set RLIMIT_CORE")
}

/// How late, in nanoseconds, the kernel may wake the calling thread from a timed wait. Without real-time
/// scheduling the default is 50 microseconds.
///
/// # Errors
/// None is expected.
pub fn set_timer_slack(nanoseconds: NonZeroU64) -> Result<()> {
    rustix::thread::set_current_timer_slack(Some(nanoseconds)).attempt("set the timer slack")
}

/// Sets the file mode creation mask of the process.
pub fn set_umask(mask: u32) {
    rustix::process::umask(Mode::from_raw_mode(mask & 0o777));
}

/// One allocation arena instead of one a thread: the address space and memory of a mostly idle process shrink.
/// To be called before the first thread.
pub fn tune_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets parameters of the C library's allocator.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives freed memory back to the kernel, after work that needed much once (reading a configuration).
pub fn trim_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_written_in_digits() {
        for (score, written) in [(0, *b"0000"), (7, *b"0007"), (300, *b"0300"), (1_000, *b"1000")] {
            assert_eq!(digits(score), written);
        }
    }

    #[test]
    fn settings_are_taken() {
        std::thread::spawn(|| {
            set_timer_slack(NonZeroU64::new(1_000).unwrap()).unwrap();
            assert_eq!(rustix::thread::current_timer_slack().unwrap(), 1_000);
            let before = rustix::thread::sched_getaffinity(None).unwrap();
            set_affinity(Thread::Calling, &[0]).unwrap();
            assert_eq!(rustix::thread::sched_getaffinity(None).unwrap().count(), 1);
            assert_eq!(set_affinity(Thread::Calling, &[1 << 40]).unwrap_err().errno, Errno::INVAL);
            set_affinity(Thread::Calling, &[]).unwrap();
            assert_eq!(rustix::thread::sched_getaffinity(None).unwrap(), before);
            // SAFETY: reads the policy of the calling thread.
            let policy = || unsafe { libc::sched_getscheduler(0) };
            match set_round_robin(Thread::Calling, Some(10)) {
                Ok(()) => {
                    assert_eq!(policy(), libc::SCHED_RR | libc::SCHED_RESET_ON_FORK);
                    set_round_robin(Thread::Calling, None).unwrap();
                    assert_eq!(policy(), libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK);
                }
                Err(error) => {
                    crate::testbed::fresh_namespace::left_out("settings_are_taken", &error.to_string())
                }
            }
        })
        .join()
        .unwrap();
    }
}
