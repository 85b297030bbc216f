//! Datagrams captured from keepalived 2.2.7, and what may not be changed in them.

use std::num::NonZeroU8;

use proptest::prelude::*;

use super::*;
use crate::vrrp::{Advert, AdvertInterval, Authentication, Counter, Expect, Family, Proof, Proven, Vrid};

/// Behind its IP header: identification 1, TTL 255, 10.9.0.1 to 224.0.0.18.
const MULTICAST: [u8; 44] = [
    0x70, 0x04, 0x00, 0x00, 0x0a, 0x09, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x59, 0x4c, 0x6b, 0x3d, 0xcb,
    0xf1, 0x27, 0xb2, 0xd4, 0xbc, 0x46, 0x7f, 0x21, 0x33, 0x64, 0x01, 0x02, 0x01, 0x6e, 0x5d, 0x0a, 0x09,
    0x00, 0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];
/// The same from 10.9.0.1 to 10.9.0.2, of VRID 52.
const UNICAST: [u8; 44] = [
    0x70, 0x04, 0x00, 0x00, 0x0a, 0x09, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x0d, 0xb7, 0x95, 0xa1, 0x0c,
    0x31, 0xc8, 0x14, 0x01, 0x7e, 0x46, 0xe2, 0x21, 0x34, 0x64, 0x01, 0x02, 0x01, 0x6e, 0x5b, 0x0a, 0x09,
    0x00, 0x65, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
];

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

fn key() -> Key {
    Key::new(Box::new(*b"sesame12"))
}

fn received(destination: Ipv4Addr, message: &[u8]) -> Received<'_> {
    Received {
        source: SOURCE.into(),
        destination: destination.into(),
        hop_limit: Some(255),
        carrier: Carrier::AuthenticationHeader { identification: 1 },
        message,
    }
}

fn expect(vrid: u8, key: &Key, last: u32) -> Expect<'_> {
    Expect {
        vrid: Vrid::new(vrid).unwrap(),
        family: Family::V4,
        interval: AdvertInterval::Seconds(NonZeroU8::MIN),
        authentication: Authentication::Header,
        proof: Proof::Header(HeaderProof { key, last }),
        on_link: true,
        ignore_v3_checksum: false,
    }
}

#[test]
fn adverts_of_keepalived_are_taken() {
    let advert = expect(51, &key(), 0).check(&received(GROUP, &MULTICAST)).map(|advert| advert.proven);
    assert_eq!(advert, Ok(Proven::Header(1)));
    // Routers on the way lower the TTL of unicast.
    let far = Received { hop_limit: Some(60), ..received(PEER, &UNICAST) };
    let key = key();
    let expect = Expect { on_link: false, ..expect(52, &key, 0) };
    assert_eq!(expect.check(&far).map(|advert| advert.proven), Ok(Proven::Header(1)));
}

#[test]
fn the_header_is_written_as_keepalived_writes_it() {
    let mut out = vec![9];
    for (destination, whole) in [(GROUP, MULTICAST), (PEER, UNICAST)] {
        let envelope = Envelope { source: SOURCE, destination, ttl: 255 };
        let identification = envelope.write(&key(), 1, &whole[LENGTH..], &mut out);
        assert_eq!((identification.get(), out.as_slice()), (1, whole.as_slice()));
    }
}

#[test]
fn what_is_not_proven_is_refused_with_its_reason() {
    let check = |received: &Received<'_>, last| expect(51, &key(), last).check(received).unwrap_err();
    let replay = check(&received(GROUP, &MULTICAST), 1);
    assert_eq!(replay, Reject::HeaderReplay { last: 1, found: 1 });
    let foreign = Key::new(Box::new(*b"other\0\0\0"));
    let wrong_key = expect(51, &foreign, 0).check(&received(GROUP, &MULTICAST)).unwrap_err();
    assert_eq!(wrong_key, Reject::HeaderDigest);
    assert!(wrong_key.to_string().contains("auth_pass"), "{wrong_key}");
    let forged = Envelope { source: PEER, destination: GROUP, ttl: 255 };
    let mut message = Vec::new();
    forged.write(&key(), 1, &MULTICAST[LENGTH..], &mut message);
    let redirected = Received { source: PEER.into(), ..received(GROUP, &message) };
    assert!(expect(51, &key(), 0).check(&redirected).is_ok());
    assert_eq!(check(&received(GROUP, &message), 0), Reject::HeaderDigest);
    for reject in [replay, wrong_key] {
        assert_eq!(reject.counter(), Some(Counter::AuthFailure));
    }
    let plain = Received { carrier: Carrier::Ip, ..received(GROUP, &MULTICAST[LENGTH..]) };
    assert_eq!(check(&plain, 0), Reject::AuthMismatch { expected: 2, found: 2 });
    let without =
        Expect { authentication: Authentication::None, proof: Proof::None, ..expect(51, &foreign, 0) };
    let unasked = without.check(&received(GROUP, &MULTICAST)).unwrap_err();
    assert_eq!(unasked, Reject::AuthMismatch { expected: 0, found: 2 });
    let mut content = MULTICAST;
    content[0] = 17;
    assert_eq!(check(&received(GROUP, &content), 0), Reject::HeaderContent { found: 17 });
}

/// RFC 2402 section 3.3.3.1.1: what is the same at both ends is covered.
#[test]
fn every_flipped_bit_is_noticed() {
    let key = key();
    let expect = expect(51, &key, 0);
    for bit in 0..MULTICAST.len() * 8 {
        let mut bent = MULTICAST;
        bent[bit / 8] ^= 1 << (bit % 8);
        assert!(expect.check(&received(GROUP, &bent)).is_err(), "bit {bit}");
    }
    let good = received(GROUP, &MULTICAST);
    let other_identification =
        Received { carrier: Carrier::AuthenticationHeader { identification: 2 }, ..good };
    let other_group = Received { destination: Ipv4Addr::new(224, 0, 0, 19).into(), ..good };
    let other_source = Received { source: PEER.into(), ..good };
    for bent in [other_identification, other_group, other_source] {
        assert_eq!(expect.check(&bent), Err(Reject::HeaderDigest), "{bent:?}");
    }
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{:?}", key()), "Key(…)");
}

proptest! {
    #[test]
    fn what_is_written_is_taken_once(sequence in 1_u32.., ttl: u8, message: Vec<u8>, secret: [u8; 8]) {
        let key = Key::new(Box::new(secret));
        let mut out = Vec::new();
        let envelope = Envelope { source: SOURCE, destination: PEER, ttl };
        let identification = envelope.write(&key, sequence, &message, &mut out).get();
        let carrier = Carrier::AuthenticationHeader { identification };
        prop_assert_eq!(carrier.message(&out), Some(message.as_slice()));
        let received = Received { carrier, hop_limit: None, ..received(PEER, &out) };
        let check = |last| HeaderProof { key: &key, last }.check(&received);
        prop_assert_eq!(check(sequence - 1), Ok(sequence));
        prop_assert_eq!(check(sequence), Err(Reject::HeaderReplay { last: sequence, found: sequence }));
    }

    #[test]
    fn arbitrary_octets_never_panic(octets: Vec<u8>) {
        let key = key();
        let _ = expect(51, &key, 0).check(&received(GROUP, &octets));
        let _ = HeaderProof { key: &key, last: 0 }.check(&received(GROUP, &octets));
        let _ = Advert::parse(Family::V4, &octets);
    }
}
