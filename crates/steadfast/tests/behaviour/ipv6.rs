//! Virtual routers over IPv6.

use std::net::{IpAddr, Ipv6Addr, SocketAddrV6};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use steadfast_lab::capture::Capture;
use steadfast_lab::ping::Pinger;
use steadfast_lab::{Host, wait};
use steadfast_vrrp::State;
use steadfast_wire::checksum::PseudoHeader;
use steadfast_wire::vrrp::{Advertisement, Centiseconds, Family, Form, Priority, Vrid};

use crate::stage::{LIMIT, SLACK, Stage, Virtual, configuration, master_down, soon};

const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
const VRRP: i32 = 112;

/// Both families with one number: they are different virtual routers (RFC 9568 section 5.2.3).
fn both(priority: u8) -> String {
    let six = Virtual {
        name: "V6",
        addresses: vec!["fe80::51/64", "fd00::9:51/64"],
        ..Virtual::with_priority(priority)
    };
    configuration(&[&Virtual::with_priority(priority), &six])
}

#[test]
fn ipv6_fails_over_within_the_limit_and_survives_its_interface() {
    let Some(stage) = Stage::set("ipv6_fails_over_within_the_limit_and_survives_its_interface") else {
        return;
    };
    let first = stage.router("r1", &both(200));
    let second = stage.router("r2", &both(100));
    let client = stage.host("client");
    let own: [IpAddr; 2] = ["fe80::51", "fd00::9:51"].map(|text| text.parse().unwrap());
    let settled = || {
        own.iter().all(|address| first.owns(*address) && !second.owns(*address))
            && second.state("V6") == Some(State::Backup)
    };
    soon("r1 is master", settled);
    let pinger = Pinger::start(&client, own[1], Duration::from_millis(2)).unwrap();
    assert!(pinger.answered_within(LIMIT));
    let begin = Instant::now();
    stage.segment.isolate(first.host()).unwrap();
    soon("r2 takes over", || own.iter().all(|address| second.owns(*address)));
    assert!(pinger.answered_within(LIMIT));
    let (outage, limit) = (pinger.longest_outage_since(begin), master_down(Duration::from_millis(100), 100));
    assert!(outage <= limit + SLACK, "{outage:?} without answers, the protocol's limit is {limit:?}");
    stage.segment.rejoin(first.host()).unwrap();
    soon("r1 is master again", settled);

    // The kernel drops IPv6 addresses with the interface, and makes another link-local one with it.
    first.host().set_down("eth0").unwrap();
    first.reaches("V6", State::Fault);
    soon("r2 takes over", || own.iter().all(|address| second.owns(*address)));
    first.host().set_up("eth0").unwrap();
    soon("r1 is master again", settled);
    assert!(pinger.answered_within(LIMIT));

    // What is advertised first is the link-local address (RFC 9568 section 5.2.9).
    let capture = Capture::start(&client).unwrap();
    let begin = Instant::now();
    let six = || {
        let adverts = capture.adverts(Vrid::new(51).unwrap(), begin);
        adverts.into_iter().map(|(_, advert)| advert).find(|advert| advert.source.is_ipv6())
    };
    let advert = wait::value(LIMIT, six).unwrap();
    assert_eq!((advert.destination, advert.hop_limit), (IpAddr::V6(GROUP), 255));
    assert_eq!(advert.addresses, own);
    let IpAddr::V6(source) = advert.source else { panic!("{advert:?}") };
    assert!(source.is_unicast_link_local() && IpAddr::V6(source) != own[0], "{advert:?}");
}

/// The host's link-local address on eth0.
fn link_local(host: &Host) -> Ipv6Addr {
    let found = host.addresses().unwrap().into_iter().find_map(|address| match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
        IpAddr::V6(_) | IpAddr::V4(_) => None,
    });
    found.unwrap()
}

#[test]
fn hostile_ipv6_packets_are_dropped_and_counted() {
    let Some(stage) = Stage::set("hostile_ipv6_packets_are_dropped_and_counted") else { return };
    let router = stage.router("r1", &both(100));
    let host = stage.host("attacker");
    router.reaches("V6", State::Master);
    let source = link_local(&host);
    let open = || Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::from(VRRP)));
    let socket = host.network().run(open).unwrap().unwrap();
    let index = host.wiring().index("eth0").unwrap();
    socket.set_multicast_if_v6(index).unwrap();
    let send = |hops: u32, message: &[u8]| {
        socket.set_multicast_hops_v6(hops).unwrap();
        socket.send_to(message, &SocketAddrV6::new(GROUP, 0, 0, index).into()).unwrap();
    };
    let pseudo = PseudoHeader::between(source.into(), GROUP.into()).unwrap();
    let mut good = Vec::new();
    let addresses: [IpAddr; 2] = ["fe80::51", "fd00::9:51"].map(|text| text.parse().unwrap());
    let advertisement = Advertisement {
        vrid: Vrid::new(51).unwrap(),
        priority: Priority::new(250),
        form: Form::V3 { interval: Centiseconds::new(10).unwrap() },
        family: Family::V6,
        addresses: &addresses,
    };
    advertisement.write(pseudo, &mut good).unwrap();
    let altered = |at: usize, octet: u8| {
        let mut message = good.clone();
        message[at] = octet;
        message[6..8].fill(0);
        let sum = pseudo.checksum(112, &message);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        message
    };
    let mut flipped = good.clone();
    flipped[7] ^= 1;
    for (counter, hops, message) in [
        ("ttl_errors", 254, good.clone()),
        ("checksum_errors", 255, flipped),
        ("version_errors", 255, altered(0, 0x21)),
        ("type_errors", 255, altered(0, 0x35)),
        ("length_errors", 255, altered(3, 9)),
        ("length_errors", 255, good[..20].to_vec()),
    ] {
        let before = router.counter("V6", counter).unwrap();
        send(hops, &message);
        soon(&format!("{counter} counts"), || router.counter("V6", counter) == Some(before + 1));
    }
    // Nothing of it is the business of the IPv4 router with the same number.
    let four = router.instance("V1").unwrap();
    let errors: u64 =
        four.counters.iter().filter(|(name, _)| name.ends_with("errors")).map(|(_, value)| value).sum();
    assert_eq!(errors, 0, "{:?}", four.counters);
    assert_eq!(router.counter("V6", "released_master"), Some(0));
    send(255, &good);
    router.reaches("V6", State::Backup);
    assert_eq!(router.state("V1"), Some(State::Master));
}
