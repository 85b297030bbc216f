//! Routers that prove who they are with auth_hmac and AH.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use steadfast_lab::capture::{Capture, Content};
use steadfast_lab::segment::address_v4;
use steadfast_lab::{Signal, wait};
use steadfast_vrrp::State;

use crate::stage::{Stage, Virtual, configuration, send, senders, soon};

const FIRST_KEY: &str = "key 1 0123456789abcdef0123456789abcdef";
const SECOND_KEY: &str = "key 2 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn signed(priority: u8, hmac: &str) -> String {
    configuration(&[&Virtual::with_priority(priority).more(&format!("auth_hmac {{\n{hmac}\n}}"))])
}

fn trailer(keys: &[&str], active: u8) -> String {
    format!("{}\nactive_key {active}", keys.join("\n"))
}

/// Keys are changed on a running pair, first known to both, then used, then the old one is forgotten.
#[test]
fn keys_of_auth_hmac_are_changed_without_a_missed_advert() {
    let Some(stage) = Stage::set("keys_of_auth_hmac_are_changed_without_a_missed_advert") else { return };
    let old = trailer(&[FIRST_KEY], 1);
    let first = stage.router("r1", &signed(200, &old));
    let second = stage.router("r2", &signed(100, &old));
    first.reaches("V1", State::Master);
    second.reaches("V1", State::Backup);
    let capture = Capture::start(second.host()).unwrap();
    let begin = Instant::now();
    for keys in [
        trailer(&[FIRST_KEY, SECOND_KEY], 1),
        trailer(&[FIRST_KEY, SECOND_KEY], 2),
        trailer(&[SECOND_KEY], 2),
    ] {
        second.reload(&signed(100, &keys));
        first.reload(&signed(200, &keys));
    }
    let heard = second.counter("V1", "adverts_received");
    soon("the backup hears the new key", || second.counter("V1", "adverts_received") > heard);
    assert_eq!(second.state("V1"), Some(State::Backup));
    let sources: std::collections::BTreeSet<_> =
        senders(&capture, 51, begin).into_iter().map(|(_, source, _)| source).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    for name in
        ["trailer_missing", "trailer_unknown_key", "trailer_invalid", "trailer_stale", "trailer_replayed"]
    {
        assert_eq!(second.counter("V1", name), Some(0), "{name}");
    }
    assert!(
        !second
            .happened(|happening| matches!(happening, steadfast_control::event::Happening::Dropped { .. }))
    );
}

/// Who has no key, or another one, is not heard, whatever priority it claims; the status says why.
#[test]
fn strangers_change_nothing_where_adverts_are_signed() {
    let Some(stage) = Stage::set("strangers_change_nothing_where_adverts_are_signed") else { return };
    let first = stage.router("r1", &signed(200, &trailer(&[FIRST_KEY], 1)));
    first.reaches("V1", State::Master);
    let cases = [
        (
            configuration(&[&Virtual::with_priority(250)]),
            "trailer_missing",
            "authenticated trailer: expected one",
        ),
        (signed(250, &trailer(&[SECOND_KEY], 2)), "trailer_unknown_key", "found key 2"),
        (
            signed(250, &trailer(&["key 1 another.secret.of.thirty.two.oct"], 1)),
            "trailer_invalid",
            "our key 1",
        ),
    ];
    for (number, (text, counter, reason)) in cases.iter().enumerate() {
        let stranger = stage.router(&format!("x{number}"), text);
        stranger.reaches("V1", State::Master);
        soon(counter, || first.counter("V1", counter).is_some_and(|count| count > 3));
        let instance = first.instance("V1").unwrap();
        assert_eq!(instance.state, State::Master);
        let told = instance.peers.iter().filter_map(|peer| peer.dropped.as_deref());
        assert!(told.clone().any(|told| told.contains(reason)), "{:?}", told.collect::<Vec<_>>());
    }
}

