use std::num::NonZeroU8;

use proptest::prelude::*;

use super::*;

fn control() -> Control {
    Control {
        diagnostic: Diagnostic::DETECTION_TIME_EXPIRED,
        state: State::Up,
        poll: true,
        answers_poll: false,
        independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: Discriminator::new(0x0102_0304).unwrap(),
        yours: Discriminator::new(0x0506_0708),
        desired_min_tx: Microseconds::new(10_000),
        required_min_rx: Microseconds::new(20_000),
        required_min_echo_rx: Microseconds::ZERO,
    }
}

fn written(control: &Control, signature: Option<(&Key, Sequence)>) -> Vec<u8> {
    let mut octets = Vec::new();
    control.write(signature, &mut octets);
    octets
}

#[test]
fn control_packet_on_the_wire() {
    #[rustfmt::skip]
    let expected = [
        0x21, 0xe0, 3, 24,
        1, 2, 3, 4, 5, 6, 7, 8,
        0, 0, 0x27, 0x10, 0, 0, 0x4e, 0x20, 0, 0, 0, 0,
    ];
    let octets = written(&control(), None);
    assert_eq!(octets, expected);
    let received = Received::parse(&octets).unwrap();
    assert_eq!((received.control, received.authenticated), (control(), false));
    assert_eq!(received.authenticate(None), Ok(None));
}

/// Each check of RFC 5880 section 6.8.6, with everything wrong that is checked after it.
#[test]
fn checks_come_in_the_order_of_section_6_8_6() {
    let mut octets = vec![0; 24];
    let reject = |octets: &[u8]| Received::parse(octets).unwrap_err();
    assert_eq!(reject(&octets), Reject::Version { found: 0 });
    octets[0] = 0x20;
    octets[1] = 0x04 | 0x01;
    assert_eq!(reject(&octets), Reject::Length { expected: 26, found: 0 });
    octets[3] = 25;
    assert_eq!(reject(&octets), Reject::Length { expected: 26, found: 25 });
    octets[1] = 0x01 | 0xc0 | 0x30;
    assert_eq!(reject(&octets), Reject::TooShort { expected: 25, found: 24 });
    octets[3] = 24;
    assert_eq!(reject(&octets), Reject::MultiplierZero);
    octets[2] = 1;
    assert_eq!(reject(&octets), Reject::Multipoint);
    octets[1] &= !0x01;
    assert_eq!(reject(&octets), Reject::DiscriminatorZero);
    octets[7] = 1;
    assert_eq!(reject(&octets), Reject::YourDiscriminatorZero { state: State::Up });
    octets[11] = 1;
    assert_eq!(reject(&octets), Reject::PollAndFinal);
    octets[1] &= !0x20;
    assert!(Received::parse(&octets).is_ok());
}

#[test]
fn a_stranger_need_not_know_us_only_while_down() {
    for (state, accepted) in
        [(State::AdminDown, true), (State::Down, true), (State::Init, false), (State::Up, false)]
    {
        let octets = written(&Control { yours: None, state, ..control() }, None);
        assert_eq!(Received::parse(&octets).is_ok(), accepted, "{state}");
    }
}

/// RFC 5880 section 6.8.6 refuses a length beyond the datagram, not one below it.
#[test]
fn what_follows_the_packet_is_ignored() {
    let mut octets = written(&control(), None);
    octets.extend([0xff; 7]);
    assert_eq!(Received::parse(&octets).unwrap().control, control());
}

#[test]
fn diagnostics_without_a_name_are_taken() {
    let octets = written(&Control { diagnostic: Diagnostic::new(27), ..control() }, None);
    let diagnostic = Received::parse(&octets).unwrap().control.diagnostic;
    assert_eq!((diagnostic.get(), diagnostic.to_string().as_str()), (27, "diagnostic 27"));
}

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Password,
    Algorithm::Md5,
    Algorithm::MeticulousMd5,
    Algorithm::Sha1,
    Algorithm::MeticulousSha1,
];

/// RFC 5880 section 4.2: type, length, key and the password as it is.
#[test]
fn password_on_the_wire() {
    let key = Key::new(Algorithm::Password, 9, b"abc").unwrap();
    let octets = written(&control(), Some((&key, Sequence(1))));
    assert_eq!(octets[3], 30);
    assert_eq!(octets[24..], [1, 6, 9, b'a', b'b', b'c']);
}

/// RFC 5880 section 6.7.4: the digest of a packet that has the secret, padded with zeros, in its place.
/// Computed with `printf | sha1sum` and `md5sum`.
#[test]
fn digests_on_the_wire() {
    let header = "21e4033401020304050607080000271000004e2000000000";
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let sha1 = Key::new(Algorithm::MeticulousSha1, 2, b"secret").unwrap();
    let octets = written(&control(), Some((&sha1, Sequence(0x0a0b_0c0d))));
    assert_eq!(hex(&octets[..32]), format!("{header}051c02000a0b0c0d"));
    assert_eq!(hex(&octets[32..]), "0baa65b6907ce12f33ff6a7bc449ebabcc92daf3");
    let md5 = Key::new(Algorithm::Md5, 2, b"secret").unwrap();
    let octets = written(&control(), Some((&md5, Sequence(0x0a0b_0c0d))));
    assert_eq!(hex(&octets[32..]), "17446f33455433042d9f3e242468787e");
}

