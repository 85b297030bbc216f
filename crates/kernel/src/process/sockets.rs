//! Whose sockets there are in this network namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The kernel's number of a socket.
pub type SocketInode = u64;

/// Numbers of the raw sockets, IPv4 and IPv6, for these IP protocols. A socket that was made with
/// protocol 0 or IPPROTO_RAW receives nothing and is of no interest.
pub fn raw_sockets(protocols: &[u8]) -> BTreeSet<SocketInode> {
    ["/proc/self/net/raw", "/proc/self/net/raw6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| raw_in(&table, protocols))
        .collect()
}

/// Paths of the Unix sockets that somebody listens at, by the number of the socket.
pub fn listening_paths() -> BTreeMap<SocketInode, String> {
    listening('/').into_iter().collect()
}

/// Abstract names of the Unix sockets that somebody listens at (unix(7)), with an `@` in front, and the number of the socket.
///
/// The kernel writes them as they are, whatever is in them: a name can look like lines of their own, so that a number may
/// occur more than once, with names that are nobody's.
pub fn listening_names() -> Vec<(SocketInode, String)> {
    listening('@')
}

fn listening(first: char) -> Vec<(SocketInode, String)> {
    let table = fs::read_to_string("/proc/self/net/unix");
    table.map(|table| listening_in(&table, first)).unwrap_or_default()
}

/// The sockets that a process holds; none when it may not be asked.
pub fn sockets_of(pid: u32) -> BTreeSet<SocketInode> {
    let descriptors = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"));
    let links =
        descriptors.into_iter().flatten().flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter_map(|link| inode(link.to_str()?)).collect()
}

/// Which processes hold one of these sockets. A socket of nobody that may be asked does not occur.
pub fn holders(sockets: &BTreeSet<SocketInode>) -> BTreeMap<u32, BTreeSet<SocketInode>> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let held = pids.map(|pid: u32| (pid, sockets_of(pid).intersection(sockets).copied().collect()));
    held.filter(|(_, held): &(u32, BTreeSet<SocketInode>)| !held.is_empty()).collect()
}

/// proc_net(5): the local port of a raw socket is its protocol, the tenth column its number.
fn raw_in(table: &str, protocols: &[u8]) -> Vec<SocketInode> {
    let row = |line: &str| {
        let mut columns = line.split_whitespace();
        let local = columns.nth(1)?;
        let protocol = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        protocols.iter().any(|wanted| u16::from(*wanted) == protocol).then(|| columns.nth(7)?.parse().ok())?
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// A listening socket has __SO_ACCEPTCON (1 << 16) among its flags, and its path, if it has one, in the last column.
fn listening_in(table: &str, first: char) -> Vec<(SocketInode, String)> {
    let row = |line: &str| {
        let mut columns = line.split_whitespace();
        let flags = u32::from_str_radix(columns.nth(3)?, 16).ok()?;
        let inode = columns.nth(2)?.parse().ok()?;
        let path = columns.next().filter(|path| path.starts_with(first))?;
        (flags & (1 << 16) != 0).then(|| (inode, path.to_owned()))
    };
    table.lines().skip(1).filter_map(row).collect()
}

fn inode(link: &str) -> Option<SocketInode> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_sockets_are_told_by_their_protocol() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
            \x20 51: 00000000:0033 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 0000000000000000 0\n\
            \x20112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 0000000000000000 0\n\
            \x20  1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 43 2 0000000000000000 0\n\
            nonsense\n";
        assert_eq!(raw_in(table, &[112, 51]), [41, 42]);
    }

    #[test]
    fn listening_sockets_have_paths() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 51 /run/a.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 52 /run/a.sock\n\
            0000000000000000: 00000002 00000000 00010000 0005 01 53 @abstract\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 54\n";
        assert_eq!(listening_in(table, '/'), [(51, "/run/a.sock".to_owned())]);
        assert_eq!(listening_in(table, '@'), [(53, "@abstract".to_owned())]);
    }

    #[test]
    fn a_listener_is_found_with_its_process() {
        let path = std::env::temp_dir().join(format!("steadfast-sockets-{}", std::process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let listening = listening_paths();
        std::fs::remove_file(&path).unwrap();
        let found = listening.iter().find(|(_, found)| Path::new(found) == path);
        let inode = *found.expect("the kernel lists the listener").0;
        assert!(sockets_of(std::process::id()).contains(&inode));
        assert_eq!(
            holders(&BTreeSet::from([inode])),
            BTreeMap::from([(std::process::id(), BTreeSet::from([inode]))])
        );
        drop(listener);
    }
}
