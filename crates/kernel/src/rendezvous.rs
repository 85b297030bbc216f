//! Where a process that lost the one which watched over it is found by another: a socket that nobody sees in the file system,
//! with a name that belongs to its network namespace and goes with the process (unix(7), abstract names).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::channel::Channel;
use crate::error::{Attempt, Errno, Error, Result};
use crate::process::sockets::{listening_names, sockets_of};
use crate::process::user::{effective_uid, peer};

/// What all names begin with.
const NAME: &str = "steadfast.rendezvous.";
/// Callers that wait; a further one is refused.
const CALLERS_WAITING: i32 = 4;
/// Callers of other users that are turned away in one go.
const TURNED_AWAY: usize = 8;
/// How long a caller waits for a place among those that wait, and between two attempts.
const PLACE_WITHIN: Duration = Duration::from_secs(2);
const PLACE_PAUSE: Duration = Duration::from_millis(5);

/// Where this process is found. Nobody is let in before [`Rendezvous::accept`].
#[derive(Debug)]
pub struct Rendezvous {
    listener: OwnedFd,
}

impl Rendezvous {
    /// Begins to listen, at a name that is nobody else's.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn open() -> Result<Self> {
        const ATTEMPTED: &str = "listen for a successor of the supervisor";
        let listener = socket().attempt(ATTEMPTED)?;
        // Processes of several pid namespaces can share a network namespace: the number alone does not tell them apart.
        let name = format!("{NAME}{}.{:016x}", std::process::id(), crate::random::seed());
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).attempt(ATTEMPTED)?;
        rustix::net::bind(&listener, &address).attempt(ATTEMPTED)?;
        rustix::net::listen(&listener, CALLERS_WAITING).attempt(ATTEMPTED)?;
        Ok(Self { listener })
    }

    /// Lets the next one in who calls, if it is a process of the same user. Never waits, and turns only so many away that
    /// nobody can keep it busy; the poller tells of those that are left.
    pub fn accept(&self) -> Option<Channel> {
        for _ in 0..TURNED_AWAY {
            match rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(caller) => {
                    if peer(&caller).is_ok_and(|caller| caller.uid == effective_uid()) {
                        return Some(Channel::over(caller));
                    }
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => return None,
            }
        }
        None
    }
}

impl AsFd for Rendezvous {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Calls at the rendezvous of a process of the same user in this network namespace. `None` where it has none.
///
/// # Errors
/// When it is not let in.
pub fn call(pid: u32) -> Result<Option<Channel>> {
    let attempted = || format!("call at process {pid}");
    let own = sockets_of(pid);
    let mut refused = None;
    for (socket, name) in listening_names() {
        let Some(name) =
            name.strip_prefix('@').filter(|name| name.starts_with(NAME) && own.contains(&socket))
        else {
            continue;
        };
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).attempt(attempted())?;
        match connect(&address).attempt(attempted()) {
            Ok(caller) => {
                let found = peer(&caller)?;
                if (found.pid, found.uid) == (pid, effective_uid()) {
                    return Ok(Some(Channel::over(caller)));
                }
                // The name is somebody else's, who may only pretend that it is one of this process.
                refused = refused.or_else(|| Some(Error::new(attempted(), Errno::PERM)));
            }
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(None), Err)
}

/// Those that wait may be others, which are turned away one after another.
fn connect(address: &SocketAddrUnix) -> std::result::Result<OwnedFd, Errno> {
    let until = Instant::now() + PLACE_WITHIN;
    loop {
        let caller = socket()?;
        match rustix::net::connect(&caller, address) {
            Ok(()) => return Ok(caller),
            Err(Errno::AGAIN | Errno::INTR) if Instant::now() < until => std::thread::sleep(PLACE_PAUSE),
            Err(errno) => return Err(errno),
        }
    }
}

fn socket() -> std::result::Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Incoming;
    use crate::process::{Child, Exit, Forked, exit_now, fork_to_outlive};
    use crate::testbed::alone;

