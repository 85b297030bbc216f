//! Adverts over a cable between two network namespaces.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, State};

use steadfast_wire::vrrp::{Carrier, IpProtocol};

use super::*;
use crate::namespace::Network;
use crate::netlink::Requests;
use crate::testbed::fresh_namespace::in_fresh_namespace;
use crate::testbed::{Wiring, switch_off_duplicate_address_detection};
use crate::wait::clock;
use crate::wait::poll::{Events, Interest, Poller};

const DEADLINE_NANOSECONDS: u64 = 10_000_000_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The ends of a cable: `near` with 10.0.0.1 and fe80::1 in this namespace, `far` with .2 and ::2 in another.
struct Cable {
    near: u32,
    far: u32,
    other: Network,
}

fn cable() -> Cable {
    let (here, other) = (Network::current().unwrap(), Network::anonymous().unwrap());
    let mut near_wiring = Wiring::open(&here).unwrap();
    let mut far_wiring = Wiring::open(&other).unwrap();
    near_wiring.create_veth("near", "far", &other).unwrap();
    for network in [&here, &other] {
        switch_off_duplicate_address_detection(network).unwrap();
    }
    for (wiring, name, v4, v6) in
        [(&mut near_wiring, "near", "10.0.0.1", "fe80::1"), (&mut far_wiring, "far", "10.0.0.2", "fe80::2")]
    {
        wiring.set_up(name).unwrap();
        wiring.assign(name, ip(v4), 24).unwrap();
        wiring.assign(name, ip(v6), 64).unwrap();
    }
    for network in [&here, &other] {
        network.run(await_carrier).unwrap();
    }
    let (near, far) = (near_wiring.index("near").unwrap(), far_wiring.index("far").unwrap());
    Cable { near, far, other }
}

