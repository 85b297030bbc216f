//! Interfaces with the virtual router's MAC address (RFC 9568 section 7.3), and addresses that accept nothing.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_kernel::error::Errno;
use steadfast_lab::capture::{Capture, Content};
use steadfast_lab::ping::Pinger;
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Host, Signal, wait};
use steadfast_vrrp::State;
use steadfast_wire::ethernet::MacAddress;

use crate::stage::{
    LIMIT, Router, Stage, VIRTUAL, VIRTUAL_V4, Virtual, configuration, senders, soon, with_globals,
};

/// Of virtual router 51.
const V4_MAC: MacAddress = MacAddress([0, 0, 0x5e, 0, 1, 51]);

fn with_vmac(priority: u8, more: &str) -> String {
    let addresses = vec!["10.0.9.9/16"];
    let router = Virtual { addresses, ..Virtual::with_priority(priority) };
    configuration(&[&router.more(&format!("use_vmac\n{more}"))])
}

/// What a command says on a host; it has to succeed.
fn shown(host: &Host, command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let finished = host.run(&words).unwrap();
    assert!(finished.status.success(), "{command}: {}", finished.output);
    finished.output.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn setting(host: &Host, interface: &str, name: &str) -> String {
    shown(host, &format!("cat /proc/sys/net/ipv4/conf/{interface}/{name}"))
}

fn has_link(host: &Host, name: &str) -> bool {
    match host.wiring().index(name) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.errno, Errno::NODEV);
            false
        }
    }
}

/// The MAC addresses that a virtual router's adverts came from.
fn advert_macs(capture: &Capture, since: Instant) -> Vec<MacAddress> {
    let mut macs: Vec<MacAddress> = capture
        .select(since, |frame| matches!(frame.content, Content::Advert(_)).then_some(frame.ethernet.source));
    macs.dedup();
    macs
}

#[test]
fn adverts_and_announcements_have_the_virtual_mac_address() {
    let Some(stage) = Stage::set("adverts_and_announcements_have_the_virtual_mac_address") else { return };
    let listener = stage.segment.listener("listener").unwrap();
    let capture = Capture::start(&listener).unwrap();
    let since = Instant::now();
    let mut router = stage.router("r1", &with_vmac(200, ""));
    let host = router.host().clone();
    let below = || ["arp_ignore", "arp_filter", "arp_announce"].map(|name| setting(&host, "eth0", name));
    router.reaches("V1", State::Master);
    soon("its address is there", || router.owns(VIRTUAL));
    let link = shown(&host, "ip -d link show vrrp.51");
    for part in ["vrrp.51@eth0", "00:00:5e:00:01:33", "macvlan mode private", "addrgenmode none", "state UP"]
    {
        assert!(link.contains(part), "{part}: {link}");
    }
    assert!(shown(&host, "ip addr show dev vrrp.51").contains("10.0.9.9/16"));
    for (name, value) in [("arp_ignore", "1"), ("accept_local", "1"), ("promote_secondaries", "1")] {
        assert_eq!(setting(&host, "vrrp.51", name), value, "{name}");
    }
    assert_eq!(below(), ["1", "1", "2"]);
    soon("it is announced", || !capture.gratuitous_arps(VIRTUAL_V4, since).is_empty());
    let (_, arp) = capture.gratuitous_arps(VIRTUAL_V4, since)[0];
    assert_eq!((arp.sender_hardware, arp.target_hardware), (V4_MAC, V4_MAC));
    assert_eq!(advert_macs(&capture, since), [V4_MAC]);
    // Reports of group members leave by the interface below only: a backup's would mislead the switch.
    assert!(shown(&host, "nft list ruleset").contains("elements = { \"vrrp.51\" : \"eth0\" }"));

    router.stop(LIMIT).unwrap();
    assert!(!has_link(&host, "vrrp.51"));
    assert_eq!(below(), ["0", "0", "0"]);
    assert_eq!(shown(&host, "nft list ruleset"), "");
}