    #[test]
    fn who_listens_is_found_by_its_number_and_lets_callers_in_when_it_wants_to() {
        alone(
            module_path!(),
            "who_listens_is_found_by_its_number_and_lets_callers_in_when_it_wants_to",
            || {
                let own = std::process::id();
                assert!(call(own).unwrap().is_none());
                let rendezvous = Rendezvous::open().unwrap();
                assert!(rendezvous.accept().is_none());
                let mut caller = call(own).unwrap().unwrap();
                caller.send(b"who is there").unwrap();
                let mut let_in = rendezvous.accept().unwrap();
                assert_eq!(let_in.receive().unwrap(), Incoming::Message(b"who is there".to_vec()));
                drop(let_in);
                assert_eq!(caller.receive().unwrap(), Incoming::Closed);
                drop(rendezvous);
                assert!(call(own).unwrap().is_none());
            },
        );
    }

    /// Whoever may listen can write anything into the kernel's table.
    #[test]
    fn names_that_look_like_those_of_another_hide_nobody() {
        alone(module_path!(), "names_that_look_like_those_of_another_hide_nobody", || {
            let own = std::process::id();
            let rendezvous = Rendezvous::open().unwrap();
            let inode = sockets_of(own).into_iter().find(|socket| {
                listening_names().iter().any(|(found, name)| found == socket && name.contains(NAME))
            });
            let row = format!("\n0: 00000002 00000000 00010000 0005 01 {} @{NAME}fake", inode.unwrap());
            let forger = socket().unwrap();
            let address = SocketAddrUnix::new_abstract_name(row.as_bytes()).unwrap();
            rustix::net::bind(&forger, &address).unwrap();
            rustix::net::listen(&forger, 1).unwrap();
            assert!(call(own).unwrap().is_some());
            drop(rendezvous);
        });
    }

    #[test]
    fn callers_that_take_every_place_are_outwaited() {
        alone(module_path!(), "callers_that_take_every_place_are_outwaited", || {
            let own = std::process::id();
            let rendezvous = Rendezvous::open().unwrap();
            let mut waiting = Vec::new();
            for _ in 0..=CALLERS_WAITING {
                waiting.push(call(own).unwrap().unwrap());
            }
            std::thread::scope(|scope| {
                let last = scope.spawn(|| call(own));
                while !last.is_finished() {
                    let _ = rendezvous.accept();
                }
                assert!(last.join().unwrap().unwrap().is_some());
            });
        });
    }

    #[test]
    fn the_end_of_anothers_child_is_seen() {
        alone(module_path!(), "the_end_of_anothers_child_is_seen", || {
            let (mut tells, mut hears) = Channel::pair().unwrap();
            let Forked::Parent(mut parent) = fork_to_outlive("parent").unwrap() else {
                let Ok(Forked::Parent(child)) = fork_to_outlive("child") else {
                    let rendezvous = Rendezvous::open().unwrap();
                    let _ = tells.send(b"open");
                    while rendezvous.accept().is_none() {
                        std::thread::yield_now();
                    }
                    exit_now(0)
                };
                let _ = tells.send(&child.pid().to_ne_bytes());
                exit_now(0)
            };
            assert_eq!(parent.wait().unwrap(), Exit::Status(0));
            let mut said = Vec::new();
            while said.len() < 2 {
                if let Incoming::Message(message) = hears.receive().unwrap() {
                    said.push(message);
                }
            }
            let pid = said.iter().find_map(|message| <[u8; 4]>::try_from(message.as_slice()).ok());
            let pids = said.iter().filter(|message| *message != b"open");
            assert_eq!(pids.count(), 1);
            let mut orphan = Child::of_another(u32::from_ne_bytes(pid.unwrap())).unwrap();
            assert_eq!(orphan.try_wait().unwrap(), None);
            let _called = call(orphan.pid()).unwrap().unwrap();
            assert_eq!(orphan.wait().unwrap(), Exit::Untold);
            assert_eq!(orphan.try_wait().unwrap(), Some(Exit::Untold));
            orphan.signal(crate::process::signal::Signal::KILL).unwrap();
        });
    }
}
