//! Being told when a file changes (inotify).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

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
        inotify::add_watch(&fd, folder, flags()).attempt(attempted())?;
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

/// What is told of a folder. Not MODIFY: a file that is being written is read when its writer has closed it.
fn flags() -> WatchFlags {
    WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Watches any number of folders through one descriptor: of those a user may have few.
#[derive(Debug)]
pub struct Folders {
    fd: OwnedFd,
    by_number: BTreeMap<i32, PathBuf>,
}

/// What happened in folders that are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told<'a> {
    /// Something to a name in a folder.
    Name(&'a Path, &'a OsStr),
    /// The folder is gone or has another name: nothing more will be told of it.
    Gone(&'a Path),
    /// More than could be told.
    Everything,
}

impl Folders {
    /// None at first.
    ///
    /// # Errors
    /// EMFILE when the user watches too much already.
    pub fn open() -> Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).attempt("watch folders")?;
        Ok(Self { fd, by_number: BTreeMap::new() })
    }

    /// Watches this one too.
    ///
    /// # Errors
    /// ENOENT without the folder, ENOSPC when the user watches too much already.
    pub fn add(&mut self, folder: &Path) -> Result<()> {
        let number =
            inotify::add_watch(&self.fd, folder, flags()).attempt(format!("watch {}", folder.display()))?;
        self.by_number.insert(number, folder.to_owned());
        Ok(())
    }

    /// Watches none but those that `keep` wants.
    pub fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let Self { fd, by_number } = self;
        by_number.retain(|number, folder| {
            let kept = keep(folder);
            if !kept {
                let _ = inotify::remove_watch(&*fd, *number);
            }
            kept
        });
    }

    /// Whether a folder is watched.
    pub fn has(&self, folder: &Path) -> bool {
        self.by_number.values().any(|watched| watched == folder)
    }

    /// Hands everything over that was told. Never waits.
    pub fn take(&mut self, mut heed: impl FnMut(Told<'_>)) {
        let mut buffer = [MaybeUninit::<u8>::uninit(); READ_BYTES];
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        let mut gone = Vec::new();
        // Ends with EAGAIN when nothing is left.
        while let Ok(told) = reader.next() {
            if told.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                heed(Told::Everything);
            }
            let Some(folder) = self.by_number.get(&told.wd()) else { continue };
            if told.events().intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED) {
                heed(Told::Gone(folder));
                gone.push(told.wd());
            } else if let Some(name) = told.file_name() {
                heed(Told::Name(folder, OsStr::from_bytes(name.to_bytes())));
            }
        }
        for number in gone {
            if self.by_number.remove(&number).is_some() {
                let _ = inotify::remove_watch(&self.fd, number);
            }
        }
    }
}

impl AsFd for Folders {
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

    #[test]
    fn folders_are_watched_together_and_left_alone() {
        let folder = std::env::temp_dir().join(format!("steadfast-folders-{}", std::process::id()));
        let (first, second) = (folder.join("first"), folder.join("second"));
        std::fs::create_dir_all(&first).unwrap();
        std::fs::create_dir_all(&second).unwrap();
        let mut folders = Folders::open().unwrap();
        folders.add(&first).unwrap();
        folders.add(&second).unwrap();
        let told = |folders: &mut Folders| {
            let mut names = std::collections::BTreeSet::new();
            folders.take(|told| match told {
                Told::Name(folder, name) => drop(names.insert(folder.join(name))),
                Told::Gone(folder) => drop(names.insert(folder.to_owned())),
                Told::Everything => {}
            });
            names.into_iter().collect::<Vec<_>>()
        };
        std::fs::write(first.join("a"), "1").unwrap();
        std::fs::write(second.join("b"), "1").unwrap();
        assert_eq!(told(&mut folders), [first.join("a"), second.join("b")]);
        folders.retain(|folder| folder == second);
        std::fs::write(first.join("a"), "2").unwrap();
        assert!(told(&mut folders).is_empty() && !folders.has(&first));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(told(&mut folders).first(), Some(&second));
        assert!(!folders.has(&second));
        assert_eq!(folders.add(&first).unwrap_err().errno, Errno::NOENT);
    }
}
