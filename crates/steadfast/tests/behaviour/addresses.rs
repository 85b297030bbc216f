//! Addresses as the file asks for them, and how they are announced.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use serde_json::Value;
use steadfast_control::event::{Happening, Network};
use steadfast_lab::capture::Capture;
use steadfast_lab::{Host, Segment};
use steadfast_vrrp::State;

use crate::stage::{
    SLACK, Stage, VIRTUAL, VIRTUAL_V4, Virtual, configuration, senders, simple, soon, with_globals,
};

/// What iproute2 says of an address.
fn shown(host: &Host, address: &str) -> Option<Value> {
    let told = host.run(&["ip", "-j", "-d", "address", "show"]).unwrap();
    let links: Vec<Value> = serde_json::from_str(&told.output).unwrap();
    links.iter().find_map(|link| {
        let found = link["addr_info"].as_array()?.iter().find(|entry| entry["local"] == address)?;
        let mut found = found.clone();
        found["device"] = link["ifname"].clone();
        Some(found)
    })
}

#[test]
fn addresses_have_their_prefix_device_label_scope_broadcast_and_peer() {
    let Some(stage) = Stage::set("addresses_have_their_prefix_device_label_scope_broadcast_and_peer") else {
        return;
    };
    let host = stage.host("r1");
    let outside = Segment::new().unwrap();
    outside.plug(&host, "eth1").unwrap();
    let four = Virtual {
        addresses: vec![
            "10.0.9.1",
            "10.0.9.2/24 brd 10.0.9.255 dev eth0 label eth0:vip scope site",
            "10.0.9.3 peer 10.0.9.4",
            "10.0.9.5/28 brd + dev eth1 scope link",
        ],
        ..Virtual::default()
    };
    let six = Virtual {
        name: "V6",
        vrid: 61,
        addresses: vec![
            "fe80::61/64",
            "fd00::9:1/64 preferred_lft 0",
            "fd00::9:2",
            "fd00::9:3 preferred_lft forever",
        ],
        ..Virtual::default()
    };
    let mut router = stage.start(&host, &configuration(&[&four, &six]));
    router.reaches("V1", State::Master);
    router.reaches("V6", State::Master);
    soon("the addresses are there", || {
        shown(&host, "10.0.9.5").is_some() && shown(&host, "fd00::9:3").is_some()
    });
    let expected = [
        ("10.0.9.1", "eth0", 32, "global", Value::Null, Value::Null, Value::Null),
        ("10.0.9.2", "eth0", 24, "site", "10.0.9.255".into(), "eth0:vip".into(), Value::Null),
        ("10.0.9.3", "eth0", 32, "global", Value::Null, Value::Null, "10.0.9.4".into()),
        ("10.0.9.5", "eth1", 28, "link", "10.0.9.15".into(), Value::Null, Value::Null),
        ("fe80::61", "eth0", 64, "link", Value::Null, Value::Null, Value::Null),
        ("fd00::9:1", "eth0", 64, "global", Value::Null, Value::Null, Value::Null),
        ("fd00::9:2", "eth0", 128, "global", Value::Null, Value::Null, Value::Null),
        ("fd00::9:3", "eth0", 128, "global", Value::Null, Value::Null, Value::Null),
    ];
    for (address, device, prefix, scope, broadcast, label, peer) in expected.clone() {
        let found = shown(&host, address).unwrap_or_else(|| panic!("{address} is missing"));
        assert_eq!(found["device"], device, "{found:#}");
        assert_eq!(found["prefixlen"], prefix, "{found:#}");
        assert_eq!(found["scope"], scope, "{found:#}");
        assert_eq!(found["broadcast"], broadcast, "{found:#}");
        assert_eq!(found["address"], peer, "{found:#}");
        // Without a label of its own an IPv4 address has its interface's name.
        if label != Value::Null {
            assert_eq!(found["label"], label, "{found:#}");
        }
    }
    let is_deprecated = |address: &str| shown(&host, address).unwrap()["deprecated"] == true;
    assert!(is_deprecated("fd00::9:1") && is_deprecated("fd00::9:2") && !is_deprecated("fd00::9:3"));
    assert_eq!(router.stop(crate::stage::LIMIT).unwrap().code(), Some(0));
    for (address, ..) in expected {
        assert!(shown(&host, address).is_none(), "{address} is left");
    }
}

