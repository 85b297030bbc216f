//! Vectors, the order of the checks, and properties of reading and writing together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU8;

use proptest::prelude::*;

use super::super::{
    ADDRESSES_MAX, Advertisement, Centiseconds, Counter, Priority, WriteError, address_limit, set_priority,
    vrid_of,
};
use super::*;
use crate::checksum::PseudoHeader;

const SOURCE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
const SOURCE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 9, 9));
const VIP_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9));
const SECRET: Authentication = Authentication::Password(*b"secret\0\0");

#[rustfmt::skip]
const V2_PASSWORD: [u8; 20] = [
    0x21, 51, 100, 1, 1, 1, 0x2a, 0x75, 10, 0, 9, 9, b's', b'e', b'c', b'r', b'e', b't', 0, 0,
];
const V2_PLAIN: [u8; 20] = [0x21, 51, 100, 1, 0, 1, 0x67, 0xc1, 10, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0];
const V3: [u8; 16] = [0x31, 51, 100, 2, 0, 100, 0x59, 0xbf, 10, 0, 9, 9, 10, 0, 9, 10];
#[rustfmt::skip]
const V3_IPV6: [u8; 24] = [
    0x31, 51, 200, 1, 0, 1, 0x0b, 0xa1, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
];

fn vrid() -> Vrid {
    Vrid::new(51).unwrap()
}

fn seconds(value: u8) -> AdvertInterval {
    AdvertInterval::Seconds(NonZeroU8::new(value).unwrap())
}

fn centiseconds(value: u16) -> AdvertInterval {
    AdvertInterval::Centiseconds(Centiseconds::new(value).unwrap())
}

fn expect_v4(interval: AdvertInterval, authentication: Authentication) -> Expect<'static> {
    Expect {
        vrid: vrid(),
        family: Family::V4,
        interval,
        authentication,
        proof: Proof::None,
        on_link: true,
        ignore_v3_checksum: false,
    }
}

fn expect_v6() -> Expect<'static> {
    Expect { family: Family::V6, ..expect_v4(centiseconds(100), Authentication::None) }
}

fn from_v4(message: &[u8]) -> Received<'_> {
    Received { source: SOURCE_V4, destination: GROUP_V4, hop_limit: Some(255), carrier: Carrier::Ip, message }
}

fn from_v6(message: &[u8]) -> Received<'_> {
    Received { source: SOURCE_V6, destination: GROUP_V6, hop_limit: Some(255), carrier: Carrier::Ip, message }
}

fn written(advertisement: &Advertisement<'_>, pseudo: PseudoHeader) -> Vec<u8> {
    let mut out = vec![0xee; 3];
    advertisement.write(pseudo, &mut out).unwrap();
    out
}

/// Puts the checksum of a bent version 2 message over IPv4 right again.
fn resealed(mut message: Vec<u8>) -> Vec<u8> {
    message[6..8].fill(0);
    let sum = PseudoHeader::None.checksum(PROTOCOL_VRRP, &message);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    message
}

#[test]
fn writes_the_vectors() {
    let v2 = |authentication| Advertisement {
        vrid: vrid(),
        priority: Priority::DEFAULT,
        form: Form::of(seconds(1), authentication),
        family: Family::V4,
        addresses: &[VIP],
    };
    assert_eq!(written(&v2(SECRET), PseudoHeader::None), V2_PASSWORD);
    assert_eq!(written(&v2(Authentication::None), PseudoHeader::None), V2_PLAIN);

    let second = IpAddr::V4(Ipv4Addr::new(10, 0, 9, 10));
    let v3 = Advertisement {
        form: Form::of(centiseconds(100), SECRET),
        addresses: &[VIP, second],
        ..v2(Authentication::None)
    };
    let pseudo = pseudo_header(Version::V3, SOURCE_V4, GROUP_V4, false).unwrap();
    assert_eq!(written(&v3, pseudo), V3);
    let as_v2 = pseudo_header(Version::V3, SOURCE_V4, GROUP_V4, true).unwrap();
    assert_eq!(written(&v3, as_v2)[6..8], [0x44, 0x53]);

    let v3_ipv6 = Advertisement {
        priority: Priority::new(200),
        form: Form::of(centiseconds(1), Authentication::None),
        family: Family::V6,
        addresses: &[VIP_6],
        ..v3
    };
    let pseudo = pseudo_header(Version::V3, SOURCE_V6, GROUP_V6, true).unwrap();
    assert_eq!(written(&v3_ipv6, pseudo), V3_IPV6);
}

