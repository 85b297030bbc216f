//! Hostile packets, missing permissions and bad files.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};
use steadfast_control::event::{Bound, Happening, Record};
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Host, Signal, wait};
use steadfast_vrrp::State;
use steadfast_wire::checksum::PseudoHeader;
use steadfast_wire::vrrp::{
    AdvertInterval, Advertisement, Authentication, Centiseconds, Family, Form, Priority, Vrid,
};

use crate::stage::{
    AddressChanges, LIMIT, Router, Stage, VIRTUAL, Virtual, configuration, send, simple, soon, text_of,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const VRRP: i32 = 112;
/// Of the header.
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// Somebody on the segment who can send anything.
struct Attacker {
    socket: Socket,
}

impl Attacker {
    fn on(host: &Host, address: Ipv4Addr) -> Self {
        let open = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(VRRP)));
        let socket = host.network().run(open).unwrap().unwrap();
        socket.set_multicast_if_v4(&address).unwrap();
        Self { socket }
    }

    fn send(&self, ttl: u32, message: &[u8]) {
        self.socket.set_multicast_ttl_v4(ttl).unwrap();
        self.socket.send_to(message, &SocketAddrV4::new(GROUP, 0).into()).unwrap();
    }
}

/// An advert that would depose any master.
fn advert(vrid: u8, form: Form, address: IpAddr, source: Ipv4Addr) -> Vec<u8> {
    let advertisement = Advertisement {
        vrid: Vrid::new(vrid).unwrap(),
        priority: Priority::OWNER,
        form,
        family: Family::V4,
        addresses: &[address],
    };
    let pseudo = match form {
        Form::V2 { .. } => PseudoHeader::None,
        Form::V3 { .. } => PseudoHeader::between(source.into(), GROUP.into()).unwrap(),
    };
    let mut message = Vec::new();
    advertisement.write(pseudo, &mut message).unwrap();
    message
}

fn counters(router: &Router, name: &str) -> BTreeMap<String, u64> {
    router.instance(name).unwrap().counters
}

fn unclaimed(router: &Router) -> u64 {
    let worker = router.status().and_then(|status| status.worker);
    worker
        .and_then(|worker| worker.figures)
        .map(|figures| figures.datagrams_unclaimed + figures.datagrams_truncated)
        .unwrap()
}

