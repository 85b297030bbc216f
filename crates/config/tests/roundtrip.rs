//! What is printed reads back as the same model, and plans tell what differs.

#![cfg(test)]

use std::path::{Path, PathBuf};

use steadfast_config::plan::{Outcome, Reload};
use steadfast_config::{AnyMachine, LoadOptions, Loaded, Memory, Plan, load, print};

fn read(text: impl Into<Vec<u8>>) -> Loaded {
    let source = Memory::new().file("etc/keepalived/keepalived.conf", text).id("lb1");
    load(&source, Path::new("/etc/keepalived/keepalived.conf"), &AnyMachine, &LoadOptions::default())
}

/// Collections of others to compare with, where the developer asks for that by naming their folder; what every change
/// needs is in this project.
fn shared() -> Option<PathBuf> {
    std::env::var_os("STEADFAST_SHARED").map(PathBuf::from)
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
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"));
    let mut folders: Vec<PathBuf> = std::fs::read_dir(own)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders
        .extend(shared().into_iter().flat_map(|shared| ["corpus", "examples"].map(|name| shared.join(name))));
    let mut failures = Vec::new();
    for entry in folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            let name = path.display().to_string();
            failures.extend(assert_reads_back(&name, std::fs::read(&path).unwrap()).err());
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

/// Two routers that only their peers tell apart, and two that only their groups do.
#[test]
fn a_plan_takes_no_instance_for_its_neighbour() {
    let text = |priority: u8| {
        let instance = |name: &str, id: u8, what: &str, address: &str, priority: u8| {
            format!(
                "vrrp_instance {name} {{\n interface eth0\n virtual_router_id {id}\n priority {priority}\n \
                 {what}\n virtual_ipaddress {{\n {address}\n }}\n}}\n"
            )
        };
        let unicast = |peer: &str| format!("unicast_src_ip 10.0.0.1\n unicast_peer {{\n {peer}\n }}");
        instance("U1", 60, &unicast("10.0.0.2"), "192.0.2.1", 100)
            + &instance("U2", 60, &unicast("10.0.0.3"), "192.0.2.2", priority)
            + &instance("M1", 70, "mcast_dst_ip 224.0.0.99", "192.0.2.3", 100)
            + &instance("M2", 70, "", "192.0.2.4", priority)
    };
    let plan = |old: String, new: String| Plan::between(&read(old).model, &read(new).model).to_string();
    assert_eq!(
        plan(text(100), text(90)),
        "vrrp_instance U2: changed in place\n    priority 100 -> 90  (in place)\n\
         vrrp_instance M2: changed in place\n    priority 100 -> 90  (in place)\n"
    );
    let renamed = text(100).replace("vrrp_instance U1 ", "vrrp_instance U3 ");
    assert_eq!(
        plan(text(100), renamed),
        "vrrp_instance U3: changed in place\n    vrrp_instance U1 -> U3  (in place)\n"
    );
}

#[test]
fn an_instance_restarts_when_it_is_another_virtual_router_and_only_then() {
    let peers = |addresses: &str| format!("unicast_src_ip 10.0.0.1\n unicast_peer {{\n {addresses}\n }}");
    let password = |word: &str| format!("authentication {{\n auth_type PASS\n auth_pass {word}\n }}");
    let outcome = |old: &str, new: &str| {
        let plan = Plan::between(&read(instance(old)).model, &read(instance(new)).model);
        plan.entities.iter().map(|entity| entity.outcome).collect::<Vec<_>>()
    };
    let (one, two) = (peers("10.0.0.2"), peers("10.0.0.2\n 10.0.0.3"));
    assert_eq!(outcome(&one, &two), [Outcome::Changed]);
    assert_eq!(outcome(&one, ""), [Outcome::Restarted]);
    assert_eq!(outcome(&one, &one.replace("10.0.0.1", "10.0.0.9")), [Outcome::Restarted]);
    assert_eq!(outcome("", "mcast_src_ip 10.0.0.1"), [Outcome::Changed]);
    assert_eq!(outcome("", "mcast_dst_ip 224.0.0.99"), [Outcome::Restarted]);
    assert_eq!(outcome("version 2", "version 3"), [Outcome::Changed]);
    assert_eq!(outcome(&password("a"), &password("b")), [Outcome::Changed]);
    assert_eq!(outcome(&password("a"), &password("b").replace("PASS", "AH")), [Outcome::Changed]);
    let old = read(instance("")).model;
    let new = read(instance("").replace("192.0.2.1/24\n 192.0.2.2/24", "fe80::1")).model;
    assert_eq!(Plan::between(&old, &new).entities[0].outcome, Outcome::Restarted);
}

/// The defaults of all instances do what the keyword of one instance does.
#[test]
fn a_default_of_all_instances_restarts_those_that_differ_and_only_then() {
    let with = |global: &str| read(format!("global_defs {{\n{global}\n}}\n{}", instance(""))).model;
    for (global, restarts) in
        [("vrrp_version 3", false), ("vrrp_strict", false), ("vrrp_mcast_group4 224.0.0.99", true)]
    {
        let plan = Plan::between(&with(""), &with(global));
        let is_restarted = plan.entities.iter().any(|entity| entity.outcome == Outcome::Restarted);
        let says = plan.entities[0].keywords.iter().any(|change| change.effect == Reload::Restart);
        assert_eq!((is_restarted, says), (restarts, restarts), "{plan}");
    }
}

/// What is not carried out yet can restart nothing, and what only a restart can change is refused nevertheless.
#[test]
fn a_plan_says_what_is_not_active() {
    let plan = |old: &str, new: &str| Plan::between(&read(old).model, &read(new).model);
    let passive = plan("", "global_defs {\n vrrp_iptables INPUT\n}\n");
    assert_eq!(passive.entities[0].outcome, Outcome::Changed);
    assert!(
        passive.to_string().ends_with("vrrp_iptables + INPUT  (not active in this version)\n"),
        "{passive}"
    );
    let service = "virtual_server 192.0.2.1 80 {\n real_server 10.0.0.1 80 {\n weight 1\n }\n}\n";
    let added = plan("", service);
    assert!(added.entities[0].active);
    assert!(added.to_string().ends_with("80 UDP: added\n"), "{added}");
    let text = plan(service, &service.replace("weight 1", "weight 1\n slow_start 5")).to_string();
    assert!(text.contains("slow_start + 5  (from its next use)\n"), "{text}");
    let refused = plan("", "net_namespace_ipvs blue\n");
    assert!(refused.is_refused() && refused.to_string().contains("+ blue  (refused)"), "{refused}");
    let active = plan(&instance(""), &instance("nopreempt"));
    assert!(active.entities[0].active && active.entities[0].keywords[0].active, "{active}");
}

#[test]
fn a_plan_tells_what_a_checker_does_otherwise() {
    let server = |checks: &str| {
        read(format!(
            "virtual_server 10.0.0.1 80 {{\n lb_algo rr\n lb_kind NAT\n protocol TCP\n \
             real_server 10.0.0.2 80 {{\n{checks} }}\n}}\n"
        ))
        .model
    };
    let text = |old: &str, new: &str| Plan::between(&server(old), &server(new)).to_string();
    let tcp = "TCP_CHECK {\n connect_timeout 3\n }\n";
    let told = text(tcp, &tcp.replace('3', "4"));
    assert!(told.contains("TCP_CHECK - connect_timeout 3  (only this moves)"), "{told}");
    assert!(told.contains("TCP_CHECK + connect_timeout 4  (only this moves)"), "{told}");
    let told = text(tcp, "PING_CHECK {\n }\n");
    assert!(told.contains("TCP_CHECK - ") && told.contains("PING_CHECK + "), "{told}");
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