#[test]
fn clients_see_no_other_mac_address_after_a_failover() {
    let Some(stage) = Stage::set("clients_see_no_other_mac_address_after_a_failover") else { return };
    let client = stage.host("client");
    let mut first = stage.router("r1", &with_vmac(200, ""));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &with_vmac(100, ""));
    second.reaches("V1", State::Backup);
    let pinger = Pinger::start(&client, VIRTUAL, Duration::from_millis(10)).unwrap();
    let answered = |since| pinger.pings_since(since).iter().any(|ping| ping.answered.is_some());
    let start = Instant::now();
    soon("the first answers", || answered(start));
    let known = || shown(&client, "ip neigh show 10.0.9.9");
    let before = known();
    assert!(before.contains("00:00:5e:00:01:33"), "{before}");
    first.stop(LIMIT).unwrap();
    second.reaches("V1", State::Master);
    let since = Instant::now();
    soon("the second answers", || answered(since));
    let after = known();
    assert!(after.contains("00:00:5e:00:01:33"), "{after}");
}

#[test]
fn a_dead_worker_leaves_its_interface_and_a_killed_daemon_is_followed() {
    let Some(stage) = Stage::set("a_dead_worker_leaves_its_interface_and_a_killed_daemon_is_followed") else {
        return;
    };
    let host = stage.host("r1");
    let mut router = stage.start(&host, &with_vmac(200, ""));
    router.reaches("V1", State::Master);
    soon("its address is there", || router.owns(VIRTUAL));
    let index = || host.wiring().index("vrrp.51").unwrap();
    let before = index();
    kill_worker(&router);
    router.reaches("V1", State::Master);
    assert_eq!(index(), before, "the successor takes the interface over");

    kill(&mut router);
    assert!(has_link(&host, "vrrp.51"));
    let mut router = stage.start(&host, &with_vmac(200, ""));
    router.reaches("V1", State::Master);
    assert_eq!(index(), before, "so does the next daemon");

    // One that is not wanted any more goes at the next start.
    kill(&mut router);
    let router = stage.start(&host, &configuration(&[&Virtual::with_priority(200)]));
    router.reaches("V1", State::Master);
    assert!(!has_link(&host, "vrrp.51"));
}

/// Kills everything at once.
fn kill(router: &mut Router) {
    router.signal_all(Signal::KILL).unwrap();
    router.wait(LIMIT).unwrap();
    let host = router.host().clone();
    soon("nothing is left", || host.processes().unwrap().is_empty());
}

/// Kills the worker, and waits until another runs.
fn kill_worker(router: &Router) {
    let worker = router.worker();
    let pid = rustix::process::Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    soon("a successor runs", || router.vrrp_worker().is_some_and(|next| next != worker));
}

#[test]
fn its_life_follows_the_interface_below() {
    let Some(stage) = Stage::set("its_life_follows_the_interface_below") else { return };
    let router = stage.router("r1", &with_vmac(200, ""));
    let host = router.host().clone();
    router.reaches("V1", State::Master);
    // Somebody deletes it, or switches it off.
    for deed in ["ip link del vrrp.51", "ip link set vrrp.51 down"] {
        shown(&host, deed);
        soon(deed, || has_link(&host, "vrrp.51") && router.owns(VIRTUAL));
        router.reaches("V1", State::Master);
        soon("it is up", || shown(&host, "ip link show vrrp.51").contains("state UP"));
    }
    // The interface below is renamed: under its name there is nothing any more.
    shown(&host, "ip link set eth0 down");
    shown(&host, "ip link set eth0 name other");
    router.reaches("V1", State::Fault);
    soon("it goes", || !has_link(&host, "vrrp.51"));
    shown(&host, "ip link set other name eth0");
    shown(&host, "ip link set eth0 up");
    router.reaches("V1", State::Master);
    soon("it is back", || has_link(&host, "vrrp.51") && router.owns(VIRTUAL));
    // The interface below goes, and takes it along.
    host.wiring().delete("eth0").unwrap();
    router.reaches("V1", State::Fault);
    assert!(!has_link(&host, "vrrp.51"));
    stage.segment.plug(&host, "eth0").unwrap();
    host.assign("eth0", address_v4(1).into(), 16).unwrap();
    router.reaches("V1", State::Master);
    soon("both are back", || has_link(&host, "vrrp.51") && router.owns(VIRTUAL));
}

