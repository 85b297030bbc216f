//! Network namespaces.
//!
//! They are held by file descriptors of the calling process. The kernel removes them with the last descriptor. Only a
//! network with a name leaves a mount point, which is removed on drop.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Capability, Errno, Error, Result};
use crate::process::handover::Kept;

/// Where a named network namespace is mounted, as iproute2 does it.
pub const NAMED_NETWORKS: &str = "/run/netns";

/// A network namespace: interfaces, addresses, routes and sockets of its own.
#[derive(Debug)]
pub struct Network {
    handle: OwnedFd,
    mount_point: Option<PathBuf>,
}

impl Network {
    /// A network namespace that lives as long as a process, a socket or this handle is in it.
    ///
    /// # Errors
    /// When the caller may not create namespaces, or the kernel's bound on them is reached.
    pub fn anonymous() -> Result<Self> {
        in_thread(|| {
            unshare(libc::CLONE_NEWNET, "create a network namespace")?;
            Self::current()
        })
    }

    /// A network namespace mounted as [`NAMED_NETWORKS`]/`name`, where `ip netns` finds it.
    ///
    /// # Errors
    /// As [`Network::anonymous`]; also when the name is taken or is no file name.
    pub fn named(name: &str) -> Result<Self> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(Error::new(format!("name a namespace \"{name}\""), Errno::INVAL));
        }
        let attempt = "mount a network namespace";
        fs::create_dir_all(NAMED_NETWORKS).attempt_with(Capability::SysAdmin, attempt)?;
        let path = Path::new(NAMED_NETWORKS).join(name);
        fs::File::create_new(&path).attempt_with(Capability::SysAdmin, attempt)?;
        let mut network = Self::anonymous().inspect_err(|_| remove_mount_point(&path))?;
        let source = format!("/proc/self/fd/{}", network.handle.as_raw_fd());
        if let Err(error) = bind_mount(Path::new(&source), &path) {
            remove_mount_point(&path);
            return Err(error).attempt_with(Capability::SysAdmin, attempt);
        }
        network.mount_point = Some(path);
        Ok(network)
    }

    /// The network namespace of the calling thread.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn current() -> Result<Self> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// The network namespace that `path` stands for, such as `/proc/PID/ns/net`.
    ///
    /// # Errors
    /// When the path cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let file = fs::File::open(path).attempt_with(Capability::SysAdmin, "open a network namespace")?;
        Ok(Self { handle: file.into(), mount_point: None })
    }

    /// Takes over one that the program held which this process ran before.
    ///
    /// # Errors
    /// When there is no such descriptor.
    pub fn adopt(kept: Kept) -> Result<Self> {
        Ok(Self { handle: kept.take()?, mount_point: None })
    }

    /// Runs `work` in a thread of its own inside the namespace and waits for it. Sockets opened
    /// there stay there, whichever thread uses them later.
    ///
    /// # Errors
    /// When the namespace cannot be entered; `work` has not run then.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        in_thread(|| {
            self.enter()?;
            Ok(work())
        })
    }

    /// Moves the calling thread into the namespace, for good.
    ///
    /// # Errors
    /// When the caller lacks CAP_SYS_ADMIN.
    pub fn enter(&self) -> Result<()> {
        setns(self.handle.as_fd(), libc::CLONE_NEWNET, "enter a network namespace")
    }
}

impl AsFd for Network {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(path) = &self.mount_point {
            remove_mount_point(path);
        }
    }
}

pub(crate) fn in_thread<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, work)
            .attempt_with(Capability::SysAdmin, "start a thread")?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

pub(crate) fn unshare(kinds: libc::c_int, attempt: &'static str) -> Result<()> {
    // SAFETY: descriptors stay shared (no CLONE_FILES); the rest concerns this thread alone.
    match unsafe { libc::unshare(kinds) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).attempt_with(Capability::SysAdmin, attempt),
    }
}

pub(crate) fn setns(handle: BorrowedFd<'_>, kinds: libc::c_int, attempt: &'static str) -> Result<()> {
    // SAFETY: the descriptor is valid for the call; it moves this thread alone.
    match unsafe { libc::setns(handle.as_raw_fd(), kinds) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).attempt_with(Capability::SysAdmin, attempt),
    }
}

fn bind_mount(source: &Path, target: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let source = CString::new(source.as_os_str().as_bytes())?;
    let target = CString::new(target.as_os_str().as_bytes())?;
    let null = std::ptr::null();
    // SAFETY: both paths end in NUL and outlive the call.
    let result = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), null, libc::MS_BIND, null.cast()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn remove_mount_point(path: &Path) {
    use std::os::unix::ffi::OsStrExt as _;
    if let Ok(target) = CString::new(path.as_os_str().as_bytes()) {
        // SAFETY: the path ends in NUL and outlives the call.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
    // Nothing can be done about a file that is gone already.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;
    use crate::testbed::fresh_namespace::permitted;

    fn interfaces() -> String {
        fs::read_to_string("/proc/thread-self/net/dev").unwrap()
    }

    #[test]
    fn an_anonymous_network_has_only_its_loopback() {
        if !permitted(module_path!()) {
            return;
        }
        let network = Network::anonymous().unwrap();
        let inside = network.run(interfaces).unwrap();
        assert_eq!(inside.lines().filter(|line| line.contains(':')).count(), 1, "{inside}");
        assert!(inside.contains("lo:"), "{inside}");
    }

    #[test]
    fn a_named_network_is_gone_after_drop() {
        if !permitted(module_path!()) {
            return;
        }
        let name = format!("sf-named-{}", process::id());
        let path = Path::new(NAMED_NETWORKS).join(&name);
        let network = Network::named(&name).unwrap();
        let opened = Network::open(&path).unwrap();
        assert_eq!(opened.run(interfaces).unwrap(), network.run(interfaces).unwrap());
        assert!(Network::named(&name).is_err(), "a taken name");
        drop(network);
        assert!(!path.exists());
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["", ".", "..", "a/b", "a\0b"] {
            assert_eq!(Network::named(name).unwrap_err().errno, Errno::INVAL, "{name:?}");
        }
    }
}