/// Waits until the cable's end is operational. Until then the kernel says "unknown", and drops what is sent.
fn await_carrier() {
    let mut requests = Requests::open().unwrap();
    let deadline = clock::monotonic() + DEADLINE_NANOSECONDS;
    loop {
        let all = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let up = requests
            .dump(
                &all,
                "list the links",
                || false,
                |up, message| {
                    let RouteNetlinkMessage::NewLink(link) = message else { return };
                    *up |= link.attributes.contains(&LinkAttribute::OperState(State::Up));
                },
            )
            .unwrap();
        if up {
            return;
        }
        assert!(clock::monotonic() < deadline, "no carrier");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// What was received: source, destination, hop limit, message, arrival.
type Heard = (IpAddr, IpAddr, Option<u8>, Vec<u8>, u64);

/// Waits until `count` datagrams came.
fn hear(socket: &mut ReceiveSocket, batch: &mut ReceiveBatch, count: usize) -> Vec<Heard> {
    let poller = Poller::open().unwrap();
    poller.add(&*socket, 0, Interest::Readable).unwrap();
    let deadline = clock::monotonic() + DEADLINE_NANOSECONDS;
    let mut heard = Vec::new();
    while heard.len() < count {
        assert!(clock::monotonic() < deadline, "heard only {heard:?}");
        poller.wait(&mut Events::default(), Some(deadline)).unwrap();
        batch.receive(socket, usize::MAX).unwrap();
        heard.extend(batch.iter().map(|datagram| {
            let datagram = datagram.unwrap();
            (
                datagram.source,
                datagram.destination,
                datagram.hop_limit,
                datagram.message.to_vec(),
                datagram.arrival,
            )
        }));
    }
    heard
}

fn packet((source, destination): (IpAddr, IpAddr), hop_limit: u8, message: &[u8]) -> Packet<'_> {
    Packet { source, destination, hop_limit, carrier: Carrier::Ip, message }
}

fn send(socket: &SendSocket, batch: &mut SendBatch) {
    batch.flush(|_| Some(socket.as_fd()));
    assert_eq!(batch.failures(), []);
}

fn groups_are_heard(test_name: &str, group: &str, source: &str) {
    let (group, source) = (ip(group), ip(source));
    in_fresh_namespace(test_name, move || {
        let cable = cable();
        let near = Endpoint::Group { interface: cable.near, group };
        let far = Endpoint::Group { interface: cable.far, group };
        let mut own_ear = ReceiveSocket::open(near, IpProtocol::Vrrp).unwrap();
        let mouth = SendSocket::open(near).unwrap();
        let mut ear = cable.other.run(|| ReceiveSocket::open(far, IpProtocol::Vrrp)).unwrap().unwrap();
        let mut received = ReceiveBatch::new(4, 2048);
        let mut batch = SendBatch::default();
        let deadline = clock::monotonic() + DEADLINE_NANOSECONDS;
        loop {
            let before = clock::monotonic();
            // More than one batch of the receiver.
            for number in 0..10_u8 {
                let message = [0x31, number, 100];
                assert!(batch.push(
                    SocketIndex(3),
                    Some(cable.near),
                    &packet((source, group), 255, &message),
                    0
                ));
            }
            send(&mouth, &mut batch);
            let after = clock::monotonic();
            let heard = hear(&mut ear, &mut received, 10);
            for (number, (from, to, hop_limit, message, arrival)) in heard.iter().enumerate() {
                assert_eq!((*from, *to, *hop_limit), (source, group, Some(255)));
                assert_eq!(message, &[0x31, u8::try_from(number).unwrap(), 100]);
                assert!(*arrival >= before - 20_000, "{before} {arrival}");
            }
            // The kernel begins to stamp some time after the first socket asked for it; until then the time of
            // arrival is that of reading.
            if heard.iter().all(|(.., arrival)| *arrival <= after) {
                break;
            }
            assert!(clock::monotonic() < deadline, "arrival is never told");
        }
        assert_eq!(ear.lost(), 0);
        received.receive(&mut own_ear, usize::MAX).unwrap();
        assert_eq!(received.iter().count(), 0, "the sender heard itself");
    });
}

#[test]
fn ipv4_groups_are_heard() {
    groups_are_heard("ipv4_groups_are_heard", "224.0.0.18", "10.0.0.1");
}

#[test]
fn ipv6_groups_are_heard() {
    groups_are_heard("ipv6_groups_are_heard", "ff02::12", "fe80::1");
}

#[test]
fn unicast_is_heard_with_the_hop_limit_it_was_sent_with() {
    in_fresh_namespace("unicast_is_heard_with_the_hop_limit_it_was_sent_with", || {
        let cable = cable();
        for (from, to) in [("10.0.0.1", "10.0.0.2"), ("fe80::1", "fe80::2")] {
            let (from, to) = (ip(from), ip(to));
            let near = Endpoint::Unicast { interface: Some(cable.near), source: from };
            let far = Endpoint::Unicast { interface: Some(cable.far), source: to };
            let mouth = SendSocket::open(near).unwrap();
            let mut ear = cable.other.run(|| ReceiveSocket::open(far, IpProtocol::Vrrp)).unwrap().unwrap();
            let mut batch = SendBatch::default();
            assert!(batch.push(SocketIndex(0), Some(cable.near), &packet((from, to), 64, b"hello"), 0));
            send(&mouth, &mut batch);
            let heard = hear(&mut ear, &mut ReceiveBatch::new(4, 2048), 1);
            let (source, destination, hop_limit, message, _) = &heard[0];
            assert_eq!((*source, *destination, *hop_limit), (from, to, Some(64)));
            assert_eq!(message, b"hello");
        }
    });
}

#[test]
fn a_socket_for_an_address_that_does_not_exist_yet_opens() {
    in_fresh_namespace("a_socket_for_an_address_that_does_not_exist_yet_opens", || {
        for source in ["192.0.2.77", "2001:db8::77"] {
            ReceiveSocket::open(Endpoint::Unicast { interface: None, source: ip(source) }, IpProtocol::Vrrp)
                .unwrap();
        }
        let missing = Endpoint::Group { interface: 4242, group: ip("224.0.0.18") };
        assert_eq!(ReceiveSocket::open(missing, IpProtocol::Vrrp).unwrap_err().errno, Errno::NODEV);
    });
}

#[test]
fn each_refused_datagram_is_named_and_the_others_go() {
    in_fresh_namespace("each_refused_datagram_is_named_and_the_others_go", || {
        let cable = cable();
        let mouth = SendSocket::open(Endpoint::Unicast { interface: None, source: ip("10.0.0.1") }).unwrap();
        let far = Endpoint::Unicast { interface: Some(cable.far), source: ip("10.0.0.2") };
        let mut ear = cable.other.run(|| ReceiveSocket::open(far, IpProtocol::Vrrp)).unwrap().unwrap();
        let mut batch = SendBatch::default();
        for (to, tag) in [("203.0.113.1", 1), ("10.0.0.2", 2), ("203.0.113.1", 3), ("10.0.0.2", 4)] {
            assert!(batch.push(SocketIndex(0), None, &packet((ip("10.0.0.1"), ip(to)), 255, b"advert"), tag));
        }
        assert!(batch.push(
            SocketIndex(9),
            None,
            &packet((ip("10.0.0.1"), ip("10.0.0.2")), 255, b"advert"),
            5
        ));
        let sent = batch.flush(|socket| (socket == SocketIndex(0)).then_some(mouth.as_fd()));
        assert_eq!(sent, 2);
        let failures: Vec<_> = batch.failures().iter().map(|failure| (failure.tag, failure.errno)).collect();
        assert_eq!(failures, [(1, Errno::NETUNREACH), (3, Errno::NETUNREACH), (5, Errno::BADF)]);
        assert_eq!(hear(&mut ear, &mut ReceiveBatch::new(4, 2048), 2).len(), 2);
        assert!(!batch.push(SocketIndex(0), None, &packet((ip("10.0.0.1"), ip("fe80::2")), 255, b""), 0));
    });
}

#[test]
fn too_long_a_datagram_is_named_and_the_next_one_is_read() {
    in_fresh_namespace("too_long_a_datagram_is_named_and_the_next_one_is_read", || {
        let cable = cable();
        for (from, to) in [("10.0.0.1", "10.0.0.2"), ("fe80::1", "fe80::2")] {
            let (from, to) = (ip(from), ip(to));
            let mouth =
                SendSocket::open(Endpoint::Unicast { interface: Some(cable.near), source: from }).unwrap();
            let far = Endpoint::Unicast { interface: Some(cable.far), source: to };
            let mut ear = cable.other.run(|| ReceiveSocket::open(far, IpProtocol::Vrrp)).unwrap().unwrap();
            let mut batch = SendBatch::default();
            assert!(batch.push(SocketIndex(0), Some(cable.near), &packet((from, to), 255, &[7; 300]), 0));
            assert!(batch.push(SocketIndex(0), Some(cable.near), &packet((from, to), 255, &[8; 30]), 0));
            send(&mouth, &mut batch);
            let mut received = ReceiveBatch::new(4, 128);
            let poller = Poller::open().unwrap();
            poller.add(&ear, 0, Interest::Readable).unwrap();
            let deadline = Some(clock::monotonic() + DEADLINE_NANOSECONDS);
            poller.wait(&mut Events::default(), deadline).unwrap();
            received.receive(&mut ear, usize::MAX).unwrap();
            let results: Vec<_> = received.iter().collect();
            assert_eq!(results[0], Err(BadDatagram::Truncated { source_address: from, room: 128 }));
            assert_eq!(results[1].unwrap().message, [8; 30]);
        }
    });
}

#[test]
fn frames_go_out_by_their_interface() {
    use crate::datagram::announce::Announcer;
    use steadfast_wire::arp::gratuitous_frame;
    use steadfast_wire::ethernet::MacAddress;
    in_fresh_namespace("frames_go_out_by_their_interface", || {
        let cable = cable();
        let mut announcer = Announcer::open().unwrap();
        let frame =
            gratuitous_frame([10, 0, 0, 9].into(), MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([0xff; 6]));
        let ear = cable
            .other
            .run(|| {
                let protocol =
                    Protocol::from_raw(std::num::NonZeroU32::new(u32::from(0x0806_u16.to_be())).unwrap());
                rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, Some(protocol)).unwrap()
            })
            .unwrap();
        for tag in 0..300 {
            assert!(announcer.push(cable.near, &frame, tag));
        }
        assert!(announcer.push(4242, &frame, 300));
        assert!(!announcer.push(cable.near, &[1, 2, 3], 301));
        assert_eq!(announcer.flush(), 300);
        assert_eq!(announcer.failures().iter().map(|failure| failure.tag).collect::<Vec<_>>(), [300]);
        let mut buffer = [0; 128];
        let (length, _) = rustix::net::recv(&ear, &mut buffer, rustix::net::RecvFlags::empty()).unwrap();
        assert_eq!(buffer[..length], frame);
    });
}

