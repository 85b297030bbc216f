//! Whatever the text: it becomes a model and diagnostics that can be shown, a good model survives printing and
//! JSON, and the formatted text means the same model.

use std::ops::RangeInclusive;
use std::path::Path;

use steadfast_config::load::{
    InterfaceFacts, InterfaceKind, KeyFileState, NameFolders, NameTable, NamedNumber, ScriptState,
};
use steadfast_config::model::Account;
use steadfast_config::{
    AnyMachine, Code, LoadOptions, Loaded, Machine, Memory, Mode, Model, Plan, json, load, print, render,
};

/// Enough for what a fuzzer writes, and soon reached.
const MAX_LINES: u64 = 2_000;
/// Problems that are rendered: more of them take seconds and show nothing else.
const SHOWN_MAX: usize = 100;
/// Between the main file and the one that it can include as `inner.inc`.
const FILE_MARK: &[u8] = b"\n%%\n";

/// A machine that lacks what one can lack: what is there and what is not shows in the name.
struct Particular;

impl Machine for Particular {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        let facts = InterfaceFacts {
            mtu: if name.ends_with('1') { 68 } else { 1500 },
            multicast: !name.starts_with("tun"),
            loopback: name == "lo",
            kind: if name.ends_with('1') { InterfaceKind::Other } else { InterfaceKind::Any },
        };
        (!name.contains('x')).then_some(facts)
    }

    fn interface_names(&self) -> Vec<String> {
        ["lo", "eth0", "eth1", "tun0"].map(str::to_owned).into()
    }

    fn user_exists(&self, user: &str) -> bool {
        !user.contains('x')
    }

    fn group_exists(&self, group: &str) -> bool {
        !group.contains('x')
    }

    fn script(&self, program: &str, _: Option<&Account>) -> ScriptState {
        match program.len() % 4 {
            0 => ScriptState::Missing,
            1 => ScriptState::NotExecutable,
            2 => ScriptState::Insecure(program.to_owned()),
            _ => ScriptState::Good,
        }
    }

    fn key_file(&self, path: &str, _: RangeInclusive<u64>) -> KeyFileState {
        match path.len() % 4 {
            0 => KeyFileState::Unreadable,
            1 => KeyFileState::Exposed,
            2 => KeyFileState::WrongLength(3),
            _ => KeyFileState::Good,
        }
    }

    fn named_number(&self, _: NameTable, name: &str, _: &NameFolders) -> NamedNumber {
        if name.contains('x') { NamedNumber::Unknown } else { NamedNumber::Is(300) }
    }

    fn names(&self, _: NameTable, _: &NameFolders) -> Vec<String> {
        vec!["blue".to_owned()]
    }
}

/// Runs one input.
pub(crate) fn run(text: &[u8]) {
    let (main, inner) = match text.windows(FILE_MARK.len()).position(|window| window == FILE_MARK) {
        Some(at) => (&text[..at], &text[at + FILE_MARK.len()..]),
        None => (text, &b""[..]),
    };
    show(&read(main, inner, Mode::Test, &Particular));
    let loaded = read(main, inner, Mode::Run, &AnyMachine);
    if bounded(&loaded) {
        return;
    }
    let format = steadfast_config::format::format;
    let formatted = read(&format(main), &format(inner), Mode::Run, &AnyMachine);
    if !bounded(&formatted) {
        assert_same(&formatted.model, &loaded.model, "formatting changes the model");
    }
    if !loaded.diagnostics.has_errors() {
        let text = print(&loaded.model);
        let printed = read(text.as_bytes(), b"", Mode::Run, &AnyMachine);
        if !bounded(&printed) {
            assert_same(&printed.model, &loaded.model, &text);
        }
    }
    let json = serde_json::to_string(&loaded.model).expect("a model as JSON");
    let back: Model = serde_json::from_str(&json).expect("the model's own JSON");
    assert_same(&back, &loaded.model, "JSON changes the model");
    assert!(Plan::between(&loaded.model, &back).is_empty(), "a plan for nothing");
}

fn read(main: &[u8], inner: &[u8], mode: Mode, machine: &dyn Machine) -> Loaded {
    let source = Memory::new().id("main").file("k.conf", main).file("inner.inc", inner);
    let options = LoadOptions { mode, max_lines: MAX_LINES, ..LoadOptions::default() };
    load(&source, Path::new("/k.conf"), machine, &options)
}

fn show(loaded: &Loaded) {
    if loaded.diagnostics.iter().len() <= SHOWN_MAX {
        let _ = render::text(&loaded.diagnostics, &loaded.sources, true);
        let _ = json::document(&loaded.diagnostics, &loaded.sources);
        let _ = json::sarif(&loaded.diagnostics, &loaded.sources, "0");
    }
    let _ = (loaded.test_status(), loaded.start_status());
    let _ = print(&loaded.model);
}

/// Whether a bound ended the reading, which happens in other places when the layout moves the lines.
fn bounded(loaded: &Loaded) -> bool {
    let is_bound = |code| matches!(code, Code::TooManyLines | Code::BlocksTooDeep);
    loaded.diagnostics.dropped() > 0 || loaded.diagnostics.iter().any(|diagnostic| is_bound(diagnostic.code))
}

/// As JSON, whose first difference a person can find.
fn assert_same(found: &Model, expected: &Model, what: &str) {
    if found != expected {
        let json = |model| serde_json::to_string_pretty(model).unwrap_or_default();
        let (found, expected) = (json(found), json(expected));
        let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        panic!("{what}\n(found, expected): {differs:?}");
    }
}
