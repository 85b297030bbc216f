//! In a network of their own, with its loopback.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use super::*;
use crate::testbed::fresh_namespace::in_fresh_namespace;
use crate::wait::clock;
use crate::wait::poll::{Events, Interest, Poller};

/// Waits for a socket, ten seconds at most.
fn wait(fd: impl std::os::fd::AsFd, interest: Interest) {
    let poller = Poller::open().unwrap();
    poller.add(fd, 0, interest).unwrap();
    let mut events = Events::default();
    poller.wait(&mut events, Some(clock::monotonic() + 10_000_000_000)).unwrap();
    assert!(!events.is_empty(), "nothing came");
}

#[test]
fn a_stream_connects_speaks_and_ends() {
    in_fresh_namespace("a_stream_connects_speaks_and_ends", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let from = "127.0.0.9:0".parse().unwrap();
        let way = Way { from: Some(from), ..Way::to(listener.local_addr().unwrap()) };
        let (mut stream, _) = Stream::connect(&way).unwrap();
        wait(&stream, Interest::Writable);
        stream.connected().unwrap();
        let (mut accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), from.ip());
        assert_eq!(stream.read(&mut [0; 4]), Err(Errno::AGAIN));
        std::io::Write::write_all(&mut accepted, b"hello").unwrap();
        wait(&stream, Interest::Readable);
        let mut buffer = [0; 9];
        assert_eq!(stream.read(&mut buffer), Ok(5));
        assert_eq!(stream.write(b"bye"), Ok(3));
        stream.reset();
        let mut heard = Vec::new();
        // The reset may overtake what was said before it.
        let end = std::io::Read::read_to_end(&mut accepted, &mut heard);
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn faults_far_and_near_are_told_apart() {
    in_fresh_namespace("faults_far_and_near_are_told_apart", || {
        let refused = match Stream::connect(&Way::to("127.0.0.1:9".parse().unwrap())) {
            Ok((stream, _)) => {
                wait(&stream, Interest::Writable);
                stream.connected().unwrap_err()
            }
            Err(unreached) => unreached,
        };
        assert_eq!(refused, Unreached::Far(Errno::CONNREFUSED));
        let nowhere = Stream::connect(&Way::to("192.0.2.1:80".parse().unwrap())).unwrap_err();
        assert_eq!(nowhere, Unreached::Far(Errno::NETUNREACH));
        let foreign =
            Way { from: Some("192.0.2.9:0".parse().unwrap()), ..Way::to("127.0.0.1:9".parse().unwrap()) };
        let Unreached::Near(error) = Stream::connect(&foreign).unwrap_err() else { panic!() };
        assert_eq!(error.errno, Errno::ADDRNOTAVAIL);
        let unknown = Way { interface: Some("none0".to_owned()), ..Way::to("127.0.0.1:9".parse().unwrap()) };
        assert!(matches!(Stream::connect(&unknown).unwrap_err(), Unreached::Near(_)));
    });
}

#[test]
fn datagrams_are_answered_or_refused() {
    in_fresh_namespace("datagrams_are_answered_or_refused", || {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let server = UdpSocket::bind(address).unwrap();
            let way = Way::to(server.local_addr().unwrap());
            let mut socket = DatagramSocket::open(DatagramKind::Udp, &way).unwrap();
            let mut buffer = [0; 9];
            assert_eq!(socket.receive(&mut buffer), Ok(None));
            socket.send(b"question").unwrap();
            let (length, asker) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(length, 8);
            server.send_to(b"answer", asker).unwrap();
            wait(&socket, Interest::Readable);
            assert_eq!(socket.receive(&mut buffer), Ok(Some(6)));
            drop(server);
            socket.send(b"again").unwrap();
            wait(&socket, Interest::Readable);
            assert_eq!(socket.receive(&mut buffer), Err(Unreached::Far(Errno::CONNREFUSED)));
        }
    });
}

/// Asks for an echo until it comes or the way is said to be none.
fn echo(to: &str) -> Result<usize, Unreached> {
    let mut socket =
        DatagramSocket::open(DatagramKind::Echo, &Way::to(SocketAddr::new(to.parse().unwrap(), 80)))?;
    let kind = if to.contains(':') { 128 } else { 8 };
    socket.send(&[kind, 0, 0, 0, 0, 0, 0x12, 0x34, 9, 9])?;
    wait(&socket, Interest::Readable);
    let mut buffer = [0; 1500];
    let length = socket.receive(&mut buffer)?.unwrap();
    assert_eq!(buffer.get(6..length), Some(&[0x12, 0x34, 9, 9][..]));
    Ok(length)
}

