//! The same configuration on the same host puts the same octets on the wire.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use steadfast_lab::capture::{Content, Frame};
use steadfast_lab::wait;
use steadfast_wire::ethernet::{EtherType, HEADER_LENGTH};
use steadfast_wire::ipv4::PROTOCOL_AUTHENTICATION_HEADER;
use steadfast_wire::vrrp::Priority;

use crate::pair::{KINDS, Kind, LIMIT, Pair, SLACK, global, programs};

/// Announcements are compared up to this long after the first advert as master.
const ANNOUNCED: Duration = Duration::from_millis(3_600);

/// What one daemon did while it was alone: started, became master, announced, and stopped.
struct Reign {
    program: &'static str,
    /// For each kind what was sent, oldest first.
    frames: Vec<(Kind, Vec<Sent>)>,
    announcements: Vec<(IpAddr, Vec<Sent>)>,
    /// For each kind the addresses that were announced at once, in their order.
    first_block: Vec<Vec<IpAddr>>,
}

#[derive(Debug, Clone)]
struct Sent {
    /// Since the first advert of the virtual router.
    after: Duration,
    priority: Option<Priority>,
    octets: Vec<u8>,
}

#[test]
fn adverts_and_announcements_are_those_of_keepalived() {
    let Some([programs, _]) = programs("adverts_and_announcements_are_those_of_keepalived") else { return };
    let [ours, reference] = programs;
    // Both run on host 0 one after the other, so that every address on the wire is the same.
    let mut pair = Pair::new([reference, ours]);
    let reference = reign(&mut pair);
    let ours = pair.programs[1].clone();
    pair.programs[0] = ours;
    let ours = reign(&mut pair);
    for ((kind, theirs), (_, sent)) in reference.frames.iter().zip(&ours.frames) {
        same_adverts(*kind, theirs, sent);
    }
    assert_eq!(ours.first_block, reference.first_block);
    for ((address, theirs), (_, sent)) in reference.announcements.iter().zip(&ours.announcements) {
        same_announcements(*address, theirs, sent);
    }
    assert_eq!((ours.program, reference.program), ("steadfast", "keepalived"));
}

fn reign(pair: &mut Pair) -> Reign {
    let since = Instant::now();
    let instances: String = KINDS.iter().map(|kind| kind.instance(0, 150, "")).collect();
    let announcing = "    vrrp_garp_master_repeat 3\n    vrrp_garp_master_refresh 2\n    \
                      vrrp_garp_master_refresh_repeat 2\n";
    pair.start(0, &(global(announcing) + &instances));
    pair.settle(&KINDS, 0);
    let reigned = |kind: &Kind| {
        let sent = pair.sent(*kind, 0, since);
        sent.first().zip(sent.last()).is_some_and(|(first, last)| last.0 - first.0 > ANNOUNCED)
    };
    assert!(wait::until(LIMIT, || KINDS.iter().all(reigned)));
    let _ = pair.terminate(0);
    pair.ended(0);
    let frames: Vec<_> = KINDS.iter().map(|kind| (*kind, adverts(pair, *kind, since))).collect();
    let announcements = KINDS.iter().flat_map(|kind| announcements(pair, *kind, since)).collect();
    let first_block = KINDS.iter().map(|kind| first_block(pair, *kind, since)).collect();
    Reign { program: pair.programs[0].name(), frames, announcements, first_block }
}

fn adverts(pair: &Pair, kind: Kind, since: Instant) -> Vec<Sent> {
    let sent = pair.capture(0).select(since, |frame| match &frame.content {
        Content::Advert(advert) if advert.vrid == kind.vrid() => {
            Some((frame.at, Some(advert.priority), masked(frame)))
        }
        _ => None,
    });
    timed(sent)
}

fn timed(sent: Vec<(Instant, Option<Priority>, Vec<u8>)>) -> Vec<Sent> {
    let first = sent.first().map(|(at, ..)| *at);
    sent.into_iter()
        .map(|(at, priority, octets)| Sent { after: at - first.unwrap(), priority, octets })
        .collect()
}

