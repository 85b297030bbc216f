//! What the processes of a running daemon have given up.

use steadfast_vrrp::State;

use crate::stage::{Stage, simple};

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
