//! What is printed reads back as the same model, and plans tell what differs.

#![cfg(test)]

use std::path::{Path, PathBuf};

use steadfast_config::plan::{Outcome, Reload};
use steadfast_config::{AnyMachine, LoadOptions, Loaded, Memory, Plan, load, print};

fn read(text: impl Into<Vec<u8>>) -> Loaded {
    let source = Memory::new().file("etc/keepalived/keepalived.conf", text).id("lb1");
    load(&source, Path::new("/etc/keepalived/keepalived.conf"), &AnyMachine, &LoadOptions::default())
}

fn shared() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = std::env::var_os("STEADFAST_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    folder.join("corpus").is_dir().then_some(folder)
}

const EVERYTHING: &str = include_str!("everything.conf");

/// The first place where two texts differ, for a message that a person can read.
fn difference(one: &str, other: &str) -> String {
    one.lines()
        .zip(other.lines())
        .find(|(one, other)| one != other)
        .map_or_else(|| "lengths differ".to_owned(), |(one, other)| format!("{one}\n{other}"))
}

fn assert_reads_back(name: &str, text: impl Into<Vec<u8>>) -> Result<(), String> {
    let first = read(text).model;
    let printed = print(&first);
    let second = read(printed.clone()).model;
    if first == second {
        return Ok(());
    }
    let json = |model| serde_json::to_string_pretty(model).map_err(|error| error.to_string());
    Err(format!("{name}: {}", difference(&json(&first)?, &json(&second)?)))
}

#[test]
fn a_file_with_everything_reads_back() {
    let loaded = read(EVERYTHING);
    for diagnostic in &loaded.diagnostics {
        assert!(diagnostic.severity < steadfast_config::Severity::Error, "{diagnostic:#?}");
    }
    assert_eq!(assert_reads_back("everything", EVERYTHING), Ok(()));
}

#[test]
fn real_files_read_back() {
    let Some(shared) = shared() else {
        println!("left out: the corpus is not here; set STEADFAST_SHARED");
        return;
    };
    let mut failures = Vec::new();
    for folder in ["corpus", "examples"] {
        for entry in std::fs::read_dir(shared.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                let name = path.display().to_string();
                failures.extend(assert_reads_back(&name, std::fs::read(&path).unwrap()).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_same_file_plans_nothing() {
    let model = read(EVERYTHING).model;
    assert!(Plan::between(&model, &model.clone()).is_empty());
}

fn instance(body: &str) -> String {
    format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n priority 100\n{body}\n\
         virtual_ipaddress {{\n 192.0.2.1/24\n 192.0.2.2/24\n }}\n}}\n"
    )
}

#[test]
fn a_plan_names_keyword_and_effect() {
    let old = read(instance("advert_int 1")).model;
    let mut new = read(instance("advert_int 1").replace("priority 100", "priority 150")).model;
    let plan = Plan::between(&old, &new);
    let [change] = plan.entities.as_slice() else { panic!("{plan}") };
    assert_eq!(
        (&*change.kind, change.name.as_str(), change.outcome),
        ("vrrp_instance", "A", Outcome::Changed)
    );
    assert_eq!(change.keywords.len(), 1);
    assert_eq!(change.keywords[0].keyword, "priority");
    assert_eq!(change.keywords[0].old.as_deref(), Some("100"));
    assert_eq!(change.keywords[0].new.as_deref(), Some("150"));
    assert_eq!(change.keywords[0].effect, Reload::InPlace);

    new.instances[0].addresses.pop();
    let text = Plan::between(&old, &new).to_string();
    assert!(text.contains("virtual_ipaddress - 192.0.2.2/24 dev eth0  (only this moves)"), "{text}");

    let moved = read(instance("").replace("virtual_router_id 7", "virtual_router_id 8")).model;
    assert_eq!(Plan::between(&old, &moved).entities[0].outcome, Outcome::Restarted);
    let gone = read("global_defs {\n}\n").model;
    assert_eq!(Plan::between(&old, &gone).entities[0].outcome, Outcome::Removed);
    let namespace = read(format!("net_namespace blue\n{}", instance(""))).model;
    assert!(Plan::between(&old, &namespace).is_refused());
}

#[test]
fn real_servers_are_added_and_removed() {
    let server = |servers: &[&str]| {
        let servers: String = servers
            .iter()
            .map(|address| format!("real_server {address} 80 {{\n TCP_CHECK {{\n }}\n }}\n"))
            .collect();
        read(format!(
            "virtual_server 10.0.0.1 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n{servers}}}\n"
        ))
        .model
    };
    let plan = Plan::between(&server(&["10.0.0.2", "10.0.0.3"]), &server(&["10.0.0.3", "10.0.0.4"]));
    let found: Vec<_> = plan.entities.iter().map(|entity| (entity.name.as_str(), entity.outcome)).collect();
    assert_eq!(
        found,
        [
            ("10.0.0.1 80 TCP / 10.0.0.4 80", Outcome::Added),
            ("10.0.0.1 80 TCP / 10.0.0.2 80", Outcome::Removed)
        ]
    );
}

/// Whatever differs between two models is in the plan.
#[test]
fn no_difference_is_left_out_of_a_plan() {
    let text = include_str!("everything.conf");
    let whole = read(text).model;
    let lines: Vec<&str> = text.lines().collect();
    let mut differed = 0;
    for left_out in 0..lines.len() {
        if lines[left_out].contains(['{', '}']) {
            continue;
        }
        let rest = lines.iter().enumerate().filter(|(number, _)| *number != left_out);
        let rest: String = rest.map(|(_, line)| format!("{line}\n")).collect();
        let model = read(rest).model;
        differed += usize::from(model != whole);
        let plan = Plan::between(&whole, &model);
        assert_eq!(plan.is_empty(), model == whole, "without `{}`: {plan}", lines[left_out]);
    }
    assert!(differed > 100, "only {differed} lines made a difference");
}