#[test]
fn announcements_are_repeated_delayed_and_refreshed_as_configured() {
    let Some(stage) = Stage::set("announcements_are_repeated_delayed_and_refreshed_as_configured") else {
        return;
    };
    let client = stage.host("client");
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let garp =
        "garp_master_repeat 3\ngarp_master_delay 1\ngarp_master_refresh 2\ngarp_master_refresh_repeat 2";
    let six = Virtual { name: "V6", vrid: 61, addresses: vec!["fe80::61/64"], ..Virtual::default() };
    let router = stage.router("r1", &configuration(&[&Virtual::default().more(garp), &six.more(garp)]));
    router.reaches("V1", State::Master);
    let times = || -> Vec<Instant> {
        capture.gratuitous_arps(VIRTUAL_V4, begin).into_iter().map(|(at, _)| at).collect()
    };
    soon("three blocks are announced", || times().len() >= 8);
    let arps = times();
    let [block, delayed, refreshed] = [arps[0], arps[3], arps[6]];
    assert!(arps[2] - block < SLACK, "the first block takes {:?}", arps[2] - block);
    let near = |found: Duration, wanted: u64| {
        let wanted = Duration::from_secs(wanted);
        assert!(found > wanted - SLACK && found < wanted + SLACK * 2, "{found:?} instead of {wanted:?}");
    };
    near(delayed - block, 1);
    near(refreshed - block, 3);
    let target: std::net::Ipv6Addr = "fe80::61".parse().unwrap();
    let six = || {
        capture
            .unsolicited_advertisements(begin)
            .into_iter()
            .filter(|(_, sent)| sent.target == target)
            .count()
    };
    soon("neighbours are told as often", || six() >= 8);
}

#[test]
fn an_interface_of_an_address_is_tracked_unless_it_says_otherwise() {
    let Some(stage) = Stage::set("an_interface_of_an_address_is_tracked_unless_it_says_otherwise") else {
        return;
    };
    let host = stage.host("r1");
    let outside = Segment::new().unwrap();
    outside.plug(&host, "eth1").unwrap();
    let tracked = Virtual { addresses: vec!["10.0.9.9/32", "10.8.0.1/24 dev eth1"], ..Virtual::default() };
    let untracked = Virtual {
        name: "V2",
        vrid: 52,
        addresses: vec!["10.0.9.10/32", "10.8.0.2/24 dev eth1 no_track"],
        ..Virtual::default()
    };
    let router = stage.start(&host, &configuration(&[&tracked, &untracked]));
    router.reaches("V1", State::Master);
    router.reaches("V2", State::Master);
    soon("the outer address is there", || router.owns("10.8.0.1".parse().unwrap()));
    host.set_down("eth1").unwrap();
    router.reaches("V1", State::Fault);
    soon("all its addresses go", || !router.owns(VIRTUAL));
    assert_eq!(router.state("V2"), Some(State::Master));
    host.set_up("eth1").unwrap();
    router.reaches("V1", State::Master);
}

#[test]
fn an_address_that_is_there_already_is_adopted_by_a_master() {
    let Some(stage) = Stage::set("an_address_that_is_there_already_is_adopted_by_a_master") else { return };
    let host = stage.host("r1");
    // Such as an administrator's, or one left by keepalived.
    host.assign("eth0", VIRTUAL, 32).unwrap();
    let mut router = stage.start(&host, &simple(100));
    router.reaches("V1", State::Master);
    soon("it is there", || router.owns(VIRTUAL));
    router.stop(crate::stage::LIMIT).unwrap();
    let own: IpAddr = "10.0.0.1".parse().unwrap();
    assert!(!host.has(VIRTUAL) && host.has(own));
}

#[test]
fn the_first_addresses_of_many_are_announced_before_the_last_are_written() {
    let Some(stage) = Stage::set("the_first_addresses_of_many_are_announced_before_the_last_are_written")
    else {
        return;
    };
    const INSTANCES: u8 = 25;
    const EACH: u8 = 200;
    let address = |instance: u8, position: u8| Ipv4Addr::new(10, 1, instance, position);
    let mut text = String::from("global_defs {\nvrrp_version 3\n}\n");
    for instance in 1..=INSTANCES {
        let addresses: Vec<String> =
            (1..=EACH).map(|position| address(instance, position).to_string()).collect();
        let _ = writeln!(
            text,
            "vrrp_instance V{instance} {{\nstate BACKUP\ninterface eth0\nvirtual_router_id {instance}\n\
             advert_int 1\ngarp_master_repeat 1\ngarp_master_delay 0\nvirtual_ipaddress {{\n{}\n}}\n}}",
            addresses.join("\n")
        );
    }
    let client = stage.host("client");
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let _router = stage.router("r1", &text);
    let announced = |address| capture.gratuitous_arps(address, begin).first().map(|(at, _)| *at);
    soon("the last address is announced", || announced(address(INSTANCES, EACH)).is_some());
    let (mastered, ..) = senders(&capture, 1, begin)[0];
    let first = announced(address(1, 1)).unwrap() - mastered;
    let last = announced(address(INSTANCES, EACH)).unwrap() - mastered;
    // Written in one go, the announcements would all come at the end.
    assert!(first < last / 2, "the first announcement comes after {first:?} of {last:?}");
}

