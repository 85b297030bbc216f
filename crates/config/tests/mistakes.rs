//! What people see for typical mistakes in what they mean: `tests/mistakes/NAME.conf`, loaded on a machine of
//! known facts, and the text in `NAME.txt` beside it. `RECORD=1` writes the texts anew.

#![cfg(test)]

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use steadfast_config::load::{
    InterfaceFacts, InterfaceKind, KeyFileState, NameFolders, NameTable, NamedNumber, ScriptState,
};
use steadfast_config::model::Account;
use steadfast_config::{LoadOptions, Machine, Memory, Mode, load, render};
use steadfast_wire::vrrp::Family;

/// A few interfaces that forward IPv4 and not IPv6, two processors, the users root and nobody, and scripts that are what their names say.
struct Known;

impl Machine for Known {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        let kind = match name {
            "eth0" | "eth1" => InterfaceKind::Other,
            "vrf0" => InterfaceKind::Vrf,
            "vrrp.1" => InterfaceKind::MacvlanOrIpvlan,
            _ => return None,
        };
        Some(InterfaceFacts { kind, ..InterfaceFacts::ETHERNET })
    }

    fn interface_names(&self) -> Vec<String> {
        vec!["lo".to_owned(), "eth0".to_owned(), "eth1".to_owned()]
    }

    fn processors(&self) -> Option<u32> {
        Some(2)
    }

    fn forwards(&self, family: Family) -> Option<bool> {
        Some(family == Family::V4)
    }

    fn user_exists(&self, user: &str) -> bool {
        ["root", "nobody"].contains(&user)
    }

    fn group_exists(&self, group: &str) -> bool {
        self.user_exists(group)
    }

    fn script(&self, program: &str, _: Option<&Account>) -> ScriptState {
        match program {
            "/srv/open.sh" => ScriptState::Insecure("/srv belongs to user 1000, mode 0755".to_owned()),
            "/srv/missing.sh" => ScriptState::Missing,
            _ => ScriptState::Good,
        }
    }

    fn key_file(&self, path: &str, _: RangeInclusive<u64>) -> KeyFileState {
        match path {
            "/srv/open.key" => KeyFileState::Exposed,
            "/srv/short.key" => KeyFileState::WrongLength(7),
            "/srv/missing.key" => KeyFileState::Unreadable,
            _ => KeyFileState::Good,
        }
    }

    fn named_number(&self, table: NameTable, name: &str, folders: &NameFolders) -> NamedNumber {
        match (table, name, folders.administrator.as_deref()) {
            (NameTable::RoutingTables, "blue", None) => NamedNumber::Is(100),
            (NameTable::RoutingTables, "green", Some("/srv/names")) => NamedNumber::Is(101),
            _ => NamedNumber::Unknown,
        }
    }

    fn names(&self, table: NameTable, folders: &NameFolders) -> Vec<String> {
        match (table, folders.administrator.is_some()) {
            (NameTable::RoutingTables, false) => vec!["blue".to_owned()],
            _ => Vec::new(),
        }
    }
}

#[test]
fn texts_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    cases.sort();
    assert!(!cases.is_empty());
    for case in cases {
        let name = Path::new(case.file_name().unwrap());
        let source = Memory::new().file(name, std::fs::read(&case).unwrap());
        let options = LoadOptions { mode: Mode::Test, ..LoadOptions::default() };
        let loaded = load(&source, name, &Known, &options);
        let text = render::text(&loaded.diagnostics, &loaded.sources, false);
        let expected = case.with_extension("txt");
        if std::env::var_os("RECORD").is_some() {
            std::fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&expected).unwrap_or_default(), "{}", case.display());
    }
}
