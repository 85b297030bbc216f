//! Pid files: one daemon at a time.
//!
//! A file is taken by locking it. keepalived before 2.4 locks nothing, so that the number in the file counts too when a
//! living daemon has it. At the end a file goes that still holds what was written here, or nothing; another's stays.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::handover::Kept;
use super::other::Process;
use crate::error::{Attempt, Errno, Error, Result, check};

/// Permissions of a pid file.
const MODE: u32 = 0o644;

/// Attempts to lock a file that other daemons keep removing.
const ATTEMPTS_MAX: u32 = 16;

/// A locked pid file. The lock is the kernel's (OFD), so that it goes on in a forked child and ends with the last
/// holder, however it ends.
#[derive(Debug)]
pub struct PidFile {
    fd: OwnedFd,
    path: PathBuf,
    /// The process that locked it, or wrote its number into it; it alone removes it, and no child of its.
    owner: u32,
}

/// Why there is no pid file for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PidFileError {
    /// Another process has it.
    #[error("already running: {} belongs to {}", .path.display(), .pid.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    AlreadyRunning {
        /// The file.
        path: PathBuf,
        /// The number found in it.
        pid: Option<u32>,
    },
    /// The file cannot be used.
    #[error(transparent)]
    Unusable(#[from] Error),
}

impl PidFile {
    /// Opens (symbolic links are refused) or creates the file and locks it, without writing to it. Where nobody holds
    /// the lock, `is_daemon` says of the number in the file whether it is that of a living daemon.
    ///
    /// # Errors
    /// [`PidFileError::AlreadyRunning`] if another process has it, and what opening it answers.
    pub fn lock(path: &Path, is_daemon: impl Fn(u32) -> bool) -> Result<Self, PidFileError> {
        let own = std::process::id();
        for _ in 0..ATTEMPTS_MAX {
            let fd = open(path)?;
            match lock(&fd) {
                Ok(()) if still_there(&fd, path) => {
                    let found = read_pid(&fd).filter(|pid| *pid != own && is_daemon(*pid));
                    if found.is_some() {
                        return Err(PidFileError::AlreadyRunning { path: path.to_owned(), pid: found });
                    }
                    return Ok(Self { fd, path: path.to_owned(), owner: own });
                }
                // The last owner removed it between our opening and locking it.
                Ok(()) => {}
                Err(Errno::AGAIN | Errno::ACCESS) => {
                    return Err(PidFileError::AlreadyRunning { path: path.to_owned(), pid: read_pid(&fd) });
                }
                Err(errno) => Err(Error::new(format!("lock {}", path.display()), errno))?,
            }
        }
        Err(PidFileError::AlreadyRunning { path: path.to_owned(), pid: None })
    }

    /// [`PidFile::lock`], but a process that has the file and is about to end, killed it may be, is waited for: the kernel closes what it
    /// has open only when each of its threads has seen the end.
    ///
    /// # Errors
    /// Those of [`PidFile::lock`].
    pub fn lock_after(
        path: &Path,
        is_daemon: impl Fn(u32) -> bool,
        ends_within: Duration,
    ) -> Result<Self, PidFileError> {
        let mut locked = Self::lock(path, &is_daemon);
        for _ in 0..ATTEMPTS_MAX {
            match &locked {
                Err(PidFileError::AlreadyRunning { pid: Some(pid), .. })
                    if Process::ends(*pid, ends_within) =>
                {
                    locked = Self::lock(path, &is_daemon);
                }
                _ => break,
            }
        }
        locked
    }

