//! What the checks of a configuration want to know of this machine.

mod accounts;
mod names;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use steadfast_config::load::{
    AnyMachine, InterfaceFacts, InterfaceKind, KeyFileState, Machine, NameFolders, NameTable, NamedNumber,
    ScriptState,
};
use steadfast_config::model::Account;
use steadfast_kernel::namespace::Network;
use steadfast_kernel::netlink::Requests;
use steadfast_kernel::process::user;
use steadfast_wire::vrrp::Family;

use self::accounts::Accounts;

/// This machine, its interfaces as they were when it was asked.
#[derive(Debug, Default)]
pub struct ThisMachine {
    interfaces: BTreeMap<String, InterfaceFacts>,
    /// Whether an interface forwards IPv4, and IPv6.
    forwards: [Option<bool>; 2],
    /// Its interfaces are not known: each one that is named is taken as present.
    unseen: bool,
    /// Names of iproute2, as they were when the first of a table was asked for.
    names: RefCell<BTreeMap<(NameTable, NameFolders), BTreeMap<String, u32>>>,
    accounts: Accounts,
}

impl ThisMachine {
    /// Lists the interfaces.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn ask() -> Result<Self, steadfast_kernel::Error> {
        let mut requests = Requests::open()?;
        let links = requests.links()?;
        let facts = links.into_iter().map(|link| {
            let kind = match link.kind.as_deref() {
                Some("macvlan" | "ipvlan") => InterfaceKind::MacvlanOrIpvlan,
                Some("vrf") => InterfaceKind::Vrf,
                _ => InterfaceKind::Other,
            };
            let facts =
                InterfaceFacts { mtu: link.mtu, multicast: link.multicast, loopback: link.loopback, kind };
            (link.name.to_string(), facts)
        });
        let forwards = [forwards(Family::V4), forwards(Family::V6)];
        Ok(Self { interfaces: facts.collect(), forwards, ..Self::default() })
    }

    /// The same for a network namespace, by its name below /run/netns.
    ///
    /// # Errors
    /// When there is none of that name, when it may not be entered, or when the kernel does not answer.
    pub fn ask_in(namespace: &str) -> Result<Self, steadfast_kernel::Error> {
        Self::ask_behind(&Path::new("/run/netns").join(namespace))
    }

    /// The same for the network namespace that a process runs in.
    ///
    /// # Errors
    /// When it cannot be entered, or the kernel does not answer.
    pub fn ask_beside(process: u32) -> Result<Self, steadfast_kernel::Error> {
        Self::ask_behind(&Path::new("/proc").join(process.to_string()).join("ns/net"))
    }

    /// This machine with interfaces that nobody can tell of.
    pub fn unseen() -> Self {
        Self { unseen: true, ..Self::default() }
    }

    fn ask_behind(network: &Path) -> Result<Self, steadfast_kernel::Error> {
        Network::open(network)?.run(Self::ask)?
    }

    fn with_names<T>(
        &self,
        table: NameTable,
        folders: &NameFolders,
        read: impl FnOnce(&BTreeMap<String, u32>) -> T,
    ) -> T {
        let mut tables = self.names.borrow_mut();
        read(tables.entry((table, folders.clone())).or_insert_with(|| names::read(table, folders)))
    }
}

/// Whether an interface of this network namespace forwards packets of a family. `None` where the kernel does not say.
fn forwards(family: Family) -> Option<bool> {
    let folder = match family {
        Family::V4 => "/proc/sys/net/ipv4/conf",
        Family::V6 => "/proc/sys/net/ipv6/conf",
    };
    let interfaces = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let settings = interfaces.filter_map(|interface| std::fs::read(interface.path().join("forwarding")).ok());
    Some(settings.into_iter().any(|setting| setting.first() == Some(&b'1')))
}

