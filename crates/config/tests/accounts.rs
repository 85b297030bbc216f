//! Which account a script runs as, and what becomes of a script without one.

#![cfg(test)]

use std::ops::RangeInclusive;
use std::path::Path;

use steadfast_config::load::{
    InterfaceFacts, KeyFileState, NameFolders, NameTable, NamedNumber, ScriptState,
};
use steadfast_config::model::{Account, CheckKind};
use steadfast_config::{AnyMachine, Code, LoadOptions, Loaded, Machine, Memory, Mode, load};

/// Everything but accounts other than root and nobody.
struct TwoAccounts;

impl Machine for TwoAccounts {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        AnyMachine.interface(name)
    }

    fn interface_names(&self) -> Vec<String> {
        AnyMachine.interface_names()
    }

    fn user_exists(&self, user: &str) -> bool {
        ["root", "nobody"].contains(&user)
    }

    fn group_exists(&self, group: &str) -> bool {
        self.user_exists(group)
    }

    fn script(&self, program: &str, account: Option<&Account>) -> ScriptState {
        AnyMachine.script(program, account)
    }

    fn key_file(&self, path: &str, lengths: RangeInclusive<u64>) -> KeyFileState {
        AnyMachine.key_file(path, lengths)
    }

    fn named_number(&self, table: NameTable, name: &str, folders: &NameFolders) -> NamedNumber {
        AnyMachine.named_number(table, name, folders)
    }

    fn names(&self, table: NameTable, folders: &NameFolders) -> Vec<String> {
        AnyMachine.names(table, folders)
    }
}

fn read(text: &str) -> Loaded {
    let source = Memory::new().file("k.conf", text);
    let options = LoadOptions { mode: Mode::Test, ..LoadOptions::default() };
    load(&source, Path::new("/k.conf"), &TwoAccounts, &options)
}

fn lines_with(loaded: &Loaded, code: Code) -> Vec<u32> {
    let found = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code == code);
    found.filter_map(|diagnostic| diagnostic.primary).map(|span| loaded.sources.line(span)).collect()
}

const SECURE: &str = "global_defs {\nenable_script_security\nscript_user root\n}\n";
const INSTANCE: &str = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 3\npriority 50\nvirtual_ipaddress {\n10.0.0.1\n}\n@\n}\n";
const SERVER: &str = "virtual_server 10.0.0.7 80 {\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
     real_server 10.0.0.8 80 {\nMISC_CHECK {\n@\n}\n}\n}\n";

#[test]
fn user_holds_before_the_command_and_behind_it() {
    for block in ["user nobody\nscript \"/bin/true a\"", "script \"/bin/true a\"\nuser nobody"] {
        let loaded = read(&format!("{SECURE}vrrp_script S {{\n{block}\n}}\n"));
        let script = &loaded.model.scripts[0].script;
        assert_eq!(script.words, ["/bin/true".into(), "a".into()]);
        assert_eq!(script.account.as_ref().map(|account| &*account.user), Some("nobody"), "{block}");
    }
    for block in ["user nobody\nmisc_path /bin/true", "misc_path /bin/true\nuser nobody"] {
        let loaded = read(&format!("{SECURE}{}", SERVER.replace('@', block)));
        let checker = &loaded.model.virtual_servers[0].real_servers[0].checkers[0];
        let CheckKind::Misc(misc) = &checker.kind else { panic!("{checker:?}") };
        assert_eq!(misc.script.account.as_ref().map(|account| &*account.user), Some("nobody"), "{block}");
    }
}

#[test]
fn words_behind_a_command_are_no_account_where_user_is_a_keyword() {
    let loaded = read(&format!("{SECURE}vrrp_script S {{\nscript /usr/bin/killall -0 haproxy\n}}\n"));
    assert_eq!(loaded.test_status(), 0, "{:#?}", loaded.diagnostics);
    assert_eq!(lines_with(&loaded, Code::ExtraWords), [6]);
    let script = &loaded.model.scripts[0].script;
    assert_eq!(script.words, ["/usr/bin/killall".into()]);
    assert_eq!(script.account.as_ref().map(|account| &*account.user), Some("root"));

    let loaded = read(&format!("{SECURE}{}", SERVER.replace('@', "misc_path /bin/true nosuch")));
    assert_eq!(loaded.test_status(), 0, "{:#?}", loaded.diagnostics);
    assert_eq!(loaded.model.virtual_servers[0].real_servers[0].checkers.len(), 1);
}

