//! Users and groups by name.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _};

use crate::error::{Errno, Error, Result, last_errno};

/// Most supplementary groups taken of a user (NGROUPS_MAX).
const GROUPS_MAX: usize = 65_536;

/// Largest text of one entry of the user or group database.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// An entry of the user database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// Who is at the other end of a connected Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its process; 0 for one of another pid namespace.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
}

/// The user id of whoever connected to this end of a Unix socket, as it was when they did.
///
/// # Errors
/// When it is no connected Unix socket.
pub fn peer_uid(socket: impl AsFd) -> Result<u32> {
    peer(socket).map(|peer| peer.uid)
}

/// Whoever connected to this end of a Unix socket, or listened at the other, as it was when they did.
///
/// # Errors
/// When it is no connected Unix socket.
pub fn peer(socket: impl AsFd) -> Result<Peer> {
    // Not by rustix: its type has no room for the process number 0, which stands for a process of another pid namespace.
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let room = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
    let mut length = room;
    // SAFETY: the descriptor is open, and the kernel writes at most `length` octets into a structure of that size.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    if done < 0 || length != room {
        return Err(Error::new("ask who is connected", last_errno()));
    }
    Ok(Peer { pid: u32::try_from(credentials.pid).unwrap_or_default(), uid: credentials.uid })
}

/// The user that this process acts as.
pub fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Finds a user by name; `None` if there is none. May ask the network (NSS): not for timing threads.
///
/// # Errors
/// When the database cannot be read.
pub fn lookup_user(name: &str) -> Result<Option<User>> {
    let Ok(c_name) = CString::new(name) else { return Ok(None) };
    // SAFETY: all pointers live across the call, and the length given is that of the buffer.
    lookup(format!("look up user {name}"), |buffer, entry, found| unsafe {
        libc::getpwnam_r(c_name.as_ptr(), entry, buffer.as_mut_ptr().cast(), buffer.len(), found)
    })
    .map(|user| user.map(|(entry, _buffer)| user_of(&entry)))
}

/// The user of this id; `None` if there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn lookup_uid(uid: u32) -> Result<Option<User>> {
    // SAFETY: as in `lookup_user`.
    lookup(format!("look up user {uid}"), |buffer, entry, found| unsafe {
        libc::getpwuid_r(uid, entry, buffer.as_mut_ptr().cast(), buffer.len(), found)
    })
    .map(|user| user.map(|(entry, _buffer)| user_of(&entry)))
}

/// Finds a group by name; `None` if there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn lookup_group(name: &str) -> Result<Option<u32>> {
    let Ok(c_name) = CString::new(name) else { return Ok(None) };
    // SAFETY: as in `lookup_user`.
    lookup(format!("look up group {name}"), |buffer, entry: *mut libc::group, found| unsafe {
        libc::getgrnam_r(c_name.as_ptr(), entry, buffer.as_mut_ptr().cast(), buffer.len(), found)
    })
    .map(|group| group.map(|(entry, _buffer)| entry.gr_gid))
}

/// All groups of a user, its primary group `gid` among them.
///
/// # Errors
/// When the user is in more groups than Linux allows.
pub fn supplementary_groups(name: &str, gid: u32) -> Result<Vec<u32>> {
    let attempted = || format!("list the groups of {name}");
    let c_name = CString::new(name).map_err(|_| Error::new(attempted(), Errno::INVAL))?;
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut count =
            libc::c_int::try_from(groups.len()).map_err(|_| Error::new(attempted(), Errno::INVAL))?;
        // SAFETY: the array has room for `count` groups, and the C library writes no more.
        let returned =
            unsafe { libc::getgrouplist(c_name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if returned >= 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        if groups.len() >= GROUPS_MAX {
            return Err(Error::new(attempted(), Errno::RANGE));
        }
        groups.resize(count.max(groups.len() * 2).min(GROUPS_MAX), 0);
    }
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Effective user and group of this process.
pub fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Calls one of the reentrant database functions with a buffer that grows as wanted. The buffer holds what the
/// entry points at.
fn lookup<Entry>(
    attempted: String,
    mut call: impl FnMut(&mut [u8], *mut Entry, *mut *mut Entry) -> libc::c_int,
) -> Result<Option<(Entry, Vec<u8>)>> {
    let mut buffer = vec![0_u8; 1024];
    loop {
        let mut entry = MaybeUninit::<Entry>::uninit();
        let mut found = std::ptr::null_mut();
        match call(&mut buffer, entry.as_mut_ptr(), &raw mut found) {
            0 if found.is_null() => return Ok(None),
            // SAFETY: on success with a result the C library has filled the entry.
            0 => return Ok(Some((unsafe { entry.assume_init() }, buffer))),
            libc::ERANGE if buffer.len() < ENTRY_BYTES_MAX => buffer.resize(buffer.len() * 4, 0),
            // Some databases say so instead of finding nothing (getpwnam(3)).
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(None),
            errno => return Err(Error::new(attempted, Errno::from_raw_os_error(errno))),
        }
    }
}

/// The caller still holds the buffer that `entry` points into.
fn user_of(entry: &libc::passwd) -> User {
    // SAFETY: pw_name points to a NUL-terminated string inside that buffer.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    User { name: name.to_string_lossy().into_owned(), uid: entry.pw_uid, gid: entry.pw_gid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_connected_has_the_user_that_it_has() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(peer_uid(&one).unwrap(), rustix::process::getuid().as_raw());
        assert!(peer_uid(std::fs::File::open("/dev/null").unwrap()).is_err());
    }

    #[test]
    fn root_is_found_and_nobody_else_of_no_name() {
        let root = lookup_user("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(lookup_uid(0).unwrap().unwrap().name, "root");
        assert_eq!(lookup_user("no-such-user-here").unwrap(), None);
        assert_eq!(lookup_group("root").unwrap(), Some(0));
        assert!(supplementary_groups("root", 0).unwrap().contains(&0));
    }
}