#[test]
fn an_address_that_the_kernel_refuses_is_told_and_counted_until_it_is_gone() {
    let test = "an_address_that_the_kernel_refuses_is_told_and_counted_until_it_is_gone";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("r1");
    // Addresses of one network have one scope.
    host.assign("eth0", "10.7.0.1".parse().unwrap(), 24).unwrap();
    let with = |address| configuration(&[&Virtual { addresses: vec![address], ..Virtual::default() }]);
    let router = stage.start(&host, &with("10.7.0.9/24 scope link"));
    let refused = || router.status().and_then(|status| status.worker?.figures).map(|f| f.addresses_refused);
    soon("it is counted", || refused() == Some(1));
    let told = |happening: &Happening| matches!(happening, Happening::Network(Network::AddressRefused { error, .. }) if error.to_string().contains("cannot add 10.7.0.9"));
    router.tells(told);
    router.reload(&with("10.7.0.9/24"));
    soon("it is there", || router.owns("10.7.0.9".parse().unwrap()) && refused() == Some(0));
}

#[test]
fn a_static_address_is_the_source_where_there_is_no_other() {
    let Some(stage) = Stage::set("a_static_address_is_the_source_where_there_is_no_other") else { return };
    let host = stage.host("r1");
    let outside = Segment::new().unwrap();
    outside.plug(&host, "eth1").unwrap();
    let configuration = configuration(&[
        &"static_ipaddress {\n10.5.0.5/24 dev eth1\n}\n",
        &Virtual { interface: "eth1", addresses: vec!["10.5.0.9/32"], ..Virtual::default() },
    ]);
    let router = stage.start(&host, &configuration);
    router.reaches("V1", State::Master);
    assert_eq!(router.instance("V1").unwrap().master, Some("10.5.0.5".parse().unwrap()));
}

#[test]
fn instances_of_a_track_group_follow_what_is_static() {
    let Some(stage) = Stage::set("instances_of_a_track_group_follow_what_is_static") else { return };
    let host = stage.host("r1");
    let following = "track_group tg {\n group {\n V1\n }\n}\nstatic_ipaddress {\n 10.7.0.1/24 dev late0 track_group tg\n}\n\
                     static_routes {\n 10.8.0.0/24 dev late0 track_group tg\n}\nstatic_rules {\n from 10.7.0.0/24 table 77 \
                     preference 500 iif late0 track_group tg\n}\n";
    let other = Virtual { name: "V2", vrid: 52, addresses: vec!["10.0.8.8/32"], ..Virtual::default() };
    let text = with_globals("vrrp_version 3\ndynamic_interfaces", &[&Virtual::default(), &other]) + following;
    let router = stage.start(&host, &text);
    router.reaches("V2", State::Master);
    router.reaches("V1", State::Fault);
    let why = router.instance("V1").unwrap().why;
    assert!(why.contains("track_group follows is missing (address 10.7.0.1/24)"), "{why}");
    let made = host
        .run(&[
            "sh",
            "-c",
            "ip link add late0 type veth peer name late1 && ip link set late1 up && ip link set late0 up",
        ])
        .unwrap();
    assert!(made.status.success(), "{}", made.output);
    router.reaches("V1", State::Master);
    soon("the static address is there", || router.owns("10.7.0.1".parse().unwrap()));
    // What somebody takes is put back, and nobody follows; a link that goes takes the route.
    let taken = host.run(&["ip", "addr", "del", "10.7.0.1/24", "dev", "late0"]).unwrap();
    assert!(taken.status.success(), "{}", taken.output);
    soon("it is there again", || router.owns("10.7.0.1".parse().unwrap()));
    assert_eq!(router.counter("V1", "became_master"), Some(1));
    host.run(&["ip", "link", "set", "late0", "down"]).unwrap();
    router.reaches("V1", State::Fault);
    host.run(&["ip", "link", "set", "late0", "up"]).unwrap();
    router.reaches("V1", State::Master);
    assert_eq!(router.state("V2"), Some(State::Master));
}
