//! The daemons of this machine, found by their processes: a socket that nobody listens at is none of them.
//!
//! A control socket may lie anywhere, and in a mount namespace of its own. The kernel tells which process has which
//! listening socket, to root for every process and to others for their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::places;

/// A daemon that listens at a control socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Daemon {
    /// Path of its control socket, as it sees it.
    pub socket: PathBuf,
    /// The same for whoever looks from outside its mount namespace.
    pub reachable: PathBuf,
    /// Process id of the supervisor; `None` where the kernel does not tell.
    pub pid: Option<u32>,
    /// Name of its network namespace, if it has one below /run/netns that is not ours.
    pub namespace: Option<String>,
}

impl Daemon {
    /// The options with which a subcommand asks it.
    pub fn options(&self) -> String {
        if self.socket == Path::new(places::CONTROL_SOCKET) && self.reachable == self.socket {
            return String::new();
        }
        match &self.namespace {
            Some(name)
                if places::control_socket(None, Some(&places::pid_file_in_namespace(name)))
                    == self.reachable =>
            {
                format!(" -s {name}")
            }
            _ => format!(" --control-socket {}", self.reachable.display()),
        }
    }
}

/// Every daemon that this user can find, in order of its socket.
pub fn running() -> Vec<Daemon> {
    let mut found: BTreeSet<Daemon> = processes().into_iter().filter_map(daemon).collect();
    let known: BTreeSet<PathBuf> = found.iter().map(|daemon| daemon.reachable.clone()).collect();
    let others = places::living_control_sockets().into_iter().filter(|socket| !known.contains(socket));
    found.extend(others.map(|socket| Daemon {
        reachable: socket.clone(),
        socket,
        pid: None,
        namespace: None,
    }));
    found.into_iter().collect()
}

/// Processes that run this program, under either of its names.
fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(|pid| is_ours(*pid)).collect()
}

fn is_ours(pid: u32) -> bool {
    let Ok(program) = std::fs::read_link(format!("/proc/{pid}/exe")) else { return false };
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // An upgrade leaves the old file's name with this behind it.
    matches!(name.strip_suffix(" (deleted)").unwrap_or(name), "steadfast" | "keepalived")
}

fn daemon(pid: u32) -> Option<Daemon> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/unix")).ok()?;
    let listening = listening(&table);
    let own = sockets_of(pid);
    let socket = listening.into_iter().find(|(inode, _)| own.contains(inode)).map(|(_, path)| path)?;
    let outside = Path::new("/proc").join(pid.to_string()).join("root").join(socket.strip_prefix("/").ok()?);
    let reachable = if same_file(&socket, &outside) { socket.clone() } else { outside };
    Some(Daemon { reachable, socket, pid: Some(pid), namespace: namespace_of(pid) })
}

/// Inodes and paths of the sockets in a table of /proc/PID/net/unix that somebody listens at.
fn listening(table: &str) -> BTreeMap<u64, PathBuf> {
    /// `__SO_ACCEPTCON` in the column of flags.
    const ACCEPTS: &str = "00010000";
    let row = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let flags = words.nth(3)?;
        let inode = words.nth(2)?.parse().ok()?;
        let path = words.next().filter(|path| path.starts_with('/'))?;
        (flags == ACCEPTS).then(|| (inode, PathBuf::from(path)))
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// Inodes of the sockets that a process holds.
fn sockets_of(pid: u32) -> BTreeSet<u64> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let inode =
        |target: PathBuf| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok();
    targets.filter_map(inode).collect()
}

fn same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    identity(one).is_some_and(|found| identity(other) == Some(found))
}

/// The name under which `ip netns` knows the network namespace of a process, if it is not our own.
fn namespace_of(pid: u32) -> Option<String> {
    let of = |path: &str| std::fs::metadata(path).ok().map(|file| identity(&file));
    let theirs = of(&format!("/proc/{pid}/ns/net"))?;
    if of("/proc/self/ns/net") == Some(theirs) {
        return None;
    }
    let names = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let mut names = names.filter(|entry| entry.metadata().is_ok_and(|file| identity(&file) == theirs));
    names.next()?.file_name().into_string().ok()
}

fn identity(file: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_with_a_path_that_somebody_listens_at_count() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 23456 /run/steadfast.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 23457 /run/steadfast.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 23458 @abstract\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 23459\n";
        assert_eq!(listening(table), BTreeMap::from([(23456, PathBuf::from("/run/steadfast.sock"))]));
    }

    #[test]
    fn the_default_daemon_needs_no_option() {
        let daemon = |socket: &str, reachable: &str, namespace: Option<&str>| Daemon {
            socket: socket.into(),
            reachable: reachable.into(),
            pid: Some(1),
            namespace: namespace.map(str::to_owned),
        };
        assert_eq!(daemon(places::CONTROL_SOCKET, places::CONTROL_SOCKET, None).options(), "");
        let blue = "/run/keepalived/blue/keepalived.sock";
        assert_eq!(daemon(blue, blue, Some("blue")).options(), " -s blue");
        assert_eq!(daemon("/run/a.sock", "/run/a.sock", None).options(), " --control-socket /run/a.sock");
    }
}