#[test]
fn reads_the_vectors() {
    let advert = expect_v4(seconds(1), SECRET).check(&from_v4(&V2_PASSWORD)).unwrap();
    assert_eq!((advert.vrid, advert.priority), (vrid(), Priority::DEFAULT));
    assert_eq!(advert.interval(), seconds(1));
    assert!(advert.addresses.matches(&[VIP]));

    let advert = expect_v4(centiseconds(10), Authentication::None).check(&from_v4(&V3)).unwrap();
    assert_eq!(advert.interval(), centiseconds(100));
    assert_eq!(advert.addresses.len(), 2);

    let advert = expect_v6().check(&from_v6(&V3_IPV6)).unwrap();
    assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), [VIP_6]);
    assert_eq!(vrid_of(&V3_IPV6), Some(vrid()));
    assert_eq!(vrid_of(&V3_IPV6[..7]), None);
}

#[test]
fn version_2_over_ipv6_has_no_authentication_data() {
    for authentication in [Authentication::None, SECRET] {
        let advertisement = Advertisement {
            vrid: vrid(),
            priority: Priority::DEFAULT,
            form: Form::of(seconds(1), authentication),
            family: Family::V6,
            addresses: &[VIP_6],
        };
        let pseudo = pseudo_header(Version::V2, SOURCE_V6, GROUP_V6, false).unwrap();
        let message = written(&advertisement, pseudo);
        assert_eq!(message.len(), 24);
        let expect = Expect { interval: seconds(1), authentication, ..expect_v6() };
        assert!(expect.check(&from_v6(&message)).is_ok());
    }
}

#[test]
fn every_check_has_its_reject_and_counter() {
    let refuse = |expect: Expect<'_>, message: &[u8]| expect.check(&from_v4(message)).unwrap_err();
    let bent = |at: usize, value: u8| {
        let mut message = V2_PASSWORD.to_vec();
        message[at] = value;
        message
    };
    let v2 = expect_v4(seconds(1), SECRET);
    let cases = [
        (refuse(v2, &bent(3, 2)), "packet_len_err", "expected 24 octets"),
        (refuse(v2, &bent(1, 52)), "vrid_err", "expected 51, found 52"),
        (refuse(v2, &bent(1, 0)), "vrid_err", "found 0"),
        (refuse(v2, &V3), "vers_err", "expected 2, found 3"),
        (refuse(v2, &bent(4, 3)), "invalid_authtype", "found 3"),
        (refuse(v2, &bent(4, 2)), "authtype_mismatch", "expected 1, found 2"),
        (refuse(v2, &bent(4, 0)), "authtype_mismatch", "expected 1, found 0"),
        (refuse(v2, &bent(12, b'S')), "auth_failure", "auth_pass"),
        (refuse(v2, &bent(0, 0x22)), "invalid_type_rcvd", "found 2"),
        (refuse(v2, &bent(2, 99)), "chk_err", "expected 0x2b75, found 0x2a75"),
    ];
    for (reject, counter, words) in cases {
        assert_eq!(reject.counter().map(Counter::name), Some(counter), "{reject}");
        assert!(reject.to_string().contains(words), "{reject}");
    }

    let interval = refuse(v2, &resealed(bent(5, 2)));
    assert_eq!(interval, Reject::Interval { expected: seconds(1), found: 2 });
    assert_eq!(interval.counter(), None);
    assert_eq!(
        interval.to_string(),
        "advert interval: expected 1 s, found 2 s: set the same advert_int on all routers"
    );

    let far = Received { hop_limit: Some(254), ..from_v4(&V2_PASSWORD) };
    assert_eq!(v2.check(&far), Err(Reject::HopLimit { expected: 255, found: 254 }));
    assert!(Expect { on_link: false, ..v2 }.check(&far).is_ok());
    assert!(v2.check(&Received { hop_limit: None, ..far }).is_ok());
}

