//! A child process, held by a pidfd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};

use crate::error::{Attempt, Errno, Error, Result, check};
use crate::process::signal::Signal;

/// A child of this process, or of one that has ended. Its descriptor becomes readable when the child ends. Dropping it leaves
/// the child alone.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    exit: Option<Exit>,
    /// It is another process's child: how it ends is told to that one alone.
    foreign: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By a signal.
    Signal(Signal),
    /// It is gone, and how is told to its parent alone.
    Untold,
}

impl Child {
    /// Takes over a child just forked. One that cannot be watched is ended: nobody would know of it, and another would
    /// run beside it.
    pub(crate) fn forked(pid: libc::pid_t, attempted: String) -> Result<Self> {
        Self::of(pid, attempted).inspect_err(|_| end_unwatched(pid))
    }

    /// Holds a child: nobody else may have waited for it.
    pub(crate) fn of(pid: libc::pid_t, attempted: String) -> Result<Self> {
        let pid = Pid::from_raw(pid).ok_or_else(|| Error::new(attempted.clone(), Errno::SRCH))?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).attempt(attempted)?;
        Ok(Self { pid, pidfd, exit: None, foreign: false })
    }

    /// Watches a process that another one started, which may have ended: its end is seen, and not how it ended.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of_another(pid: u32) -> Result<Self> {
        let attempted = || format!("watch process {pid}");
        let raw = i32::try_from(pid).map_err(|_| Error::new(attempted(), Errno::SRCH))?;
        Ok(Self { foreign: true, ..Self::of(raw, attempted())? })
    }

    /// Takes over a child that the program had which this process ran before ([`Program::become_it`]). Who is no child is
    /// refused.
    ///
    /// [`Program::become_it`]: crate::process::handover::Program::become_it
    ///
    /// # Errors
    /// When there is no such child.
    pub fn adopt(pid: u32) -> Result<Self> {
        let attempted = || format!("take over process {pid}");
        let raw = i32::try_from(pid).map_err(|_| Error::new(attempted(), Errno::SRCH))?;
        let id = Pid::from_raw(raw).ok_or_else(|| Error::new(attempted(), Errno::SRCH))?;
        // Asks whether it has ended and leaves the answer for later; of any other process there is none.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(id), options).attempt(attempted())?;
        Self::of(raw, attempted())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// How it ended, or `None` while it runs. Never waits.
    ///
    /// # Errors
    /// ECHILD when somebody else has waited for it.
    pub fn try_wait(&mut self) -> Result<Option<Exit>> {
        self.wait_with(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// ECHILD when somebody else has waited for it.
    pub fn wait(&mut self) -> Result<Exit> {
        loop {
            if let Some(exit) = self.wait_with(WaitIdOptions::EXITED)? {
                return Ok(exit);
            }
        }
    }

    /// Whether it has ended or does so within this time.
    pub fn ends_within(&self, time: Duration) -> bool {
        self.exit.is_some() || self.poll(Timespec::try_from(time).ok()).is_ok_and(|ended| ended)
    }

    /// Sends it a signal. A child that has ended is no error.
    ///
    /// # Errors
    /// EPERM when it has become another user.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.exit.is_some() {
            return Ok(());
        }
        if self.foreign {
            // Its number may be another process's by now; its descriptor never is.
            let number = rustix::process::Signal::from_named_raw(signal.number());
            let Some(number) = number else { return Ok(()) };
            return match rustix::process::pidfd_send_signal(&self.pidfd, number) {
                Err(Errno::SRCH) => Ok(()),
                sent => sent.attempt(format!("send signal {} to process {}", signal.number(), self.pid())),
            };
        }
        // SAFETY: a process that is not waited for keeps its pid, and `exit` is empty until it is waited for.
        ended_is_fine(unsafe { libc::kill(self.pid.as_raw_nonzero().get(), signal.number()) })
            .attempt(format!("send signal {} to process {}", signal.number(), self.pid()))
    }

    /// Sends a signal to its process group, which it leads (see [`Script`](super::Script)). The group can outlive
    /// the child; its number stays taken as long as one member lives.
    ///
    /// # Errors
    /// EPERM when every member has become another user.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        // SAFETY: sends a signal; touches no memory.
        ended_is_fine(unsafe { libc::killpg(self.pid.as_raw_nonzero().get(), signal.number()) })
            .attempt(format!("send signal {} to process group {}", signal.number(), self.pid()))
    }

    fn wait_with(&mut self, options: WaitIdOptions) -> Result<Option<Exit>> {
        if self.foreign {
            return self.wait_for_foreign(options.contains(WaitIdOptions::NOHANG));
        }
        if self.exit.is_none() {
            let status = match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Err(Errno::INTR) => None,
                status => status.attempt(format!("wait for process {}", self.pid()))?,
            };
            self.exit = status.map(|status| match status.terminating_signal() {
                Some(number) => Exit::Signal(Signal(number)),
                None => Exit::Status(status.exit_status().unwrap_or(0)),
            });
        }
        Ok(self.exit)
    }

    fn wait_for_foreign(&mut self, at_once: bool) -> Result<Option<Exit>> {
        let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
        match self.poll(at_once.then_some(no_time)) {
            Ok(false) | Err(Errno::INTR) => {}
            ended => {
                ended.attempt(format!("wait for process {}", self.pid()))?;
                self.exit = Some(Exit::Untold);
            }
        }
        Ok(self.exit)
    }

    /// Whether it ends in time, or in any (pidfd_open(2): the descriptor becomes readable then, whoever waits for the process).
    fn poll(&self, time: Option<Timespec>) -> std::result::Result<bool, Errno> {
        let mut watched = [PollFd::new(&self.pidfd, PollFlags::IN)];
        Ok(rustix::event::poll(&mut watched, time.as_ref())? > 0)
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Ends a child by its number, with the process group that it may lead by now.
fn end_unwatched(pid: libc::pid_t) {
    let Some(child) = Pid::from_raw(pid) else { return };
    // SAFETY: sends signals; a process that is not waited for keeps its pid, which no other process or group has.
    unsafe {
        libc::killpg(pid, libc::SIGKILL);
        libc::kill(pid, libc::SIGKILL);
    }
    while matches!(rustix::process::waitid(WaitId::Pid(child), WaitIdOptions::EXITED), Err(Errno::INTR)) {}
}

fn ended_is_fine(returned: libc::c_int) -> std::result::Result<(), Errno> {
    match check(returned) {
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}
