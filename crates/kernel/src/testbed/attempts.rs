//! What a worker may not do, tried for real.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use libc::c_long;
use rustix::net::{AddressFamily, SocketType};

use crate::error::Result;
use crate::process::confinement::{Access, Call, Cores, Family, Files, Needs, confine};
use crate::process::{Exit, fork_child};

/// Calls by which a process would reach others, or rights that it has not.
const CALLS: [(&str, c_long); 13] = [
    ("kill", libc::SYS_kill),
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("mount", libc::SYS_mount),
    ("umount", libc::SYS_umount2),
    ("chroot", libc::SYS_chroot),
    ("setuid", libc::SYS_setuid),
    ("setns", libc::SYS_setns),
    ("unshare", libc::SYS_unshare),
    ("init_module", libc::SYS_init_module),
    ("bpf", libc::SYS_bpf),
    ("reboot", libc::SYS_reboot),
    ("rename", libc::SYS_renameat2),
];

/// How a process ends in which an attempt was refused.
const REFUSED: i32 = 0;
const GRANTED: i32 = 1;
const NOT_CONFINED: i32 = 2;

/// A folder with one file, which goes when this is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> io::Result<Self> {
        let place = Self(std::env::temp_dir().join(format!("attempts-{}", std::process::id())));
        std::fs::create_dir(&place.0)?;
        std::fs::write(place.file(), "x")?;
        Ok(place)
    }

    fn file(&self) -> PathBuf {
        self.0.join("there")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Names of what a process could do although it had given up everything but `needs`: nothing, as it should be. Each is tried in a
/// process of its own; the caller has one thread (see [`alone`](super::alone)).
///
/// # Errors
/// When no process can be made, or none can be confined here; the temporary folder's.
pub fn granted(needs: &Needs) -> std::result::Result<Vec<String>, Box<dyn std::error::Error>> {
    let place = Place::new()?;
    let mut granted = Vec::new();
    let mut attempt = |name: String, work: &dyn Fn() -> bool| -> Result<()> {
        let confined = || match confine(needs, Cores::None) {
            Ok(()) if work() => GRANTED,
            Ok(()) => REFUSED,
            Err(_) => NOT_CONFINED,
        };
        // A call that is not on the list ends the process.
        match fork_child("attempt", confined)?.wait()? {
            Exit::Status(REFUSED) => {}
            Exit::Signal(signal) if signal.number() == libc::SIGSYS => {}
            Exit::Status(GRANTED) => granted.push(name),
            other => granted.push(format!("{name}: {other:?}")),
        }
        Ok(())
    };
    for (name, call) in CALLS {
        // Who comes back from the call was allowed to make it: for these arguments the kernel refuses it for another reason.
        attempt(name.to_owned(), &|| {
            // SAFETY: numbers that are no addresses; the kernel refuses them.
            let _ = unsafe { libc::syscall(call, -1, -1, -1, -1, -1, -1) };
            true
        })?;
    }
    attempt("execve".to_owned(), &|| {
        let _ = Command::new("/bin/true").exec();
        true
    })?;
    if !needs.calls.contains(&Call::Connect) {
        attempt("connect".to_owned(), &|| {
            // SAFETY: as above.
            let _ = unsafe { libc::syscall(libc::SYS_connect, -1, -1, -1) };
            true
        })?;
    }
    for (family, needed) in [
        (AddressFamily::UNIX, None),
        (AddressFamily::BLUETOOTH, None),
        (AddressFamily::VSOCK, None),
        (AddressFamily::INET6, Some(Family::Inet6)),
        (AddressFamily::PACKET, Some(Family::Packet)),
    ] {
        if needed.is_none_or(|family| !needs.families.contains(&family)) {
            attempt(format!("socket of {family:?}"), &|| {
                let _ = rustix::net::socket(family, SocketType::DGRAM, None);
                true
            })?;
        }
    }
    for (name, work) in files(&place, needs.files.iter().any(reads_all)) {
        attempt(name.to_owned(), &*work)?;
    }
    Ok(granted)
}

fn reads_all(files: &Files) -> bool {
    files.below == "/" && files.access == Access::Read
}

type Work = Box<dyn Fn() -> bool>;

/// What is done with files; whether it was done.
fn files(place: &Place, reads_all: bool) -> Vec<(&'static str, Work)> {
    let (there, new) = (place.file(), place.0.join("new"));
    let writes = |path: &Path| {
        let path = path.to_owned();
        Box::new(move || std::fs::OpenOptions::new().append(true).open(&path).is_ok()) as Work
    };
    let reads = |path: &Path| {
        let path = path.to_owned();
        Box::new(move || std::fs::File::open(&path).is_ok()) as Work
    };
    let (folder, removed) = (place.0.clone(), there.clone());
    let mut work = vec![
        ("writes to a file", writes(&there)),
        ("writes a setting of the kernel", writes(Path::new("/proc/sys/kernel/core_pattern"))),
        ("writes to itself", writes(Path::new("/proc/self/oom_score_adj"))),
        ("removes a file", Box::new(move || std::fs::remove_file(&removed).is_ok()) as Work),
        ("makes a file", Box::new(move || std::fs::File::create(&new).is_ok()) as Work),
    ];
    if !reads_all {
        work.push(("reads a file", reads(&there)));
        work.push(("looks into a folder", Box::new(move || std::fs::read_dir(&folder).is_ok())));
        work.push(("looks into another process", reads(Path::new("/proc/1/status"))));
        work.push(("reads a setting of the kernel", reads(Path::new("/proc/sys/kernel/core_pattern"))));
    }
    work
}
