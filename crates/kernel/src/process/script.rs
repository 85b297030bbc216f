//! Scripts: programs of the configuration, run by their own user, in a process group of their own.

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::pipe::PipeFlags;

use super::child::{Child, Exit};
use super::exit_now;
use crate::error::{Attempt, Errno, Error, Result, check, last_errno};
use crate::process::limits;

/// Variables that could make a script run other code than its author meant.
const ENVIRONMENT_REMOVED: [&str; 3] = ["IFS", "LD_PRELOAD", "LD_LIBRARY_PATH"];

/// Exit status of a script process that did not come to run its script.
const NOT_STARTED_STATUS: i32 = 127;

/// What to run, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSpec {
    /// Executed directly; without `#!` line or binary header it is handed to /bin/sh.
    pub path: PathBuf,
    /// Without the path itself.
    pub arguments: Vec<OsString>,
    /// As whom.
    pub account: Account,
    /// What becomes of its output.
    pub output: Output,
    /// Added to the inherited environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// The rights of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What becomes of a script's standard output and error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    Null,
    /// It can be read from [`Script::output`].
    Captured,
}

/// A script that was started. Dropping it leaves it running.
#[derive(Debug)]
pub struct Script {
    child: Child,
    output: Option<OwnedFd>,
    /// Of one that was taken over nobody hears how its start went.
    report: Option<OwnedFd>,
}

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptEnd {
    /// It ran.
    Exited(Exit),
    /// It did not come to run.
    NotStarted {
        /// What failed.
        stage: Stage,
        /// Why.
        errno: Errno,
    },
}

/// Steps between the fork and the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Standard descriptors.
    Descriptors,
    /// Supplementary groups, group and user.
    Account,
    /// Executing the file.
    Execute,
}

impl Script {
    /// Starts a script and does not wait for anything: what goes wrong after the fork is told by
    /// [`try_wait`](Self::try_wait).
    ///
    /// # Errors
    /// When descriptors, memory or processes run out, or the specification holds a NUL byte.
    pub fn spawn(spec: &ScriptSpec) -> Result<Self> {
        let attempted = || format!("start script {}", spec.path.display());
        let plan = Plan::of(spec).ok_or_else(|| Error::new(attempted(), Errno::INVAL))?;
        let null = above_standard(
            rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
                .attempt("open /dev/null")?,
        )?;
        let (report, report_end) = pipe(&attempted())?;
        let (output, output_end) = match spec.output {
            Output::Null => (None, None),
            Output::Captured => {
                let (read, write) = pipe(&attempted())?;
                (Some(read), Some(write))
            }
        };
        let standard = Standard {
            null: null.as_raw_fd(),
            output: output_end.as_ref().unwrap_or(&null).as_raw_fd(),
            report: report_end.as_raw_fd(),
        };
        let pointers = plan.pointers();
        let parent = std::process::id();
        limits::original();
        // SAFETY: between fork and exec the child makes only system calls on memory prepared here, so other
        // threads' locks cannot matter.
        match check(unsafe { libc::fork() }).attempt(attempted())? {
            0 => become_script(&plan, &pointers, standard, parent),
            pid => {
                // What only the script needs makes room for what it is watched by.
                drop((null, report_end, output_end));
                Ok(Self { child: Child::forked(pid, attempted())?, output, report: Some(report) })
            }
        }
    }

    /// One that the program started which this process ran before. What it prints is not read.
    ///
    /// # Errors
    /// When there is no such child.
    pub fn adopt(pid: u32) -> Result<Self> {
        Ok(Self { child: Child::adopt(pid)?, output: None, report: None })
    }

