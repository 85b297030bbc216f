//! Becoming another program without ending: the process stays, with its number, its children and the descriptors that it
//! wants to keep, and what it knows waits for the program that comes in a file that is only in memory.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::FdFlags;
use serde::{Deserialize, Serialize};

use super::{limits, thread_count};
use crate::error::{Attempt, Errno, Error, Result, check, last_errno};

/// The variable that tells the program that comes where its predecessor's state is.
const VARIABLE: &str = "STEADFAST_HANDOVER";

/// A descriptor by its number, as it is written down for the program that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept(RawFd);

impl Kept {
    /// Writes down which this is. It lives on only where its owner keeps it until [`Program::become_it`].
    pub fn of(descriptor: &impl AsFd) -> Self {
        Self(descriptor.as_fd().as_raw_fd())
    }

    /// Takes a descriptor over. Each number is good for one taking, and only in a program that was begun by
    /// [`Program::become_it`] and was told of it.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub fn take(self) -> Result<OwnedFd> {
        let attempted = || format!("take over descriptor {}", self.0);
        if self.0 <= libc::STDERR_FILENO {
            return Err(Error::new(attempted(), Errno::BADF));
        }
        self.mark(FdFlags::CLOEXEC).attempt(attempted())?;
        // SAFETY: it is open, as `mark` has found, and belongs to nobody in this program yet: its predecessor wrote
        // it down to be taken once.
        Ok(unsafe { OwnedFd::from_raw_fd(self.0) })
    }

    fn mark(self, flags: FdFlags) -> std::result::Result<(), Errno> {
        let flags = libc::c_int::try_from(flags.bits()).unwrap_or(libc::FD_CLOEXEC);
        // SAFETY: sets a flag of a descriptor, whoever owns it; a number that is none is refused.
        check(unsafe { libc::fcntl(self.0, libc::F_SETFD, flags) }).map(drop)
    }
}

/// State in memory, as a file.
#[derive(Debug)]
pub struct State {
    file: File,
}

impl State {
    /// Writes it.
    ///
    /// # Errors
    /// When there is no memory, or no descriptor.
    pub fn write(octets: &[u8]) -> Result<Self> {
        const ATTEMPTED: &str = "write the state that is handed over";
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(rustix::fs::memfd_create(c"steadfast", flags).attempt(ATTEMPTED)?);
        file.write_all(octets)
            .map_err(|error| Error::new(ATTEMPTED, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
        rustix::fs::fcntl_add_seals(&file, seals).attempt(ATTEMPTED)?;
        Ok(Self { file })
    }

    /// Where another process of the same user finds it while this one lives.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// Reads one that lies at [`Self::path`] of another process.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    /// What a predecessor left to this program, where it has one, as soon as it begins: nobody else reads the
    /// variable that tells of it.
    pub fn inherited() -> Option<Vec<u8>> {
        let number = std::env::var(VARIABLE).ok()?;
        let descriptor = Kept(number.parse().ok()?).take().ok()?;
        let length = rustix::fs::fstat(&descriptor).ok()?.st_size;
        let mut octets = vec![0; usize::try_from(length).ok()?];
        // The offset is shared with who wrote it, and with nobody else.
        rustix::fs::seek(&descriptor, rustix::fs::SeekFrom::Start(0)).ok()?;
        File::from(descriptor).read_exact(&mut octets).ok()?;
        Some(octets)
    }
}

/// Takes out of this process's environment what only [`State::inherited`] reads: scripts need not know of it.
pub fn forget_inheritance() {
    if std::env::var_os(VARIABLE).is_some() && thread_count() == 1 {
        // SAFETY: there is no other thread that could read the environment meanwhile.
        unsafe { std::env::remove_var(VARIABLE) };
    }
}

/// A program, as it lay on the disk at one moment.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    file: OwnedFd,
}

/// How a program that may be started begins: `\x7fELF`.
const ELF: [u8; 4] = [0x7f, b'E', b'L', b'F'];

impl Program {
    /// Looks at the program that lies at a path.
    ///
    /// # Errors
    /// Where there is nothing that the kernel would start; ENOEXEC for a file that is no program.
    pub fn at(path: &Path) -> Result<Self> {
        let attempted = || format!("use {} as the program", path.display());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::empty()).attempt(attempted())?;
        let found = rustix::fs::fstat(&file).attempt(attempted())?;
        if !rustix::fs::FileType::from_raw_mode(found.st_mode).is_file() {
            return Err(Error::new(attempted(), Errno::ACCESS));
        }
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK).attempt(attempted())?;
        let mut beginning = [0; ELF.len()];
        // What is no program would be read as commands by a shell.
        if rustix::io::pread(&file, &mut beginning, 0) != Ok(ELF.len()) || beginning != ELF {
            return Err(Error::new(attempted(), Errno::NOEXEC));
        }
        Ok(Self { path: path.to_owned(), file })
    }

    /// The program that runs here, even where something else lies at its path.
    ///
    /// # Errors
    /// Where `/proc` is not to be had.
    pub fn own() -> Result<Self> {
        const ATTEMPTED: &str = "find the program that runs";
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(c"/proc/self/exe", flags, Mode::empty()).attempt(ATTEMPTED)?;
        Ok(Self { path: Self::own_path()?, file })
    }

    /// Where the program that runs here lay when it was started, and another version may lie.
    ///
    /// # Errors
    /// Where `/proc` is not to be had.
    pub fn own_path() -> Result<PathBuf> {
        let link =
            rustix::fs::readlink(c"/proc/self/exe", Vec::new()).attempt("find the program that runs")?;
        let bytes = link.into_bytes();
        // How the kernel tells that it was replaced.
        let path = bytes.strip_suffix(b" (deleted)").unwrap_or(&bytes);
        Ok(PathBuf::from(OsString::from_vec(path.to_vec())))
    }

    /// Its descriptor, for a program that may have to give way to this one again.
    pub fn kept(&self) -> Kept {
        Kept::of(&self.file)
    }

    /// One that a predecessor kept.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub fn of_kept(kept: Kept) -> Result<Self> {
        Ok(Self { path: format!("/proc/self/fd/{}", kept.0).into(), file: kept.take()? })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the very same file.
    pub fn is(&self, other: &Self) -> bool {
        let of = |program: &Self| {
            let found = rustix::fs::fstat(&program.file).ok()?;
            Some((found.st_dev, found.st_ino, found.st_size, found.st_mtime, found.st_mtime_nsec))
        };
        of(self).is_some() && of(self) == of(other)
    }

    /// Becomes this program, with the arguments of this process, the state and the descriptors. Comes back only where it
    /// could not be done: then everything is as before. Signals that are blocked stay so, and none that waits is lost.
    pub fn become_it(&self, state: &State, kept: &[Kept]) -> Error {
        let attempted = || format!("become {}", self.path.display());
        let arguments: Option<Vec<CString>> =
            std::env::args_os().map(|argument| CString::new(argument.into_vec()).ok()).collect();
        let told = (OsString::from(VARIABLE), OsString::from(state.file.as_raw_fd().to_string()));
        let environment: Option<Vec<CString>> = std::env::vars_os()
            .filter(|(name, _)| name != VARIABLE)
            .chain([told])
            .map(|(name, value)| variable(&name, &value))
            .collect();
        let path = CString::new(self.path.as_os_str().as_bytes()).ok();
        let (Some(arguments), Some(environment), Some(path)) = (arguments, environment, path) else {
            return Error::new(attempted(), Errno::INVAL);
        };
        let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
            list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (argument_list, environment_list) = (pointers(&arguments), pointers(&environment));
        let state = Kept::of(&state.file);
        let all = || kept.iter().chain([&state]);
        for descriptor in all() {
            let _ = descriptor.mark(FdFlags::empty());
        }
        let limits = limits::lay_down();
        // SAFETY: the path ends in NUL, the lists in a null pointer, and what they point into is alive.
        unsafe { libc::execve(path.as_ptr(), argument_list.as_ptr(), environment_list.as_ptr()) };
        let errno = last_errno();
        limits.take_up();
        for descriptor in all() {
            let _ = descriptor.mark(FdFlags::CLOEXEC);
        }
        Error::new(attempted(), errno)
    }
}