#[test]
fn a_packet_is_believed_only_with_the_very_key() {
    for algorithm in ALGORITHMS {
        let key = Key::new(algorithm, 1, b"right").unwrap();
        let octets = written(&control(), Some((&key, Sequence(7))));
        let received = Received::parse(&octets).unwrap();
        let sequence = (algorithm != Algorithm::Password).then_some(Sequence(7));
        assert_eq!(received.authenticate(Some(&key)), Ok(sequence), "{algorithm:?}");
        assert_eq!(received.authenticate(None), Err(Reject::NotAuthenticatedHere));
        let wrong = Key::new(algorithm, 1, b"wrong").unwrap();
        assert_eq!(received.authenticate(Some(&wrong)), Err(Reject::Authentication), "{algorithm:?}");
        let other = Key::new(algorithm, 2, b"right").unwrap();
        assert_eq!(received.authenticate(Some(&other)), Err(Reject::KeyId { expected: 2, found: 1 }));
        for another in ALGORITHMS.into_iter().filter(|another| *another != algorithm) {
            let another = Key::new(another, 1, b"right").unwrap();
            assert!(matches!(received.authenticate(Some(&another)), Err(Reject::AuthenticationType { .. })));
        }
        let plain = written(&control(), None);
        let plain = Received::parse(&plain).unwrap();
        assert_eq!(plain.authenticate(Some(&key)), Err(Reject::NotAuthenticated));
    }
}

#[test]
fn every_bit_of_a_signed_packet_is_covered() {
    for algorithm in [Algorithm::Md5, Algorithm::MeticulousSha1] {
        let key = Key::new(algorithm, 1, b"right").unwrap();
        let octets = written(&control(), Some((&key, Sequence(7))));
        for bit in 0..octets.len() * 8 {
            let mut bent = octets.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let believed = Received::parse(&bent).is_ok_and(|packet| packet.authenticate(Some(&key)).is_ok());
            assert!(!believed, "{algorithm:?}, bit {bit}");
        }
    }
}

#[test]
fn secrets_have_a_length_and_are_not_shown() {
    for algorithm in ALGORITHMS {
        let max = algorithm.secret_length_max();
        assert_eq!(Key::new(algorithm, 1, b""), Err(KeyError { max, found: 0 }));
        assert!(Key::new(algorithm, 1, vec![b'x'; max]).is_ok());
        assert_eq!(Key::new(algorithm, 1, vec![b'x'; max + 1]), Err(KeyError { max, found: max + 1 }));
    }
    let shown = format!("{:?}", Key::new(Algorithm::Sha1, 1, b"hush").unwrap());
    assert!(!shown.contains("hush") && !shown.contains("104"), "{shown}");
}

/// RFC 5880 section 6.7.3: a window of three detection multipliers, around the end of the numbers.
#[test]
fn sequence_numbers_follow() {
    let last = Sequence(u32::MAX - 1);
    assert!(last.follows(last, 9, false));
    assert!(!last.follows(last, 9, true));
    assert!(last.next().follows(last, 9, true));
    assert!(Sequence(7).follows(last, 9, true));
    assert!(!Sequence(8).follows(last, 9, true));
    assert!(!Sequence(u32::MAX - 2).follows(last, 9, false));
}

#[test]
fn echo_packets_are_known_again() {
    let echo = Echo { session: Discriminator::new(0x0a0b_0c0d).unwrap(), number: 5 };
    assert_eq!(echo.bytes(), *b"echo\x0a\x0b\x0c\x0d\0\0\0\x05");
    assert_eq!(Echo::parse(&echo.bytes()), Some(echo));
    for end in 0..Echo::LENGTH {
        assert_eq!(Echo::parse(&echo.bytes()[..end]), None);
    }
    assert_eq!(Echo::parse(&[&echo.bytes()[..], &[0]].concat()), None);
}

fn any_control() -> impl Strategy<Value = Control> {
    let words = (1_u32.., any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    (words, 0_u8..32, 0_u8..4, 1_u8.., any::<[bool; 3]>()).prop_map(
        |((mine, yours, tx, rx, echo), diagnostic, state, multiplier, [poll, demand, independent])| {
            let state = State::from_bits(state);
            let needs_yours = matches!(state, State::Init | State::Up);
            Control {
                diagnostic: Diagnostic::new(diagnostic),
                state,
                poll,
                answers_poll: !poll && independent,
                independent,
                demand,
                multiplier: NonZeroU8::new(multiplier).unwrap(),
                mine: Discriminator::new(mine).unwrap(),
                yours: Discriminator::new(if needs_yours { yours.max(1) } else { yours }),
                desired_min_tx: Microseconds::new(tx),
                required_min_rx: Microseconds::new(rx),
                required_min_echo_rx: Microseconds::new(echo),
            }
        },
    )
}

proptest! {
    #[test]
    fn round_trip(control in any_control(), algorithm in 0_usize..6, secret in "[a-z]{1,16}", sequence: u32) {
        let key = ALGORITHMS.get(algorithm).map(|kind| Key::new(*kind, 3, secret.as_bytes()).unwrap());
        let octets = written(&control, key.as_ref().map(|key| (key, Sequence(sequence))));
        prop_assert!(octets.len() <= PACKET_LENGTH_MAX);
        prop_assert_eq!(usize::from(octets[3]), octets.len());
        let received = Received::parse(&octets).unwrap();
        prop_assert_eq!(received.control, control);
        prop_assert!(received.authenticate(key.as_ref()).is_ok());
    }

    #[test]
    fn arbitrary_octets_never_panic(mut octets: Vec<u8>, plausible: bool) {
        if plausible && octets.len() > 3 {
            octets[0] = 0x20;
            octets[3] = u8::try_from(octets.len()).unwrap_or(u8::MAX);
        }
        let key = Key::new(Algorithm::MeticulousSha1, 1, b"key").unwrap();
        if let Ok(received) = Received::parse(&octets) {
            let _ = received.authenticate(Some(&key));
        }
        let _ = Echo::parse(&octets);
    }
}