/// While keys are introduced a router that does not sign yet is heard, and one that only listens checks.
#[test]
fn permissive_and_receive_only_routers_introduce_keys() {
    let Some(stage) = Stage::set("permissive_and_receive_only_routers_introduce_keys") else { return };
    let mode = |mode: &str| format!("{}\nmode {mode}", trailer(&[FIRST_KEY], 1));
    let first = stage.router("r1", &configuration(&[&Virtual::with_priority(200)]));
    first.reaches("V1", State::Master);
    let second = stage.router("r2", &signed(100, &mode("receive-only")));
    let third = stage.router("r3", &signed(50, &mode("permissive")));
    for backup in [&second, &third] {
        backup.reaches("V1", State::Backup);
        soon("unsigned adverts are taken", || {
            backup.counter("V1", "adverts_received").is_some_and(|n| n > 3)
        });
    }
    first.reload(&signed(200, &mode("permissive")));
    let received = second.counter("V1", "adverts_received");
    soon("signed adverts are taken", || second.counter("V1", "adverts_received") > received);
    second.reload(&signed(100, &mode("permissive")));
    third.reload(&signed(50, &mode("enforce")));
    drop(first);
    second.reaches("V1", State::Master);
    assert_eq!(third.state("V1"), Some(State::Backup));
    assert_eq!(third.counter("V1", "trailer_missing"), Some(0));
}

/// Over IPv6 and to unicast peers; a key may stand in a file.
#[test]
fn signed_adverts_travel_over_ipv6_and_to_unicast_peers() {
    let Some(stage) = Stage::set("signed_adverts_travel_over_ipv6_and_to_unicast_peers") else { return };
    let file = std::env::temp_dir().join(format!("steadfast-hmac-{}", std::process::id()));
    let file = Removed::with(file, "0123456789abcdef0123456789abcdef\n");
    let hmac = format!("auth_hmac {{\nkey 9 file:{}\nactive_key 9\n}}", file.0.display());
    let member = |own: u8, priority: u8| {
        let [own_address, peer] = [own, 3 - own].map(steadfast_lab::segment::address_v6);
        let ipv6 = Virtual {
            name: "V6",
            vrid: 52,
            addresses: vec!["fd00::9/64"],
            ..Virtual::with_priority(priority)
        }
        .more(&format!("{hmac}\nunicast_src_ip {own_address}\nunicast_peer {{\n{peer}\n}}"));
        let [own_address, peer] = [own, 3 - own].map(steadfast_lab::segment::address_v4);
        let ipv4 = Virtual::with_priority(priority)
            .more(&format!("{hmac}\nunicast_src_ip {own_address}\nunicast_peer {{\n{peer}\n}}"));
        configuration(&[&ipv4, &ipv6])
    };
    let first = stage.router("r1", &member(1, 200));
    let second = stage.router("r2", &member(2, 100));
    for name in ["V1", "V6"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
        soon(name, || second.counter(name, "adverts_received").is_some_and(|count| count > 3));
        assert_eq!(second.state(name), Some(State::Backup));
        let peer = second.instance(name).unwrap().peers.remove(0);
        assert_eq!(peer.said.unwrap().authentication, "HMAC");
    }
}