#[test]
fn a_reload_makes_names_anew_and_takes_away() {
    let Some(stage) = Stage::set("a_reload_makes_names_anew_and_takes_away") else { return };
    let plain = Virtual { addresses: vec!["10.0.9.9/16"], ..Virtual::with_priority(200) };
    let router = stage.router("r1", &configuration(&[&plain]));
    let host = router.host().clone();
    router.reaches("V1", State::Master);
    let reigns = || router.counter("V1", "became_master");
    let before = reigns();
    assert_eq!(before, Some(1));
    let on = |interface: &str| shown(&host, &format!("ip addr show dev {interface}")).contains("10.0.9.9/16");
    for (lines, interface, gone) in [
        ("use_vmac", "vrrp.51", "no"),
        ("use_vmac name shown 02:00:00:00:00", "shown", "vrrp.51"),
        ("", "eth0", "shown"),
    ] {
        router.reload(&configuration(&[&plain.clone().more(lines)]));
        soon(lines, || has_link(&host, interface) && on(interface));
        soon("the former is gone", || !has_link(&host, gone));
    }
    assert!(!on("eth0") || router.owns(VIRTUAL));
    assert_eq!(reigns(), before, "it stays master all the time");
}

#[test]
fn an_address_on_another_interface_has_a_mac_address_of_its_own() {
    let Some(stage) = Stage::set("an_address_on_another_interface_has_a_mac_address_of_its_own") else {
        return;
    };
    let host = stage.host("r1");
    let outside = steadfast_lab::Segment::new().unwrap();
    outside.plug(&host, "eth1").unwrap();
    let addresses = vec!["10.0.9.9/16", "10.7.0.9/16 dev eth1 use_vmac"];
    let router = stage.start(&host, &configuration(&[&Virtual { addresses, ..Virtual::with_priority(200) }]));
    router.reaches("V1", State::Master);
    soon("it is on its interface", || {
        has_link(&host, "vrrp.51") && shown(&host, "ip addr show dev vrrp.51").contains("10.7.0.9/16")
    });
    assert!(shown(&host, "ip link show vrrp.51").contains("vrrp.51@eth1"));
    assert!(shown(&host, "ip addr show dev eth0").contains("10.0.9.9/16"));
}

#[test]
fn nothing_is_accepted_for_an_address_that_is_only_for_routing() {
    let Some(stage) = Stage::set("nothing_is_accepted_for_an_address_that_is_only_for_routing") else {
        return;
    };
    let client = stage.host("client");
    let router = stage.router("r1", &configuration(&[&Virtual::with_priority(200).more("no_accept")]));
    let host = router.host().clone();
    router.reaches("V1", State::Master);
    soon("its address is there", || router.owns(VIRTUAL));
    let pinger = Pinger::start(&client, VIRTUAL, Duration::from_millis(10)).unwrap();
    let since = Instant::now();
    soon("many asked", || pinger.pings_since(since).len() > 20);
    assert!(pinger.pings_since(since).iter().all(|ping| ping.answered.is_none()), "it answers");
    let rules = || shown(&host, "nft list ruleset");
    assert!(rules().contains("elements = { 10.0.9.9 }"), "{}", rules());
    // Who loads other rules flushes everything.
    let before = rules();
    shown(&host, "nft flush ruleset");
    soon("the filter is back", || rules() == before);

    router.reload(&configuration(&[&Virtual::with_priority(200).more("accept")]));
    let since = Instant::now();
    soon("it answers", || pinger.pings_since(since).iter().any(|ping| ping.answered.is_some()));
    assert!(wait::until(LIMIT, || rules().is_empty()), "{}", rules());
}

