//! Being told when a file changes (inotify).

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use crate::error::{Attempt, Errno, Error, Result};

/// Room for the notes taken by one read: one with the longest name, and many with usual ones.
const READ_BYTES: usize = 4_096;

/// Tells when something happens to one name in a folder, whether or not a file of that name exists.
#[derive(Debug)]
pub struct Watch {
    fd: OwnedFd,
    name: OsString,
}

/// What happened since the last question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing to that name.
    Nothing,
    /// The file was written, replaced, put there or taken away.
    File,
    /// The folder is gone or has another name: nothing more will be told.
    FolderGone,
}

impl Watch {
    /// Watches a path; its folder has to exist.
    ///
    /// # Errors
    /// ENOENT without the folder, ENOSPC or EMFILE when the user watches too much already.
    pub fn path(path: &Path) -> Result<Self> {
        let attempted = || format!("watch {}", path.display());
        let name = path.file_name().ok_or_else(|| Error::new(attempted(), Errno::INVAL))?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).attempt(attempted())?;
        // Not MODIFY: a file that is being written is read when its writer has closed it.
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&fd, folder, flags).attempt(attempted())?;
        Ok(Self { fd, name: name.to_owned() })
    }

    /// Takes everything that was told. Never waits.
    pub fn take(&mut self) -> Change {
        let mut buffer = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        let mut change = Change::Nothing;
        // Ends with EAGAIN when nothing is left.
        while let Ok(told) = reader.next() {
            let flags = told.events();
            if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED) {
                change = Change::FolderGone;
            }
            // After an overflow anything may have happened.
            let ours = told.file_name().is_some_and(|name| name.to_bytes() == self.name.as_encoded_bytes())
                || flags.contains(ReadFlags::QUEUE_OVERFLOW);
            if ours && change == Change::Nothing {
                change = Change::File;
            }
        }
        change
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_replacing_and_removing_are_told_and_neighbours_are_not() {
        let folder = std::env::temp_dir().join(format!("steadfast-watch-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (path, other) = (folder.join("watched"), folder.join("other"));
        let mut watch = Watch::path(&path).unwrap();
        assert_eq!(watch.take(), Change::Nothing);
        std::fs::write(&other, "x").unwrap();
        assert_eq!(watch.take(), Change::Nothing);
        std::fs::write(&path, "x").unwrap();
        assert_eq!(watch.take(), Change::File);
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(watch.take(), Change::File);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watch.take(), Change::File);
        std::fs::remove_dir(&folder).unwrap();
        assert_eq!(watch.take(), Change::FolderGone);
        assert_eq!(Watch::path(&path).unwrap_err().errno, Errno::NOENT);
    }
}
