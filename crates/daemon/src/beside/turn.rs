//! One start at a time in a network namespace.
//!
//! Two daemons that start at the same moment would look for each other before either can be seen. The one that comes
//! second waits until the first speaks or has ended. An abstract socket name belongs to its namespace, and goes with the
//! process that has it.

use std::io::{self, ErrorKind, Read as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

/// What the name is for.
const NAME: &str = "steadfast.starting";

/// Any program may take the name, or a start may take long: who has waited so long starts all the same.
pub(crate) const TURN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Attempts, each after somebody who was before had done.
const ATTEMPTS_MAX: u32 = 64;

/// Held while a daemon starts.
#[derive(Debug)]
pub(crate) struct Turn {
    _name: UnixListener,
}

impl Turn {
    /// Waits for it.
    ///
    /// # Errors
    /// When it is somebody else's for longer than the bound, or there can be no socket.
    pub(crate) fn take() -> io::Result<Self> {
        Self::take_named(NAME, TURN_WAIT_MAX)
    }

    /// Takes it if it is nobody's, for who may not wait.
    ///
    /// # Errors
    /// When there can be no socket.
    pub(crate) fn take_free() -> io::Result<Option<Self>> {
        Self::take_free_named(NAME)
    }

    fn take_free_named(name: &str) -> io::Result<Option<Self>> {
        let address = SocketAddr::from_abstract_name(name)?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Some(Self { _name: listener })),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn take_named(name: &str, patience: Duration) -> io::Result<Self> {
        let address = SocketAddr::from_abstract_name(name)?;
        for _ in 0..ATTEMPTS_MAX {
            match UnixListener::bind_addr(&address) {
                Ok(listener) => return Ok(Self { _name: listener }),
                Err(error) if error.kind() == ErrorKind::AddrInUse => await_end(&address, patience)?,
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::TimedOut.into())
    }
}

/// Nobody takes the connection; its end is the end of the turn.
fn await_end(holder: &SocketAddr, patience: Duration) -> io::Result<()> {
    let mut connection = match UnixStream::connect_addr(holder) {
        Ok(connection) => connection,
        // It has just ended.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(()),
        Err(error) => return Err(error),
    };
    connection.set_read_timeout(Some(patience))?;
    match connection.read(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn name(test: &str) -> String {
        format!("steadfast.test.{test}.{}", std::process::id())
    }

    #[test]
    fn who_comes_second_waits_for_the_end_of_the_first() {
        let name = name("second");
        let first = Turn::take_named(&name, TURN_WAIT_MAX).unwrap();
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                let turn = Turn::take_named(&name, TURN_WAIT_MAX);
                (turn.is_ok(), ended.load(Ordering::SeqCst))
            });
            assert!(Turn::take_named(&name, Duration::from_millis(10)).is_err(), "it is the first one's");
            ended.store(true, Ordering::SeqCst);
            drop(first);
            assert_eq!(second.join().unwrap(), (true, true));
        });
    }

    #[test]
    fn who_may_not_wait_has_it_when_it_is_free() {
        let name = name("free");
        let first = Turn::take_free_named(&name).unwrap();
        assert!(first.is_some() && Turn::take_free_named(&name).unwrap().is_none());
        drop(first);
        assert!(Turn::take_free_named(&name).unwrap().is_some());
    }

    #[test]
    fn who_never_ends_is_not_waited_for_without_end() {
        let name = name("never");
        let _first = Turn::take_named(&name, TURN_WAIT_MAX).unwrap();
        let error = Turn::take_named(&name, Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
