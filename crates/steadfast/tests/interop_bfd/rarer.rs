//! Rarer keywords of `bfd_instance`, as a peer sees them.

use std::net::UdpSocket;
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use steadfast_lab::wait;
use steadfast_wire::bfd::{
    Control, Diagnostic, Discriminator, Microseconds, PORT_SINGLE_HOP, Received, State,
};

use crate::{LIMIT, Pair, SLACK, await_state, instance, sessions, v4};

/// The port of sessions at the second host, where nobody else speaks.
fn peer(pair: &Pair) -> UdpSocket {
    let socket = pair.theirs.network().run(|| UdpSocket::bind((v4(2), PORT_SINGLE_HOP))).unwrap().unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

fn next(peer: &UdpSocket) -> Control {
    let mut octets = [0; 128];
    let length = peer.recv(&mut octets).expect("a packet of the session");
    Received::parse(&octets[..length]).unwrap().control
}

#[test]
fn a_session_that_is_down_speaks_as_seldom_as_it_is_told_to() {
    let Some(pair) = Pair::set("a_session_that_is_down_speaks_as_seldom_as_it_is_told_to") else { return };
    let peer = peer(&pair);
    let text = instance("here", v4(2), " idle_tx 1500\n").replace("neighbor_ip", "neighbour_ip");
    let _daemon = pair.start(&text);
    assert_eq!(next(&peer).desired_min_tx, Microseconds::new(1_500_000));
    let first = Instant::now();
    for _ in 0..3 {
        assert_eq!(next(&peer).state, State::Down);
    }
    let took = first.elapsed();
    let (least, most) = (Duration::from_millis(3 * 1_125), Duration::from_millis(3 * 1_500));
    assert!((least - SLACK..=most + SLACK).contains(&took), "{took:?}");
}

/// `hoplimit` is that of the peer's packets, of which `max_hops` may be gone.
#[test]
fn a_packet_with_too_few_hops_left_is_dropped() {
    let Some(pair) = Pair::set("a_packet_with_too_few_hops_left_is_dropped") else { return };
    let peer = peer(&pair);
    let sender = pair.theirs.network().run(|| UdpSocket::bind((v4(2), 50_000))).unwrap().unwrap();
    let daemon = pair.start(&instance("here", v4(2), " hoplimit 100\n max_hops 5\n"));
    assert_eq!(next(&peer).state, State::Down);
    let control = Control {
        diagnostic: Diagnostic::NONE,
        state: State::Down,
        poll: false,
        answers_poll: false,
        independent: false,
        demand: false,
        multiplier: NonZeroU8::MAX,
        mine: Discriminator::new(7).unwrap(),
        yours: None,
        desired_min_tx: Microseconds::new(1_000_000),
        required_min_rx: Microseconds::new(1_000_000),
        required_min_echo_rx: Microseconds::ZERO,
    };
    let mut message = Vec::new();
    control.write(None, &mut message);
    let send = |hop_limit| {
        sender.set_ttl(hop_limit).unwrap();
        sender.send_to(&message, (v4(1), PORT_SINGLE_HOP)).unwrap();
    };
    send(94);
    let dropped =
        || sessions(&daemon).iter().any(|one| one.dropped.as_deref().is_some_and(|why| why.contains("94")));
    assert!(wait::until(LIMIT, dropped), "{:#?}", sessions(&daemon));
    await_state(&daemon, "Down");
    send(95);
    await_state(&daemon, "Init");
}

#[test]
fn only_a_session_for_virtual_routers_keeps_them_down() {
    let Some(pair) = Pair::set("only_a_session_for_virtual_routers_keeps_them_down") else { return };
    let router = |vrid: u8, session: &str| {
        format!(
            "vrrp_instance V{vrid} {{\n interface eth0\n virtual_router_id {vrid}\n version 3\n advert_int 0.1\n \
             virtual_ipaddress {{\n 10.0.9.{vrid}/32\n }}\n track_bfd {{\n {session}\n }}\n}}\n"
        )
    };
    let text = [
        instance("for_routers", v4(77), " vrrp\n"),
        instance("for_servers", v4(78), " checker\n"),
        router(1, "for_routers"),
        router(2, "for_servers"),
    ];
    let daemon = pair.start(&text.concat());
    let address = |vrid| std::net::Ipv4Addr::new(10, 0, 9, vrid).into();
    assert!(wait::until(LIMIT, || pair.ours.has(address(2))), "{}", daemon.log_tail());
    assert!(daemon.logged("(V1) Entering FAULT STATE", LIMIT), "{}", daemon.log_tail());
    assert!(!pair.ours.has(address(1)), "{}", daemon.log_tail());
}