    /// Its process id, which is also that of its process group.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The reading end of its output, non-blocking; `None` if it is not captured.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Reads captured output into `buffer`: the number of bytes, 0 at the end (or when none is captured), `None`
    /// when there is nothing at present.
    ///
    /// # Errors
    /// The kernel's; none is expected.
    pub fn read_output(&self, buffer: &mut [u8]) -> Result<Option<usize>> {
        let Some(output) = &self.output else { return Ok(Some(0)) };
        match rustix::io::read(output, buffer) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(Error::new("read the output of a script", errno)),
        }
    }

    /// Takes the reading end of the captured output, once.
    pub fn take_output(&mut self) -> Option<File> {
        self.output.take().map(File::from)
    }

    /// Stops reading its output; a script that goes on printing gets SIGPIPE.
    pub fn close_output(&mut self) {
        self.output = None;
    }

    /// How it ended, or `None` while it runs. Never waits. Its descendants may still run: see
    /// [`kill_group`](Self::kill_group).
    ///
    /// # Errors
    /// ECHILD when somebody else has waited for it.
    pub fn try_wait(&mut self) -> Result<Option<ScriptEnd>> {
        Ok(self.child.try_wait()?.map(|exit| self.end(exit)))
    }

    /// Asks its process group to end, with SIGTERM.
    ///
    /// # Errors
    /// EPERM when it has become another user.
    pub fn terminate_group(&self) -> Result<()> {
        self.child.signal_group(crate::process::signal::Signal::TERMINATE)
    }

    /// Ends its whole process group with SIGKILL.
    ///
    /// # Errors
    /// EPERM when it has become another user.
    pub fn kill_group(&self) -> Result<()> {
        self.child.signal_group(crate::process::signal::Signal::KILL)
    }

    /// The report is empty if the script was executed: that closes the other end.
    fn end(&self, exit: Exit) -> ScriptEnd {
        let Some(said) = &self.report else { return ScriptEnd::Exited(exit) };
        let mut report = [0_u8; 5];
        match rustix::io::read(said, &mut report) {
            Ok(5) => {
                let [stage, errno @ ..] = report;
                ScriptEnd::NotStarted {
                    stage: Stage::from_byte(stage),
                    errno: Errno::from_raw_os_error(i32::from_ne_bytes(errno)),
                }
            }
            _ => ScriptEnd::Exited(exit),
        }
    }
}

impl AsFd for Script {
    /// Readable when the script has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }
}

impl Stage {
    const fn byte(self) -> u8 {
        match self {
            Self::Descriptors => 0,
            Self::Account => 1,
            Self::Execute => 2,
        }
    }

    const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Descriptors,
            1 => Self::Account,
            _ => Self::Execute,
        }
    }
}

/// Everything the child needs, made before the fork.
struct Plan {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    account: Account,
    /// Whether users have to be changed at all: without root they cannot.
    privileged: bool,
}

/// Null-terminated arrays for execve, pointing into a [`Plan`].
struct Pointers {
    arguments: Vec<*const libc::c_char>,
    shell_arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
}

/// Descriptors that the child needs, all above 2.
#[derive(Clone, Copy)]
struct Standard {
    null: RawFd,
    output: RawFd,
    report: RawFd,
}

const SHELL: &CStr = c"/bin/sh";

impl Plan {
    /// `None` if something holds a NUL byte.
    fn of(spec: &ScriptSpec) -> Option<Self> {
        let path = CString::new(spec.path.as_os_str().as_bytes()).ok()?;
        let arguments = spec
            .arguments
            .iter()
            .map(|argument| CString::new(argument.as_bytes()).ok())
            .collect::<Option<_>>()?;
        let environment = std::env::vars_os()
            .filter(|(name, _)| !ENVIRONMENT_REMOVED.iter().any(|removed| name == removed))
            .filter(|(name, _)| !spec.environment.iter().any(|(added, _)| added == name))
            .chain(spec.environment.iter().cloned())
            .map(|(name, value)| {
                let mut entry = name.into_vec();
                entry.push(b'=');
                entry.extend_from_slice(value.as_bytes());
                CString::new(entry).ok()
            })
            .collect::<Option<_>>()?;
        let privileged = rustix::process::geteuid().is_root();
        Some(Self { path, arguments, environment, account: spec.account.clone(), privileged })
    }

    fn pointers(&self) -> Pointers {
        let list = |first: &[&CStr], rest: &[CString]| {
            let first = first.iter().map(|text| text.as_ptr());
            first.chain(rest.iter().map(|text| text.as_ptr())).chain([std::ptr::null()]).collect()
        };
        Pointers {
            arguments: list(&[&self.path], &self.arguments),
            shell_arguments: list(&[SHELL, &self.path], &self.arguments),
            environment: list(&[], &self.environment),
        }
    }
}

