//! Known answers, made apart from this code from the description of the trailer, and what it has to notice.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::vrrp::{
    Advert, AdvertInterval, Advertisement, Authentication, Carrier, Centiseconds, Counter, Expect, Family,
    Form, HEADER_LENGTH, Priority, Proof, Proven, Received, pseudo_header, seal,
};

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
/// 28 November 2025, 11:00:00.5.
const NANOSECONDS_THEN: u64 = 1_764_327_600_500_000_000;
const SOURCE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const SOURCE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 9, 9));
const VIP_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9));

#[rustfmt::skip]
const SIGNED_V4: [u8; 40] = [
    0x31, 0x33, 0x64, 0x01, 0x00, 0x64, 0x6c, 0xce, 0x0a, 0x00, 0x09, 0x09,
    0x01, 0x07, 0x00, 0x00, 0x69, 0x29, 0x80, 0xb0, 0x80, 0x00, 0x00, 0x03,
    0x7c, 0x48, 0x36, 0x01, 0x89, 0x6c, 0x99, 0x82, 0xdb, 0x0a, 0xcc, 0xb9, 0xc1, 0xf4, 0x04, 0x09,
];
#[rustfmt::skip]
const SIGNED_V6: [u8; 52] = [
    0x31, 0x33, 0x64, 0x01, 0x00, 0x64, 0xe9, 0xd0,
    0xfd, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09,
    0x01, 0x07, 0x00, 0x00, 0x69, 0x29, 0x80, 0xb0, 0x80, 0x00, 0x00, 0x03,
    0xd7, 0x6b, 0xa1, 0x14, 0xc5, 0x67, 0xb8, 0x5b, 0x2b, 0x5d, 0x9d, 0x33, 0xd0, 0x83, 0x8b, 0x14,
];

fn key(id: u8, secret: &[u8]) -> TrailerKey {
    TrailerKey { id, key: Key::new(secret.into()) }
}

/// The third after [`NANOSECONDS_THEN`].
fn then() -> Stamp {
    Stamp::at(NANOSECONDS_THEN).next().next().next()
}

fn proof<'a>(keys: &'a [TrailerKey]) -> TrailerProof<'a> {
    let window = Some(Duration::from_secs(5));
    TrailerProof {
        keys,
        required: true,
        window,
        clocks: [Some(Stamp::at(NANOSECONDS_THEN)), None],
        last: None,
    }
}

fn expect(family: Family, proof: TrailerProof<'_>) -> Expect<'_> {
    Expect {
        vrid: Vrid::new(51).unwrap(),
        family,
        interval: AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap()),
        authentication: Authentication::None,
        proof: Proof::Trailer(proof),
        on_link: true,
        ignore_v3_checksum: false,
    }
}

fn received(message: &[u8]) -> Received<'_> {
    let (source, destination) =
        if message.len() == SIGNED_V6.len() { (SOURCE_V6, GROUP_V6) } else { (SOURCE_V4, GROUP_V4) };
    Received { source, destination, hop_limit: Some(255), carrier: Carrier::Ip, message }
}

