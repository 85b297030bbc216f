//! What the processes of a running daemon have given up.

use std::net::{TcpListener, UdpSocket};

use steadfast_vrrp::State;

use crate::crashes::{CHECK, worker};
use crate::stage::{
    Router, Stage, Virtual, configuration, simple, soon, text_of, with_globals, write_script,
};

/// CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_SYS_NICE and CAP_SYS_RESOURCE (linux/capability.h).
const RIGHTS_OF_VRRP: u64 = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 23 | 1 << 24;
/// Likewise, and CAP_NET_BIND_SERVICE.
const RIGHTS_OF_CHECKS: u64 = RIGHTS_OF_VRRP | 1 << 10;

/// A line of proc_pid_status(5).
fn status_of(pid: u32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().trim().to_owned()
}

/// A set of capabilities of a process.
fn rights(pid: u32, set: &str) -> u64 {
    u64::from_str_radix(&status_of(pid, set), 16).unwrap()
}

#[test]
fn the_vrrp_worker_keeps_what_it_needs_and_the_supervisor_what_scripts_need() {
    let name = "the_vrrp_worker_keeps_what_it_needs_and_the_supervisor_what_scripts_need";
    let Some(stage) = Stage::set(name) else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let (supervisor, worker) = (router.pid(), router.worker());
    let held = rights(supervisor, "CapEff");
    for set in ["CapEff", "CapPrm"] {
        assert_eq!(rights(worker, set), held & RIGHTS_OF_VRRP, "{set}");
    }
    assert_eq!(rights(worker, "CapInh"), 0);
    assert_eq!(rights(worker, "CapBnd") & !RIGHTS_OF_VRRP, 0);
    assert_eq!((status_of(worker, "NoNewPrivs"), status_of(worker, "Seccomp")), ("1".into(), "2".into()));
    // Each thread by itself.
    let threads: Vec<_> = std::fs::read_dir(format!("/proc/{worker}/task"))
        .unwrap()
        .map(|thread| thread.unwrap().file_name().into_string().unwrap().parse().unwrap())
        .collect();
    assert!(threads.len() > 1, "{threads:?}");
    for thread in threads {
        assert_eq!(status_of(thread, "Seccomp"), "2", "{thread}");
    }
    assert_eq!(status_of(supervisor, "Seccomp"), status_of(std::process::id(), "Seccomp"));
    assert_eq!(status_of(supervisor, "NoNewPrivs"), "0");
}

#[test]
fn the_check_worker_keeps_what_it_needs() {
    let Some(stage) = Stage::set("the_check_worker_keeps_what_it_needs") else { return };
    let host = stage.host("r1");
    let service = "virtual_server 10.9.0.1 80 {\n real_server 127.0.0.1 8080 {\n TCP_CHECK {\n }\n }\n}\n";
    let router = stage.start(&host, service);
    soon("it does its work", || !router.services().is_empty());
    let worker = worker(&router, CHECK).unwrap();
    let held = rights(router.pid(), "CapEff");
    for set in ["CapEff", "CapPrm"] {
        assert_eq!(rights(worker, set), held & RIGHTS_OF_CHECKS, "{set}");
    }
    assert_eq!(rights(worker, "CapInh"), 0);
    assert_eq!(rights(worker, "CapBnd") & !RIGHTS_OF_CHECKS, 0);
    assert_eq!((status_of(worker, "NoNewPrivs"), status_of(worker, "Seccomp")), ("1".into(), "2".into()));
}

#[test]
fn a_daemon_told_so_gives_nothing_up() {
    let Some(stage) = Stage::set("a_daemon_told_so_gives_nothing_up") else { return };
    let host = stage.host("r1");
    let router = stage.start_with(&host, &simple(200), |command| {
        command.arg("--unconfined");
    });
    router.reaches("V1", State::Master);
    let (supervisor, worker) = (router.pid(), router.worker());
    for line in ["CapEff", "NoNewPrivs", "Seccomp"] {
        assert_eq!(status_of(worker, line), status_of(supervisor, line), "{line}");
    }
}

#[test]
fn who_looks_names_up_has_no_right() {
    let Some(stage) = Stage::set("who_looks_names_up_has_no_right") else { return };
    let host = stage.host("named");
    host.write("/run/resolv.conf", "nameserver 127.0.0.1\n").unwrap();
    let mounted = host.run(&["mount", "--bind", "/run/resolv.conf", "/etc/resolv.conf"]).unwrap();
    assert!(mounted.status.success(), "{}", mounted.output);
    // A name server that takes questions and answers none.
    let silent = host.network().run(|| UdpSocket::bind("127.0.0.1:53")).unwrap().unwrap();
    let service =
        "virtual_server 10.9.0.1 80 {\n  lb_algo rr\n  lb_kind NAT\n  real_server _api._tcp.lab {\n  }\n}\n";
    let router = stage.start(&host, service);
    soon("it looks the name up without a right", || gave_everything_up(&router, "steadfast_names"));
    drop(silent);
}

#[test]
fn who_delivers_mail_has_no_right() {
    let Some(stage) = Stage::set("who_delivers_mail_has_no_right") else { return };
    let host = stage.host("mails");
    // A mail server that takes connections and says nothing.
    let silent = host.network().run(|| TcpListener::bind("127.0.0.1:2525")).unwrap().unwrap();
    let globals = "vrrp_version 3\nsmtp_server 127.0.0.1 2525\nnotification_email {\na@example.org\n}";
    let router = stage.start(&host, &with_globals(globals, &[&Virtual::default().more("smtp_alert")]));
    soon("it delivers without a right", || gave_everything_up(&router, "steadfast_mail"));
    drop(silent);
}

/// A process of this name runs that has no right, can get none back, and starts no program that has one.
fn gave_everything_up(router: &Router, name: &str) -> bool {
    let given_up = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let has = |line: &str| status.lines().any(|found| found == line);
        let none = |set: &str| has(&format!("{set}:\t0000000000000000"));
        has(&format!("Name:\t{name}"))
            && ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"].into_iter().all(none)
            && has("NoNewPrivs:\t1")
    };
    router.processes().is_ok_and(|processes| processes.into_iter().any(given_up))
}

/// `oom_score_adj` of a process.
fn score(pid: u32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn memory_that_runs_out_costs_others_first_and_scripts_are_others() {
    let name = "memory_that_runs_out_costs_others_first_and_scripts_are_others";
    let Some(stage) = Stage::set(name) else { return };
    let host = stage.host("r1");
    // Whether it may be lowered here at all.
    let lowered = host.run(&["sh", "-c", "echo -500 > /proc/self/oom_score_adj"]).unwrap();
    let own = score(std::process::id());
    let expected = if lowered.status.success() { own.min(-500) } else { own };
    write_script(&host, "/run/check", "cat /proc/self/oom_score_adj > /run/score");
    let text = "vrrp_script check {\n script /run/check\n interval 1\n}\n";
    let router = Virtual::with_priority(200).more("track_script {\n check\n}");
    let service = "virtual_server 10.9.0.1 80 {\n real_server 127.0.0.1 8080 {\n TCP_CHECK {\n }\n }\n}\n";
    let router = stage.start(&host, &configuration(&[&text, &router, &service]));
    router.reaches("V1", State::Master);
    assert_eq!((score(router.pid()), score(router.worker())), (expected, expected));
    soon("the check worker goes first", || {
        worker(&router, CHECK).is_some_and(|pid| score(pid) == expected + 500)
    });
    soon("a script has what the daemon was started with", || {
        text_of(&host, "/run/score").trim() == own.max(0).to_string()
    });
}
