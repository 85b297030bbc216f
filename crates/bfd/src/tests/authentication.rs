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

#[test]
fn section_6_7_4_packets_of_a_successor_are_believed_at_once() {
    use Algorithm::*;
    for algorithm in [Password, Md5, MeticulousMd5, Sha1, MeticulousSha1] {
        let ends = [0, 1].map(|end| keyed(end, algorithm, b"right"));
        let mut pair = Pair::new(ends.clone()).brought_up();
        for wait in [0, 1_000, 7, 100_000, 23] {
            pair.run(wait * MS);
            let list = Config { sessions: vec![Arc::new(ends[1].clone())] };
            let known = pair.known[1].take().into_iter().collect();
            pair.ends[1] = Machine::new(pair.now, &list, wait.into(), known);
            pair.drive(1, |machine, now, asked| machine.advance(now, asked));
            pair.run(50 * MS);
        }
        let changes = pair.events.iter().flatten().filter(|event| matches!(event, Event::State { .. }));
        assert_eq!(changes.count(), 0, "{algorithm:?}: {:?}", pair.events);
        assert_eq!(dropped(&pair, Counter::Sequence), 0, "{algorithm:?}");
    }
}

#[test]
fn successors_that_die_early_do_not_repeat_what_was_sent() {
    let ends = [0, 1].map(|end| keyed(end, Algorithm::MeticulousSha1, b"right"));
    let mut pair = Pair::new(ends.clone()).brought_up();
    pair.run(1_000 * MS);
    for seed in 0..5 {
        let list = Config { sessions: vec![Arc::new(ends[1].clone())] };
        let before = pair.sent[1].len();
        pair.ends[1] = Machine::new(pair.now, &list, seed, pair.known[1].clone().into_iter().collect());
        while pair.sent[1].len() == before {
            pair.run(10 * MS);
        }
    }
    assert_eq!(dropped(&pair, Counter::Sequence), 0);
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn a_session_whose_key_is_unusable_stays_down_on_purpose() {
    let broken = SessionConfig { broken: Some("no key".into()), ..config(0) };
    let mut pair = Pair::new([broken.clone(), config(1)]);
    let channel = |obstacle| Input::Channel { session: SESSION, obstacle };
    pair.drive(0, |machine, now, asked| machine.handle(now, channel(Some("no socket")), asked));
    pair.drive(0, |machine, now, asked| machine.handle(now, channel(None), asked));
    pair.run(3000 * MS);
    assert_eq!(pair.states(), [State::AdminDown, State::Down]);
    assert_eq!(pair.status(0).obstacle.as_deref(), Some("no key"));
    assert!(pair.sent[0].is_empty());
    pair.reload(0, broken, config(0));
    pair.run(3000 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn after_another_secret_drops_are_told_anew() {
    let mut pair = Pair::new([keyed(0, Algorithm::Sha1, b"wrong"), keyed(1, Algorithm::Sha1, b"right")]);
    let told = |pair: &Pair| {
        let drops = pair.events[0].iter().filter(|event| matches!(event, Event::Dropped { .. }));
        drops.count()
    };
    pair.run(3000 * MS);
    assert_eq!(told(&pair), 1);
    pair.reload(0, keyed(0, Algorithm::Sha1, b"wrong"), keyed(0, Algorithm::Sha1, b"other"));
    assert_eq!(pair.status(0).dropped, None);
    pair.run(3000 * MS);
    assert_eq!(told(&pair), 2);
}