impl Machine for ThisMachine {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        if self.unseen { AnyMachine.interface(name) } else { self.interfaces.get(name).copied() }
    }

    fn interface_names(&self) -> Vec<String> {
        self.interfaces.keys().cloned().collect()
    }

    fn processors(&self) -> Option<u32> {
        // Ranges and numbers with commas between them, in order.
        let present = std::fs::read_to_string("/sys/devices/system/cpu/present").ok()?;
        let last = present.trim().rsplit(['-', ',']).next()?;
        last.parse::<u32>().ok()?.checked_add(1)
    }

    fn forwards(&self, family: Family) -> Option<bool> {
        let [v4, v6] = self.forwards;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }

    fn user_exists(&self, name: &str) -> bool {
        self.accounts.user(name).is_some()
    }

    fn group_exists(&self, name: &str) -> bool {
        self.accounts.group(name).is_some()
    }

    fn script(&self, program: &str, account: Option<&Account>) -> ScriptState {
        let Some(path) = find(program) else { return ScriptState::Missing };
        let identity = account.map_or_else(|| Some(user::own_ids()), |account| self.accounts.ids(account));
        let Some((uid, gid)) = identity else { return ScriptState::Missing };
        let Ok(file) = std::fs::metadata(&path) else { return ScriptState::Missing };
        if !file.is_file() {
            return ScriptState::Missing;
        }
        if !executable(&file, uid, gid) {
            return ScriptState::NotExecutable;
        }
        let runs_as_root = uid == 0 || gid == 0 || gives_root(&file);
        match changeable_part(&path).filter(|_| runs_as_root) {
            Some(part) => ScriptState::Insecure(part),
            None => ScriptState::Good,
        }
    }

    fn key_file(&self, path: &str, lengths: RangeInclusive<u64>) -> KeyFileState {
        let longest = u32::try_from(*lengths.end() + LINE_END_MAX).unwrap_or(u32::MAX);
        let Ok(file) = std::fs::metadata(path) else { return KeyFileState::Unreadable };
        // One byte more tells that a file is too long.
        let Ok(key) = steadfast_kernel::file::beginning(Path::new(path), longest.saturating_add(1)) else {
            return KeyFileState::Unreadable;
        };
        if file.permissions().mode() & 0o077 != 0 {
            return KeyFileState::Exposed;
        }
        let line_end = key.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let length = u64::try_from(key.len() - line_end).unwrap_or(u64::MAX);
        if lengths.contains(&length) { KeyFileState::Good } else { KeyFileState::WrongLength(file.len()) }
    }

    fn named_number(&self, table: NameTable, name: &str, folders: &NameFolders) -> NamedNumber {
        let number = self.with_names(table, folders, |names| names.get(name).copied());
        number.map_or(NamedNumber::Unknown, NamedNumber::Is)
    }

    fn names(&self, table: NameTable, folders: &NameFolders) -> Vec<String> {
        self.with_names(table, folders, |names| names.keys().cloned().collect())
    }
}

/// Bytes of a line end at the end of a key file.
const LINE_END_MAX: u64 = 2;

/// A program without a slash is searched for in PATH, as keepalived does it.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program));
    }
    let path =
        std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/sbin:/usr/bin:/sbin:/bin").to_owned());
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

fn executable(file: &std::fs::Metadata, uid: u32, gid: u32) -> bool {
    let mode = file.permissions().mode();
    let bit = match (uid, file.uid() == uid, file.gid() == gid) {
        (0, _, _) => 0o111,
        (_, true, _) => 0o100,
        (_, false, true) => 0o010,
        (_, false, false) => 0o001,
    };
    mode & bit != 0
}

fn gives_root(file: &std::fs::Metadata) -> bool {
    let mode = file.permissions().mode();
    (mode & 0o4000 != 0 && file.uid() == 0) || (mode & 0o2000 != 0 && file.gid() == 0)
}

/// The first part of a path that others than root can change, in words. Every part, as written and as resolved, has to
/// belong to root and be writable for nobody else, nor for a group other than root's; a folder with the sticky bit may be.
fn changeable_part(path: &Path) -> Option<String> {
    let resolved = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    [path, &resolved].into_iter().find_map(|path| {
        let mut walked = PathBuf::new();
        path.components().find_map(|component| {
            walked.push(component);
            let own = !matches!(component, Component::CurDir | Component::ParentDir);
            own.then(|| what_is_wrong(&walked)).flatten()
        })
    })
}

