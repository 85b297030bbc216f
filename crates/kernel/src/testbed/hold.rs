//! Holding up one thread of another process, as a lock or a driver that never answers does.

use crate::error::{Attempt, Errno, Error, Result, check, last_errno};

/// A thread that makes no step until this is dropped, by the thread that holds it. Nobody else hears of its end before.
#[derive(Debug)]
pub struct Held {
    thread: libc::pid_t,
}

/// Holds up the thread with this number, and no other of its process.
///
/// # Errors
/// When there is no such thread, or this process must not trace it.
pub fn hold(thread: u32) -> Result<Held> {
    let attempted = || format!("hold up the thread {thread}");
    let thread = libc::pid_t::try_from(thread).map_err(|_| Error::new(attempted(), Errno::SRCH))?;
    ptrace(libc::PTRACE_SEIZE, thread).attempt(attempted())?;
    ptrace(libc::PTRACE_INTERRUPT, thread).attempt(attempted())?;
    let held = Held { thread };
    wait(thread).attempt(attempted())?;
    Ok(held)
}

impl Drop for Held {
    fn drop(&mut self) {
        if ptrace(libc::PTRACE_DETACH, self.thread).is_err() {
            // Somebody has ended it, and its own parent hears of that only when this process has.
            let _ = wait(self.thread);
        }
    }
}

fn wait(thread: libc::pid_t) -> std::result::Result<libc::pid_t, Errno> {
    // SAFETY: the status is not asked for.
    check(unsafe { libc::waitpid(thread, std::ptr::null_mut(), libc::__WALL) })
}

fn ptrace(request: libc::c_uint, thread: libc::pid_t) -> std::result::Result<(), Errno> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: none of the requests above reads or writes memory of either process.
    match unsafe { libc::ptrace(request, thread, nothing, nothing) } {
        -1 => Err(last_errno()),
        _ => Ok(()),
    }
}