#[test]
fn hostile_packets_are_dropped_counted_and_named() {
    let Some(stage) = Stage::set("hostile_packets_are_dropped_counted_and_named") else { return };
    let password = "version 2\nauthentication {\nauth_type PASS\nauth_pass secret\n}";
    let old =
        Virtual { name: "V2", vrid: 52, interval: "1", addresses: vec!["10.0.8.8/32"], ..Virtual::default() };
    let router = stage.router("r1", &configuration(&[&Virtual::default(), &old.more(password)]));
    let host = stage.host("attacker");
    let own = address_v4(2);
    let attacker = Attacker::on(&host, own);
    router.reaches("V1", State::Master);
    router.reaches("V2", State::Master);
    soon("the addresses are there", || router.owns(VIRTUAL) && router.owns("10.0.8.8".parse().unwrap()));
    let mut changes = AddressChanges::watch(router.host());

    let interval = Centiseconds::new(10).unwrap();
    let good = advert(51, Form::V3 { interval }, VIRTUAL, own);
    let altered = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut message = good.clone();
        change(&mut message);
        message[CHECKSUM].fill(0);
        let sum = PseudoHeader::between(own.into(), GROUP.into()).unwrap().checksum(112, &message);
        message[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
        message
    };
    let mut flipped = good.clone();
    flipped[7] ^= 1;
    let second = std::num::NonZeroU8::new(1).unwrap();
    let with = |authentication| Form::V2 { interval: second, authentication };
    let eight: IpAddr = "10.0.8.8".parse().unwrap();
    let mut unknown_type = advert(52, with(Authentication::None), eight, own);
    unknown_type[4] = 9;
    unknown_type[CHECKSUM].fill(0);
    let sum = PseudoHeader::None.checksum(112, &unknown_type);
    unknown_type[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    let long_interval = Form::V2 {
        interval: std::num::NonZeroU8::new(7).unwrap(),
        authentication: Authentication::Password(*b"secret\0\0"),
    };
    let cases: [(&str, &str, u32, Vec<u8>); 9] = [
        ("V1", "ttl_errors", 254, good.clone()),
        ("V1", "checksum_errors", 255, flipped),
        ("V1", "version_errors", 255, altered(&|message| message[0] = 0x41)),
        ("V1", "type_errors", 255, altered(&|message| message[0] = 0x32)),
        ("V1", "length_errors", 255, altered(&|message| message[3] = 40)),
        ("V2", "auth_type_mismatches", 255, advert(52, with(Authentication::None), eight, own)),
        ("V2", "auth_failures", 255, advert(52, with(Authentication::Password(*b"guessed\0")), eight, own)),
        ("V2", "auth_type_invalid", 255, unknown_type),
        ("V2", "interval_errors", 255, advert(52, long_interval, eight, own)),
    ];
    for (instance, counter, ttl, message) in cases {
        let before = counters(&router, instance);
        assert_eq!(before[counter], 0, "{counter}");
        attacker.send(ttl, &message);
        soon(&format!("{counter} counts"), || counters(&router, instance)[counter] == 1);
        let after = counters(&router, instance);
        let sent = ["adverts_sent", counter];
        let changed: Vec<_> = after
            .iter()
            .filter(|(name, value)| before[*name] != **value && !sent.contains(&name.as_str()))
            .collect();
        assert!(changed.is_empty(), "{counter}: also {changed:?}");
    }
    let dropped = || {
        let of_attacker = |record: &Record| matches!(&record.happening, Happening::Dropped { source, .. } if *source == IpAddr::from(own));
        router.events().iter().filter(|record| of_attacker(record)).count()
    };
    soon("each first drop is told", || dropped() >= 9);
    assert_eq!(dropped(), 9, "{:#?}", router.events());

    // What belongs to nobody.
    let before = unclaimed(&router);
    attacker.send(255, &advert(99, Form::V3 { interval }, VIRTUAL, own));
    attacker.send(255, &altered(&|message| message[1] = 0));
    attacker.send(255, &[]);
    attacker.send(255, &good[..1]);
    soon("four datagrams are unclaimed", || unclaimed(&router) >= before + 4);

    // Every truncation, and noise, of which the sum of all counters has to tell.
    let all = |router: &Router| -> u64 {
        let errors = |name: &str| -> u64 {
            counters(router, name)
                .iter()
                .filter(|(name, _)| *name != "adverts_sent")
                .map(|(_, value)| value)
                .sum()
        };
        unclaimed(router) + errors("V1") + errors("V2")
    };
    let before = all(&router);
    let mut sent = 0;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for length in 0..good.len() {
        attacker.send(255, &good[..length]);
        sent += 1;
    }
    for _ in 0..500 {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let length = usize::try_from(random % 1400).unwrap();
        let noise: Vec<u8> =
            (0..length).map(|at| (random >> (at % 57)).to_le_bytes()[0] ^ at.to_le_bytes()[0]).collect();
        attacker.send(255, &noise);
        sent += 1;
    }
    soon("all of it is counted", || all(&router) == before + sent);

    for name in ["V1", "V2"] {
        let status = router.instance(name).unwrap();
        assert_eq!(status.state, State::Master, "{name}");
        let counted = counters(&router, name);
        assert_eq!((counted["adverts_received"], counted["released_master"]), (0, 0), "{name}");
    }
    assert_eq!(changes.since_last(), []);
    assert_eq!(router.status().unwrap().worker.unwrap().restarts, 0);

    // The very same packet, unaltered, does what it says.
    attacker.send(255, &good);
    router.reaches("V1", State::Backup);
    assert_eq!(AdvertInterval::Centiseconds(interval).duration().as_millis(), 100);
}

/// Runs a daemon on a configuration to its end: its exit status, and what it said.
#[test]
fn adverts_that_the_kernel_dropped_are_counted_and_told() {
    let Some(stage) = Stage::set("adverts_that_the_kernel_dropped_are_counted_and_told") else { return };
    let router = stage.router("r1", &simple(200));
    let attacker = stage.host("attacker");
    router.reaches("V1", State::Master);
    let sender = Attacker::on(&attacker, address_v4(2));
    // Of another virtual router, and large: 4 MiB of room are soon used up.
    let interval = Centiseconds::new(10).unwrap();
    let mut message = advert(77, Form::V3 { interval }, VIRTUAL, address_v4(2));
    message.resize(1_400, 0);
    send(router.worker(), Signal::STOP);
    (0..16_000).for_each(|_| sender.send(255, &message));
    send(router.worker(), Signal::CONT);
    let lost = || router.status().and_then(|status| status.worker?.figures).map(|f| f.datagrams_lost);
    soon("it is counted", || {
        // The kernel tells with the next one that finds room.
        sender.send(255, &message);
        lost().is_some_and(|lost| lost > 0)
    });
    let told =
        |happening: &Happening| matches!(happening, Happening::Bound { bound: Bound::AdvertsLost { .. } });
    soon("it is told", || router.happened(told));
    assert_eq!(router.state("V1"), Some(State::Master));
}

fn run_to_end(
    stage: &Stage,
    host: &Host,
    configuration: Option<&str>,
    prefix: &[&str],
) -> (Option<i32>, String) {
    match configuration {
        Some(text) => host.write("/run/c/conf", text).unwrap(),
        None => host.write("/run/c/other", "").unwrap(),
    }
    let program = stage.program.path().to_str().unwrap();
    let own = [program, "-n", "-l", "-f", "/run/c/conf", "-p", "/run/c/k.pid", "-r", "/run/c/v.pid"];
    let finished = host.run(&[prefix, &own[..]].concat()).unwrap();
    (finished.status.code(), finished.output)
}

#[test]
fn without_a_capability_the_daemon_names_it_and_ends_with_4() {
    let Some(stage) = Stage::set("without_a_capability_the_daemon_names_it_and_ends_with_4") else { return };
    let host = stage.host("r1");
    for (dropped, named) in [("-net_raw", "CAP_NET_RAW"), ("-net_admin", "CAP_NET_ADMIN")] {
        let bounding = format!("--bounding-set={dropped}");
        let (status, output) = run_to_end(&stage, &host, Some(&simple(100)), &["setpriv", &bounding]);
        assert_eq!(status, Some(4), "{dropped}: {output}");
        let sentences: Vec<_> = output.lines().filter(|line| line.contains(named)).collect();
        assert_eq!(sentences.len(), 1, "{dropped}: {output}");
        assert!(!host.has(VIRTUAL));
    }
    host.run(&["chmod", "-R", "a+rwX", "/run/c"]).unwrap();
    let user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
    let (status, output) = run_to_end(&stage, &host, Some(&simple(100)), &user);
    assert_eq!(status, Some(4), "{output}");
    assert!(output.contains("CAP_NET_RAW") || output.contains("CAP_NET_ADMIN"), "{output}");
    assert!(wait::until(LIMIT, || host.processes().unwrap().is_empty()));
}

#[test]
fn a_bad_file_at_start_ends_as_keepalived_does_with_every_error() {
    let Some(stage) = Stage::set("a_bad_file_at_start_ends_as_keepalived_does_with_every_error") else {
        return;
    };
    let host = stage.host("r1");
    let (status, output) = run_to_end(&stage, &host, None, &[]);
    assert_eq!(status, Some(6), "a missing file: {output}");
    assert!(output.contains("/run/c/conf"), "{output}");
    assert!(!host.has(VIRTUAL));

    // keepalived runs with what it does not know, and cannot run an instance without a VRID.
    let broken = "vrrp_instance V1 {\n    interface eth0\n    prioirty 100\n    virtual_ipaddress {\n        \
                  10.0.9.9/32\n        10.0.9.300\n    }\n}\nno_such_block {\n}\n";
    let (status, output) = run_to_end(&stage, &host, Some(broken), &[]);
    assert_eq!(status, Some(2), "{output}");
    for (place, what) in [
        ("conf:3:", "prioirty"),
        ("conf:6:", "10.0.9.300"),
        ("conf:9:", "no_such_block"),
        ("conf:1:", "virtual_router_id"),
    ] {
        // On a console each problem is a paragraph with its place, the line and the spot.
        let told = output.split("\n\n").any(|problem| problem.contains(place) && problem.contains(what));
        assert!(told, "{what} is not told at {place}:\n{output}");
    }
    assert!(!host.has(VIRTUAL));
    assert_eq!(text_of(&host, "/run/c/k.pid"), "");
}
