//! A stopping master hands over, and nobody notices.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast_lab::capture::Capture;
use steadfast_lab::ping::Pinger;
use steadfast_lab::watch::Watch;
use steadfast_lab::{Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{LIMIT, SLACK, Stage, VIRTUAL, Virtual, configuration, send, senders, soon, text_of};

/// A backup of priority 1 waits nearly this long after priority 0 (RFC 9568 section 6.1).
const INTERVAL: Duration = Duration::from_millis(400);

fn slow(priority: u8) -> Virtual {
    Virtual { priority, interval: "0.4", ..Virtual::default() }
}

#[test]
fn a_stopping_master_serves_until_the_next_one_is_heard() {
    let Some(stage) = Stage::set("a_stopping_master_serves_until_the_next_one_is_heard") else { return };
    let six = |priority| Virtual {
        name: "V6",
        vrid: 61,
        addresses: vec!["fe80::61", "fd00::9:9"],
        ..slow(priority)
    };
    let both = |priority| configuration(&[&slow(priority), &six(priority)]);
    let mut first = stage.router("r1", &both(200));
    let second = stage.router("r2", &both(1));
    let client = stage.host("client");
    let virtual_six: IpAddr = "fd00::9:9".parse().unwrap();
    for name in ["V1", "V6"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
    }
    let pingers = [VIRTUAL, virtual_six].map(|address| {
        let pinger = Pinger::start(&client, address, Duration::from_millis(2)).unwrap();
        assert!(pinger.answered_within(LIMIT), "{address}");
        pinger
    });
    let hosts = vec![Arc::clone(first.host()), Arc::clone(second.host())];
    let watch = Watch::start(hosts, vec![VIRTUAL, virtual_six]).unwrap();
    soon("the watch sees r1", || [VIRTUAL, virtual_six].iter().all(|a| watch.owners(*a) == ["r1"]));
    let capture = Capture::start(&client).unwrap();

    let begin = Instant::now();
    let status = first.stop(LIMIT).unwrap();
    let took = begin.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < INTERVAL * 5, "the stop took {took:?}");
    let handed_over = wait::until(SLACK, || second.owns(VIRTUAL) && second.owns(virtual_six));
    assert!(handed_over, "handed over before the end");
    assert!(!first.owns(VIRTUAL) && !first.owns(virtual_six));
    for (pinger, address) in pingers.iter().zip([VIRTUAL, virtual_six]) {
        assert!(pinger.answered_within(LIMIT));
        let outage = pinger.longest_outage_since(begin);
        assert!(outage <= SLACK, "{address}: {outage:?} without answers");
    }
    soon("the watch sees r2", || [VIRTUAL, virtual_six].iter().all(|a| watch.owners(*a) == ["r2"]));
    for change in watch.changes_since(begin) {
        assert!(!change.owners.is_empty(), "unowned: {change:?}");
    }
    for vrid in [51, 61] {
        let adverts = senders(&capture, vrid, begin);
        let released = adverts.iter().position(|(_, _, priority)| *priority == 0);
        let released = released.unwrap_or_else(|| panic!("no priority 0 in {adverts:?}"));
        let (at, sender, _) = adverts[released];
        assert!(adverts[released..].iter().all(|(_, _, priority)| *priority <= 1), "{adverts:?}");
        let next = adverts[released..].iter().find(|(_, source, _)| *source != sender).unwrap();
        // RFC 9568 section 6.4.2: the backup waits its skew time.
        let waited = next.0 - at;
        assert!(waited >= INTERVAL / 2 && waited <= INTERVAL + SLACK, "{waited:?}");
    }
}

#[test]
fn a_lonely_master_stops_after_every_skew_time() {
    let Some(stage) = Stage::set("a_lonely_master_stops_after_every_skew_time") else { return };
    let host = stage.host("r1");
    for signal in [Signal::TERM, Signal::INT] {
        let mut router = stage.start(&host, &configuration(&[&slow(200)]));
        router.reaches("V1", State::Master);
        soon("the address is there", || router.owns(VIRTUAL));
        let begin = Instant::now();
        router.signal(signal);
        let status = router.wait(LIMIT).unwrap();
        let took = begin.elapsed();
        assert_eq!(status.code(), Some(0), "{signal:?}");
        assert!(!router.owns(VIRTUAL), "{signal:?}");
        // Priority 1, the slowest backup there can be, waits 255/256 of the interval.
        assert!(took >= INTERVAL / 2, "{signal:?}: gave up after {took:?}, a slow backup still waits");
        assert!(took <= INTERVAL * 2 + Duration::from_secs(1), "{signal:?}: {took:?}");
        assert!(host.read("/run/steadfast/k.pid").is_err(), "the pid file is left");
        assert!(!host.outside("/run/steadfast/k.sock").exists(), "the control socket is left");
    }
}

#[test]
fn a_worker_that_cannot_hand_over_leaves_no_address() {
    let Some(stage) = Stage::set("a_worker_that_cannot_hand_over_leaves_no_address") else { return };
    let host = stage.host("r1");
    // Hung while it stops, killed while it stops, and killed where nobody may follow it.
    let cases: [(&str, &[&str], &[Signal]); 3] = [
        ("hung", &[], &[Signal::STOP]),
        ("killed", &[], &[Signal::KILL]),
        ("killed without a successor", &["-R"], &[Signal::KILL]),
    ];
    for (what, arguments, signals) in cases {
        let excluded = slow(200).more("virtual_ipaddress_excluded {\n10.0.9.77/32\n}");
        let mut router = stage.start_with(&host, &configuration(&[&excluded]), |command| {
            command.args(arguments);
        });
        router.reaches("V1", State::Master);
        let other: IpAddr = "10.0.9.77".parse().unwrap();
        soon("the addresses are there", || router.owns(VIRTUAL) && router.owns(other));
        let worker = router.worker();
        if arguments.is_empty() {
            router.signal(Signal::TERM);
        }
        signals.iter().for_each(|signal| send(worker, *signal));
        router.wait(LIMIT).unwrap();
        assert!(!host.has(VIRTUAL) && !host.has(other), "{what}: an address is left");
        soon("nothing runs", || host.processes().unwrap().is_empty());
    }
}

#[test]
fn a_stop_right_after_the_start_leaves_nothing() {
    let Some(stage) = Stage::set("a_stop_right_after_the_start_leaves_nothing") else { return };
    let host = stage.host("r1");
    let owner = Virtual { priority: 255, ..slow(255) };
    for round in 0..10 {
        let mut router = stage.start(&host, &configuration(&[&owner]));
        let pid_file = if round % 2 == 0 { "k.pid" } else { "v.pid" };
        soon("the pid file is there", || !text_of(&host, &format!("/run/steadfast/{pid_file}")).is_empty());
        router.signal(Signal::TERM);
        router.wait(LIMIT).unwrap();
        soon("nothing runs", || host.processes().unwrap().is_empty());
        assert!(!host.has(VIRTUAL), "round {round}: the address is left");
    }
}
