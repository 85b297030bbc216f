//! Waking a thread that waits in a [`Poller`](crate::wait::poll::Poller).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::EventfdFlags;

use crate::error::{Attempt, Result};

/// An eventfd: readable from [`wake`](Self::wake) until [`drain`](Self::drain), however often it is woken.
#[derive(Debug)]
pub struct Waker {
    fd: OwnedFd,
}

impl Waker {
    /// Opens one.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn open() -> Result<Self> {
        let fd = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .attempt("create an eventfd")?;
        Ok(Self { fd })
    }

    /// Makes the descriptor readable. Never waits.
    pub fn wake(&self) {
        // The only refusal is a counter at its limit, and then the descriptor is readable anyway.
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    /// Makes it quiet again.
    pub fn drain(&self) {
        // Refused only when it is quiet.
        let _ = rustix::io::read(&self.fd, &mut [0_u8; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