#[test]
fn addresses_elsewhere_are_announced_again_and_again() {
    let Some(stage) = Stage::set("addresses_elsewhere_are_announced_again_and_again") else { return };
    let host = stage.host("r1");
    let outside = steadfast_lab::Segment::new().unwrap();
    outside.plug(&host, "eth1").unwrap();
    let listener = outside.listener("listener").unwrap();
    let capture = Capture::start(&listener).unwrap();
    let since = Instant::now();
    let router = Virtual {
        addresses: vec!["10.0.9.9/16", "10.7.0.9/16 dev eth1 use_vmac"],
        ..Virtual::with_priority(200)
    };
    let once = "garp_master_delay 0\ngarp_master_repeat 1\ngarp_extra_if 1";
    let router = stage.start(&host, &configuration(&[&router.more(once)]));
    router.reaches("V1", State::Master);
    let address = "10.7.0.9".parse().unwrap();
    soon("it is announced for the third time", || capture.gratuitous_arps(address, since).len() > 2);
    let announced = capture.gratuitous_arps(address, since);
    assert!(announced.iter().all(|(_, arp)| arp.sender_hardware == V4_MAC), "{announced:?}");
    let periods: Vec<Duration> = announced.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(periods.iter().all(|period| *period > Duration::from_millis(900)), "{periods:?}");
}

#[test]
fn settings_that_are_asked_for_are_set_and_set_back() {
    let Some(stage) = Stage::set("settings_that_are_asked_for_are_set_and_set_back") else { return };
    let globals = "vrrp_version 3\ndisable_local_igmp";
    let router = Virtual::with_priority(200).more("promote_secondaries");
    let mut router = stage.router("r1", &with_globals(globals, &[&router]));
    let host = router.host().clone();
    router.reaches("V1", State::Master);
    let settings = || {
        let reports = shown(&host, "cat /proc/sys/net/ipv4/igmp_link_local_mcast_reports");
        (setting(&host, "eth0", "promote_secondaries"), reports)
    };
    assert_eq!(settings(), ("1".to_owned(), "0".to_owned()));
    router.stop(LIMIT).unwrap();
    assert_eq!(settings(), ("0".to_owned(), "1".to_owned()));
}

/// The interface below has no link-local address: adverts come from the one that its MAC address makes (RFC 4291 appendix A),
/// as those of keepalived.
#[test]
fn a_virtual_mac_address_of_ipv6_needs_no_link_local_address_below() {
    let Some(stage) = Stage::set("a_virtual_mac_address_of_ipv6_needs_no_link_local_address_below") else {
        return;
    };
    let listener = stage.segment.listener("listener").unwrap();
    let capture = Capture::start(&listener).unwrap();
    let since = Instant::now();
    let host = stage.host("r1");
    shown(&host, "ip link set dev eth0 addrgenmode none address 02:00:00:12:34:56");
    shown(&host, "ip -6 addr flush dev eth0");
    let addresses = vec!["fe80::51/64"];
    let router = Virtual { addresses, ..Virtual::with_priority(200) }.more("use_vmac");
    let router = stage.start(&host, &configuration(&[&router]));
    router.reaches("V1", State::Master);
    let expected: IpAddr = "fe80::ff:fe12:3456".parse().unwrap();
    soon("it is heard", || !senders(&capture, 51, since).is_empty());
    let adverts = senders(&capture, 51, since);
    assert!(adverts.iter().all(|(_, source, _)| *source == expected), "{adverts:?}");
    let macs = advert_macs(&capture, since);
    assert_eq!(macs, [MacAddress([0, 0, 0x5e, 0, 2, 51])]);
}