/// The child after the fork: system calls only, no allocation.
fn become_script(plan: &Plan, pointers: &Pointers, standard: Standard, parent: u32) -> ! {
    let (stage, errno) = match prepare(plan, standard, parent) {
        Err(failed) => failed,
        Ok(()) => (Stage::Execute, execute(plan, pointers)),
    };
    let [a, b, c, d] = errno.raw_os_error().to_ne_bytes();
    let report = [stage.byte(), a, b, c, d];
    // SAFETY: the buffer is readable for its length; the descriptor is the parent's report pipe.
    unsafe { libc::write(standard.report, report.as_ptr().cast(), report.len()) };
    exit_now(NOT_STARTED_STATUS)
}

/// Takes on descriptors, scheduling and rights of the script.
fn prepare(plan: &Plan, standard: Standard, parent: u32) -> std::result::Result<(), (Stage, Errno)> {
    // SAFETY: system calls on descriptors this process owns, and on structures that live across each call.
    unsafe {
        libc::setpgid(0, 0);
        for (from, to) in [(standard.null, 0), (standard.output, 1), (standard.output, 2)] {
            check(libc::dup2(from, to)).map_err(|errno| (Stage::Descriptors, errno))?;
        }
        close_others_at_exec();
        undo_limits();
        crate::process::signal::restore_defaults();
        if plan.privileged {
            let account = &plan.account;
            // Straight to the kernel: the C library's versions would try to change the threads that were not
            // forked along.
            for returned in [
                libc::syscall(libc::SYS_setgroups, account.groups.len(), account.groups.as_ptr()),
                libc::syscall(libc::SYS_setresgid, account.gid, account.gid, account.gid),
                libc::syscall(libc::SYS_setresuid, account.uid, account.uid, account.uid),
            ] {
                if returned != 0 {
                    return Err((Stage::Account, last_errno()));
                }
            }
        }
        // After the change of user, which clears it (prctl(2)).
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        if libc::getppid().unsigned_abs() != parent {
            exit_now(NOT_STARTED_STATUS);
        }
    }
    Ok(())
}

/// Returns only if it fails.
fn execute(plan: &Plan, pointers: &Pointers) -> Errno {
    // SAFETY: paths end in NUL, the arrays in a null pointer, and `plan`, which they point into, is alive.
    unsafe {
        libc::execve(plan.path.as_ptr(), pointers.arguments.as_ptr(), pointers.environment.as_ptr());
        if last_errno() == Errno::NOEXEC {
            libc::execve(SHELL.as_ptr(), pointers.shell_arguments.as_ptr(), pointers.environment.as_ptr());
        }
    }
    last_errno()
}

/// The report pipe has to live until the exec, so that nothing can be closed before.
fn close_others_at_exec() {
    // SAFETY: marks descriptors; on kernels before 5.11 one by one.
    unsafe {
        let (first, last): (libc::c_uint, libc::c_uint) = (3, libc::c_uint::MAX);
        if libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) == 0 {
            return;
        }
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        let end = RawFd::try_from(limit.rlim_cur.min(1 << 20)).unwrap_or(1024);
        for descriptor in 3..end {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Gives back the scheduling and the limits that the daemon started with.
fn undo_limits() {
    let original = limits::original();
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter lives across the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const parameter) };
    // Refusals leave a script with the daemon's own setting, which it can live with.
    let _ = rustix::process::setpriority_process(None, original.nice);
    limits::accept_memory_pressure();
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, original.core);
    let _ = rustix::process::setrlimit(rustix::process::Resource::Rttime, original.realtime);
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, original.descriptors);
}

/// The read end non-blocking, the write end blocking, both closed at exec and above 2.
fn pipe(attempted: &str) -> Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).attempt(attempted.to_owned())?;
    let (read, write) = (above_standard(read)?, above_standard(write)?);
    rustix::io::ioctl_fionbio(&read, true).attempt(attempted.to_owned())?;
    Ok((read, write))
}

/// A daemon started with closed standard descriptors would get them again as its next ones.
fn above_standard(fd: OwnedFd) -> Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    let moved = rustix::io::fcntl_dupfd_cloexec(&fd, 3).attempt("move a descriptor above 2")?;
    debug_assert!(rustix::io::fcntl_getfd(&moved).is_ok_and(|flags| flags.contains(FdFlags::CLOEXEC)));
    Ok(moved)
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