fn check(proof: TrailerProof<'_>, message: &[u8]) -> Result<Proven, Reject> {
    expect(Family::V4, proof).check(&received(message)).map(|advert: Advert<'_>| advert.proven)
}

fn signed(family: Family, key: &TrailerKey, stamp: Stamp) -> Vec<u8> {
    let (source, destination, address) = match family {
        Family::V4 => (SOURCE_V4, GROUP_V4, VIP),
        Family::V6 => (SOURCE_V6, GROUP_V6, VIP_6),
    };
    let advertisement = Advertisement {
        vrid: Vrid::new(51).unwrap(),
        priority: Priority::DEFAULT,
        form: Form::V3 { interval: Centiseconds::new(100).unwrap() },
        family,
        addresses: &[address],
    };
    let pseudo = pseudo_header(Version::V3, source, destination, false).unwrap();
    let mut message = vec![1];
    advertisement.write_signed(pseudo, &Signature { key, stamp, source }, &mut message).unwrap();
    message
}

#[test]
fn known_answers() {
    let key = key(7, SECRET);
    assert_eq!(signed(Family::V4, &key, then()), SIGNED_V4);
    assert_eq!(signed(Family::V6, &key, then()), SIGNED_V6);
    let keys = [key];
    for (family, message) in [(Family::V4, SIGNED_V4.as_slice()), (Family::V6, &SIGNED_V6)] {
        let advert = expect(family, proof(&keys)).check(&received(message)).unwrap();
        assert_eq!((advert.proven, advert.trailing.len()), (Proven::Trailer(then()), LENGTH));
    }
}

/// The digest leaves the checksum out, which depends on the destination over IPv6 and in version 3.
#[test]
fn another_destination_changes_only_the_checksum() {
    let keys = [key(7, SECRET)];
    let peer = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
    let mut message = SIGNED_V6;
    let pseudo = pseudo_header(Version::V3, SOURCE_V6, peer, false).unwrap();
    seal(Family::V6, HEADER_LENGTH + 16, pseudo, &mut message);
    assert_ne!(message[6..8], SIGNED_V6[6..8]);
    let received = Received { destination: peer, ..received(&message) };
    assert!(expect(Family::V6, proof(&keys)).check(&received).is_ok());
}

#[test]
fn each_way_to_fail_has_its_reason_and_counter() {
    let keys = [key(7, SECRET)];
    let with = |at: usize, octet: u8| {
        let mut bent = SIGNED_V4;
        bent[at] = octet;
        check(proof(&keys), &bent).unwrap_err()
    };
    let other_keys = [key(7, &[1; 64])];
    let replayed = TrailerProof { last: Some(then()), ..proof(&keys) };
    let message = &SIGNED_V4[..12];
    let unasked = Expect { proof: Proof::None, ..expect(Family::V4, proof(&keys)) };
    let cases = [
        (check(proof(&keys), message).unwrap_err(), "auth_ext_missing"),
        (with(12, 2), "auth_ext_malformed"),
        (with(14, 1), "auth_ext_malformed"),
        (with(13, 8), "auth_ext_unknown_key"),
        (with(39, 0), "auth_ext_invalid_hmac"),
        (check(proof(&other_keys), &SIGNED_V4).unwrap_err(), "auth_ext_invalid_hmac"),
        (with(19, 0xb6), "auth_ext_stale"),
        (with(19, 0xaa), "auth_ext_stale"),
        (check(replayed, &SIGNED_V4).unwrap_err(), "auth_ext_replay"),
        (unasked.check(&received(&SIGNED_V4)).unwrap_err(), "packet_len_err"),
    ];
    for (reject, counter) in cases {
        assert_eq!(reject.counter().map(Counter::name), Some(counter), "{reject}");
        assert!(reject.to_string().contains("expected") || counter == "auth_ext_invalid_hmac", "{reject}");
    }
}

#[test]
fn who_need_not_sign_may_not_sign_wrongly() {
    let keys = [key(7, SECRET)];
    let lenient = TrailerProof { required: false, ..proof(&keys) };
    assert_eq!(check(lenient, &SIGNED_V4[..12]), Ok(Proven::Nothing));
    assert_eq!(check(lenient, &SIGNED_V4), Ok(Proven::Trailer(then())));
    let mut bent = SIGNED_V4;
    bent[39] ^= 1;
    assert_eq!(check(lenient, &bent), Err(Reject::TrailerDigest { key: 7 }));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let keys = [key(7, SECRET)];
    for (family, message) in [(Family::V4, SIGNED_V4.as_slice()), (Family::V6, &SIGNED_V6)] {
        for bit in 0..message.len() * 8 {
            let mut bent = message.to_vec();
            bent[bit / 8] ^= 1 << (bit % 8);
            let expect = expect(family, TrailerProof { window: None, ..proof(&keys) });
            assert!(expect.check(&received(&bent)).is_err(), "{family} bit {bit}");
        }
    }
    let moved = Received { source: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), ..received(&SIGNED_V4) };
    let expect = Expect { ignore_v3_checksum: true, ..expect(Family::V4, proof(&keys)) };
    assert_eq!(expect.check(&moved), Err(Reject::TrailerDigest { key: 7 }));
}

/// A sender whose clock was set back is believed by the clock that it goes by, however late its last stamp was.
#[test]
fn by_the_clock_that_fits_the_stamp_before_counts_only_in_its_window() {
    let keys = [key(7, SECRET)];
    let hour = Duration::from_secs(3_600);
    let ahead = then().plus(hour);
    let clocks = [Some(Stamp::at(NANOSECONDS_THEN)), Some(ahead)];
    let proof = TrailerProof { last: Some(ahead), clocks, ..proof(&keys) };
    assert_eq!(check(proof, &SIGNED_V4), Ok(Proven::Trailer(then())));
    let near = TrailerProof { last: Some(then().plus(Duration::from_secs(1))), ..proof };
    assert_eq!(check(near, &SIGNED_V4), Err(Reject::TrailerReplay));
    // Where only the order counts, nothing is forgotten.
    assert_eq!(check(TrailerProof { window: None, ..proof }, &SIGNED_V4), Err(Reject::TrailerReplay));
}

#[test]
fn stamps_come_round_in_2106() {
    let last = Stamp(u64::MAX);
    assert!(last.next().is_after(last) && !last.is_after(last.next()));
    assert_eq!(last.next().distance(last), Duration::ZERO);
    assert_eq!(Stamp::at(NANOSECONDS_THEN).0, (1_764_327_600 << 32) | (0x8000 << 16));
    assert!(!last.is_after(last));
}

proptest! {
    #[test]
    fn what_is_signed_is_taken_once(nanoseconds: u64, id in 1_u8.., secret in prop::collection::vec(any::<u8>(), 32..=64), v6: bool) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let keys = [key(id, &secret)];
        let stamp = Stamp::at(nanoseconds);
        let message = signed(family, &keys[0], stamp);
        let proof = TrailerProof { clocks: [Some(stamp), None], ..proof(&keys) };
        let check = |last| {
            let expect = expect(family, TrailerProof { last, ..proof });
            expect.check(&received(&message)).map(|advert| advert.proven)
        };
        prop_assert_eq!(check(None), Ok(Proven::Trailer(stamp)));
        prop_assert_eq!(check(Some(stamp)), Err(Reject::TrailerReplay));
    }

    #[test]
    fn arbitrary_octets_never_panic(octets: Vec<u8>, required: bool) {
        let keys = [key(7, SECRET)];
        let _ = check(TrailerProof { required, ..proof(&keys) }, &octets);
    }
}
