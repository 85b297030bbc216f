use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::vrrp::{
    AdvertInterval, Advertisement, Authentication, Centiseconds, Expect, Form, HeaderProof, Priority, Proof,
    Received, Reject, Signature, Stamp, TrailerKey, TrailerProof, pseudo_header,
};

const SECRET: &[u8; 8] = b"S3cr3t!x";
const OTHER: &[u8; 8] = b"0therK3y";
const HOUR: u64 = 3_600_000_000_000;

/// How adverts are proven.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Password,
    Header,
    Trailer(Family),
}

struct Sent {
    source: IpAddr,
    destination: IpAddr,
    carrier: Carrier,
    payload: Vec<u8>,
}

fn ends(family: Family) -> (IpAddr, IpAddr, IpAddr) {
    match family {
        Family::V4 => (
            Ipv4Addr::new(10, 0, 0, 1).into(),
            Ipv4Addr::new(224, 0, 0, 18).into(),
            Ipv4Addr::new(10, 0, 9, 9).into(),
        ),
        Family::V6 => (
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(),
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9).into(),
        ),
    }
}

fn family(kind: Kind) -> Family {
    if let Kind::Trailer(family) = kind { family } else { Family::V4 }
}

fn interval(kind: Kind) -> AdvertInterval {
    match kind {
        Kind::Trailer(_) => AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap()),
        _ => AdvertInterval::Seconds(1.try_into().unwrap()),
    }
}

fn authentication(kind: Kind, password: [u8; 8]) -> Authentication {
    match kind {
        Kind::Password => Authentication::Password(password),
        Kind::Header => Authentication::Header,
        Kind::Trailer(_) => Authentication::None,
    }
}

fn sent(kind: Kind, secret: &[u8; 8]) -> Sent {
    let family = family(kind);
    let (source, destination, address) = ends(family);
    let pseudo = pseudo_header(interval(kind).version(), source, destination, false).unwrap();
    let advertisement = Advertisement {
        vrid: Vrid::new(51).unwrap(),
        priority: Priority::DEFAULT,
        form: Form::of(interval(kind), authentication(kind, *secret)),
        family,
        addresses: &[address],
    };
    let (mut payload, mut carrier) = (Vec::new(), Carrier::Ip);
    match kind {
        Kind::Password => advertisement.write(pseudo, &mut payload).unwrap(),
        Kind::Header => {
            let mut message = Vec::new();
            advertisement.write(pseudo, &mut message).unwrap();
            let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(224, 0, 0, 18));
            let envelope = Envelope { source, destination, ttl: 255 };
            let identification = envelope.write(&Key::new(secret.to_vec().into()), 7, &message, &mut payload);
            carrier = Carrier::AuthenticationHeader { identification: identification.get() };
        }
        Kind::Trailer(_) => {
            let key = TrailerKey { id: 3, key: Key::new(secret.to_vec().into()) };
            let signature = Signature { key: &key, stamp: Stamp::at(HOUR), source };
            advertisement.write_signed(pseudo, &signature, &mut payload).unwrap();
        }
    }
    Sent { source, destination, carrier, payload }
}

fn judged(kind: Kind, sent: &Sent, key: &Key, password: [u8; 8]) -> Result<(), Reject> {
    let keys = [TrailerKey { id: 3, key: key.clone() }];
    let proof = match kind {
        Kind::Password => Proof::None,
        Kind::Header => Proof::Header(HeaderProof { key, last: 3 }),
        Kind::Trailer(_) => Proof::Trailer(TrailerProof {
            keys: &keys,
            required: true,
            window: Some(Duration::from_secs(5)),
            clocks: [Some(Stamp::at(HOUR)), None],
            last: None,
        }),
    };
    let expect = Expect {
        vrid: Vrid::new(51).unwrap(),
        family: family(kind),
        interval: interval(kind),
        authentication: authentication(kind, password),
        proof,
        on_link: true,
        ignore_v3_checksum: false,
    };
    let received = Received {
        source: sent.source,
        destination: sent.destination,
        hop_limit: Some(255),
        carrier: sent.carrier,
        message: &sent.payload,
    };
    expect.check(&received).map(drop)
}

