//! Virtual routers that speak with named peers.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_lab::Signal;
use steadfast_lab::capture::Capture;
use steadfast_lab::segment::address_v4;
use steadfast_vrrp::State;

use crate::stage::{SLACK, Stage, VIRTUAL, Virtual, configuration, master_down, senders, soon};

#[test]
fn unicast_peers_fail_over_and_strangers_are_not_heard() {
    let Some(stage) = Stage::set("unicast_peers_fail_over_and_strangers_are_not_heard") else { return };
    let member = |own: u8, peer: u8, priority| {
        let [own, peer] = [own, peer].map(address_v4);
        configuration(&[&Virtual::with_priority(priority)
            .more(&format!("unicast_src_ip {own}\ncheck_unicast_src\nunicast_peer {{\n{peer}\n}}"))])
    };
    let first = stage.router("r1", &member(1, 2, 200));
    let second = stage.router("r2", &member(2, 1, 100));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let capture = Capture::start(second.host()).unwrap();
    // r3 says that it is a member, and nobody else says so.
    let stranger = stage.host("r3");
    let third = stage.start(&stranger, &member(3, 2, 250));
    third.reaches("V1", State::Master);
    soon("the stranger is counted", || second.counter("V1", "unknown_peers").is_some_and(|count| count > 3));
    assert_eq!(second.state("V1"), Some(State::Backup));
    assert_eq!(second.instance("V1").unwrap().master, Some(IpAddr::from(address_v4(1))));
    drop(third);

    let begin = Instant::now();
    soon("r1 adverts", || senders(&capture, 51, begin).len() > 2);
    first.signal_all(Signal::STOP).unwrap();
    soon("r2 takes over", || second.owns(VIRTUAL));
    second.reaches("V1", State::Master);
    let adverts = senders(&capture, 51, begin);
    let [own, other] = [2, 1].map(|number| IpAddr::from(address_v4(number)));
    let last = adverts.iter().rev().find(|(_, source, _)| *source == other).unwrap();
    let next = adverts.iter().find(|(_, source, _)| *source == own).unwrap();
    let silence = next.0 - last.0;
    let limit = master_down(Duration::from_millis(100), 100);
    assert!(silence <= limit + SLACK, "{silence:?}");
    let destinations = capture.adverts(steadfast_wire::vrrp::Vrid::new(51).unwrap(), begin);
    assert!(destinations.iter().all(|(_, advert)| !advert.destination.is_multicast()));
    first.signal_all(Signal::CONT).unwrap();
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
}

#[test]
fn one_file_serves_two_hosts_each_with_its_own_sources() {
    let Some(stage) = Stage::set("one_file_serves_two_hosts_each_with_its_own_sources") else { return };
    let [one, two, late] = [1, 2, 77].map(address_v4);
    let instance = |name, vrid, own, peer, address| Virtual {
        name,
        vrid,
        addresses: vec![address],
        more: format!("unicast_src_ip {own}\nunicast_peer {{\n{peer}\n}}"),
        ..Virtual::default()
    };
    let shared = configuration(&[
        &instance("V1", 51, one, two, "10.0.9.1/32"),
        &instance("V2", 52, two, one, "10.0.9.2/32"),
        &instance("V3", 53, late, one, "10.0.9.3/32"),
    ]);
    let first = stage.router("r1", &shared);
    let second = stage.router("r2", &shared);
    for (router, own, foreign, address) in [(&first, "V1", "V2", two), (&second, "V2", "V1", one)] {
        router.reaches(own, State::Master);
        assert_eq!(router.state(foreign), Some(State::Fault));
        let why = router.instance(foreign).unwrap().why;
        assert!(why.contains(&format!("source address {address} is not on this host")), "{why}");
    }
    let nowhere = first.instance("V3").unwrap();
    assert_eq!(nowhere.state, State::Fault);
    first.host().assign("eth0", late.into(), 16).unwrap();
    first.reaches("V3", State::Master);
    assert_eq!(second.state("V3"), Some(State::Fault));
}
