//! What docs/operating.md says of FRR and BIRD, carried out.

use std::path::Path;
use std::process::Command;

use steadfast_lab::frr::Bfd;
use steadfast_lab::{Daemon, permission};

use crate::{LIMIT, Pair, await_state, sessions};

/// The blocks of the section, in their order: our end and FRR's, our end and BIRD's.
fn blocks() -> [String; 4] {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("\n## BFD with FRR and BIRD\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let mut blocks: Vec<String> = Vec::new();
    let mut before = "";
    for line in section.lines() {
        if let Some(code) = line.strip_prefix("    ") {
            if before.is_empty() {
                blocks.push(String::new());
            }
            blocks.last_mut().unwrap().push_str(&format!("{code}\n"));
        }
        before = line;
    }
    blocks.try_into().unwrap()
}

#[test]
fn the_session_with_frr_has_its_echo_packets_returned() {
    let test = "the_session_with_frr_has_its_echo_packets_returned";
    if !steadfast_lab::frr::Router::installed(test) {
        return;
    }
    let Some(pair) = Pair::set(test) else { return };
    for host in [&pair.ours, &pair.theirs] {
        crate::echo::forward(host, true);
    }
    let [ours, theirs, _, _] = blocks();
    let peers = theirs.strip_prefix("bfd\n").unwrap().strip_suffix("!\n").unwrap();
    let _bfdd = Bfd::start(&pair.theirs, peers).unwrap();
    let daemon = pair.start(&ours);
    crate::echo::await_echoes(&daemon);
    let told = "10.0.0.2 returns echo packets, one every 50.0 ms, gives up after 150.0 ms";
    assert!(daemon.logged(told, LIMIT), "{}", daemon.log_tail());
}

#[test]
fn the_session_with_bird_is_signed() {
    let test = "the_session_with_bird_is_signed";
    if !Path::new("/usr/sbin/bird").is_file() {
        permission::left_out(test, "BIRD is not installed (Debian: apt-get install bird2)");
        return;
    }
    let Some(pair) = Pair::set(test) else { return };
    let [_, _, ours, theirs] = blocks();
    let configuration = format!("router id 10.0.0.2;\nprotocol device {{}}\n{theirs}");
    pair.theirs.write("/run/bird/conf", &configuration).unwrap();
    let mut command = Command::new("/usr/sbin/bird");
    command.args(["-f", "-c", "/run/bird/conf", "-s", "/run/bird/ctl"]);
    let _bird = Daemon::spawn(&pair.theirs, "bird", command).unwrap();
    let daemon = pair.start(&ours);
    await_state(&daemon, "Up");
    assert!(sessions(&daemon).iter().all(|one| one.authentication == "meticulous keyed SHA1"));
}