/// The field has twelve bits, and zero is no interval.
#[test]
fn rfc9568_5_2_6_reserved_bits_mean_nothing() {
    let mut reserved = V3;
    reserved[4] |= 0xf0;
    // The checksum covers them.
    (reserved[6], reserved[7]) = (0x69, 0xbe);
    let expect = expect_v4(centiseconds(100), Authentication::None);
    let frame = from_v4(&reserved);
    let advert = expect.check(&frame).unwrap();
    assert_eq!(advert.interval(), centiseconds(100));
}

#[test]
fn rfc9568_erratum_8301_an_interval_is_1_to_4095_centiseconds() {
    let mut zero = V3;
    (zero[4], zero[5]) = (0, 0);
    let expect = expect_v4(centiseconds(1), Authentication::None);
    assert_eq!(expect.check(&from_v4(&zero)), Err(Reject::IntervalZero));
    assert_eq!(
        [0, 1, 4095, 4096].map(|value| Centiseconds::new(value).is_some()),
        [false, true, true, false]
    );
}

#[test]
fn the_first_failure_in_keepalived_s_order_counts() {
    // Everything is wrong; put right one after another.
    let mut message = [0x42, 51, 100, 1, 9, 7, 0, 0, 10, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    message.push(0);
    let mut hop_limit = Some(1);
    let expect = expect_v4(seconds(1), SECRET);
    let mut seen = Vec::new();
    for _ in 0..12 {
        let Err(reject) = expect.check(&Received { hop_limit, ..from_v4(&message) }) else { break };
        match reject {
            // Version 4 has no authentication data that could be known of.
            Reject::PacketLength { .. } if message[0] >> 4 == 4 => message.truncate(12),
            Reject::HopLimit { .. } => hop_limit = Some(255),
            Reject::Version { .. } => {
                message[0] = 0x22;
                message.resize(20, 0);
            }
            Reject::AuthType { .. } => message[4] = 0,
            Reject::AuthMismatch { .. } => message[4] = 1,
            Reject::AuthFailure => message[12..].copy_from_slice(b"secret\0\0"),
            Reject::Interval { .. } => message[5] = 1,
            Reject::Type { .. } => message[0] = 0x21,
            Reject::Checksum { expected, .. } => message[6..8].copy_from_slice(&expected.to_be_bytes()),
            other => panic!("{other}"),
        }
        seen.push(reject.to_string().split(&[':', '\'']).next().unwrap().to_owned());
    }
    assert_eq!(
        seen,
        [
            "packet length",
            "TTL or hop limit",
            "version",
            "authentication type",
            "authentication type",
            "authentication",
            "advert interval",
            "type",
            "checksum"
        ]
    );
    assert_eq!(message, V2_PASSWORD);
}

#[test]
fn ethernet_padding_is_tolerated_up_to_46_octets() {
    let expect = expect_v4(seconds(1), SECRET);
    let with = |surplus: usize| {
        let mut message = V2_PASSWORD.to_vec();
        message.resize(V2_PASSWORD.len() + surplus, 0);
        expect.check(&from_v4(&message)).is_ok()
    };
    // 20 of the IP header, 20 of the message, 6 of padding.
    assert!(with(0) && with(6) && with(2));
    assert!(!with(1) && !with(4) && !with(5) && !with(8));

    // A message that fills the frame has no padding.
    let addresses: Vec<IpAddr> = (1..=5).map(|n| Ipv4Addr::new(10, 0, 9, n).into()).collect();
    let advertisement = Advertisement {
        vrid: vrid(),
        priority: Priority::DEFAULT,
        form: Form::of(seconds(1), SECRET),
        family: Family::V4,
        addresses: &addresses,
    };
    let mut message = written(&advertisement, PseudoHeader::None);
    message.extend([0, 0]);
    assert!(matches!(expect.check(&from_v4(&message)), Err(Reject::PacketLength { .. })));

    let mut message = V3_IPV6.to_vec();
    message.extend([0, 0]);
    assert!(matches!(expect_v6().check(&from_v6(&message)), Err(Reject::PacketLength { .. })));
}

#[test]
fn checksum_without_pseudo_header_is_refused_unless_told() {
    let advertisement = Advertisement {
        vrid: vrid(),
        priority: Priority::DEFAULT,
        form: Form::of(centiseconds(100), Authentication::None),
        family: Family::V4,
        addresses: &[VIP],
    };
    let message = written(&advertisement, PseudoHeader::None);
    let strict = expect_v4(centiseconds(100), Authentication::None);
    assert!(matches!(strict.check(&from_v4(&message)), Err(Reject::Checksum { .. })));
    assert!(Expect { ignore_v3_checksum: true, ..strict }.check(&from_v4(&message)).is_ok());
}

#[test]
fn families_that_do_not_fit_are_refused() {
    let expect = expect_v4(centiseconds(100), Authentication::None);
    let mixed = Received { destination: GROUP_V6, ..from_v4(&V3) };
    assert!(matches!(expect.check(&mixed), Err(Reject::Family { .. })));
    let other = Received { source: SOURCE_V6, destination: GROUP_V6, ..from_v4(&V3) };
    assert!(matches!(expect.check(&other), Err(Reject::Family { .. })));
}

#[test]
fn address_lists_are_compared_without_order() {
    let list = |message: &'static [u8]| Advert::parse(Family::V4, message).unwrap().addresses;
    let second = IpAddr::V4(Ipv4Addr::new(10, 0, 9, 10));
    assert!(list(&V3).matches(&[VIP, second]));
    assert!(list(&V3).matches(&[second, VIP]));
    assert!(!list(&V3).matches(&[VIP]));
    assert!(!list(&V3).matches(&[VIP, SOURCE_V4]));
    assert!(!list(&V3).is_empty());
}

#[test]
fn too_many_or_foreign_addresses_are_not_written() {
    let many = vec![VIP; ADDRESSES_MAX + 1];
    let mut advertisement = Advertisement {
        vrid: vrid(),
        priority: Priority::DEFAULT,
        form: Form::of(seconds(1), Authentication::None),
        family: Family::V4,
        addresses: &many,
    };
    let mut out = vec![1];
    let error = advertisement.write(PseudoHeader::None, &mut out).unwrap_err();
    assert_eq!(error, WriteError::AddressCount { found: 256 });
    assert_eq!(out, []);
    advertisement.addresses = &many[..ADDRESSES_MAX];
    advertisement.write(PseudoHeader::None, &mut out).unwrap();
    assert_eq!(Advert::parse(Family::V4, &out).unwrap().addresses.len(), ADDRESSES_MAX);

    advertisement.addresses = &[VIP, VIP_6];
    let error = advertisement.write(PseudoHeader::None, &mut out).unwrap_err();
    assert_eq!(error, WriteError::AddressFamily { expected: Family::V4, found: VIP_6 });
}

#[test]
fn limit_by_mtu() {
    assert_eq!(address_limit(1500, Family::V4, Version::V2), 255);
    assert_eq!(address_limit(1500, Family::V6, Version::V3), 89);
    assert_eq!(address_limit(576, Family::V4, Version::V2), 131);
    assert_eq!(address_limit(576, Family::V4, Version::V3), 133);
    assert_eq!(address_limit(0, Family::V4, Version::V3), 0);
}

/// Everything an advertisement can say, and how it is checked.
#[derive(Debug, Clone)]
struct Case {
    vrid: Vrid,
    priority: Priority,
    form: Form,
    addresses: Vec<IpAddr>,
    family: Family,
    v3_checksum_as_v2: bool,
}

impl Case {
    fn advertisement(&self) -> Advertisement<'_> {
        Advertisement {
            vrid: self.vrid,
            priority: self.priority,
            form: self.form,
            family: self.family,
            addresses: &self.addresses,
        }
    }

    fn ends(&self) -> (IpAddr, IpAddr) {
        match self.family {
            Family::V4 => (SOURCE_V4, GROUP_V4),
            Family::V6 => (SOURCE_V6, GROUP_V6),
        }
    }

    fn message(&self) -> Vec<u8> {
        let (source, destination) = self.ends();
        let pseudo = pseudo_header(self.form.version(), source, destination, self.v3_checksum_as_v2).unwrap();
        written(&self.advertisement(), pseudo)
    }

    fn expect(&self) -> Expect<'static> {
        let (interval, authentication) = match self.form {
            Form::V2 { interval, authentication } => (AdvertInterval::Seconds(interval), authentication),
            Form::V3 { interval } => (AdvertInterval::Centiseconds(interval), Authentication::None),
        };
        Expect {
            vrid: self.vrid,
            family: self.family,
            interval,
            authentication,
            proof: Proof::None,
            on_link: true,
            ignore_v3_checksum: self.v3_checksum_as_v2,
        }
    }

    fn check<'a>(&self, message: &'a [u8]) -> Result<Advert<'a>, Reject> {
        let (source, destination) = self.ends();
        self.expect().check(&Received {
            source,
            destination,
            hop_limit: Some(255),
            carrier: Carrier::Ip,
            message,
        })
    }
}