#[test]
fn echo_requests_are_sent_whatever_group_may_send_them() {
    in_fresh_namespace("echo_requests_are_sent_whatever_group_may_send_them", || {
        let range = "/proc/sys/net/ipv4/ping_group_range";
        for allowed in ["1 0", "0 2147483647"] {
            std::fs::write(range, allowed).unwrap();
            for to in ["127.0.0.1", "127.0.0.2", "::1"] {
                assert_eq!(echo(to), Ok(10), "{allowed}: {to}");
            }
            assert_eq!(echo("192.0.2.1"), Err(Unreached::Far(Errno::NETUNREACH)), "{allowed}");
        }
    });
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn filter(rules: &str) {
    run(Command::new("nft").arg(rules));
}

/// Has a packet filter reject what is asked with an error of ICMP and one of ICMPv6.
fn reject(v4: &str, v6: &str) {
    let rule = |asked: &str, error: &str| format!("add rule inet wall way {asked} reject with {error};");
    let (v4, v6) = (format!("icmp {v4}"), format!("icmpv6 {v6}"));
    let rules = [
        rule("meta nfproto ipv4 meta l4proto { tcp, udp }", &v4),
        rule("icmp type echo-request", &v4),
        rule("meta nfproto ipv6 meta l4proto { tcp, udp }", &v6),
        rule("icmpv6 type echo-request", &v6),
    ];
    let chain = "add table inet wall; flush table inet wall; \
                 add chain inet wall way { type filter hook input priority 0; };";
    filter(&format!("{chain} {}", rules.concat()));
}

#[test]
fn whatever_is_said_of_a_question_speaks_of_the_other_side() {
    in_fresh_namespace("whatever_is_said_of_a_question_speaks_of_the_other_side", || {
        // Linux makes EACCES of codes 1, 5 and 6 of ICMPv6 (RFC 4443 section 3.1), and ENOPROTOOPT of code 2 of ICMP.
        for (v4, v6, of_v4) in [
            ("prot-unreachable", "admin-prohibited", Errno::NOPROTOOPT),
            ("admin-prohibited", "policy-fail", Errno::HOSTUNREACH),
            ("net-prohibited", "reject-route", Errno::NETUNREACH),
        ] {
            reject(v4, v6);
            for (to, errno) in [("127.0.0.1:80", of_v4), ("[::1]:80", Errno::ACCESS)] {
                let (way, far) = (Way::to(to.parse().unwrap()), Unreached::Far(errno));
                let (stream, _) = Stream::connect(&way).unwrap();
                wait(&stream, Interest::Writable);
                assert_eq!(stream.connected(), Err(far.clone()), "{to}, {v4}, {v6}");
                let mut socket = DatagramSocket::open(DatagramKind::Udp, &way).unwrap();
                socket.send(b"question").unwrap();
                wait(&socket, Interest::Readable);
                assert_eq!(socket.receive(&mut [0; 9]), Err(far.clone()), "{to}, {v4}, {v6}");
                assert_eq!(echo(&way.to.ip().to_string()), Err(far), "{to}, {v4}, {v6}");
            }
        }
    });
}

#[test]
fn datagrams_that_this_machine_does_not_let_out_speak_of_the_way() {
    in_fresh_namespace("datagrams_that_this_machine_does_not_let_out_speak_of_the_way", || {
        filter(
            "add table inet wall; add chain inet wall out { type filter hook output priority 0; policy drop; }",
        );
        for to in ["127.0.0.1", "::1"] {
            let way = Way::to(SocketAddr::new(to.parse().unwrap(), 80));
            let mut socket = DatagramSocket::open(DatagramKind::Udp, &way).unwrap();
            assert_eq!(socket.send(b"question"), Err(Unreached::Far(Errno::PERM)), "{to}");
            assert_eq!(echo(to), Err(Unreached::Far(Errno::PERM)), "{to}");
        }
    });
}

#[test]
fn datagrams_for_which_this_machine_has_no_room_say_nothing_of_the_other_side() {
    in_fresh_namespace("datagrams_for_which_this_machine_has_no_room_say_nothing_of_the_other_side", || {
        for to in ["127.0.0.1", "::1"] {
            run(Command::new("tc").args("qdisc add dev lo root pfifo limit 0".split(' ')));
            let way = Way::to(SocketAddr::new(to.parse().unwrap(), 80));
            let full = Unreached::Near(Error::new(format!("ask {}", way.to), Errno::NOBUFS));
            let mut socket = DatagramSocket::open(DatagramKind::Udp, &way).unwrap();
            assert_eq!(socket.send(b"question"), Err(full.clone()), "{to}");
            assert_eq!(echo(to), Err(full), "{to}");
            run(Command::new("tc").args("qdisc delete dev lo root".split(' ')));
            socket.send(b"question").unwrap();
        }
    });
}
