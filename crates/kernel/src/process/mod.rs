//! Processes: children without exec, scripts, waiting through pidfds, going into the background.

mod background;
mod child;
pub mod confinement;
mod events;
pub mod handover;
pub mod limits;
pub mod memory;
pub mod notify;
mod other;
pub mod pidfile;
pub mod pulse;
mod script;
mod shared;
pub mod signal;
pub mod sockets;
pub mod user;

use std::ffi::CString;
use std::sync::OnceLock;

use rustix::process::{WaitId, WaitIdOptions};

use crate::error::{Attempt, Errno, Error, Result, check};

pub use background::{Foreground, daemonise};
pub use child::{Child, Exit};
pub use events::{ProcessEvent, ProcessEvents};
pub use other::Process;
pub use script::{Account, Output, Script, ScriptEnd, ScriptSpec, Stage};
pub use shared::SharedMemory;

/// Which of the two processes after a fork this is.
#[derive(Debug)]
pub enum Forked {
    /// The one that was there before.
    Parent(Child),
    /// The new one. It has a copy of everything its parent has, and ends with [`exit_now`].
    Child,
}

/// Gives the process another name in process lists; `None` is the one that it had at first.
///
/// # Errors
/// EINVAL for a name with an octet of 0.
pub fn rename(name: Option<&str>) -> Result<()> {
    static FIRST: OnceLock<Option<CString>> = OnceLock::new();
    let first = FIRST.get_or_init(|| rustix::thread::name().ok());
    let wanted =
        name.map(CString::new).transpose().map_err(|_| Error::new("rename the process", Errno::INVAL))?;
    let Some(wanted) = wanted.as_ref().or(first.as_ref()) else { return Ok(()) };
    rustix::thread::set_name(wanted).attempt("rename the process")
}

/// Forks a child that goes on in this program: it is called `name` in process lists, gets SIGTERM when the calling
/// thread ends, and has every signal unblocked with its default meaning (but SIGPIPE ignored).
///
/// # Errors
/// EAGAIN at a limit of processes; EDEADLK when the process has more than one thread: the others' locks would stay
/// locked for ever in the child.
pub fn fork(name: &str) -> Result<Forked> {
    fork_into(name, Bond::EndsWithParent)
}

/// As [`fork`], but the child is told nothing of the end of the calling process, and goes on.
///
/// # Errors
/// Those of [`fork`].
pub fn fork_to_outlive(name: &str) -> Result<Forked> {
    fork_into(name, Bond::Outlives)
}

/// What the end of its parent is to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bond {
    EndsWithParent,
    Outlives,
}

fn fork_into(name: &str, bond: Bond) -> Result<Forked> {
    let attempted = || format!("fork {name}");
    if thread_count() != 1 {
        return Err(Error::new(attempted(), Errno::DEADLK));
    }
    let c_name = CString::new(name).map_err(|_| Error::new(attempted(), Errno::INVAL))?;
    let parent = rustix::process::getpid();
    // SAFETY: the process has a single thread, so the child's copy of its memory is consistent.
    match check(unsafe { libc::fork() }).attempt(attempted())? {
        0 => {
            if bond == Bond::EndsWithParent {
                let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
                if rustix::process::getppid() != Some(parent) {
                    exit_now(0);
                }
            }
            let _ = rustix::thread::set_name(&c_name);
            crate::process::signal::restore_defaults();
            // As the runtime of every Rust program has it: a vanished reader is an error, not an end.
            let _ = crate::process::signal::ignore(crate::process::signal::Signal::PIPE);
            Ok(Forked::Child)
        }
        pid => Child::forked(pid, attempted()).map(Forked::Parent),
    }
}

/// Forks a child that runs `work` and exits with its result.
///
/// # Errors
/// Those of [`fork`].
pub fn fork_child(name: &str, work: impl FnOnce() -> i32) -> Result<Child> {
    match fork(name)? {
        Forked::Child => exit_now(work()),
        Forked::Parent(child) => Ok(child),
    }
}

/// Ends the process without running what the parent has registered for its own end.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

/// Orphaned descendants become children of this process instead of process 1.
///
/// # Errors
/// None is expected.
pub fn become_subreaper() -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).attempt("become a subreaper")
}

/// A child, own or adopted, that has ended and is not yet waited for. Own children are waited for through their
/// [`Child`]; others by [`reap`].
pub fn ended_child() -> Option<u32> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // SAFETY: all-zero is a valid siginfo_t, and the kernel only writes to it. rustix's waitid does not tell the pid.
    let pid = unsafe {
        let mut information = std::mem::zeroed::<libc::siginfo_t>();
        let options = libc::c_int::try_from(options.bits()).unwrap_or(0);
        check(libc::waitid(libc::P_ALL, 0, &raw mut information, options)).ok()?;
        information.si_pid()
    };
    u32::try_from(pid).ok().filter(|&pid| pid != 0)
}

/// Takes an adopted child that has ended off the process table.
pub fn reap(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}

/// Puts standard input, output and error on /dev/null.
///
/// # Errors
/// When /dev/null cannot be opened.
pub fn null_standard_descriptors() -> Result<()> {
    use rustix::fs::{Mode, OFlags};
    let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .attempt("open /dev/null")?;
    rustix::stdio::dup2_stdin(&null).attempt("redirect standard input")?;
    rustix::stdio::dup2_stdout(&null).attempt("redirect standard output")?;
    rustix::stdio::dup2_stderr(&null).attempt("redirect standard error")
}

/// The name of this machine.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn thread_count() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

#[cfg(test)]
mod fork_tests;
