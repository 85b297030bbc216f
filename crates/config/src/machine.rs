//! Facts of the machine that a configuration is for.

use std::ops::RangeInclusive;

use steadfast_wire::vrrp::Family;

use crate::model::Account;
use crate::value::Text;

/// What the checks need to know of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// Largest packet, bytes.
    pub mtu: u32,
    /// It can send to groups.
    pub multicast: bool,
    /// It is the loopback interface.
    pub loopback: bool,
    /// What made it.
    pub kind: InterfaceKind,
}

/// What an interface is made by, as far as the language asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceKind {
    /// A macvlan or ipvlan, as `use_vmac` and `use_ipvlan` make them.
    MacvlanOrIpvlan,
    /// A VRF.
    Vrf,
    /// Something else.
    Other,
    /// The machine is not known.
    Any,
}

impl InterfaceFacts {
    /// An ordinary Ethernet interface.
    pub const ETHERNET: Self = Self { mtu: 1500, multicast: true, loopback: false, kind: InterfaceKind::Any };
}

/// How a script's file looks to the account that would run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptState {
    /// It can be run, and nobody else can change it.
    Good,
    /// It does not exist or cannot be reached.
    Missing,
    /// It exists but may not be executed.
    NotExecutable,
    /// It would run with root's rights, and others can change it: by which file or folder, whose it is and its mode.
    Insecure(String),
}

/// What iproute2 gives numbers names by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameTable {
    /// Routing tables.
    RoutingTables,
    /// Who made a route or rule.
    Protocols,
    /// Scopes of addresses and routes.
    Scopes,
    /// Values of the DS field.
    DsFields,
    /// Realms of routes.
    Realms,
    /// Groups of interfaces.
    InterfaceGroups,
}

impl NameTable {
    /// The file that holds it.
    pub fn file(self) -> &'static str {
        match self {
            Self::RoutingTables => "rt_tables",
            Self::Protocols => "rt_protos",
            Self::Scopes => "rt_scopes",
            Self::DsFields => "rt_dsfield",
            Self::Realms => "rt_realms",
            Self::InterfaceGroups => "group",
        }
    }
}

/// Where the tables of names are, if not where the system has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameFolders {
    /// `iproute_usr_dir`.
    pub vendor: Option<Text>,
    /// `iproute_etc_dir`, whose names win.
    pub administrator: Option<Text>,
}

/// What a machine knows of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedNumber {
    /// It stands for that number.
    Is(u32),
    /// No table has it.
    Unknown,
    /// It may stand for anything: the machine is not known.
    Any,
}

/// How a file with a secret key looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFileState {
    /// It can be read, and by its owner only.
    Good,
    /// It does not exist, or is no regular file that can be read.
    Unreadable,
    /// Its group or everybody may read or write it.
    Exposed,
    /// It holds that many bytes, which is no key.
    WrongLength(u64),
}

/// Facts of the machine that the configuration is for. The crate itself asks the system nothing.
pub trait Machine {
    /// The interface of that name, if there is one.
    fn interface(&self, name: &str) -> Option<InterfaceFacts>;

    /// Names of interfaces, to suggest one.
    fn interface_names(&self) -> Vec<String>;

    /// Number of its processors, where it is known.
    fn processors(&self) -> Option<u32> {
        None
    }

    /// Whether an interface of it forwards packets of that family that are for others, where that is known.
    fn forwards(&self, _family: Family) -> Option<bool> {
        None
    }

    /// Whether that user, by name or number, exists.
    fn user_exists(&self, user: &str) -> bool;

    /// Whether that group, by name or number, exists.
    fn group_exists(&self, group: &str) -> bool;

    /// The first part of an account that does not exist, `user` or `group`, and its name.
    fn lacks<'a>(&self, account: &'a Account) -> Option<(&'static str, &'a str)> {
        if !self.user_exists(&account.user) {
            return Some(("user", &account.user));
        }
        let group = account.group.as_deref().filter(|group| !self.group_exists(group));
        group.map(|group| ("group", group))
    }

    /// State of a program's file for the account that would run it; `None` is the daemon's own.
    fn script(&self, program: &str, account: Option<&Account>) -> ScriptState;

    /// State of a file that holds a key of `lengths` bytes and perhaps a line end.
    fn key_file(&self, path: &str, lengths: RangeInclusive<u64>) -> KeyFileState;

    /// The number that a name of iproute2 stands for.
    fn named_number(&self, table: NameTable, name: &str, folders: &NameFolders) -> NamedNumber;

    /// Names of a table, to suggest one.
    fn names(&self, table: NameTable, folders: &NameFolders) -> Vec<String>;
}

/// A machine that has everything a configuration names: for files of other machines.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyMachine;

impl Machine for AnyMachine {
    fn interface(&self, _: &str) -> Option<InterfaceFacts> {
        Some(InterfaceFacts::ETHERNET)
    }

    fn interface_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn user_exists(&self, _: &str) -> bool {
        true
    }

    fn group_exists(&self, _: &str) -> bool {
        true
    }

    fn script(&self, _: &str, _: Option<&Account>) -> ScriptState {
        ScriptState::Good
    }

    fn key_file(&self, _: &str, _: RangeInclusive<u64>) -> KeyFileState {
        KeyFileState::Good
    }

    fn named_number(&self, _: NameTable, _: &str, _: &NameFolders) -> NamedNumber {
        NamedNumber::Any
    }

    fn names(&self, _: NameTable, _: &NameFolders) -> Vec<String> {
        Vec::new()
    }
}
