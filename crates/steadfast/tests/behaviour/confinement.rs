//! What the processes of a running daemon have given up.

use std::net::UdpSocket;

use steadfast_vrrp::State;

use crate::crashes::{CHECK, worker};
use crate::stage::{Stage, Virtual, configuration, simple, soon, text_of, write_script};

/// CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_SYS_NICE and CAP_SYS_RESOURCE (linux/capability.h).
const RIGHTS_OF_VRRP: u64 = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 23 | 1 << 24;

/// A line of proc_pid_status(5).
fn status_of(pid: u32, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().trim().to_owned()
}

#[test]
fn the_vrrp_worker_keeps_what_it_needs_and_the_supervisor_what_scripts_need() {
    let name = "the_vrrp_worker_keeps_what_it_needs_and_the_supervisor_what_scripts_need";
    let Some(stage) = Stage::set(name) else { return };
    let router = stage.router("r1", &simple(200));
    router.reaches("V1", State::Master);
    let (supervisor, worker) = (router.pid(), router.worker());
    let rights = |pid: u32, set: &str| u64::from_str_radix(&status_of(pid, set), 16).unwrap();
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
    let given_up = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let has = |line: &str| status.lines().any(|found| found == line);
        has("Name:\tsteadfast_names") && has("CapEff:\t0000000000000000") && has("NoNewPrivs:\t1")
    };
    soon("it looks the name up without a right", || {
        router.processes().is_ok_and(|processes| processes.into_iter().any(given_up))
    });
    drop(silent);
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
