//! What a process gives up for good once its work is known: rights that the work does not need (capabilities(7)), every
//! way to new ones (`no_new_privs`), files that it never opens (landlock(7)), and the system calls that it never makes
//! (seccomp(2)).
//!
//! Whoever takes over a confined process by a hostile packet can neither run a program, nor become somebody else, nor
//! load a module, nor mount, trace or debug, nor leave a file behind.

mod calls;
mod capabilities;
mod files;
#[cfg(test)]
mod tests;

pub use self::calls::{Call, Family};
pub use self::files::{Access, Files};
use crate::error::{Attempt, Capability, Result};

/// What the work of a process needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Rights. What the process has not is not needed so much that it could not begin.
    pub capabilities: &'static [Capability],
    /// Kinds of sockets that it opens.
    pub families: &'static [Family],
    /// System calls beyond those that every program makes: memory, files, waiting, threads, sockets that are there.
    pub calls: &'static [Call],
    /// Files that it opens.
    pub files: &'static [Files],
}

/// What becomes of the memory of a process that dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// Nothing.
    None,
    /// The kernel writes it to a file, which may be anywhere, with the rights of the process: these stay as they are.
    Written,
}

/// Gives up everything but `needs`, for the calling thread and all that it starts from here on. To be called before the
/// first thread. Nothing brings back what was given up.
///
/// # Errors
/// EINVAL where the kernel has no seccomp, ENOSYS where it has no landlock; everything else is given up all the same.
pub fn confine(needs: &Needs, cores: Cores) -> Result<()> {
    capabilities::keep(needs.capabilities)?;
    rustix::thread::set_no_new_privs(true).attempt("give up new privileges")?;
    let files = match cores {
        Cores::None => files::allow(needs.files),
        Cores::Written => Ok(()),
    };
    // Last: among the calls are those that give something up.
    calls::allow(needs).and(files)
}

/// Gives up every right and every way to new ones, and leaves the calling thread these files. For processes whose libraries
/// may make any system call.
///
/// # Errors
/// ENOSYS where the kernel has no landlock; the rights are given up all the same.
pub fn give_up_rights(needed: &[Files]) -> Result<()> {
    capabilities::keep(&[])?;
    rustix::thread::set_no_new_privs(true).attempt("give up new privileges")?;
    files::allow(needed)
}

/// Makes the calling process a likelier victim than its parent when memory runs out, by `by` thousandths of all memory
/// (proc_pid_oom_score_adj(5)).
///
/// # Errors
/// When /proc is not there.
pub fn yield_memory_first(by: i32) -> Result<()> {
    let before = super::limits::out_of_memory_score().unwrap_or(0);
    let score = before.saturating_add(by).min(OUT_OF_MEMORY_SCORE_FIRST);
    std::fs::write("/proc/self/oom_score_adj", score.to_string())
        .map_err(|error| rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO))
        .attempt("set the out-of-memory score")
}

/// The score of a process that goes first.
const OUT_OF_MEMORY_SCORE_FIRST: i32 = 1_000;