#[test]
fn nobody_stands_in_for_a_script_user_that_does_not_exist() {
    for user in ["nosuch", "root nosuch"] {
        let text = format!(
            "global_defs {{\nscript_user {user}\n}}\nvrrp_script S {{\nscript /bin/true\n}}\n\
             vrrp_script R {{\nscript /bin/true\nuser root\n}}\n{}{}",
            INSTANCE
                .replace('@', "notify /bin/true\nnotify_master /bin/true nobody\ntrack_script {\nS\nR\n}"),
            SERVER.replace('@', "misc_path /bin/true"),
        );
        let loaded = read(&text);
        assert_eq!(lines_with(&loaded, Code::UnknownAccount), [2]);
        assert_eq!(loaded.model.scripts.len(), 1, "{:#?}", loaded.diagnostics);
        let instance = &loaded.model.instances[0];
        assert!(instance.notify.any.is_none() && instance.notify.master.is_some());
        assert_eq!(instance.tracks.scripts.len(), 1);
        assert!(loaded.model.virtual_servers[0].real_servers[0].checkers.is_empty());
    }
    let loaded = read(
        "global_defs {\nscript_user nosuch\nscript_user root\n}\nvrrp_script S {\nscript /bin/true\n}\n",
    );
    assert_eq!(loaded.model.scripts.len(), 1, "{:#?}", loaded.diagnostics);
}

#[test]
fn keepalived_drops_notify_scripts_of_unknown_accounts_in_silence() {
    for line in ["notify /bin/true nosuch", "notify_master \"/bin/true\" root nosuch"] {
        let loaded = read(&format!("{SECURE}{}", INSTANCE.replace('@', line)));
        assert_eq!(lines_with(&loaded, Code::UnknownAccount).len(), 1);
        assert_eq!(loaded.test_status(), 0, "{:#?}", loaded.diagnostics);
        assert!(loaded.model.instances[0].notify.any.is_none());
        assert!(loaded.model.instances[0].notify.master.is_none());
    }
    let loaded = read("global_defs {\nenable_script_security\nstartup_script /bin/true nosuch\n}\n");
    assert_eq!(loaded.test_status(), 5, "{:#?}", loaded.diagnostics);
}

/// A command in each place that takes one; `{}` is the command.
const COMMANDS: &[&str] = &[
    "global_defs {\nstartup_script {}\n}\n",
    "global_defs {\nshutdown_script {}\n}\n",
    "global_defs {\nnotify_fifo /run/f\nnotify_fifo_script {}\n}\n",
    "global_defs {\nvrrp_notify_fifo /run/f\nvrrp_notify_fifo_script {}\n}\n",
    "global_defs {\nlvs_notify_fifo /run/f\nlvs_notify_fifo_script {}\n}\n",
    "vrrp_script s {\nscript {}\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 1\ntrack_script {\ns\n}\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n",
    "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nnotify {}\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n",
    "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nnotify_master {}\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n",
    "vrrp_sync_group G {\ngroup {\nA\n}\nnotify_backup {}\n}\nvrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.1\n}\n}\n",
    "virtual_server 192.0.2.1 80 {\nquorum_up {}\nreal_server 192.0.2.2 80 {\n}\n}\n",
    "virtual_server 192.0.2.1 80 {\nreal_server 192.0.2.2 80 {\nnotify_down {}\n}\n}\n",
    "virtual_server 192.0.2.1 80 {\nreal_server 192.0.2.2 80 {\nMISC_CHECK {\nmisc_path {}\n}\n}\n}\n",
];

/// The words of every command of the model.
fn commands(value: &serde_json::Value) -> Vec<Vec<String>> {
    let words = value.get("words").map(|words| serde_json::from_value(words.clone()).unwrap());
    let inner: Vec<&serde_json::Value> = match value {
        serde_json::Value::Object(members) => members.values().collect(),
        serde_json::Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    words.into_iter().chain(inner.into_iter().flat_map(commands)).collect()
}

/// The words that run: none where something is wrong with the line.
fn run(loaded: &Loaded) -> Option<Vec<String>> {
    let wrong = loaded.diagnostics.iter().any(|found| {
        // keepalived reports an odd number of quotes in the line and goes on.
        if found.code == Code::UnterminatedQuote {
            return false;
        }
        found.severity == steadfast_config::Severity::Error || found.code == Code::UnknownAccount
    });
    let commands = commands(&serde_json::to_value(&loaded.model).unwrap());
    commands.into_iter().next().filter(|words| !wrong && !words.is_empty())
}

#[test]
fn quotes_and_escapes_of_commands_are_those_of_keepalived() {
    const PROGRAM: &str = "/bin/program";
    let lines = include_str!("commands.tsv").lines().filter(|line| !line.starts_with('#'));
    for (line, place) in lines.flat_map(|line| COMMANDS.iter().map(move |place| (line, place))) {
        let (command, arguments) = line.rsplit_once('\t').unwrap();
        let text = place.replace("{}", &command.replacen('P', PROGRAM, 1));
        let expected = (arguments != "-").then(|| {
            let arguments: Vec<String> = serde_json::from_str(arguments).unwrap();
            std::iter::once(PROGRAM.to_owned()).chain(arguments).collect::<Vec<_>>()
        });
        // Where the account has a line of its own, keepalived 2.2.7 dies of words behind the command.
        if expected.is_none() && ["\nscript {}", "\nmisc_path {}"].iter().any(|line| place.contains(line)) {
            continue;
        }
        let found = run(&read(&text));
        assert_eq!(found, expected, "{command} in\n{text}");
        // What is printed means the same.
        let printed = steadfast_config::print(&read(&text).model);
        if expected.is_some() {
            assert_eq!(run(&read(&printed)), expected, "{printed}");
        }
    }
}
