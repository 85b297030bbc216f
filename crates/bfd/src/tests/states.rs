//! RFC 5880 sections 6.1, 6.2, 6.8.4 and 6.8.16.

use super::*;

fn transitions(events: &[Event]) -> Vec<(State, State)> {
    let of = |event: &Event| match event {
        Event::State { from, to, .. } => Some((*from, *to)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn verdicts(events: &[Event]) -> Vec<bool> {
    let of = |event: &Event| if let Event::Path { good, .. } = event { Some(*good) } else { None };
    events.iter().filter_map(of).collect()
}

#[test]
fn section_6_2_three_packets_bring_a_session_up() {
    let mut pair = Pair::plain();
    pair.run(Duration::ZERO);
    assert_eq!(pair.states(), [State::Up, State::Up]);
    assert_eq!(transitions(&pair.events[1]), [(State::Down, State::Init), (State::Init, State::Up)]);
    assert_eq!(verdicts(&pair.events[0]), [true]);
    let [ours, theirs] = [pair.status(0), pair.status(1)];
    assert_eq!(ours.remote_discriminator, Some(theirs.local_discriminator));
    assert_eq!(theirs.remote_discriminator, Some(ours.local_discriminator));
}

#[test]
fn section_6_8_4_silence_for_the_detection_time_ends_a_session() {
    let mut pair = Pair::up();
    pair.cut[1] = true;
    let last = pair.now;
    pair.run(22 * MS);
    assert_eq!(pair.states()[0], State::Up, "two packets may be lost");
    pair.run(9 * MS);
    assert_eq!(pair.states()[0], State::Down);
    assert_eq!(pair.status(0).diagnostic, Diagnostic::DETECTION_TIME_EXPIRED);
    let Some(Event::State {
        at, cause: Cause::Silent { multiplier: 3, interval_us: 10_000, silent_us }, ..
    }) = pair.events[0].first()
    else {
        panic!("{:?}", pair.events[0]);
    };
    assert!(at.since(last) <= 30 * MS && *silent_us >= 30_000);
    assert_eq!(verdicts(&pair.events[0]), [false]);
    // The other end hears of it in the same moment.
    assert_eq!(pair.status(1).diagnostic, Diagnostic::NEIGHBOR_SIGNALED_DOWN);
    assert_eq!(pair.status(0).remote_discriminator, None, "bfd.RemoteDiscr, section 6.8.1");
}

#[test]
fn a_session_comes_up_again_after_a_cut_of_either_way_or_both() {
    for cut in [[true, false], [false, true], [true, true]] {
        let mut pair = Pair::up();
        pair.cut = cut;
        pair.run(5000 * MS);
        assert!(!pair.states().contains(&State::Up), "{cut:?}");
        pair.cut = [false; 2];
        pair.run(1100 * MS);
        assert_eq!(pair.states(), [State::Up; 2], "{cut:?}");
    }
}

#[test]
fn section_6_1_a_passive_end_says_nothing_first() {
    let passive = |end| SessionConfig { passive: true, ..config(end) };
    let mut pair = Pair::new([passive(0), passive(1)]);
    pair.run(5000 * MS);
    assert!(pair.sent.iter().all(Vec::is_empty));
    let mut pair = Pair::new([passive(0), config(1)]).brought_up();
    pair.cut = [true, true];
    pair.run(2000 * MS);
    pair.sent = Default::default();
    pair.run(5000 * MS);
    assert!(pair.sent[0].is_empty(), "silent again when the peer is gone");
    pair.cut = [false; 2];
    pair.run(1100 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn section_6_8_16_a_stop_is_told_and_says_nothing_of_the_path() {
    let mut pair = Pair::up();
    pair.drive(0, |machine, now, asked| machine.handle(now, Input::Stop, asked));
    assert_eq!(pair.states(), [State::AdminDown, State::Down]);
    let (_, told) = pair.sent[0].last().unwrap();
    assert_eq!((told.state, told.diagnostic), (State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN));
    assert_eq!(verdicts(&pair.events[1]), []);
    assert_eq!(pair.ends[1].is_good(SESSION), Some(true));
    pair.run(3000 * MS);
    assert_eq!(pair.states(), [State::AdminDown, State::Down]);
}

#[test]
fn a_peer_that_starts_anew_is_taken_for_a_new_one() {
    let mut pair = Pair::up();
    pair.ends[1] = machine(pair.now, config(1), 77);
    pair.run(1100 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
    assert_eq!(verdicts(&pair.events[0]), [false, true]);
}

#[test]
fn without_a_socket_a_session_is_held_down() {
    let mut pair = Pair::up();
    let channel = |obstacle| Input::Channel { session: SESSION, obstacle };
    pair.drive(0, |machine, now, asked| machine.handle(now, channel(Some("no such address")), asked));
    assert_eq!(pair.status(0).obstacle.as_deref(), Some("no such address"));
    pair.sent = Default::default();
    pair.run(3000 * MS);
    assert!(pair.sent[0].is_empty());
    assert_eq!(pair.states(), [State::AdminDown, State::Down]);
    pair.drive(0, |machine, now, asked| machine.handle(now, channel(None), asked));
    pair.run(1100 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn a_successor_goes_on_and_the_peer_notices_nothing() {
    let mut pair = Pair::up();
    let resume = pair.ends[0].resume_state(SESSION).unwrap();
    let list = Config { sessions: vec![Arc::new(config(0))] };
    pair.ends[0] = Machine::new(pair.now, &list, 99, vec![resume.clone()]);
    pair.run(1000 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
    assert!(pair.events.iter().all(|events| transitions(events).is_empty()), "{:?}", pair.events);
    let elsewhere = SessionConfig::plain(SESSION, Ipv4Addr::new(10, 0, 0, 9).into());
    let list = Config { sessions: vec![Arc::new(elsewhere)] };
    let other = Machine::new(pair.now, &list, 99, vec![resume]);
    assert_eq!(other.status().next().unwrap().state, State::Down, "another path is another session");
}
