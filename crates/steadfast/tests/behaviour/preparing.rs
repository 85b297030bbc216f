//! A master that runs a script between winning and serving.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_control::event::{Ending, Happening};
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Signal, wait};
use steadfast_vrrp::{Cause, Prepared, State};

use crate::stage::{
    LIMIT, Router, Stage, VIRTUAL, VIRTUAL_V4, Virtual, configuration, send, senders, soon, text_of,
    write_script,
};

/// The state of the preparation, as the status tells it.
fn waits(router: &Router) -> bool {
    router.instance("V1").is_some_and(|instance| instance.causes.last() == Some(&Cause::Preparing))
}

fn prepared(router: &Router, outcome: Prepared) -> bool {
    let told = |cause: &Cause| matches!(cause, Cause::Prepared { outcome: how, .. } if *how == outcome);
    router.happened(
        |happening| matches!(happening, Happening::InstanceState { causes, .. } if causes.iter().any(told)),
    )
}

#[test]
fn the_address_waits_for_the_script_and_the_adverts_do_not() {
    let Some(stage) = Stage::set("the_address_waits_for_the_script_and_the_adverts_do_not") else { return };
    let host = stage.host("r1");
    // It sees whether the address is there, and ends when it is told to.
    write_script(
        &host,
        "/run/prepare",
        "ip -o addr show dev eth0 > /run/seen\nwhile ! test -e /run/go; do sleep 0.05; done",
    );
    write_script(&host, "/run/master", "ip -o addr show dev eth0 > /run/master_saw");
    let preparing =
        Virtual::with_priority(150).more("notify_master_prepare /run/prepare\nnotify_master /run/master");
    let capture = Capture::start(&host).unwrap();
    let begin = Instant::now();
    let router = stage.start(&host, &configuration(&[&preparing]));
    soon("it waits", || waits(&router));
    assert_eq!(router.state("V1"), Some(State::Master));
    let told = |happening: &Happening| matches!(happening, Happening::Preparing { priority: 150, .. });
    router.tells(told);
    let since = Instant::now();
    soon("it speaks meanwhile", || senders(&capture, 51, since).len() > 5);
    assert!(waits(&router) && !router.owns(VIRTUAL));
    assert_eq!(capture.gratuitous_arps(VIRTUAL_V4, begin), []);
    assert_eq!(text_of(&host, "/run/master_saw"), "", "notify_master is for one that serves");

    // The script and its end survive the worker.
    let worker = router.worker();
    send(worker, Signal::KILL);
    soon("a successor waits", || router.vrrp_worker().is_some_and(|pid| pid != worker) && waits(&router));
    assert!(!router.owns(VIRTUAL));
    host.write("/run/go", "").unwrap();
    soon("it serves", || router.owns(VIRTUAL));
    soon("it announces", || !capture.gratuitous_arps(VIRTUAL_V4, begin).is_empty());
    soon("notify_master runs", || text_of(&host, "/run/master_saw").contains("10.0.9.9"));
    assert!(!text_of(&host, "/run/seen").contains("10.0.9.9"));
    soon("it is told that all is prepared", || prepared(&router, Prepared::Done));
}

#[test]
fn a_script_that_hangs_or_fails_is_waited_for_no_longer_than_its_time() {
    let name = "a_script_that_hangs_or_fails_is_waited_for_no_longer_than_its_time";
    let Some(stage) = Stage::set(name) else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/hangs", "sleep 600");
    let hanging =
        Virtual::with_priority(150).more("notify_master_prepare /run/hangs\nnotify_master_prepare_timeout 1");
    let router = stage.start(&host, &configuration(&[&hanging]));
    soon("it waits", || waits(&router));
    let begin = Instant::now();
    soon("it serves", || router.owns(VIRTUAL));
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    soon("it is told why", || prepared(&router, Prepared::TimedOut) || prepared(&router, Prepared::Failed));
    let told = |happening: &Happening| {
        matches!(happening, Happening::Notify { ending: Ending::TimedOut { .. }, .. })
    };
    soon("the script is told of", || router.happened(told));
}

#[test]
fn a_router_that_cannot_prepare_leaves_the_addresses_to_another() {
    let name = "a_router_that_cannot_prepare_leaves_the_addresses_to_another";
    let Some(stage) = Stage::set(name) else { return };
    let host = stage.host("r1");
    write_script(&host, "/run/fails", "echo no peer\nexit 3");
    let failing = Virtual::with_priority(200)
        .more("notify_master_prepare /run/fails\nnotify_master_prepare_failure fault");
    let second = stage.router("r2", &configuration(&[&Virtual::with_priority(100)]));
    second.reaches("V1", State::Master);
    let first = stage.start(&host, &configuration(&[&failing]));
    first.reaches("V1", State::Fault);
    assert!(wait::until(LIMIT, || prepared(&first, Prepared::Failed)));
    second.reaches("V1", State::Master);
    soon("r2 serves", || second.owns(VIRTUAL));
    assert!(!first.owns(VIRTUAL));
    let why = first.instance("V1").unwrap().why;
    assert!(why.contains("notify_master_prepare failed"), "{why}");
    assert_ne!(second.instance("V1").unwrap().master, Some(IpAddr::from(address_v4(1))));
}