fn what_is_wrong(part: &Path) -> Option<String> {
    // Links are not followed: where one points is walked by itself, in the resolved path.
    let found = match std::fs::symlink_metadata(part) {
        Ok(found) => found,
        Err(error) => return Some(format!("{}: {error}", part.display())),
    };
    let mode = found.permissions().mode() & 0o7777;
    let (uid, gid) = (found.uid(), found.gid());
    let what = if found.is_dir() { "folder" } else { "file" };
    if uid != 0 {
        return Some(format!("the {what} {} belongs to user {uid} (mode {mode:04o})", part.display()));
    }
    let sticky_folder = found.is_dir() && mode & 0o1000 != 0;
    if found.is_symlink() || sticky_folder {
        return None;
    }
    if mode & 0o002 != 0 {
        return Some(format!("everybody may write to the {what} {} (mode {mode:04o})", part.display()));
    }
    let group_may = mode & 0o020 != 0 && gid != 0;
    group_may.then(|| format!("group {gid} may write to the {what} {} (mode {mode:04o})", part.display()))
}

#[cfg(test)]
mod tests {
    use steadfast_config::{LoadOptions, Memory, load};

    use super::*;
    use crate::vrrp::network::in_a_network;

    #[test]
    fn the_name_service_is_asked_by_scripts_only() {
        let untouched_by = |more: &str| {
            let text =
                format!("vrrp_instance V {{\n interface lo\n virtual_router_id 1\n priority 100\n{more}}}\n");
            let machine = ThisMachine::default();
            let source = Memory::new().file("k.conf", text);
            let loaded = load(&source, Path::new("/k.conf"), &machine, &LoadOptions::default());
            assert_eq!(loaded.model.instances.len(), 1, "{more}");
            machine.accounts.untouched()
        };
        assert!(untouched_by(""));
        assert!(!untouched_by(" notify /usr/bin/true\n"));
        assert!(!untouched_by(" notify \"/usr/bin/true\" nobody nogroup\n"));
    }

    #[test]
    fn what_interfaces_forward_is_that_of_the_network_namespace() {
        let test = "what_interfaces_forward_is_that_of_the_network_namespace";
        in_a_network(test, || {
            let asked = || {
                let machine = ThisMachine::ask().unwrap();
                [Family::V4, Family::V6].map(|family| machine.forwards(family))
            };
            let set = |setting: &str, value: &str| {
                std::fs::write(Path::new("/proc/sys/net").join(setting), value).unwrap();
            };
            set("ipv4/ip_forward", "0");
            set("ipv6/conf/all/forwarding", "0");
            assert_eq!(asked(), [Some(false), Some(false)]);
            set("ipv4/conf/lo/forwarding", "1");
            assert_eq!(asked(), [Some(true), Some(false)]);
            set("ipv6/conf/all/forwarding", "1");
            assert_eq!(asked(), [Some(true), Some(true)]);
        });
        assert_eq!(ThisMachine::unseen().forwards(Family::V4), None);
    }

    #[test]
    fn key_files_are_looked_at() {
        let folder = std::env::temp_dir().join(format!("steadfast-machine-keys-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let state = |name: &str, contents: &str, mode: u32| {
            let path = folder.join(name);
            std::fs::write(&path, contents).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            ThisMachine::default().key_file(path.to_str().unwrap(), 32..=64)
        };
        let key = "k".repeat(64);
        let found = [
            state("good", &key, 0o600),
            state("line", &format!("{key}\r\n"), 0o400),
            state("long", &format!("{key}k"), 0o600),
            state("short", "k\n", 0o600),
            state("group", &key, 0o640),
            ThisMachine::default().key_file(folder.join("none").to_str().unwrap(), 32..=64),
            ThisMachine::default().key_file(folder.to_str().unwrap(), 32..=64),
        ];
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            found,
            [
                KeyFileState::Good,
                KeyFileState::Good,
                KeyFileState::WrongLength(65),
                KeyFileState::WrongLength(2),
                KeyFileState::Exposed,
                KeyFileState::Unreadable,
                KeyFileState::Unreadable,
            ]
        );
    }
}
