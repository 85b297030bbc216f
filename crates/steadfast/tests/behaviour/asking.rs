//! What operators and monitoring ask, beside daemons that live through what they ask about.

use steadfast_control::event::Record;
use steadfast_control::status::{Problem, Status};
use steadfast_lab::wait;
use steadfast_vrrp::State;

use crate::stage::{LIMIT, Router, Stage, Virtual, configuration, simple, soon, with_globals};

const SOCKET: [&str; 2] = ["--control-socket", "/run/steadfast/k.sock"];

/// What a subcommand prints on the router's host, and its exit status.
fn ask(stage: &Stage, router: &Router, words: &[&str]) -> (String, Option<i32>) {
    let program = stage.program.path().to_str().unwrap();
    let told = router.host().run(&[&[program], words, &SOCKET].concat()).unwrap();
    (told.output, told.status.code())
}

fn with_password(priority: u8, password: &str) -> String {
    let authentication = format!("authentication {{\n auth_type PASS\n auth_pass {password}\n}}");
    with_globals(
        "vrrp_version 2",
        &[&Virtual { interval: "1", ..Virtual::with_priority(priority) }.more(&authentication)],
    )
}

#[test]
fn two_masters_of_different_passwords_are_named_on_both() {
    let Some(stage) = Stage::set("two_masters_of_different_passwords_are_named_on_both") else { return };
    let first = stage.router("r1", &with_password(200, "one"));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &with_password(100, "two"));
    // Whoever came second never heard silence, only what it dropped.
    second.reaches("V1", State::Master);
    let why = second.instance("V1").unwrap().why;
    assert!(!why.contains("heard no master"), "{why}");
    for (router, other) in [(&first, "10.0.0.2"), (&second, "10.0.0.1")] {
        let is_named = |problem: &Problem| matches!(problem, Problem::TwoMasters { other: found, dropped: Some(_), .. } if found.to_string() == other);
        soon("two masters are told", || {
            router.instance("V1").is_some_and(|instance| instance.problems.iter().any(is_named))
        });
        let (status, _) = ask(&stage, router, &["status"]);
        let begins = format!("PROBLEM         V1: two masters: {other} (priority ");
        assert!(status.starts_with(&begins) && status.contains("password"), "{status}");
        let (line, code) = ask(&stage, router, &["status", "--check"]);
        assert_eq!(code, Some(2), "{line}");
        assert!(line.starts_with("STEADFAST CRITICAL - V1: two masters"), "{line}");
        let (peers, _) = ask(&stage, router, &["peers", "V1"]);
        assert!(
            peers.contains(other) && peers.contains("password") && peers.contains("that were dropped"),
            "{peers}"
        );
    }
}

#[test]
fn a_reload_waits_and_says_what_came_of_it() {
    let Some(stage) = Stage::set("a_reload_waits_and_says_what_came_of_it") else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let write = |text: &str| router.configure(text).unwrap();
    write(&configuration(&[&Virtual::with_priority(150)]));
    let (told, code) = ask(&stage, &router, &["reload"]);
    assert_eq!((told.as_str(), code), ("applied: vrrp_instance V1 (priority)\n", Some(0)));
    assert_eq!(router.instance("V1").unwrap().base_priority, 150);
    write("vrrp_instance V1 {\n    virtual_router_id 300\n}\n");
    let (told, code) = ask(&stage, &router, &["reload"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("refused") && told.contains("300"), "{told}");
    assert_eq!(router.instance("V1").unwrap().base_priority, 150);
    let (line, code) = ask(&stage, &router, &["status", "--check"]);
    assert_eq!(code, Some(1), "{line}");
    assert!(line.contains("the last reload was refused"), "{line}");
    write(&configuration(&[&Virtual::with_priority(150)]));
    assert_eq!(ask(&stage, &router, &["reload"]).1, Some(0));
    let (line, code) = ask(&stage, &router, &["status", "--check"]);
    assert_eq!(code, Some(0), "{line}");
    assert!(line.starts_with("STEADFAST OK - ") && line.contains(" | instances=1 masters=1 "), "{line}");
}

#[test]
fn events_can_be_narrowed_down() {
    let Some(stage) = Stage::set("events_can_be_narrowed_down") else { return };
    let two = configuration(&[
        &Virtual::with_priority(200),
        &Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.9.10/32"], ..Virtual::with_priority(200) },
    ]);
    let router = stage.router("r1", &two);
    router.reaches("V1", State::Master);
    router.reaches("V2", State::Master);
    let records = |words: &[&str]| -> Vec<Record> {
        let (text, code) = ask(&stage, &router, &[&["events", "--json"], words].concat());
        assert_eq!(code, Some(0), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let of_one = records(&["V2"]);
    assert!(!of_one.is_empty() && of_one.iter().all(|record| record.message.contains("V2")), "{of_one:#?}");
    let all = records(&[]);
    assert_eq!(records(&["-n", "2"]), all[all.len() - 2..]);
    assert!(records(&["--severity", "error"]).is_empty());
    assert_eq!(records(&["--since", "1h"]).len(), all.len());
    assert!(records(&["--since", "0s"]).is_empty());
}

#[test]
fn every_daemon_of_the_machine_is_found() {
    let Some(stage) = Stage::set("every_daemon_of_the_machine_is_found") else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let program = stage.program.path().to_str().unwrap();
    let host = router.host().clone();
    // What a dead daemon left behind is not listed.
    host.run(&["mkdir", "-p", "/run/keepalived"]).unwrap();
    drop(std::os::unix::net::UnixListener::bind(host.outside("/run/keepalived/dead.sock")).unwrap());
    let all = host.run(&[program, "status", "--all"]).unwrap();
    assert_eq!(all.status.code(), Some(0), "{}", all.output);
    assert!(all.output.contains("k.sock: steadfast status --control-socket"), "{}", all.output);
    assert!(!all.output.contains("dead.sock"), "{}", all.output);
    // Who names nothing is told what to type.
    let lost = host.run(&[program, "status", "-s", "nowhere"]).unwrap();
    assert_eq!(lost.status.code(), Some(3), "{}", lost.output);
    assert!(lost.output.contains("steadfast status --control-socket"), "{}", lost.output);
    assert!(!lost.output.contains("dead.sock"), "{}", lost.output);
    let json = host
        .run(&[program, "status", "--json", "10.0.9.9", "--control-socket", "/run/steadfast/k.sock"])
        .unwrap();
    let status: Status = serde_json::from_str(&json.output).unwrap();
    assert_eq!(&*status.instances[0].name, "V1");
    let value: serde_json::Value = serde_json::from_str(&json.output).unwrap();
    assert!(value["instances"][0]["counters"]["adverts_sent"].is_u64(), "{value}");
    // No daemon is critical to monitoring.
    let mut router = router;
    router.stop(LIMIT).unwrap();
    let line =
        host.run(&[program, "status", "--check", "--control-socket", "/run/steadfast/k.sock"]).unwrap();
    assert_eq!(line.status.code(), Some(2), "{}", line.output);
}

#[test]
fn a_watcher_sees_the_change() {
    let Some(stage) = Stage::set("a_watcher_sees_the_change") else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let host = router.host().clone();
    let mut command = std::process::Command::new(stage.program.path());
    command.args(["status", "--watch=0.1"]).args(SOCKET);
    let _watcher = steadfast_lab::Daemon::spawn(&host, "watcher", command).unwrap();
    let seen =
        |word: &str| wait::until(LIMIT, || host.read("/run/watcher/log").unwrap_or_default().contains(word));
    assert!(seen("MASTER"));
    host.set_down("eth0").unwrap();
    assert!(seen("FAULT"));
}
