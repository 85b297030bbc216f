//! What is left, and who is told, at the end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

use steadfast_lab::{Daemon, Program, Signal, wait};

use super::director::{LIMIT, balances};
use super::living::{another_worker, worker};
use super::side::Side;

/// A service that tells of everything that happens to it, up to the end.
fn configuration(globals: &str) -> String {
    format!(
        "global_defs {{\n {globals}\n script_user root\n enable_script_security\n}}
         virtual_server 10.9.0.1 80 {{
           delay_loop 1
           lb_algo rr
           lb_kind NAT
           protocol TCP
           omega
           quorum_up \"/run/tell quorum up\"
           quorum_down \"/run/tell quorum down\"
           real_server 198.18.0.2 80 {{
             notify_up \"/run/tell server up\"
             notify_down \"/run/tell server down\"
           }}
         }}\n"
    )
}

/// How often keepalived is asked for all that it tells: it does not wait for the scripts that it starts at its end, and they
/// die with it (keepalived.conf(5), `child_wait_time`), so that on a busy machine some are lost.
const TRIES: usize = 3;

/// What a stop leaves of the table, and tells, in order of the words.
fn end(program: &Program, globals: &str) -> (Vec<String>, Vec<String>) {
    let side = Side::new(program);
    let host = &side.director.host;
    host.write_script("/run/tell", "echo \"$@\" >>/run/told").unwrap();
    let mut daemon = side.start(&configuration(globals));
    let ours = ["-A -t 10.9.0.1:80 -s rr", "-a -t 10.9.0.1:80 -r 198.18.0.2:80 -m -w 1"];
    side.director.await_table(&ours, &daemon);
    let told = || {
        let text = host.read("/run/told").unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(wait::until(LIMIT, || told() == ["quorum up"]), "{:?}\n{}", told(), daemon.log_tail());
    side.director.run(&["ipvsadm", "-A", "-t", "10.9.0.9:80", "-s", "lc"]);
    daemon.stop(LIMIT).unwrap();
    (side.director.table(), told())
}

#[test]
fn a_stop_leaves_and_tells_what_it_does_with_keepalived() {
    let test = "a_stop_leaves_and_tells_what_it_does_with_keepalived";
    let (Some(steadfast), Some(keepalived)) = (Program::steadfast(test), Program::keepalived(test)) else {
        return;
    };
    if !balances(test) {
        return;
    }
    let foreign = ["-A -t 10.9.0.9:80 -s lc"].as_slice();
    let with_servers = ["quorum down", "quorum up", "server down"].as_slice();
    let without = ["quorum down", "quorum up"].as_slice();
    for (globals, left, told) in [
        ("", foreign, with_servers),
        ("lvs_flush_on_stop VS", foreign, without),
        ("lvs_flush_on_stop", &[], without),
    ] {
        for _ in 0..TRIES {
            let (table, heard) = end(&keepalived, globals);
            assert_eq!(table, left, "keepalived {globals}");
            assert!(
                heard.iter().all(|line| told.contains(&line.as_str())),
                "keepalived {globals}: {heard:?}"
            );
            if heard == told {
                break;
            }
            println!("keepalived {globals}: scripts died with it: {heard:?}");
        }
        let (table, heard) = end(&steadfast, globals);
        assert_eq!(table, left, "steadfast {globals}");
        assert_eq!(heard, told, "steadfast {globals}");
    }
}

/// A script that runs so long ends in time, and two of them take longer than all had together with keepalived.
const SCRIPT_RUNS: Duration = Duration::from_millis(1_600);

/// Each script has its time, however many there are and however slow the machine is.
#[test]
fn no_script_of_a_stop_is_lost_for_those_before_it() {
    let test = "no_script_of_a_stop_is_lost_for_those_before_it";
    let Some(program) = Program::steadfast(test).filter(|_| balances(test)) else { return };
    let side = Side::new(&program);
    let host = &side.director.host;
    // Nothing but the shell has to be started, which takes long enough on a busy machine.
    let script = "echo \"$@\" >>/run/begun\nread line </run/gate\necho \"$@\" >>/run/told";
    host.write_script("/run/tell", script).unwrap();
    side.director.run(&["mkfifo", "/run/gate"]);
    // Open at both ends, so that neither a script nor this test waits for the other to open it.
    let mut gate = OpenOptions::new().read(true).write(true).open(host.outside("/run/gate")).unwrap();
    let mut daemon = side.start(&configuration(""));
    let lines = |path: &str| host.read(path).unwrap_or_default().lines().count();
    let reaches = |path: &str, count: usize, daemon: &Daemon| {
        assert!(wait::until(LIMIT, || lines(path) == count), "{path}: {count}\n{}", daemon.log_tail());
    };
    reaches("/run/begun", 1, &daemon);
    gate.write_all(b"\n").unwrap();
    reaches("/run/told", 1, &daemon);
    daemon.signal(Signal::TERM);
    for number in [2, 3] {
        let before = Instant::now();
        reaches("/run/begun", number, &daemon);
        let rest = SCRIPT_RUNS.saturating_sub(before.elapsed());
        assert!(!wait::until(rest, || lines("/run/told") == number), "a script did not wait");
        gate.write_all(b"\n").unwrap();
        reaches("/run/told", number, &daemon);
    }
    daemon.wait(LIMIT).unwrap();
    assert_eq!(host.read("/run/told").unwrap(), "quorum up\nserver down\nquorum down\n");
}

/// Deaths of the check worker after which its successor is not started for some seconds.
const DEATHS: usize = 8;

/// A worker that waits for its start cannot take its entries away; somebody does.
#[test]
fn a_stop_takes_the_table_away_though_no_check_worker_runs() {
    let test = "a_stop_takes_the_table_away_though_no_check_worker_runs";
    let Some(program) = Program::steadfast(test).filter(|_| balances(test)) else { return };
    let side = Side::new(&program);
    let host = &side.director.host;
    host.write_script("/run/tell", "echo \"$@\" >>/run/told").unwrap();
    let mut daemon = side.start(&configuration(""));
    let ours = ["-A -t 10.9.0.1:80 -s rr", "-a -t 10.9.0.1:80 -r 198.18.0.2:80 -m -w 1"];
    side.director.await_table(&ours, &daemon);
    let told = || host.read("/run/told").unwrap_or_default();
    assert!(wait::until(LIMIT, || told() == "quorum up\n"), "{:?}\n{}", told(), daemon.log_tail());
    let mut before = None;
    for _ in 0..DEATHS {
        let pid = another_worker(&side.director, &daemon, before.as_ref());
        side.director.run(&["kill", "-9", &pid]);
        before = Some(pid);
    }
    let gone = || worker(&side.director, &daemon).is_none();
    assert!(wait::until(LIMIT, gone), "{}", daemon.log_tail());
    assert_eq!(side.director.table(), ours);
    assert_eq!(daemon.stop(LIMIT).unwrap().code(), Some(0), "{}", daemon.log_tail());
    assert!(side.director.table().is_empty(), "{:?}\n{}", side.director.table(), daemon.log_tail());
    assert_eq!(told(), "quorum up\nserver down\nquorum down\n");
}