fn by_secret(kind: Kind, sent: &Sent) -> Result<(), Reject> {
    judged(kind, sent, &Key::new(SECRET.to_vec().into()), *SECRET)
}

/// As somebody judges it who knows no secret.
fn by_blank(kind: Kind, sent: &Sent, verdict: Result<(), Reject>) -> Result<(), Reject> {
    let forged =
        matches!(verdict, Err(Reject::AuthFailure | Reject::HeaderDigest | Reject::TrailerDigest { .. }));
    let mut payload = sent.payload.clone();
    blank(family(kind), sent.carrier, &mut payload);
    assert!(!payload.windows(SECRET.len()).any(|part| part == SECRET || part == OTHER));
    sign_blank((sent.source, sent.destination, Some(255)), sent.carrier, &mut payload, forged);
    judged(kind, &Sent { payload, ..*sent }, &Key::blank(), [0; 8])
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Password),
        Just(Kind::Header),
        Just(Kind::Trailer(Family::V4)),
        Just(Kind::Trailer(Family::V6)),
    ]
}

/// A wrong checksum stays one; the numbers follow what was blanked.
fn kind_of(verdict: Result<(), Reject>) -> Option<std::mem::Discriminant<Reject>> {
    verdict.err().map(|reject| std::mem::discriminant(&reject))
}

proptest! {
    #[test]
    fn who_knows_no_secret_judges_as_who_does(kind in kinds(), ours: bool, damage in proptest::option::of((0_usize..80, 1_u8..))) {
        let mut sent = sent(kind, if ours { SECRET } else { OTHER });
        if damage.is_none() {
            prop_assert_eq!(by_secret(kind, &sent).is_ok(), ours);
        }
        if let Some((at, flip)) = damage
            && let Some(octet) = sent.payload.get_mut(at)
        {
            *octet ^= flip;
        }
        let verdict = by_secret(kind, &sent);
        prop_assert_eq!(kind_of(by_blank(kind, &sent, verdict)), kind_of(verdict), "{:?}", verdict);
    }

    #[test]
    fn no_octets_are_too_strange(
        mut payload in proptest::collection::vec(any::<u8>(), 0..120),
        version in 0_u8..4,
        count in 0_u8..4,
        header: bool,
        v6: bool,
        forged: bool,
    ) {
        let carrier = if header { Carrier::AuthenticationHeader { identification: 1 } } else { Carrier::Ip };
        let start = if header { authentication_header::LENGTH } else { 0 };
        if let Some(message) = payload.get_mut(start..).filter(|message| message.len() > 3) {
            (message[0], message[3]) = (version << 4, count);
        }
        let family = if v6 { Family::V6 } else { Family::V4 };
        let (source, destination, _) = ends(family);
        let length = payload.len();
        blank(family, carrier, &mut payload);
        let once = payload.clone();
        blank(family, carrier, &mut payload);
        prop_assert_eq!(&once, &payload, "nothing is left to be blanked");
        sign_blank((source, destination, None), carrier, &mut payload, forged);
        prop_assert_eq!(payload.len(), length);
    }
}

#[test]
fn a_password_in_a_message_of_a_wrong_length_goes_too() {
    for (cut, count) in [(0, 0), (0, 2), (3, 1), (0, 255)] {
        let mut sent = sent(Kind::Password, SECRET);
        sent.payload.truncate(sent.payload.len() - cut);
        sent.payload[3] = count;
        blank(Family::V4, sent.carrier, &mut sent.payload);
        assert!(!sent.payload.windows(5).any(|part| part == &SECRET[..5]), "{cut} {count}");
    }
}