/// An authentication header covers the identification: what the caller chose must arrive, at sockets of its protocol.
#[test]
fn an_authentication_header_travels_as_protocol_51_with_its_identification() {
    in_fresh_namespace("an_authentication_header_travels_as_protocol_51_with_its_identification", || {
        let cable = cable();
        let (from, to) = (ip("10.0.0.1"), ip("10.0.0.2"));
        let mouth =
            SendSocket::open(Endpoint::Unicast { interface: Some(cable.near), source: from }).unwrap();
        let far = Endpoint::Unicast { interface: Some(cable.far), source: to };
        let open = |protocol| cable.other.run(|| ReceiveSocket::open(far, protocol)).unwrap().unwrap();
        let (mut ear, mut other_ear) = (open(IpProtocol::AuthenticationHeader), open(IpProtocol::Vrrp));
        let mut batch = SendBatch::default();
        let carrier = Carrier::AuthenticationHeader { identification: 4_711 };
        let behind_header = Packet { carrier, ..packet((from, to), 255, b"header") };
        assert!(batch.push(SocketIndex(0), Some(cable.near), &behind_header, 0));
        assert!(batch.push(SocketIndex(0), Some(cable.near), &packet((from, to), 255, b"plain"), 0));
        send(&mouth, &mut batch);
        let mut received = ReceiveBatch::new(4, 2048);
        let heard = hear(&mut other_ear, &mut received, 1);
        assert_eq!(heard[0].3, b"plain");
        let poller = Poller::open().unwrap();
        poller.add(&ear, 0, Interest::Readable).unwrap();
        let deadline = clock::monotonic() + DEADLINE_NANOSECONDS;
        poller.wait(&mut Events::default(), Some(deadline)).unwrap();
        received.receive(&mut ear, usize::MAX).unwrap();
        let datagrams: Vec<_> = received.iter().map(|datagram| datagram.unwrap()).collect();
        let told: Vec<_> = datagrams.iter().map(|d| (d.identification, d.message)).collect();
        assert_eq!(told, [(4_711, b"header".as_slice())]);
    });
}
