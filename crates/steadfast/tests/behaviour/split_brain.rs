//! Routers that do not hear each other's adverts ask who serves (`split_brain_check`).

use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant};

use steadfast_control::event::Happening;
use steadfast_control::status::Problem;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Host, wait};
use steadfast_vrrp::{Cause, Served, State};

use crate::stage::{LIMIT, Router, Stage, VIRTUAL, Virtual, configuration, soon};

/// The host's packet filter drops what it is told to, or nothing.
fn filter(host: &Host, chain: &str, dropped: Option<&str>) {
    let table = format!("{chain}_of_test");
    let words = match dropped {
        Some(what) => format!(
            "add table inet {table}; add chain inet {table} c {{ type filter hook {chain} priority 0; }}; \
             add rule inet {table} c {what} drop"
        ),
        None => format!("delete table inet {table}"),
    };
    let done = host.run(&["nft", &words]).unwrap();
    assert!(done.status.success(), "{}", done.output);
}

fn deafen(host: &Host) {
    filter(host, "input", Some("meta l4proto 112"));
}

fn checking(priority: u8, words: &str) -> String {
    configuration(&[&Virtual::with_priority(priority).more(&format!("split_brain_check {words}"))])
}

/// What the status says is to be mended.
fn found(router: &Router) -> Option<Served> {
    router.instance("V1")?.problems.into_iter().find_map(|problem| match problem {
        Problem::ServedElsewhere { served, .. } => Some(served),
        _ => None,
    })
}

fn by_link(served: Served, address: IpAddr) -> bool {
    matches!(served, Served::Link { address: asked, .. } if asked == address)
}

fn holds_back(router: &Router) -> bool {
    router.happened(|happening| {
        matches!(happening, Happening::ServedElsewhere { state: State::Backup, yields: true, .. })
    })
}

#[test]
fn two_masters_that_are_deaf_to_each_other_are_told_of_on_both() {
    let name = "two_masters_that_are_deaf_to_each_other_are_told_of_on_both";
    let Some(stage) = Stage::set(name) else { return };
    let hosts = [stage.host("r1"), stage.host("r2")];
    hosts.iter().for_each(|host| deafen(host));
    let first = stage.start(&hosts[0], &checking(200, ""));
    first.reaches("V1", State::Master);
    soon("nobody else serves", || first.owns(VIRTUAL));
    assert_eq!(found(&first), None);
    let second = stage.start(&hosts[1], &checking(100, "every 1"));
    second.reaches("V1", State::Master);
    soon("both serve", || first.owns(VIRTUAL) && second.owns(VIRTUAL));
    for router in [&first, &second] {
        soon("it is told", || found(router).is_some_and(|served| by_link(served, VIRTUAL)));
        let program = stage.program.path().to_str().unwrap();
        let words = [program, "status", "--control-socket", "/run/steadfast/k.sock"];
        let status = router.host().run(&words).unwrap().output;
        assert!(
            status
                .starts_with("PROBLEM         V1: another router serves, though its adverts are not heard: "),
            "{status}"
        );
        let check = router.host().run(&[&words[..], &["--check"]].concat()).unwrap();
        assert_eq!(check.status.code(), Some(2), "{}", check.output);
    }
    // One ends: the other sees by itself that it is alone.
    let mut first = first.into_daemon();
    assert!(first.stop(LIMIT).is_ok());
    soon("it is over", || found(&second).is_none());
    second.tells(|happening| matches!(happening, Happening::ServedHereAlone { .. }));
}

#[test]
fn of_two_that_give_way_one_serves() {
    let Some(stage) = Stage::set("of_two_that_give_way_one_serves") else { return };
    let hosts = [stage.host("r1"), stage.host("r2")];
    hosts.iter().for_each(|host| deafen(host));
    let first = stage.start(&hosts[0], &checking(100, "yield"));
    first.reaches("V1", State::Master);
    soon("r1 serves", || first.owns(VIRTUAL));
    let second = stage.start(&hosts[1], &checking(200, "yield"));
    soon("r2 asks and stays", || holds_back(&second));
    soon("the status says why", || found(&second).is_some_and(|served| by_link(served, VIRTUAL)));
    assert_eq!((second.state("V1"), second.owns(VIRTUAL)), (Some(State::Backup), false));
    // Nobody tells it that r1 ends, and it serves nevertheless.
    assert!(first.into_daemon().stop(LIMIT).is_ok());
    second.reaches("V1", State::Master);
    soon("r2 serves", || second.owns(VIRTUAL));

    // Two that serve already: the lower one goes.
    let first = stage.start(&hosts[0], &configuration(&[&Virtual::with_priority(50)]));
    soon("both serve", || first.owns(VIRTUAL) && second.owns(VIRTUAL));
    first.reload(&checking(50, "every 1 yield"));
    first.reaches("V1", State::Backup);
    soon("one is left", || !first.owns(VIRTUAL) && second.owns(VIRTUAL));
    let causes = first.instance("V1").unwrap().causes;
    assert!(
        matches!(causes.last(), Some(Cause::ServedElsewhere { served }) if by_link(*served, VIRTUAL)),
        "{causes:?}"
    );
}

