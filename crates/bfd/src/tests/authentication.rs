//! RFC 5880 section 6.7.

use super::*;
use steadfast_wire::bfd::{Algorithm, Counter, Key};

fn keyed(end: usize, algorithm: Algorithm, secret: &[u8]) -> SessionConfig {
    SessionConfig { key: Some(Key::new(algorithm, 1, secret).unwrap()), ..config(end) }
}

fn dropped(pair: &Pair, counter: Counter) -> u64 {
    pair.status(0).counters.dropped().find(|(of, _)| *of == counter).unwrap().1
}

#[test]
fn sessions_come_up_with_the_same_secret_only() {
    use Algorithm::*;
    for algorithm in [Password, Md5, MeticulousMd5, Sha1, MeticulousSha1] {
        let mut pair = Pair::new([keyed(0, algorithm, b"right"), keyed(1, algorithm, b"right")]);
        pair.run(5000 * MS);
        assert_eq!(pair.states(), [State::Up; 2], "{algorithm:?}");
        for other in [keyed(1, algorithm, b"wrong"), config(1)] {
            let mut pair = Pair::new([keyed(0, algorithm, b"right"), other]);
            pair.run(3000 * MS);
            assert_eq!(pair.states(), [State::Down; 2], "{algorithm:?}");
            assert!(dropped(&pair, Counter::Authentication) > 0);
        }
    }
}

#[test]
fn section_6_7_3_a_repeated_packet_changes_nothing() {
    let ends = [0, 1].map(|end| keyed(end, Algorithm::MeticulousSha1, b"right"));
    let mut pair = Pair::new(ends);
    let mut asked = Asked::default();
    pair.ends[1].advance(pair.now, &mut asked);
    let (_, down) = asked.packets.remove(0);
    pair.deliver(0, &down, 255);
    pair.run(1500 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
    pair.deliver(0, &down, 255);
    assert_eq!(pair.states(), [State::Up; 2]);
    assert_eq!(dropped(&pair, Counter::Sequence), 1);
}

#[test]
fn a_peer_that_starts_anew_is_believed_after_two_detection_times() {
    let ends = [0, 1].map(|end| keyed(end, Algorithm::MeticulousSha1, b"right"));
    let mut pair = Pair::new(ends.clone()).brought_up();
    pair.ends[1] = machine(pair.now, ends[1].clone(), 1234);
    pair.run(3000 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
}
