//! FIFOs that others read.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Gid, Mode, Uid};

use crate::process::handover::Kept;

/// Permissions of a FIFO that is made here, less the umask.
const MODE: u32 = 0o644;

/// The writing end of a FIFO, which never waits for a reader. It goes with this value if it was made by it.
#[derive(Debug)]
pub struct Fifo {
    file: File,
    path: PathBuf,
    made_by: Option<u32>,
}

impl Fifo {
    /// Opens a FIFO, or makes it and gives it to this user and group. What is there already has to be a FIFO of the
    /// daemon's user or of this one; links are refused.
    ///
    /// # Errors
    /// What making and opening it answers; [`io::ErrorKind::InvalidInput`] for what is no FIFO, and
    /// [`io::ErrorKind::PermissionDenied`] for one of another user.
    pub fn open(path: &Path, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let made =
            match rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from_raw_mode(MODE), 0) {
                Ok(()) => true,
                Err(rustix::io::Errno::EXIST) => false,
                Err(errno) => return Err(errno.into()),
            };
        // Open for reading too: writing is possible, and no signal comes, while nobody reads.
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let file = File::options().read(true).write(true).custom_flags(flags).open(path)?;
        let found = file.metadata()?;
        if !found.file_type().is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no FIFO"));
        }
        let own = rustix::process::geteuid().as_raw();
        if made {
            if let Some((uid, gid)) = owner {
                rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            }
        } else if found.uid() != own && owner.is_none_or(|(uid, _)| uid != found.uid()) {
            let reason = format!("it belongs to user {}", found.uid());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        Ok(Self { file, path: path.to_owned(), made_by: made.then(std::process::id) })
    }

    /// Takes over one that the program had open which this process ran before: its readers have seen no end.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub fn adopt(kept: Kept, path: &Path, made: bool) -> io::Result<Self> {
        let file = File::from(kept.take().map_err(|error| io::Error::from(error.errno))?);
        Ok(Self { file, path: path.to_owned(), made_by: made.then(std::process::id) })
    }

    /// Its descriptor, for the program that comes, and whether it was made here.
    pub fn kept(&self) -> (Kept, bool) {
        (Kept::of(&self.file), self.made_by == Some(std::process::id()))
    }

    /// Writes a line, all of it or nothing (pipe(7): up to PIPE_BUF bytes go in one piece); false when there is no room.
    ///
    /// # Errors
    /// The kernel's; none is expected.
    pub fn write_line(&self, line: &[u8]) -> io::Result<bool> {
        match (&self.file).write(line) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl std::os::fd::AsFd for Fifo {
    /// Writable when there is room.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        if self.made_by == Some(std::process::id()) {
            // Nothing is to be done about a refusal.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("steadfast-fifo-{name}-{}", std::process::id()))
    }

    #[test]
    fn lines_wait_for_a_reader_and_the_fifo_goes_with_its_maker() {
        let path = scratch("lines");
        let fifo = Fifo::open(&path, None).unwrap();
        let again = Fifo::open(&path, None).unwrap();
        assert!(fifo.write_line(b"one\n").unwrap() && again.write_line(b"two\n").unwrap());
        let mut read = [0; 8];
        let reader = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        reader.unwrap().read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\n");
        drop(again);
        assert!(path.exists(), "who only opened it removed it");
        drop(fifo);
        assert!(!path.exists());
    }

    #[test]
    fn a_full_fifo_takes_no_part_of_a_line() {
        let path = scratch("full");
        let fifo = Fifo::open(&path, None).unwrap();
        let line = [b'x'; 1_000];
        let taken =
            std::iter::repeat_with(|| fifo.write_line(&line).unwrap()).take_while(|taken| *taken).count();
        let mut read = vec![0; 1_000 * taken];
        let mut reader = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        reader.read_exact(&mut read).unwrap();
        assert_eq!(reader.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn files_and_links_are_refused() {
        let (file, link) = (scratch("file"), scratch("link"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let refused = [&file, &link].map(|path| Fifo::open(path, None).map(drop).unwrap_err());
        std::fs::remove_file(&file).unwrap();
        std::fs::remove_file(&link).unwrap();
        assert_eq!(refused[0].kind(), io::ErrorKind::InvalidInput);
        assert_eq!(refused[1].raw_os_error(), Some(libc::ELOOP));
    }
}
