//! Signed packets, with BIRD and with ourselves.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use steadfast_control::client::Client;
use steadfast_lab::{Daemon, Signal, permission, wait};

use crate::{LIMIT, Pair, await_state, comes_goes_and_comes_back, instance, sessions, v4, v6};

/// As BIRD calls them, and as we do.
const METHODS: [(&str, &str); 5] = [
    ("simple", "password"),
    ("keyed md5", "keyed_md5"),
    ("meticulous keyed md5", "meticulous_keyed_md5"),
    ("keyed sha1", "keyed_sha1"),
    ("meticulous keyed sha1", "meticulous_keyed_sha1"),
];

fn bird(pair: &Pair, method: &str, secret: &str) -> Daemon {
    crate::bird(pair, &format!("authentication {method}; password \"{secret}\" {{ id 7; }};"))
}

fn both(words: &str) -> String {
    let line = format!(" authentication {words}\n");
    instance("four", v4(2), &line) + &instance("six", v6(2), &line)
}

/// The reason for which every session drops the packets of its peer.
fn dropped_for(daemon: &Daemon, reason: &str) {
    let all = || {
        let sessions = sessions(daemon);
        let named = |told: &Option<String>| told.as_deref().is_some_and(|told| told.contains(reason));
        !sessions.is_empty() && sessions.iter().all(|one| one.state == "Down" && named(&one.dropped))
    };
    assert!(wait::until(LIMIT, all), "{reason}: {:#?}\n{}", sessions(daemon), daemon.log_tail());
    let told = || daemon.log().contains(reason);
    assert!(wait::until(LIMIT, told), "{reason}: {}", daemon.log_tail());
}

#[test]
fn bird_and_we_believe_each_other_with_the_same_secret_only() {
    let test = "bird_and_we_believe_each_other_with_the_same_secret_only";
    if !Path::new("/usr/sbin/bird").is_file() {
        permission::left_out(test, "BIRD is not installed (Debian: apt-get install bird2)");
        return;
    }
    let Some(pair) = Pair::set(test) else { return };
    pair.ours.write("/run/key", "the secret\n").unwrap();
    std::fs::set_permissions(pair.ours.outside("/run/key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut daemon = pair.start(&both("meticulous_keyed_sha1 7 other"));
    await_state(&daemon, "Down");
    for (theirs, ours) in METHODS {
        let mut bird = bird(&pair, theirs, "the secret");
        let reload = |words: &str| {
            daemon.configure(&both(words)).unwrap();
            daemon.signal(Signal::HUP);
        };
        reload(&format!("{ours} 7 other"));
        dropped_for(&daemon, if ours == "password" { "secret" } else { "the secret differs from ours" });
        reload(&format!("{ours} 8 \"the secret\""));
        dropped_for(&daemon, "expected key 8, found key 7");
        let value = if ours == "keyed_sha1" { "file:/run/key" } else { "\"the secret\"" };
        reload(&format!("{ours} 7 {value}"));
        await_state(&daemon, "Up");
        bird.stop(LIMIT).unwrap();
        assert!(!daemon.log().contains("the secret\""), "{}", daemon.log_tail());
    }
    // The whole life of a signed session.
    let _bird = bird(&pair, "meticulous keyed sha1", "the secret");
    comes_goes_and_comes_back(&pair, &daemon, 50);
    daemon.stop(LIMIT).unwrap();
}

#[test]
fn a_worker_s_death_takes_no_signed_session_down() {
    let Some(pair) = Pair::set("a_worker_s_death_takes_no_signed_session_down") else { return };
    let slow = " min_rx 300\n min_tx 300\n authentication meticulous_keyed_sha1 1 \"the secret\"\n";
    let theirs = pair_of(&pair, slow);
    let daemon = pair.start(&instance("here", v4(2), slow));
    await_state(&daemon, "Up");
    await_state(&theirs, "Up");
    let came_up =
        |daemon: &Daemon| sessions(daemon).first().and_then(|one| one.counters.get("came_up").copied());
    let sent = || sessions(&daemon).first().and_then(|one| one.counters.get("sent").copied()).unwrap_or(0);
    for round in 0..2_u64 {
        let before = sent();
        // More packets than one window of sequence numbers holds.
        assert!(wait::until(LIMIT, || sent() > before + 20), "{:#?}", sessions(&daemon));
        let worker = daemon.vrrp_worker().unwrap();
        assert!(Command::new("kill").args(["-9", &worker.to_string()]).status().unwrap().success());
        let succeeded =
            || daemon.vrrp_worker().is_some_and(|now| now != worker) && !sessions(&daemon).is_empty();
        assert!(wait::until(LIMIT, succeeded));
        let heard = sent();
        assert!(wait::until(LIMIT, || sent() > heard + 5), "round {round}: {:#?}", sessions(&daemon));
        assert_eq!((came_up(&daemon), came_up(&theirs)), (Some(1), Some(1)), "{}", daemon.log_tail());
    }
}

fn pair_of(pair: &Pair, more: &str) -> Daemon {
    Daemon::start(&pair.theirs, &pair.program, &instance("there", v4(1), more)).unwrap()
}

#[test]
fn a_secret_that_cannot_be_used_keeps_a_session_down() {
    let Some(pair) = Pair::set("a_secret_that_cannot_be_used_keeps_a_session_down") else { return };
    let daemon = pair.start(&instance("here", v4(2), " authentication keyed_sha1 1 file:/run/none\n"));
    let named = || {
        let one = sessions(&daemon).pop();
        one.and_then(|one| one.obstacle)
            .is_some_and(|why| why.contains("key 1 cannot be read from '/run/none'"))
    };
    assert!(wait::until(LIMIT, named), "{:#?}\n{}", sessions(&daemon), daemon.log_tail());
    let status = Client::connect(&daemon.host().outside("/run/steadfast/k.sock")).unwrap().status().unwrap();
    assert!(status.sessions.iter().all(|one| one.state == "AdminDown"), "{:#?}", status.sessions);
}
