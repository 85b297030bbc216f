//! Waiting for descriptors: epoll with nanosecond deadlines, level-triggered but for those of which only changes are told.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use crate::error::{Attempt, Errno, Result};
use crate::wait::clock;

/// Events taken by one wait; what does not fit comes with the next.
pub const EVENTS_MAX: usize = 64;

/// An epoll instance. Its own descriptor can be added to another one.
#[derive(Debug)]
pub struct Poller {
    fd: OwnedFd,
}

/// What to wait for. Errors and hang-ups are always reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Readable,
    /// Room to write.
    Writable,
    /// Both.
    Both,
    /// Errors and hang-ups only.
    Errors,
    /// Each time that there is more to read or more room to write: reads and writes go on until one would wait, or the
    /// descriptor is [modified](Poller::modify) to be told of again. It needs no change of interest.
    Changes,
}

/// A descriptor that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// As given to [`Poller::add`].
    pub token: u64,
    /// A read will not wait (it may tell of an error or of the end).
    pub readable: bool,
    /// A write will not wait.
    pub writable: bool,
    /// The other side is gone, or the descriptor is in error.
    pub closed: bool,
}

/// Room for what a wait reports.
pub struct Events {
    buffer: [MaybeUninit<Event>; EVENTS_MAX],
    ready: Vec<Ready>,
}

impl Poller {
    /// Opens an epoll instance.
    ///
    /// # Errors
    /// When no descriptor or memory is left.
    pub fn open() -> Result<Self> {
        let fd = epoll::create(CreateFlags::CLOEXEC).attempt("create an epoll instance")?;
        Ok(Self { fd })
    }

    /// Watches a descriptor until it is removed, or closed where nobody else has it.
    ///
    /// # Errors
    /// The kernel's, such as EEXIST.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        epoll::add(&self.fd, fd, EventData::new_u64(token), interest.flags()).attempt("watch a descriptor")
    }

    /// Changes token and interest of a watched descriptor.
    ///
    /// # Errors
    /// The kernel's, such as ENOENT.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<()> {
        epoll::modify(&self.fd, fd, EventData::new_u64(token), interest.flags())
            .attempt("change what a descriptor is watched for")
    }

    /// Stops watching a descriptor.
    ///
    /// # Errors
    /// The kernel's, such as ENOENT.
    pub fn remove(&self, fd: impl AsFd) -> Result<()> {
        epoll::delete(&self.fd, fd).attempt("stop watching a descriptor")
    }

    /// Waits until something is ready or `deadline` (nanoseconds of CLOCK_BOOTTIME; `None`: for ever) is
    /// reached. Reports nothing when the deadline came first. An interruption is none: a process that was stopped and
    /// goes on (signal(7)) learns what came meanwhile before it acts on a deadline that has passed.
    ///
    /// Inlined where it is called, as everything is that a thread does at every turn: the code of a turn then lies together,
    /// and little of the program is in memory while nothing else happens.
    ///
    /// # Errors
    /// The kernel's number; none is expected.
    #[inline]
    pub fn wait(&self, events: &mut Events, deadline: Option<u64>) -> std::result::Result<(), Errno> {
        events.ready.clear();
        loop {
            let timeout = deadline.map(|deadline| timespec(deadline.saturating_sub(clock::monotonic())));
            match epoll::wait(&self.fd, &mut events.buffer, timeout.as_ref()) {
                Ok((found, _)) => {
                    events.ready.extend(found.iter().map(Ready::from));
                    return Ok(());
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Interest {
    fn flags(self) -> EventFlags {
        match self {
            Self::Readable => EventFlags::IN,
            Self::Writable => EventFlags::OUT,
            Self::Both => EventFlags::IN | EventFlags::OUT,
            Self::Errors => EventFlags::empty(),
            Self::Changes => EventFlags::IN | EventFlags::OUT | EventFlags::ET,
        }
    }
}

impl From<&Event> for Ready {
    fn from(event: &Event) -> Self {
        let flags = event.flags;
        Self {
            token: event.data.u64(),
            readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
            writable: flags.intersects(EventFlags::OUT | EventFlags::ERR),
            closed: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { buffer: [const { MaybeUninit::uninit() }; EVENTS_MAX], ready: Vec::with_capacity(EVENTS_MAX) }
    }
}

impl Events {
    /// What the last wait found.
    pub fn iter(&self) -> impl Iterator<Item = Ready> + Clone + '_ {
        self.ready.iter().copied()
    }

    /// Whether the last wait found as much as fits, so that there may be more.
    pub fn is_full(&self) -> bool {
        self.ready.len() >= EVENTS_MAX
    }

    /// Whether the last wait found nothing.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }
}

#[inline]
fn timespec(nanoseconds: u64) -> Timespec {
    let seconds = i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX);
    let remainder = i64::try_from(nanoseconds % 1_000_000_000).unwrap_or(0);
    Timespec { tv_sec: seconds, tv_nsec: remainder }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::signal::Signal;
    use crate::process::{Exit, fork_child};
    use crate::testbed::alone;
    use crate::wait::wake::Waker;

    #[test]
    fn a_deadline_ends_the_wait_and_not_before() {
        let poller = Poller::open().unwrap();
        let mut events = Events::default();
        let deadline = clock::monotonic() + 300_000;
        poller.wait(&mut events, Some(deadline)).unwrap();
        assert!(clock::monotonic() >= deadline);
        assert!(events.is_empty());
    }

    /// As a machine that is held up does to its processes.
    #[test]
    fn who_was_stopped_past_its_deadline_learns_what_came_meanwhile() {
        alone(module_path!(), "who_was_stopped_past_its_deadline_learns_what_came_meanwhile", || {
            let (ours, theirs) = rustix::pipe::pipe().unwrap();
            let (begun, begins) = rustix::pipe::pipe().unwrap();
            let deadline = clock::monotonic() + 100_000_000;
            let waits = || {
                let poller = Poller::open().unwrap();
                poller.add(&ours, 1, Interest::Readable).unwrap();
                rustix::io::write(&begins, b"x").unwrap();
                let mut events = Events::default();
                poller.wait(&mut events, Some(deadline)).unwrap();
                i32::from(events.is_empty())
            };
            let mut child = fork_child("waits", waits).unwrap();
            rustix::io::read(&begun, &mut [0_u8; 1]).unwrap();
            child.signal(Signal(libc::SIGSTOP)).unwrap();
            let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap_or_default();
            while !state().contains(") T ") {
                std::thread::yield_now();
            }
            rustix::io::write(&theirs, b"x").unwrap();
            while clock::monotonic() < deadline {
                std::thread::yield_now();
            }
            child.signal(Signal(libc::SIGCONT)).unwrap();
            assert_eq!(child.wait().unwrap(), Exit::Status(0));
        });
    }

    #[test]
    fn an_inner_poller_wakes_the_outer_one() {
        let (outer, inner) = (Poller::open().unwrap(), Poller::open().unwrap());
        let waker = Waker::open().unwrap();
        inner.add(&waker, 7, Interest::Readable).unwrap();
        outer.add(&inner, 1, Interest::Readable).unwrap();
        waker.wake();
        let mut events = Events::default();
        outer.wait(&mut events, None).unwrap();
        assert_eq!(events.iter().map(|ready| ready.token).collect::<Vec<_>>(), [1]);
        inner.wait(&mut events, None).unwrap();
        assert_eq!(events.iter().map(|ready| ready.token).collect::<Vec<_>>(), [7]);
        waker.drain();
        outer.wait(&mut events, Some(0)).unwrap();
        assert!(events.is_empty());
    }
}
