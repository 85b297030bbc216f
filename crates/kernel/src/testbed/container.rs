//! Containers: hosts made of namespaces, whose processes cannot outlive them.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Attempt, Capability, Errno, Error, Result};
use crate::namespace::{Network, in_thread, setns, unshare};

/// A machine made of namespaces: a network, a mount table with a private /run and /proc, and a
/// process tree. When the handle is dropped, or its owner dies in whatever way, the kernel kills
/// every process in it and removes the rest.
#[derive(Debug)]
pub struct Container {
    init: OwnedFd,
    init_pid: u32,
    network: Network,
    /// The first process waits for its end of file.
    _lifeline: OwnedFd,
}

impl Container {
    /// Starts a container. Its first process, which only waits, is called `name` (15 bytes of it)
    /// in process lists.
    ///
    /// # Errors
    /// When the caller may not create namespaces.
    pub fn start(name: &str) -> Result<Self> {
        let attempt = "start a container";
        let name =
            CString::new(name).map_err(|_| Error::new("name a container with a NUL in it", Errno::INVAL))?;
        let (lifeline_end, lifeline) = pipe().attempt_with(Capability::SysAdmin, attempt)?;
        let (report, report_end) = pipe().attempt_with(Capability::SysAdmin, attempt)?;
        let (init, init_pid) = match clone_container().attempt_with(Capability::SysAdmin, attempt)? {
            Clone::Child => first_process(&name, lifeline_end.as_raw_fd(), report_end.as_raw_fd()),
            Clone::Parent { child, pid } => (child, pid),
        };
        drop(report_end);
        let mut stage = Vec::new();
        io::Read::read_to_end(&mut fs::File::from(report), &mut stage)
            .attempt_with(Capability::SysAdmin, attempt)?;
        if let Ok(errno) = <[u8; 4]>::try_from(stage.as_slice()) {
            let error = Errno::from_raw_os_error(i32::from_ne_bytes(errno));
            return Err(Error::new("mount a container's private /run", error).needing(Capability::SysAdmin));
        }
        let network = Network::open(Path::new(&format!("/proc/{init_pid}/ns/net")))?;
        Ok(Self { init, init_pid, network, _lifeline: lifeline })
    }

    /// The first process, seen from the caller: `nsenter -t PID -n -m -p` looks around.
    pub fn pid(&self) -> u32 {
        self.init_pid
    }

    /// The container's network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What the container sees as `path`, for the caller to open.
    pub fn outside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{}", self.init_pid, path.trim_start_matches('/')))
    }

    /// Runs `work` in a thread of its own that sees the container's network and files and whose
    /// child processes belong to the container. It cannot start further threads: the kernel
    /// allows none between two process trees.
    ///
    /// # Errors
    /// When the container cannot be entered; `work` has not run then.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let attempt = "enter a container";
        in_thread(|| {
            // A thread that shares its working directory with others may not change its mounts.
            unshare(libc::CLONE_FS, attempt)?;
            let kinds = libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWPID;
            setns(self.init.as_fd(), kinds, attempt)?;
            Ok(work())
        })
    }

    /// Every process in the container but the first, numbered as the caller sees them.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let attempt = "list a container's processes";
        let tree = fs::read_link(format!("/proc/{}/ns/pid", self.init_pid))
            .attempt_with(Capability::SysAdmin, attempt)?;
        let entries = fs::read_dir("/proc").attempt_with(Capability::SysAdmin, attempt)?;
        let mut found: Vec<u32> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != self.init_pid)
            .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|t| t == tree))
            .collect();
        found.sort_unstable();
        Ok(found)
    }
}

