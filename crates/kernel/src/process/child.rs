//! A child process, held by a pidfd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};

use crate::error::{Attempt, Errno, Error, Result, check};
use crate::process::signal::Signal;

/// A child of this process. Its descriptor becomes readable when the child ends. Dropping it leaves the child alone.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    exit: Option<Exit>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By a signal.
    Signal(Signal),
}

impl Child {
    /// Takes over a child just forked: nobody else may have waited for it.
    pub(crate) fn of(pid: libc::pid_t, attempted: String) -> Result<Self> {
        let pid = Pid::from_raw(pid).ok_or_else(|| Error::new(attempted.clone(), Errno::SRCH))?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).attempt(attempted)?;
        Ok(Self { pid, pidfd, exit: None })
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

    /// Sends it a signal. A child that has ended is no error.
    ///
    /// # Errors
    /// EPERM when it has become another user.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if self.exit.is_some() {
            return Ok(());
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
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

fn ended_is_fine(returned: libc::c_int) -> std::result::Result<(), Errno> {
    match check(returned) {
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}
