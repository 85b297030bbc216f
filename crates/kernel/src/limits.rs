//! Scheduling, memory and resource limits of this process, and undoing them in its children.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::mm::MlockAllFlags;
use rustix::process::{Resource, Rlimit};
use rustix::thread::CpuSet;

use crate::error::{Attempt, Capability, Errno, Error, Result, check};

/// What the process had before it changed anything: its scripts get it back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Original {
    pub(crate) nice: i32,
    pub(crate) core: Rlimit,
    pub(crate) realtime: Rlimit,
}

static ORIGINAL: OnceLock<Original> = OnceLock::new();

/// The state to give back to children, taken before the first change.
pub(crate) fn original() -> &'static Original {
    ORIGINAL.get_or_init(|| Original {
        nice: rustix::process::getpriority_process(None).unwrap_or(0),
        core: rustix::process::getrlimit(Resource::Core),
        realtime: rustix::process::getrlimit(Resource::Rttime),
    })
}

/// Sets the nice value, -20 (first served) to 19, of the process.
///
/// # Errors
/// EPERM or EACCES without CAP_SYS_NICE for values below the present one.
pub fn set_nice(nice: i32) -> Result<()> {
    original();
    rustix::process::setpriority_process(None, nice)
        .attempt_with(Capability::SysNice, format!("set nice value {nice}"))
}

/// Gives the calling thread SCHED_RR of `priority` (1 to 99). Children start without it.
///
/// # Errors
/// EPERM without CAP_SYS_NICE; EINVAL for other priorities.
pub fn set_round_robin(priority: u8) -> Result<()> {
    original();
    let parameter = libc::sched_param { sched_priority: priority.into() };
    // SAFETY: the parameter lives across the call; 0 is the calling thread.
    check(unsafe {
        libc::sched_setscheduler(0, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const parameter)
    })
    .attempt_with(Capability::SysNice, format!("schedule as SCHED_RR with priority {priority}"))?;
    Ok(())
}

/// Bounds the time a real-time thread may run without waiting: at the bound SIGXCPU, a second later SIGKILL.
///
/// # Errors
/// EPERM when raised beyond the hard limit without CAP_SYS_RESOURCE.
pub fn set_realtime_limit(limit: Duration) -> Result<()> {
    original();
    let soft = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
    let hard = soft.saturating_add(1_000_000);
    rustix::process::setrlimit(Resource::Rttime, Rlimit { current: Some(soft), maximum: Some(hard) })
        .attempt("set RLIMIT_RTTIME")
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

/// Binds the calling thread to processors.
///
/// # Errors
/// EINVAL when none of them exists.
pub fn set_affinity(processors: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for &processor in processors {
        if processor >= CpuSet::MAX_CPU {
            return Err(Error::new(format!("bind to processor {processor}"), Errno::INVAL));
        }
        set.set(processor);
    }
    rustix::thread::sched_setaffinity(None, &set).attempt("bind to processors")
}

/// Sets the soft limit of core dumps: `None` as large as allowed, or bytes.
///
/// # Errors
/// The kernel's; none is expected below the hard limit.
pub fn set_core_limit(bytes: Option<u64>) -> Result<()> {
    let maximum = original().core.maximum;
    let current = match (bytes, maximum) {
        (Some(bytes), Some(maximum)) => Some(bytes.min(maximum)),
        (Some(bytes), None) => Some(bytes),
        (None, maximum) => maximum,
    };
    rustix::process::setrlimit(Resource::Core, Rlimit { current, maximum }).attempt("set RLIMIT_CORE")
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
    fn settings_are_taken() {
        std::thread::spawn(|| {
            set_timer_slack(NonZeroU64::new(1_000).unwrap()).unwrap();
            assert_eq!(rustix::thread::current_timer_slack().unwrap(), 1_000);
            set_affinity(&[0]).unwrap();
            assert_eq!(rustix::thread::sched_getaffinity(None).unwrap().count(), 1);
            assert_eq!(set_affinity(&[1 << 40]).unwrap_err().errno, Errno::INVAL);
            match set_round_robin(10) {
                Ok(()) => {
                    // SAFETY: reads the policy of the calling thread.
                    let policy = unsafe { libc::sched_getscheduler(0) };
                    assert_eq!(policy, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK);
                }
                Err(error) => crate::fresh_namespace::left_out("settings_are_taken", &error.to_string()),
            }
        })
        .join()
        .unwrap();
    }
}