fn variable(name: &OsStr, value: &OsStr) -> Option<CString> {
    let mut entry = name.as_bytes().to_vec();
    entry.push(b'=');
    entry.extend_from_slice(value.as_bytes());
    CString::new(entry).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_program_is_refused_before_a_shell_reads_it() {
        let path = std::env::temp_dir().join(format!("steadfast-no-program-{}", std::process::id()));
        std::fs::write(&path, "rm -rf /nowhere\n").unwrap();
        assert_eq!(Program::at(&path).unwrap_err().errno, Errno::ACCESS);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&path, mode).unwrap();
        assert_eq!(Program::at(&path).unwrap_err().errno, Errno::NOEXEC);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Program::at(&path).unwrap_err().errno, Errno::NOENT);
        assert_eq!(Program::at(Path::new("/")).unwrap_err().errno, Errno::ACCESS);
    }

    #[test]
    fn a_program_is_known_again_by_its_file_and_not_by_its_path() {
        let own = Program::own().unwrap();
        assert!(own.is(&Program::at(own.path()).unwrap()));
        assert!(!own.is(&Program::at(Path::new("/bin/sh")).unwrap()));
    }

    #[test]
    fn state_is_read_by_others_and_changed_by_nobody() {
        let state = State::write(b"how things are").unwrap();
        assert_eq!(State::read(&state.path()).unwrap(), b"how things are");
        assert!((&state.file).write_all(b"otherwise").is_err());
    }

    #[test]
    fn only_what_is_open_can_be_taken() {
        assert_eq!(Kept(1).take().unwrap_err().errno, Errno::BADF, "standard output belongs to everybody");
        assert_eq!(Kept(9_999).take().unwrap_err().errno, Errno::BADF);
    }

    #[test]
    fn a_program_that_the_kernel_does_not_start_leaves_everything_as_it_was() {
        let state = State::write(b"state").unwrap();
        let pair = crate::channel::Channel::pair().unwrap();
        let program = Program { path: "/nowhere".into(), file: rustix::io::dup(&state.file).unwrap() };
        assert_eq!(program.become_it(&state, &[Kept::of(&pair.0)]).errno, Errno::NOENT);
        assert_eq!(rustix::io::fcntl_getfd(&pair.0).unwrap(), FdFlags::CLOEXEC);
        assert_eq!(rustix::io::fcntl_getfd(&state.file).unwrap(), FdFlags::CLOEXEC);
    }
}