/// What may differ: the IPv4 identification, which counts, with the header checksum that covers it;
/// the sequence number of an authentication header, which counts, with the digest that covers it; the IPv6 flow label; and the hop limit of IPv6 unicast, for which keepalived takes the kernel's
/// default, 64, and we 255 (RFC 9568 section 5.1.2.3).
fn masked(frame: &Frame) -> Vec<u8> {
    const HOP_LIMIT: usize = 7;
    const SEQUENCE_AND_DIGEST: std::ops::Range<usize> = 28..44;
    // The group bit of an Ethernet address (IEEE 802, section 8.2).
    let multicast = frame.ethernet.destination.0[0] & 1 == 1;
    let mut octets = frame.octets.clone();
    let packet = &mut octets[HEADER_LENGTH..];
    match frame.ethernet.ether_type {
        EtherType::IPV4 => {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
            if packet[9] == PROTOCOL_AUTHENTICATION_HEADER {
                packet[SEQUENCE_AND_DIGEST].fill(0);
            }
        }
        EtherType::IPV6 => {
            packet[1] &= 0xf0;
            packet[2..4].fill(0);
            if !multicast {
                packet[HOP_LIMIT] = 255;
            }
        }
        _ => {}
    }
    octets
}

/// All adverts in force are equal, and so are those that give up, and their number.
fn same_adverts(kind: Kind, theirs: &[Sent], ours: &[Sent]) {
    let name = kind.name();
    for priority in [Priority::new(150), Priority::RELEASE] {
        let of = |sent: &[Sent]| -> Vec<Vec<u8>> {
            let chosen = sent.iter().filter(|sent| sent.priority == Some(priority));
            chosen.map(|sent| sent.octets.clone()).collect()
        };
        let (theirs, ours) = (of(theirs), of(ours));
        assert!(!theirs.is_empty(), "{name}: keepalived sends none of {priority:?}");
        assert!(theirs.iter().all(|octets| *octets == theirs[0]), "{name}");
        for octets in &ours {
            assert_eq!(hex(octets), hex(&theirs[0]), "{name}, {priority:?}");
        }
        if priority == Priority::RELEASE {
            assert_eq!(ours.len(), theirs.len(), "{name}: adverts of priority 0");
        }
        assert!(!ours.is_empty(), "{name}: we send none of {priority:?}");
    }
    let others: Vec<_> = ours
        .iter()
        .filter(|sent| ![Some(Priority::new(150)), Some(Priority::RELEASE)].contains(&sent.priority))
        .collect();
    assert!(others.is_empty(), "{name}: {others:?}");
}

/// Announcements of the advertised addresses and of the excluded one.
fn announcements(pair: &Pair, kind: Kind, since: Instant) -> Vec<(IpAddr, Vec<Sent>)> {
    let first = pair.sent(kind, 0, since)[0].0;
    let sent = |address: IpAddr| {
        pair.capture(0).select(since, |frame| {
            (announces(frame, address) && frame.at < first + ANNOUNCED).then(|| Sent {
                after: frame.at.saturating_duration_since(first),
                priority: None,
                octets: masked(frame),
            })
        })
    };
    announced(kind).into_iter().map(|address| (address, sent(address))).collect()
}

fn first_block(pair: &Pair, kind: Kind, since: Instant) -> Vec<IpAddr> {
    let end = pair.sent(kind, 0, since)[0].0 + Duration::from_millis(500);
    let addresses = announced(kind);
    pair.capture(0).select(since, |frame| {
        addresses.iter().copied().find(|address| announces(frame, *address) && frame.at < end)
    })
}

fn announced(kind: Kind) -> Vec<IpAddr> {
    let mut addresses = kind.addresses();
    addresses.push(kind.excluded());
    addresses
}

fn announces(frame: &Frame, address: IpAddr) -> bool {
    match (&frame.content, address) {
        (Content::Arp(message), IpAddr::V4(address)) => message.announces() == Some(address),
        (Content::NeighbourAdvertisement(message), IpAddr::V6(address)) => message.target == address,
        _ => false,
    }
}

/// The same octets and the same number: three at once, three after a second
/// (vrrp_garp_master_delay), two for the first vrrp_garp_master_refresh, which 2.2.7 counts from the
/// first advert, later versions and we from the second block.
fn same_announcements(address: IpAddr, theirs: &[Sent], ours: &[Sent]) {
    let seconds = |sent: &[Sent]| -> Vec<u64> {
        sent.iter().map(|sent| u64::try_from((sent.after + SLACK).as_millis() / 1000).unwrap()).collect()
    };
    assert_eq!(seconds(theirs), [0, 0, 0, 1, 1, 1, 2, 2], "{address}: keepalived");
    assert_eq!(seconds(ours), [0, 0, 0, 1, 1, 1, 3, 3], "{address}: we");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(hex(&ours.octets), hex(&theirs.octets), "{address}");
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