fn form() -> impl Strategy<Value = Form> {
    let authentication =
        prop_oneof![Just(Authentication::None), any::<[u8; 8]>().prop_map(Authentication::Password)];
    prop_oneof![
        (1u8.., authentication).prop_map(|(s, authentication)| Form::of(seconds(s), authentication)),
        (1u16..=4095).prop_map(|c| Form::of(centiseconds(c), Authentication::None)),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    (1u8.., any::<u8>(), form(), any::<bool>(), prop::collection::vec(any::<u128>(), 0..=30), any::<bool>())
        .prop_map(|(vrid, priority, form, v6, addresses, v3_checksum_as_v2)| {
            let family = if v6 { Family::V6 } else { Family::V4 };
            let address = |bits: u128| match family {
                Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits >> 96).unwrap())),
                Family::V6 => IpAddr::V6(Ipv6Addr::from(bits)),
            };
            Case {
                vrid: Vrid::new(vrid).unwrap(),
                priority: Priority::new(priority),
                form,
                addresses: addresses.into_iter().map(address).collect(),
                family,
                v3_checksum_as_v2,
            }
        })
}

proptest! {
    #[test]
    fn round_trip(case in case()) {
        let message = case.message();
        let advert = case.check(&message).unwrap();
        prop_assert_eq!((advert.vrid, advert.priority), (case.vrid, case.priority));
        match (advert.form, case.form, case.family) {
            (Form::V2 { interval: a, .. }, Form::V2 { interval: b, .. }, Family::V6) => prop_assert_eq!(a, b),
            (a, b, _) => prop_assert_eq!(a, b),
        }
        prop_assert_eq!(advert.addresses.iter().collect::<Vec<_>>(), case.addresses.clone());
        prop_assert!(advert.addresses.matches(&case.addresses));
        prop_assert!(advert.trailing.is_empty());
        prop_assert_eq!(Advert::parse(case.family, &message), Ok(advert));
    }

    #[test]
    fn every_other_length_is_refused(case in case(), surplus in 1usize..40) {
        let mut message = case.message();
        for end in 0..message.len() {
            prop_assert!(case.check(&message[..end]).is_err(), "{} octets", end);
        }
        prop_assume!(surplus % 4 != 2 || case.family == Family::V6 || message.len() >= 26);
        message.resize(message.len() + surplus, 0);
        let counter = case.check(&message).map_err(|reject| reject.counter());
        prop_assert_eq!(counter, Err(Some(Counter::PacketLength)));
    }

    #[test]
    fn every_flipped_bit_is_noticed(case in case()) {
        let case = Case { v3_checksum_as_v2: false, ..case };
        let message = case.message();
        for bit in 0..message.len() * 8 {
            let mut bent = message.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(case.check(&bent).is_err(), "bit {}", bit);
        }
    }

    #[test]
    fn priority_in_place_equals_writing_anew(case in case(), priority: u8) {
        let mut message = case.message();
        set_priority(&mut message, Priority::new(priority));
        let anew = Case { priority: Priority::new(priority), ..case };
        prop_assert_eq!(message, anew.message());
    }

    #[test]
    fn arbitrary_octets_never_panic(case in case(), octets: Vec<u8>, keep in 0usize..40) {
        let mut message = case.message();
        message.truncate(keep);
        message.extend(&octets);
        let _ = case.check(&message);
        let _ = case.check(&octets);
        let _ = Advert::parse(case.family, &message);
        let _ = vrid_of(&octets);
        set_priority(&mut message, Priority::RELEASE);
    }
}
