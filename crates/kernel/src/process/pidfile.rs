//! Pid files: one daemon at a time.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::error::{Attempt, Errno, Error, Result, check};

/// Attempts to lock a file that other daemons keep removing.
const ATTEMPTS_MAX: u32 = 16;

/// A locked pid file. The lock is the kernel's (OFD), so that it goes on in a forked child and ends with the last
/// holder, however it ends.
#[derive(Debug)]
pub struct PidFile {
    fd: OwnedFd,
    path: PathBuf,
    /// The process whose number is in it, which alone removes it.
    owner: Option<u32>,
}

/// Why there is no pid file for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PidFileError {
    /// Another process holds the lock.
    #[error("already running: {} is locked by {}", .path.display(), .pid.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
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
    /// Opens (symbolic links are refused) or creates the file and locks it, without writing to it.
    ///
    /// # Errors
    /// [`PidFileError::AlreadyRunning`] if another process has it, and what opening it answers.
    pub fn lock(path: &Path) -> Result<Self, PidFileError> {
        for _ in 0..ATTEMPTS_MAX {
            let fd = open(path)?;
            match lock(&fd) {
                Ok(()) if still_there(&fd, path) => {
                    return Ok(Self { fd, path: path.to_owned(), owner: None });
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

    /// Writes the calling process's number. The file is removed when this process drops it.
    ///
    /// # Errors
    /// ENOSPC and the like.
    pub fn write(&mut self) -> Result<()> {
        let pid = std::process::id();
        let attempted = || format!("write {}", self.path.display());
        rustix::fs::ftruncate(&self.fd, 0).attempt(attempted())?;
        rustix::io::pwrite(&self.fd, format!("{pid}\n").as_bytes(), 0).attempt(attempted())?;
        self.owner = Some(pid);
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.owner == Some(std::process::id()) {
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
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))
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

    #[test]
    fn the_second_daemon_learns_of_the_first() {
        let path = scratch("second_daemon");
        let mut first = PidFile::lock(&path).unwrap();
        first.write().unwrap();
        assert!(is_locked(&path));
        let pid = Some(std::process::id());
        assert_eq!(read(&path), pid);
        assert_eq!(
            PidFile::lock(&path).unwrap_err(),
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
        let mut file = PidFile::lock(&path).unwrap();
        file.write().unwrap();
        assert_eq!(read(&path), Some(std::process::id()));
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let path = scratch("symbolic_link");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let PidFileError::Unusable(error) = PidFile::lock(&path).unwrap_err() else { panic!() };
        assert_eq!(error.errno, Errno::LOOP);
        std::fs::remove_file(&path).unwrap();
    }
}
