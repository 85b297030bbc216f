//! What /proc tells of processes that this one did not start.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Errno;
use crate::process::child::Child;
use crate::process::signal::Signal;

/// What the kernel puts behind the path of a program whose file was replaced, as by an upgrade.
const REPLACED: &[u8] = b" (deleted)";

/// The flag of a task that ends (proc_pid_stat(5), the kernel's `PF_EXITING`).
const EXITING: u32 = 0x4;

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Who started it, or took it over.
    pub parent: u32,
    /// Its name in process lists.
    pub name: String,
    /// The file it runs, where it may be asked for: a process of another user hides it.
    pub program: Option<PathBuf>,
}

impl Process {
    /// The process of this number; `None` when there is none, or when it has ended and nobody has waited for it.
    pub fn look_up(pid: u32) -> Option<Self> {
        let Stat { name, has_ended, parent, .. } = Stat::of(pid)?;
        (!has_ended).then(|| Self { pid, parent, name, program: program(pid) })
    }

    /// Whether a process has ended or does so `within` this time, because it was killed or is ending already. Who goes on is not
    /// waited for. Until it has ended it holds what it has open, and locks.
    pub fn ends(pid: u32, within: Duration) -> bool {
        // It is held before it is looked at, so that another one of the same number is not waited for.
        match Child::of_another(pid) {
            Ok(process) => is_ending(pid) && process.ends_within(within),
            Err(error) => error.errno == Errno::SRCH,
        }
    }

    /// Numbers of all processes that this one can see, in no order.
    pub fn all() -> impl Iterator<Item = u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    /// The name of a process in process lists: at most fifteen bytes. `None` when it has ended.
    pub fn name_of(pid: u32) -> Option<Vec<u8>> {
        let mut name = fs::read(file(pid, "comm")).ok()?;
        if name.last() == Some(&b'\n') {
            name.pop();
        }
        Some(name)
    }

    /// The words a process was started with, its own name first, each ended by a zero byte; empty for one of the
    /// kernel's own. `None` when it has ended.
    pub fn words_of(pid: u32) -> Option<Vec<u8>> {
        fs::read(file(pid, "cmdline")).ok()
    }

    /// The last part of the path of its program.
    pub fn program_name(&self) -> Option<&str> {
        self.program.as_deref().and_then(Path::file_name).and_then(std::ffi::OsStr::to_str)
    }

    /// The words it was started with, its own name first; none when it may not be asked.
    pub fn command_line(&self) -> Vec<OsString> {
        let line = fs::read(file(self.pid, "cmdline")).unwrap_or_default();
        let words = line.strip_suffix(&[0]).unwrap_or(&line).split(|byte| *byte == 0);
        words.filter(|_| !line.is_empty()).map(|word| OsString::from_vec(word.to_vec())).collect()
    }

    /// A path as the process sees it, seen from here: relative ones begin in its folder.
    pub fn path(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/") {
            Ok(below) => file(self.pid, "root").join(below),
            Err(_) => file(self.pid, "cwd").join(path),
        }
    }

    /// Whether it sees the same files as this process.
    pub fn shares_files(&self) -> bool {
        let files = |place: &Path| fs::read_link(place.join("ns/mnt")).ok();
        let theirs = files(Path::new("/proc").join(self.pid.to_string()).as_path());
        theirs.is_some() && theirs == files(Path::new("/proc/self"))
    }
}

/// What proc_pid_stat(5) tells of a process.
struct Stat {
    name: String,
    /// Nobody has waited for it yet.
    has_ended: bool,
    parent: u32,
    flags: u32,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let stat = fs::read(file(pid, "stat")).ok()?;
        // The name stands in parentheses and may hold anything, parentheses too.
        let opening = stat.iter().position(|byte| *byte == b'(')?;
        let closing = stat.iter().rposition(|byte| *byte == b')')?;
        let name = String::from_utf8_lossy(stat.get(opening + 1..closing)?).into_owned();
        let behind = String::from_utf8_lossy(stat.get(closing + 1..)?).into_owned();
        let mut fields = behind.split_whitespace();
        let has_ended = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        // Behind the group, the session, the terminal and its group.
        let flags = fields.nth(4)?.parse().ok()?;
        Some(Self { name, has_ended, parent, flags })
    }
}

/// Of a process that may end at any moment: one that is not there any more is ending, too.
fn is_ending(pid: u32) -> bool {
    let (Some(stat), Ok(status)) = (Stat::of(pid), fs::read_to_string(file(pid, "status"))) else {
        return true;
    };
    let pending = status.lines().filter_map(|line| {
        let set = line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(set.trim(), 16).ok()
    });
    let kill = 1_u64 << (Signal::KILL.number() - 1);
    stat.has_ended || stat.flags & EXITING != 0 || pending.fold(0, |all, set| all | set) & kill != 0
}

fn file(pid: u32, name: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(name)
}

fn program(pid: u32) -> Option<PathBuf> {
    let path = fs::read_link(file(pid, "exe")).ok()?;
    let bytes = path.as_os_str().as_bytes();
    let known = bytes.strip_suffix(REPLACED).unwrap_or(bytes);
    Some(PathBuf::from(OsString::from_vec(known.to_vec())))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_described_until_it_has_ended() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::look_up(std::process::id()).unwrap();
        assert_eq!(process.program.as_deref(), std::env::current_exe().ok().as_deref());
        assert_eq!(Process::look_up(child.id()).map(|child| child.parent), Some(std::process::id()));
        child.kill().unwrap();
        // Nobody has waited for it, so its number is still taken.
        let waited = std::time::Instant::now();
        while Process::look_up(child.id()).is_some() {
            assert!(waited.elapsed().as_secs() < 10, "a killed process counts as alive");
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }

    #[test]
    fn only_a_process_that_ends_is_waited_for() {
        let long = Duration::from_secs(1_000);
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(!Process::ends(child.id(), long));
        assert!(!Process::ends(std::process::id(), long));
        child.kill().unwrap();
        assert!(Process::ends(child.id(), long));
        assert!(Process::look_up(child.id()).is_none());
        child.wait().unwrap();
        assert!(Process::ends(child.id(), long), "nobody has its number");
    }

    #[test]
    fn paths_of_another_process_are_found_from_here() {
        let own = Process::look_up(std::process::id()).unwrap();
        assert!(own.shares_files());
        assert_eq!(own.path(Path::new("/etc/k.conf")), file(own.pid, "root/etc/k.conf"));
        assert_eq!(own.path(Path::new("k.conf")), file(own.pid, "cwd/k.conf"));
        assert_eq!(own.command_line().first(), std::env::args_os().next().as_ref());
    }
}