#[test]
fn neighbour_solicitations_ask_for_addresses_of_ipv6() {
    let Some(stage) = Stage::set("neighbour_solicitations_ask_for_addresses_of_ipv6") else { return };
    let hosts = [stage.host("r1"), stage.host("r2")];
    hosts.iter().for_each(|host| deafen(host));
    let six = |priority| {
        let addresses = vec!["fe80::51/64", "fd00::9:51/64"];
        let six = Virtual { addresses, ..Virtual::with_priority(priority) };
        configuration(&[&six.more("split_brain_check link yield")])
    };
    let address: IpAddr = "fe80::51".parse().unwrap();
    let first = stage.start(&hosts[0], &six(100));
    soon("r1 serves", || first.owns(address));
    let second = stage.start(&hosts[1], &six(200));
    soon("r2 asks and stays", || holds_back(&second));
    soon("the status says why", || found(&second).is_some_and(|served| by_link(served, address)));
    assert!(!second.owns(address));
}

#[test]
fn a_virtual_mac_address_answers_too() {
    let Some(stage) = Stage::set("a_virtual_mac_address_answers_too") else { return };
    let hosts = [stage.host("r1"), stage.host("r2")];
    hosts.iter().for_each(|host| deafen(host));
    let vmac = |priority| {
        configuration(&[&Virtual::with_priority(priority).more("use_vmac\nsplit_brain_check link yield")])
    };
    let first = stage.start(&hosts[0], &vmac(100));
    soon("r1 serves", || first.owns(VIRTUAL));
    let second = stage.start(&hosts[1], &vmac(200));
    soon("r2 asks and stays", || holds_back(&second));
    let hardware = [0, 0, 0x5e, 0, 1, 51];
    soon("the virtual MAC address is named", || {
        found(&second) == Some(Served::Link { address: VIRTUAL, hardware })
    });
}

#[test]
fn a_router_that_does_not_reach_its_arbiter_leaves_the_addresses_to_another() {
    let name = "a_router_that_does_not_reach_its_arbiter_leaves_the_addresses_to_another";
    let Some(stage) = Stage::set(name) else { return };
    let hosts = [stage.host("r1"), stage.host("r2"), stage.host("arbiter")];
    let arbiter = IpAddr::from(address_v4(3));
    let words = format!("arbiter {arbiter} every 1 yield");
    let second = stage.start(&hosts[1], &checking(100, &words));
    let first = stage.start(&hosts[0], &checking(200, &words));
    first.reaches("V1", State::Master);
    filter(&hosts[0], "output", Some("icmp type echo-request"));
    first.reaches("V1", State::Backup);
    second.reaches("V1", State::Master);
    soon("r2 serves alone", || second.owns(VIRTUAL) && !first.owns(VIRTUAL));
    first.tells(|happening: &Happening| {
        matches!(
            happening,
            Happening::ServedElsewhere { served: Served::NoArbiter { arbiter: told }, state: State::Master, .. }
                if *told == arbiter
        )
    });
    // Better than r2, and cut off: it stays where it is, and says why.
    soon("the status says why", || found(&first) == Some(Served::NoArbiter { arbiter }));
    assert_eq!(first.state("V1"), Some(State::Backup));
    filter(&hosts[0], "output", None);
    first.reaches("V1", State::Master);
    soon("r1 serves alone", || first.owns(VIRTUAL) && !second.owns(VIRTUAL));
}

#[test]
fn a_port_that_only_a_master_serves_is_asked() {
    let Some(stage) = Stage::set("a_port_that_only_a_master_serves_is_asked") else { return };
    let hosts = [stage.host("r1"), stage.host("peer")];
    let peer = IpAddr::from(address_v4(2));
    let listen = || hosts[1].network().run(|| TcpListener::bind((peer, 4443)).unwrap()).unwrap();
    let listener = listen();
    let router = stage.start(&hosts[0], &checking(200, &format!("tcp {peer} 4443 within 300 every 1 yield")));
    soon("it stays", || holds_back(&router));
    soon("the status says why", || found(&router) == Some(Served::Service { address: peer, port: 4443 }));
    drop(listener);
    router.reaches("V1", State::Master);
    soon("it serves", || router.owns(VIRTUAL));
    let _listener = listen();
    router.reaches("V1", State::Backup);
}

#[test]
fn an_election_waits_for_answers_as_long_as_it_is_told_to() {
    let Some(stage) = Stage::set("an_election_waits_for_answers_as_long_as_it_is_told_to") else { return };
    let host = stage.host("r1");
    let begin = Instant::now();
    let router = stage.start(&host, &checking(200, "within 4000 yield"));
    let asks = Duration::from_millis(2_500);
    assert!(!wait::until(asks.saturating_sub(begin.elapsed()), || router.owns(VIRTUAL)), "it did not wait");
    assert!(wait::until(LIMIT, || router.owns(VIRTUAL)));
}