impl Drop for Container {
    /// Returns when the processes are gone; a child of the caller that it has not waited for holds
    /// this up, for [`END_LIMIT`] at most.
    fn drop(&mut self) {
        let init = self.init.as_raw_fd();
        let no_information = std::ptr::null_mut::<libc::siginfo_t>();
        // SAFETY: the descriptor is valid; without information the kernel does not read further.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, init, libc::SIGKILL, no_information, 0) };
        let deadline = Instant::now() + END_LIMIT;
        while !reap(init) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// How long the end of a [`Container`] waits for its processes.
pub const END_LIMIT: Duration = Duration::from_secs(2);

enum Clone {
    Child,
    Parent { child: OwnedFd, pid: u32 },
}

fn clone_container() -> io::Result<Clone> {
    let mut child: RawFd = -1;
    let flags = libc::CLONE_NEWNET | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_PIDFD;
    // SAFETY: all-zero is a valid clone_args.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(flags.cast_unsigned());
    arguments.pidfd = (&raw mut child).addr() as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without CLONE_VM the child runs on a copy of this stack, as after fork(); the caller
    // makes only system calls in it.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    match u32::try_from(pid) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(0) => Ok(Clone::Child),
        // SAFETY: the kernel has put a descriptor there that nobody else owns.
        Ok(pid) => Ok(Clone::Parent { child: unsafe { OwnedFd::from_raw_fd(child) }, pid }),
    }
}

/// Process 1 of a container: mounts, says so, and sleeps until its owner is gone. It is a fork of a
/// process with threads, so that it may only make system calls.
fn first_process(name: &CString, lifeline: RawFd, report: RawFd) -> ! {
    // SAFETY: only system calls on constants, on `name` and on descriptors that the process owns.
    unsafe {
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        // Children that nobody waits for vanish by themselves.
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        // Other containers' lifelines were inherited; holding them would keep those alive.
        close_all_but(lifeline.min(report), lifeline.max(report));
        libc::chdir(c"/".as_ptr());

        let private = libc::MS_REC | libc::MS_PRIVATE;
        let hardened = libc::MS_NOSUID | libc::MS_NODEV;
        let null = std::ptr::null();
        let failed = libc::mount(null, c"/".as_ptr(), null, private, null.cast()) != 0
            || libc::mount(
                c"run".as_ptr(),
                c"/run".as_ptr(),
                c"tmpfs".as_ptr(),
                hardened,
                c"mode=755,size=64m".as_ptr().cast(),
            ) != 0;
        if failed {
            let errno = (*libc::__errno_location()).to_ne_bytes();
            libc::write(report, errno.as_ptr().cast(), errno.len());
            libc::_exit(1);
        }
        // A container manager that hides parts of /proc makes the kernel refuse a fresh one. The
        // old one serves: only process numbers in it are the outer ones.
        libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), hardened, null.cast());
        libc::close(report);

        let mut byte = 0_u8;
        while libc::read(lifeline, (&raw mut byte).cast(), 1) != 0 {
            if *libc::__errno_location() != libc::EINTR {
                break;
            }
        }
        libc::_exit(0);
    }
}

/// Whether the child is gone, so that there is nothing left to wait for.
fn reap(child: RawFd) -> bool {
    let (Ok(child), flags) = (libc::id_t::try_from(child), libc::WEXITED | libc::WNOHANG) else {
        return true;
    };
    // SAFETY: all-zero is a valid siginfo_t, and the kernel only writes to it.
    unsafe {
        let mut information: libc::siginfo_t = std::mem::zeroed();
        let result = libc::waitid(libc::P_PIDFD, child, &raw mut information, flags);
        result != 0 || information.si_pid() != 0
    }
}

/// Closes every descriptor of the process but two different ones, the lower first.
///
/// # Safety
/// Nobody may use one of the others afterwards.
unsafe fn close_all_but(lower: RawFd, higher: RawFd) {
    for (first, last) in [(0, lower - 1), (lower + 1, higher - 1), (higher + 1, RawFd::MAX)] {
        if first <= last {
            // SAFETY: the caller vouches for those in the range.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends: [RawFd; 2] = [-1; 2];
    // SAFETY: the array is large enough for the two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let [read, write] = ends;
    // SAFETY: the kernel has just created both, and nobody else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write)) })
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;
    use crate::testbed::fresh_namespace::permitted;

    #[test]
    fn a_container_has_its_own_processes_and_files() {
        if !permitted(module_path!()) {
            return;
        }
        let container = Container::start("sf-kernel-test").unwrap();
        fs::write(container.outside("/run/here"), "x").unwrap();
        assert!(!Path::new("/run/here").exists());
        let mut child = container
            .run(|| {
                process::Command::new("sh")
                    .args(["-c", "cat /run/here >/dev/null && sleep 1000 & sleep 1000"])
                    .spawn()
            })
            .unwrap()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while container.processes().unwrap().len() < 3 {
            assert!(Instant::now() < deadline, "{:?}", container.processes());
            std::thread::yield_now();
        }
        assert!(container.processes().unwrap().contains(&child.id()));
        let status = std::thread::scope(|scope| {
            let status = scope.spawn(|| child.wait().unwrap());
            let started = Instant::now();
            drop(container);
            assert!(started.elapsed() < END_LIMIT, "a process was left");
            status.join().unwrap()
        });
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
    }
}
