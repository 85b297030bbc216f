//! What an operator sees of sessions, and the options that leave some out.

use std::sync::Arc;
use std::time::Duration;

use steadfast_control::client::Client;
use steadfast_control::status::Status;
use steadfast_lab::{Daemon, Host, Program, Signal, wait};
use steadfast_vrrp::State;

use crate::{LIMIT, Pair, await_state, instance, sessions, v4, v6};

/// Where programs leave their files.
const FOLDER: &str = "/run";

fn start(host: &Arc<Host>, program: &Program, text: &str, options: &[&str]) -> Daemon {
    let mut command = Daemon::command(host, program, text).unwrap();
    command.args(options).env("TMPDIR", FOLDER);
    Daemon::spawn(host, program.name(), command).unwrap()
}

fn status(daemon: &Daemon) -> Option<Status> {
    Client::connect(&daemon.host().outside("/run/steadfast/k.sock")).ok()?.status().ok()
}

/// Of each daemon.
const SESSIONS: usize = 2;

/// What SIGUSR1 writes of sessions, without what only keepalived's processes have.
fn data(daemon: &Daemon) -> Vec<String> {
    let path = format!("{FOLDER}/keepalived_bfd.data");
    let pid_file = format!("{}/k.pid", daemon.folder());
    let begun = || daemon.host().read(&pid_file).is_ok_and(|text| text.ends_with('\n'));
    assert!(wait::until(LIMIT, begun), "it does not start\n{}", daemon.log_tail());
    let text = wait::value(LIMIT, || {
        // keepalived ignores signals until it has started; this one must not be lost.
        daemon.signal(Signal::USR1);
        // Of both sessions.
        let is_whole = |text: &String| {
            text.ends_with('\n') && text.matches("remote detect multiplier").count() >= SESSIONS
        };
        let whole = || daemon.host().read(&path).ok().filter(is_whole);
        wait::value(Duration::from_secs(1), whole)
    });
    let text = text.unwrap_or_else(|| panic!("nothing is written\n{}", daemon.log_tail()));
    let of_processes =
        ["fd_out", "thread_", "sands_", "send error", "local discriminator", "!poll", "last_seen"];
    let of_both = |line: &&str| !of_processes.iter().any(|name| line.trim_start().starts_with(name));
    let only_theirs = ["remote min tx", "remote min rx", "remote demand", "remote detection time"];
    let topology = text.lines().skip_while(|line| !line.contains("BFD Topology"));
    let lines = topology.filter(of_both).filter(|line| !only_theirs.iter().any(|name| line.contains(name)));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_data_file_of_sessions_is_that_of_keepalived() {
    let test = "the_data_file_of_sessions_is_that_of_keepalived";
    let Some(keepalived) = Program::keepalived(test) else { return };
    let Some(pair) = Pair::set(test) else { return };
    let text = instance("four", v4(77), &format!(" source_ip {}\n max_hops 2\n vrrp\n", v4(9)))
        + &instance("six", v6(77), " idle_tx 1500\n checker\n");
    pair.ours.assign("eth0", v4(9), 24).unwrap();
    let mut theirs = start(&pair.ours, &keepalived, &text, &[]);
    let expected = data(&theirs);
    theirs.stop(LIMIT).unwrap();
    std::fs::remove_file(pair.ours.outside(&format!("{FOLDER}/keepalived_bfd.data"))).unwrap();
    let ours = start(&pair.ours, &pair.program, &text, &[]);
    let mut found = data(&ours);
    assert!(found.iter().any(|line| line == "   authentication = none"), "{found:#?}");
    found.retain(|line| !line.contains("authentication = "));
    assert_eq!(found, expected);
}

#[test]
fn a_session_is_left_out_by_b_and_all_virtual_routers_by_c() {
    let Some(pair) = Pair::set("a_session_is_left_out_by_b_and_all_virtual_routers_by_c") else { return };
    let router = "vrrp_instance V1 {\n interface eth0\n virtual_router_id 9\n priority 100\n advert_int 0.1\n \
                  version 3\n virtual_ipaddress {\n 10.0.9.9/32\n }\n track_bfd {\n here\n }\n}\n";
    let _peer = start(&pair.theirs, &pair.program, &instance("there", v4(1), ""), &[]);
    let text = instance("here", v4(2), "") + router;
    let virtual_address = "10.0.9.9".parse().unwrap();

    let mut daemon = start(&pair.ours, &pair.program, &text, &["-B"]);
    let state = || status(&daemon).and_then(|status| status.instances.first().map(|one| one.state));
    assert!(wait::until(LIMIT, || state() == Some(State::Fault)), "{}", daemon.log_tail());
    assert!(sessions(&daemon).is_empty());
    daemon.configure(&text.replace("priority 100", "priority 110")).unwrap();
    daemon.signal(Signal::HUP);
    let reloaded = || status(&daemon).is_some_and(|status| status.generation == 2);
    assert!(wait::until(LIMIT, reloaded), "{}", daemon.log_tail());
    assert!(sessions(&daemon).is_empty());
    daemon.stop(LIMIT).unwrap();

    let mut daemon = start(&pair.ours, &pair.program, &text, &["-C"]);
    await_state(&daemon, "Up");
    daemon.configure(&text.replace("priority 100", "priority 120")).unwrap();
    daemon.signal(Signal::HUP);
    let reloaded = || status(&daemon).is_some_and(|status| status.generation == 2);
    assert!(wait::until(LIMIT, reloaded), "{}", daemon.log_tail());
    await_state(&daemon, "Up");
    assert!(!pair.ours.has(virtual_address), "{}", daemon.log_tail());
    daemon.stop(LIMIT).unwrap();

    let daemon = start(&pair.ours, &pair.program, &text, &[]);
    await_state(&daemon, "Up");
    assert!(wait::until(LIMIT, || pair.ours.has(virtual_address)), "{}", daemon.log_tail());
}
