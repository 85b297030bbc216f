//! The control socket: local programs talk to the daemon.

use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::{Attempt, Errno, Error, Result, check};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// How a local socket carries bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In packets that keep their borders, for [`Channel`](crate::channel::Channel).
    SequencedPackets,
    /// As a stream.
    Stream,
}

/// A socket that listens at a path.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    path: PathBuf,
    /// The process that made it, which alone removes it.
    owner: u32,
}

/// Who is at the other end, as the kernel vouches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Process id when it connected; 0 for one of a foreign pid namespace.
    pub pid: u32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

impl Listener {
    /// Listens at `path` with this file mode and group. A socket file that nobody listens at any more is replaced;
    /// the path never names a socket with other rights than these.
    ///
    /// # Errors
    /// EADDRINUSE when another process listens there, EEXIST when something else than a socket is there,
    /// ENAMETOOLONG beyond 107 bytes.
    pub fn bind(path: &Path, kind: Kind, mode: u32, gid: Option<u32>) -> Result<Self> {
        let attempted = || format!("listen at {}", path.display());
        refuse_if_taken(path, kind)?;
        let pid = std::process::id();
        let mut temporary = OsString::from(path.as_os_str());
        temporary.push(format!(".{pid}"));
        let temporary = PathBuf::from(temporary);
        let _ = std::fs::remove_file(&temporary);
        let fd = socket(kind).attempt(attempted())?;
        let address = SocketAddrUnix::new(&temporary).attempt(attempted())?;
        rustix::net::bind(&fd, &address).attempt(attempted())?;
        let published = publish(&fd, &temporary, path, mode, gid);
        if published.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        published.attempt(attempted())?;
        Ok(Self { fd, path: path.to_owned(), owner: pid })
    }

    /// The next connection, non-blocking and closed at exec; `None` if nobody waits.
    ///
    /// # Errors
    /// EMFILE and ENFILE when no descriptor is left.
    pub fn accept(&self) -> Result<Option<(OwnedFd, Peer)>> {
        loop {
            match rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(connection) => {
                    let peer = peer(&connection)?;
                    return Ok(Some((connection, peer)));
                }
                Err(Errno::AGAIN) => return Ok(None),
                // The caller gave up before its turn.
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => return Err(Error::new("accept a control connection", errno)),
            }
        }
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.owner == std::process::id() {
            // A file that stays is recognised as stale by the next daemon.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Connects to a control socket; the connection is non-blocking.
///
/// # Errors
/// ENOENT or ECONNREFUSED when no daemon listens, EACCES when it does not admit the caller.
pub fn connect(path: &Path, kind: Kind) -> Result<OwnedFd> {
    let attempted = || format!("connect to {}", path.display());
    let fd = socket(kind).attempt(attempted())?;
    let address = SocketAddrUnix::new(path).attempt(attempted())?;
    rustix::net::connect(&fd, &address).attempt(attempted())?;
    Ok(fd)
}

/// Who is at the other end of a connected local socket.
///
/// # Errors
/// None is expected.
pub fn peer(connection: impl AsFd) -> Result<Peer> {
    let mut credentials = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut size = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    // SAFETY: the kernel writes at most `size` bytes of integers to the structure. rustix reads the same, but into a
    // pid that cannot be 0, which it is for a process of a foreign pid namespace.
    check(unsafe {
        libc::getsockopt(
            connection.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut size,
        )
    })
    .attempt("read who connected")?;
    Ok(Peer { pid: credentials.pid.unsigned_abs(), uid: credentials.uid, gid: credentials.gid })
}

fn socket(kind: Kind) -> std::result::Result<OwnedFd, Errno> {
    let kind = match kind {
        Kind::SequencedPackets => SocketType::SEQPACKET,
        Kind::Stream => SocketType::STREAM,
    };
    rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

fn refuse_if_taken(path: &Path, kind: Kind) -> Result<()> {
    let attempted = || format!("listen at {}", path.display());
    match rustix::fs::lstat(path) {
        Err(Errno::NOENT) => return Ok(()),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Socket => {}
        Ok(_) => return Err(Error::new(attempted(), Errno::EXIST)),
        Err(errno) => return Err(Error::new(attempted(), errno)),
    }
    match connect(path, kind) {
        Err(Error { errno: Errno::CONNREFUSED | Errno::NOENT, .. }) => Ok(()),
        // A full backlog or a socket of another type: somebody is there.
        _ => Err(Error::new(attempted(), Errno::ADDRINUSE)),
    }
}

/// Gives the file its rights before it gets its name.
fn publish(
    fd: &OwnedFd,
    temporary: &Path,
    path: &Path,
    mode: u32,
    gid: Option<u32>,
) -> std::result::Result<(), Errno> {
    rustix::fs::chmodat(CWD, temporary, Mode::empty(), AtFlags::empty())?;
    if let Some(gid) = gid {
        rustix::fs::chown(temporary, None, Some(Gid::from_raw(gid)))?;
    }
    rustix::fs::chmodat(CWD, temporary, Mode::from_raw_mode(mode & 0o777), AtFlags::empty())?;
    rustix::net::listen(fd, BACKLOG)?;
    rustix::fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::channel::{Channel, Incoming};

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("steadfast-{name}-{}.sock", std::process::id()))
    }

    #[test]
    fn a_connection_tells_who_it_is_and_carries_messages() {
        let path = scratch("who_it_is");
        let listener = Listener::bind(&path, Kind::SequencedPackets, 0o660, None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(listener.accept().unwrap().is_none());
        let mut caller = Channel::over(connect(&path, Kind::SequencedPackets).unwrap());
        let (connection, peer) = listener.accept().unwrap().unwrap();
        assert_eq!(peer.pid, std::process::id());
        caller.send(b"status").unwrap();
        assert_eq!(Channel::over(connection).receive().unwrap(), Incoming::Message(b"status".to_vec()));
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_is_replaced_and_a_live_one_is_not() {
        let path = scratch("stale");
        let first = Listener::bind(&path, Kind::Stream, 0o600, None).unwrap();
        let error = Listener::bind(&path, Kind::Stream, 0o600, None).unwrap_err();
        assert_eq!(error.errno, Errno::ADDRINUSE);
        // As after SIGKILL: the descriptor is closed, the file stays.
        let kept = scratch("stale_kept");
        std::fs::hard_link(&path, &kept).unwrap();
        drop(first);
        std::fs::rename(&kept, &path).unwrap();
        drop(Listener::bind(&path, Kind::Stream, 0o600, None).unwrap());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let path = scratch("no_socket");
        std::fs::write(&path, "precious").unwrap();
        let error = Listener::bind(&path, Kind::Stream, 0o600, None).unwrap_err();
        assert_eq!(error.errno, Errno::EXIST);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_file(&path).unwrap();
    }
}
