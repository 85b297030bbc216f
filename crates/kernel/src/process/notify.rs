//! Telling the service manager (sd_notify(3)).

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::{Attempt, Error, Result};
use crate::wait::clock;

/// Longest status text sent; the rest is cut.
pub const STATUS_BYTES_MAX: usize = 512;

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub struct Notifier {
    fd: OwnedFd,
    address: SocketAddrUnix,
}

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// Start or reload has finished.
    Ready,
    /// A reload begins.
    Reloading,
    /// The daemon stops.
    Stopping,
    /// Alive: to be told at least every half of [`watchdog_interval`].
    Watchdog,
    /// One line for people.
    Status(&'a str),
    /// The daemon's main process, after going into the background.
    MainPid(u32),
}

impl Notifier {
    /// The one that NOTIFY_SOCKET names; `None` when there is none.
    ///
    /// # Errors
    /// When the name is not usable.
    pub fn from_environment() -> Result<Option<Self>> {
        std::env::var_os("NOTIFY_SOCKET")
            .filter(|name| !name.is_empty())
            .map(|name| Self::to(&name))
            .transpose()
    }

    /// One that sends to the socket of this name; `@` at its start stands for the abstract namespace.
    ///
    /// # Errors
    /// When the name is too long, or no descriptor is left.
    pub fn to(name: &OsStr) -> Result<Self> {
        let attempted = || format!("notify {}", OsString::from(name).display());
        let address = match name.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddrUnix::new_abstract_name(name),
            _ => SocketAddrUnix::new(name),
        }
        .attempt(attempted())?;
        let fd = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .attempt(attempted())?;
        Ok(Self { fd, address })
    }

    /// Tells several things at once. Never waits.
    ///
    /// # Errors
    /// EAGAIN or ECONNREFUSED when the manager does not read.
    pub fn tell(&self, states: &[State<'_>]) -> Result<()> {
        let text = text(states);
        rustix::net::sendto(&self.fd, text.as_bytes(), SendFlags::NOSIGNAL, &self.address)
            .map_err(|errno| Error::new("notify the service manager", errno))?;
        Ok(())
    }
}

/// How often the service manager wants to hear [`State::Watchdog`] from this process; `None` if it does not.
pub fn watchdog_interval() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    if variable("WATCHDOG_PID").is_some_and(|pid| pid.parse() != Ok(std::process::id())) {
        return None;
    }
    let microseconds = variable("WATCHDOG_USEC")?.parse().ok().filter(|&interval| interval > 0)?;
    Some(Duration::from_micros(microseconds))
}

fn text(states: &[State<'_>]) -> String {
    let mut text = String::new();
    for state in states {
        // Writing to a String cannot fail.
        let _ = match state {
            State::Ready => writeln!(text, "READY=1"),
            State::Reloading => {
                writeln!(text, "RELOADING=1\nMONOTONIC_USEC={}", clock::awake() / 1_000)
            }
            State::Stopping => writeln!(text, "STOPPING=1"),
            State::Watchdog => writeln!(text, "WATCHDOG=1"),
            State::MainPid(pid) => writeln!(text, "MAINPID={pid}"),
            State::Status(status) => {
                let line = status.lines().next().unwrap_or_default();
                let end = line.floor_char_boundary(STATUS_BYTES_MAX);
                writeln!(text, "STATUS={}", line.get(..end).unwrap_or_default())
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_what_is_told() {
        let name = format!("@steadfast-notify-{}", std::process::id());
        let manager = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).unwrap();
        rustix::net::bind(&manager, &SocketAddrUnix::new_abstract_name(&name.as_bytes()[1..]).unwrap())
            .unwrap();
        let notifier = Notifier::to(OsStr::new(&name)).unwrap();
        notifier.tell(&[State::Ready, State::MainPid(7), State::Status("2 masters\nREADY=0")]).unwrap();
        let mut buffer = [0; 256];
        let (length, _) = rustix::net::recv(&manager, &mut buffer, rustix::net::RecvFlags::empty()).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nMAINPID=7\nSTATUS=2 masters\n");
    }

    #[test]
    fn a_reload_is_told_with_its_time() {
        let told = text(&[State::Reloading]);
        let microseconds: u64 =
            told.trim().strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(microseconds.abs_diff(clock::awake() / 1_000) < 1_000_000);
    }
}
