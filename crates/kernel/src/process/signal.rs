//! Signals as something to read.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::{Attempt, Errno, Error, Result, check, last_errno};

/// A signal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub(crate) libc::c_int);

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// The process that sent it, or the child that ended; 0 if it was the kernel.
    pub pid: u32,
    /// That process's user.
    pub uid: u32,
}

/// Signals that are blocked in the thread that opened this (and those it starts later) and read here instead.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
}

impl Signal {
    /// Stop.
    pub const TERMINATE: Self = Self(libc::SIGTERM);
    /// Stop, from a terminal.
    pub const INTERRUPT: Self = Self(libc::SIGINT);
    /// Reload.
    pub const HANGUP: Self = Self(libc::SIGHUP);
    /// Dump data.
    pub const USER_1: Self = Self(libc::SIGUSR1);
    /// Dump statistics.
    pub const USER_2: Self = Self(libc::SIGUSR2);
    /// A child ended.
    pub const CHILD: Self = Self(libc::SIGCHLD);
    /// A pipe without reader.
    pub const PIPE: Self = Self(libc::SIGPIPE);
    /// Ends a process at once.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// Stops a process until [`Signal::CONTINUE`].
    pub const STOP: Self = Self(libc::SIGSTOP);
    /// Lets a stopped process go on.
    pub const CONTINUE: Self = Self(libc::SIGCONT);
    /// Ends a process with a core dump.
    pub const ABORT: Self = Self(libc::SIGABRT);

    /// SIGRTMIN + `offset`, if there is such a signal.
    pub fn realtime_min_plus(offset: u8) -> Option<Self> {
        Self::from_number(libc::SIGRTMIN().checked_add(offset.into())?)
    }

    /// SIGRTMAX - `offset`, if there is such a signal.
    pub fn realtime_max_minus(offset: u8) -> Option<Self> {
        Self::from_number(libc::SIGRTMAX().checked_sub(offset.into())?)
    }

    /// The signal of this number, if there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=libc::SIGRTMAX()).contains(&number).then_some(Self(number))
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl Signals {
    /// Blocks `signals` in the calling thread and reads them from here on. To be called before other threads start.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn open(signals: &[Signal]) -> Result<Self> {
        let set = set_of(signals);
        // SAFETY: `set` is an initialised signal set; the old mask is not asked for.
        let errno = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if errno != 0 {
            return Err(Error::new("block signals", Errno::from_raw_os_error(errno)));
        }
        // SAFETY: `set` is an initialised signal set.
        let fd = check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) })
            .attempt("create a signalfd")?;
        // SAFETY: the kernel has just made this descriptor for us alone.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// The next signal that waits, if any. Never waits.
    pub fn next_pending(&self) -> Option<Received> {
        let mut information = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer has room for `size` bytes.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), information.as_mut_ptr().cast(), size) };
        if usize::try_from(read) != Ok(size) {
            return None;
        }
        // SAFETY: the kernel has filled it, and every bit pattern of its integers is valid.
        let information = unsafe { information.assume_init() };
        let signal = Signal(i32::try_from(information.ssi_signo).ok()?);
        Some(Received { signal, pid: information.ssi_pid, uid: information.ssi_uid })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Ignores a signal from here on; a child keeps that until [`restore_defaults`].
///
/// # Errors
/// For signals that cannot be ignored.
pub fn ignore(signal: Signal) -> Result<()> {
    // SAFETY: SIG_IGN runs no code of ours.
    if unsafe { libc::signal(signal.0, libc::SIG_IGN) } == libc::SIG_ERR {
        return Err(Error::new(format!("ignore signal {}", signal.0), last_errno()));
    }
    Ok(())
}

/// Unblocks every signal in the calling thread and gives each its default meaning: for a forked child.
/// Makes system calls only.
pub fn restore_defaults() {
    // SAFETY: SIG_DFL runs no code of ours; refusals (SIGKILL, SIGSTOP, those of the C library) do not matter.
    // sigemptyset writes to the set it is given.
    unsafe {
        for number in 1..=libc::SIGRTMAX() {
            libc::signal(number, libc::SIG_DFL);
        }
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

fn set_of(signals: &[Signal]) -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set before anything reads it; sigaddset refuses bad numbers.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, signal.0);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read() {
        let signals = Signals::open(&[Signal::USER_2]).unwrap();
        assert_eq!(signals.next_pending(), None);
        // SAFETY: raises a signal that this thread has blocked.
        unsafe { libc::raise(libc::SIGUSR2) };
        let received = signals.next_pending().unwrap();
        assert_eq!(received.signal, Signal::USER_2);
        assert_eq!(received.pid, std::process::id());
    }
}