/// Who has not heard the sender before believes what somebody recorded of it as long as its window is, or for ever.
#[test]
fn recorded_adverts_are_believed_within_the_window() {
    const WINDOW: Duration = Duration::from_secs(1);
    let Some(stage) = Stage::set("recorded_adverts_are_believed_within_the_window") else { return };
    let kinds = [
        ("V1", 51, "10.0.9.1/32", "time_window 1"),
        ("V2", 52, "10.0.9.2/32", "time_window 300"),
        ("V3", 53, "10.0.9.3/32", "time_window 1\nanti_replay monotonic"),
    ];
    let routers = |priority| {
        let [first, second, third] = kinds.map(|(name, vrid, address, window)| {
            let hmac = format!("auth_hmac {{\n{}\n{window}\n}}", trailer(&[FIRST_KEY], 1));
            Virtual { name, vrid, addresses: vec![address], ..Virtual::with_priority(priority) }.more(&hmac)
        });
        configuration(&[&first, &second, &third])
    };
    let first = stage.router("r1", &routers(200));
    let host = Arc::clone(first.host());
    let capture = Capture::start(&host).unwrap();
    let since = Instant::now();
    // Behind the headers of Ethernet and IPv4.
    let message = |vrid: u8| {
        let octets = capture.select(since, |frame| match &frame.content {
            Content::Advert(advert) if advert.vrid.get() == vrid => Some(frame.octets[34..].to_vec()),
            _ => None,
        });
        octets.into_iter().next()
    };
    let recorded = kinds.map(|(_, vrid, ..)| {
        wait::value(crate::stage::LIMIT, || message(vrid)).unwrap_or_else(|| panic!("{vrid} is silent"))
    });
    first.signal_all(Signal::KILL).unwrap();
    let heard = Instant::now();
    let second = stage.router("r2", &routers(100));
    for (name, ..) in kinds {
        second.reaches(name, State::Master);
    }
    soon("the record is old", || heard.elapsed() > WINDOW + WINDOW / 4);

    let open = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112)));
    let socket = host.network().run(open).unwrap().unwrap();
    socket.set_multicast_if_v4(&address_v4(1)).unwrap();
    socket.set_multicast_ttl_v4(255).unwrap();
    for message in &recorded {
        socket.send_to(message, &SocketAddrV4::new([224, 0, 0, 18].into(), 0).into()).unwrap();
    }
    let counted =
        |name| ["adverts_received", "trailer_stale"].map(|counter| second.counter(name, counter).unwrap());
    for (name, expected) in [("V1", [0, 1]), ("V2", [1, 0]), ("V3", [1, 0])] {
        soon(name, || counted(name) == expected);
    }
}

/// The last word of a worker that was killed is no replay, and neither is the first of its successor.
#[test]
fn a_successor_of_a_worker_is_believed() {
    let Some(stage) = Stage::set("a_successor_of_a_worker_is_believed") else { return };
    let hmac = format!("{}\nanti_replay monotonic", trailer(&[FIRST_KEY], 1));
    let ways = |priority| {
        let signed = Virtual::with_priority(priority).more(&format!("auth_hmac {{\n{hmac}\n}}"));
        let header = Virtual {
            name: "AH",
            vrid: 52,
            addresses: vec!["10.0.9.52/32"],
            ..Virtual::with_priority(priority)
        };
        let header =
            header.more("version 2\nadvert_int 1\nauthentication {\nauth_type AH\nauth_pass sesame\n}");
        configuration(&[&signed, &header])
    };
    let first = stage.router("r1", &ways(200));
    let second = stage.router("r2", &ways(100));
    for name in ["V1", "AH"] {
        first.reaches(name, State::Master);
        second.reaches(name, State::Backup);
    }
    soon("adverts with a header are heard", || {
        second.counter("AH", "adverts_received").is_some_and(|n| n > 2)
    });
    send(first.worker(), Signal::KILL);
    let heard = |name| second.counter(name, "adverts_received").unwrap_or_default();
    let before = ["V1", "AH"].map(heard);
    soon("the successor is heard", || {
        ["V1", "AH"].map(heard).iter().zip(before).all(|(now, before)| *now > before + 2)
    });
    for name in ["V1", "AH"] {
        assert_eq!(second.state(name), Some(State::Backup), "{name}");
        assert_eq!(second.counter(name, "auth_failures"), Some(0));
        assert_eq!(second.counter(name, "trailer_replayed"), Some(0));
    }
}

struct Removed(PathBuf);

impl Removed {
    fn with(path: PathBuf, contents: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self(path)
    }
}

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
