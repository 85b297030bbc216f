//! RFC 5880 sections 6.3 and 6.8.6, RFC 5881 section 5.

use super::*;
use steadfast_wire::bfd::Counter;

fn count(pair: &Pair, counter: Counter) -> u64 {
    pair.status(0).counters.dropped().find(|(of, _)| *of == counter).unwrap().1
}

fn packet_to(pair: &Pair, change: impl FnOnce(&mut Control)) -> Vec<u8> {
    let told = pair.status(1);
    let mut control = Control {
        diagnostic: Diagnostic::NONE,
        state: State::Down,
        poll: false,
        answers_poll: false,
        independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: told.local_discriminator,
        yours: told.remote_discriminator,
        desired_min_tx: Microseconds::new(10_000),
        required_min_rx: Microseconds::new(10_000),
        required_min_echo_rx: Microseconds::ZERO,
    };
    change(&mut control);
    let mut message = Vec::new();
    control.write(None, &mut message);
    message
}

#[test]
fn rfc_5881_section_5_a_packet_that_passed_a_router_changes_nothing() {
    let mut pair = Pair::up();
    let message = packet_to(&pair, |_| {});
    pair.deliver(0, &message, 254);
    pair.deliver(0, &message, 254);
    assert_eq!(pair.states()[0], State::Up);
    assert_eq!(count(&pair, Counter::HopLimit), 2);
    let reason = Reject::HopLimit { expected: 255, found: 254 };
    assert!(
        matches!(pair.events[0].as_slice(), [Event::Dropped { reason: told, .. }] if *told == reason),
        "told once: {:?}",
        pair.events[0]
    );
}

#[test]
fn section_6_8_6_a_number_of_no_session_changes_nothing() {
    let mut pair = Pair::up();
    let message = packet_to(&pair, |packet| packet.yours = Discriminator::new(1));
    pair.deliver(0, &message, 255);
    assert_eq!((pair.states()[0], count(&pair, Counter::Discriminator)), (State::Up, 1));
}

#[test]
fn a_packet_of_a_stranger_or_of_the_other_port_belongs_to_nobody() {
    let mut pair = Pair::up();
    let stranger = packet_to(&pair, |packet| packet.yours = None);
    let named = packet_to(&pair, |_| {});
    let from = |source, hops, message| Datagram {
        interface: None,
        hops,
        source,
        destination: address(0),
        hop_limit: Some(255),
        message,
    };
    for datagram in [
        from(Ipv4Addr::new(10, 0, 0, 9).into(), Hops::Single, stranger.as_slice()),
        from(address(1), Hops::Multi, stranger.as_slice()),
        from(address(1), Hops::Multi, named.as_slice()),
    ] {
        pair.drive(0, |machine, now, asked| machine.handle(now, Input::Datagram(datagram), asked));
        assert_eq!(pair.states()[0], State::Up);
    }
    assert_eq!(pair.ends[0].strangers().dropped().map(|(_, count)| count).sum::<u64>(), 3);
    // Section 6.3: with our number the address may be another.
    let datagram = from(Ipv4Addr::new(10, 0, 0, 9).into(), Hops::Single, named.as_slice());
    pair.drive(0, |machine, now, asked| machine.handle(now, Input::Datagram(datagram), asked));
    assert_eq!(pair.status(0).counters.went_down, 1);
}

#[test]
fn of_two_sessions_with_one_peer_the_interface_or_address_tells_which() {
    let now = Moment::from_nanos(1);
    let with = |id, interface, local| {
        let mut config = SessionConfig::plain(SessionId(id), address(1));
        config.path.interface = interface;
        config.path.local = local;
        config.passive = true;
        Arc::new(config)
    };
    let other: IpAddr = Ipv4Addr::new(10, 1, 0, 1).into();
    let sessions = vec![
        with(0, Some(InterfaceId(1)), None),
        with(1, Some(InterfaceId(2)), Some(address(0))),
        with(2, Some(InterfaceId(2)), Some(other)),
    ];
    let pair = Pair::plain();
    let message = packet_to(&pair, |packet| packet.yours = None);
    for (interface, destination, expected) in [(1, address(0), 0), (2, address(0), 1), (2, other, 2)] {
        let mut machine = Machine::new(now, &Config { sessions: sessions.clone() }, 5, Vec::new());
        let datagram = Datagram {
            interface: Some(InterfaceId(interface)),
            hops: Hops::Single,
            source: address(1),
            destination,
            hop_limit: Some(255),
            message: &message,
        };
        machine.handle(now, Input::Datagram(datagram), &mut Asked::default());
        let heard: Vec<_> = machine
            .status()
            .filter(|status| status.counters.received == 1)
            .map(|status| status.session)
            .collect();
        assert_eq!(heard, [SessionId(expected)]);
    }
}

#[test]
fn rfc_5883_a_peer_behind_routers_with_fewer_hops() {
    let far = |end| {
        let mut config = SessionConfig { min_hop_limit: 250, ..config(end) };
        config.path.hops = Hops::Multi;
        config
    };
    let mut machine = machine(Moment::from_nanos(1), far(0), 1);
    let message = packet_to(&Pair::plain(), |packet| packet.yours = None);
    for (hop_limit, received) in [(249, 0), (250, 1)] {
        let datagram = Datagram {
            interface: None,
            hops: Hops::Multi,
            source: address(1),
            destination: address(0),
            hop_limit: Some(hop_limit),
            message: &message,
        };
        machine.handle(Moment::from_nanos(2), Input::Datagram(datagram), &mut Asked::default());
        assert_eq!(machine.status().next().unwrap().counters.received, received);
    }
}