    /// Takes over a file that the program had which this process ran before, with its lock.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub fn adopt(kept: Kept, path: &Path) -> Result<Self> {
        Ok(Self { fd: kept.take()?, path: path.to_owned(), owner: std::process::id() })
    }

    /// Its descriptor, for the program that comes.
    pub fn kept(&self) -> Kept {
        Kept::of(&self.fd)
    }

    /// Writes the calling process's number. The file is removed when this process drops it.
    ///
    /// # Errors
    /// ENOSPC and the like.
    pub fn write(&mut self) -> Result<()> {
        let pid = std::process::id();
        let attempted = || format!("write {}", self.path.display());
        rustix::fs::ftruncate(&self.fd, 0).attempt(attempted())?;
        rustix::io::pwrite(&self.fd, format!("{pid}\n").as_bytes(), 0).attempt(attempted())?;
        self.owner = pid;
        // Whoever manages the daemon reads it, whatever the umask is. What cannot be had is done without.
        let _ = rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(MODE));
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let own = self.owner == std::process::id();
        let ours = || {
            still_there(&self.fd, &self.path)
                && (is_empty(&self.fd) || read_pid(&self.fd) == Some(self.owner))
        };
        if own && ours() {
            // Nothing is to be done about a refusal: the lock ends anyway.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The number in a pid file, if there is a file with one; says nothing of whether that process lives.
pub fn read(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether a process holds the lock of this pid file.
pub fn is_locked(path: &Path) -> bool {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::empty()).is_ok_and(|fd| lock(&fd).is_err())
}

fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::from_raw_mode(MODE))
        .attempt(format!("open pid file {}", path.display()))
}

fn lock(fd: &OwnedFd) -> std::result::Result<(), Errno> {
    let lock = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: the lock description lives across the call.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) })?;
    Ok(())
}

fn still_there(fd: &OwnedFd, path: &Path) -> bool {
    let (Ok(opened), Ok(named)) = (rustix::fs::fstat(fd), rustix::fs::lstat(path)) else { return false };
    (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
}

fn is_empty(fd: &OwnedFd) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|found| found.st_size == 0)
}

fn read_pid(fd: &OwnedFd) -> Option<u32> {
    let mut text = [0_u8; 16];
    let length = rustix::io::pread(fd, &mut text, 0).ok()?;
    std::str::from_utf8(text.get(..length)?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("steadfast-{name}-{}.pid", std::process::id()))
    }

    fn nobody(_: u32) -> bool {
        false
    }

    #[test]
    fn the_second_daemon_learns_of_the_first() {
        let path = scratch("second_daemon");
        let mut first = PidFile::lock(&path, nobody).unwrap();
        first.write().unwrap();
        assert!(is_locked(&path));
        let pid = Some(std::process::id());
        assert_eq!(read(&path), pid);
        assert_eq!(
            PidFile::lock(&path, nobody).unwrap_err(),
            PidFileError::AlreadyRunning { path: path.clone(), pid }
        );
        drop(first);
        assert!(!path.exists());
        assert!(!is_locked(&path));
    }

    #[test]
    fn a_stale_file_is_taken_over() {
        let path = scratch("stale_file");
        std::fs::write(&path, "99999999\n").unwrap();
        let mut file = PidFile::lock(&path, nobody).unwrap();
        file.write().unwrap();
        assert_eq!(read(&path), Some(std::process::id()));
    }

    #[test]
    fn a_living_daemon_that_locks_nothing_keeps_its_file() {
        let path = scratch("no_lock");
        std::fs::write(&path, "1\n").unwrap();
        let refused = PidFile::lock(&path, |pid| pid == 1).unwrap_err();
        assert_eq!(refused, PidFileError::AlreadyRunning { path: path.clone(), pid: Some(1) });
        assert_eq!(read(&path), Some(1));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_was_never_written_or_that_another_took_over_is_treated_as_whose_it_is() {
        let path = scratch("whose");
        drop(PidFile::lock(&path, nobody).unwrap());
        assert!(!path.exists(), "an empty file is left");
        // By a daemon that asks nobody.
        let mut file = PidFile::lock(&path, nobody).unwrap();
        file.write().unwrap();
        std::fs::write(&path, "1\n").unwrap();
        drop(file);
        assert_eq!(read(&path), Some(1));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn everybody_may_read_it_whatever_the_umask_is() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = scratch("mode");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut file = PidFile::lock(&path, nobody).unwrap();
        file.write().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let path = scratch("symbolic_link");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let PidFileError::Unusable(error) = PidFile::lock(&path, nobody).unwrap_err() else { panic!() };
        assert_eq!(error.errno, Errno::LOOP);
        std::fs::remove_file(&path).unwrap();
    }
}
