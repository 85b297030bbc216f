//! RFC 5880 sections 6.5, 6.6, 6.8.2, 6.8.3 and 6.8.7.

use super::*;

#[test]
fn section_6_8_3_a_second_at_least_while_not_up() {
    for idle in [0, 10_000, 1_000_000] {
        let slow = SessionConfig { idle_tx: Microseconds::new(idle), ..config(0) };
        let mut pair = Pair::new([slow, config(1)]);
        pair.cut = [true, true];
        pair.run(60_000 * MS);
        assert!(pair.sent[0].iter().all(|(_, packet)| packet.desired_min_tx.get() == 1_000_000));
        let gaps = pair.gaps(0);
        assert!(gaps.len() >= 59, "{}", gaps.len());
        assert!(gaps.iter().all(|gap| (750 * MS..=1000 * MS).contains(gap)), "{gaps:?}");
    }
}

#[test]
fn section_6_8_7_packets_are_up_to_a_quarter_early() {
    for (multiplier, most) in [(3, 10 * MS), (1, 9 * MS)] {
        let multiplier = NonZeroU8::new(multiplier).unwrap();
        let ends = [0, 1].map(|end| SessionConfig { multiplier, ..config(end) });
        let mut pair = Pair::new(ends).brought_up();
        pair.run(10_000 * MS);
        let gaps = pair.gaps(0);
        assert!(gaps.iter().all(|gap| (7500 * MS / 1000..=most).contains(gap)), "{gaps:?}");
        let mean = gaps.iter().sum::<Duration>() / u32::try_from(gaps.len()).unwrap();
        let middle = (7500 * MS / 1000 + most) / 2;
        assert!(mean.abs_diff(middle) < MS / 4, "{mean:?} is not about {middle:?}");
    }
}

#[test]
fn section_6_8_2_the_slower_of_wish_and_ability() {
    let fast = SessionConfig { desired_min_tx: Microseconds::new(5_000), ..config(0) };
    let slow = SessionConfig { required_min_rx: Microseconds::new(40_000), ..config(1) };
    let pair = Pair::new([fast, slow]).brought_up();
    assert_eq!(pair.status(0).transmit, Some(Microseconds::new(40_000)));
    assert_eq!(pair.status(1).detection_us, Some(120_000));
    assert_eq!(pair.status(1).transmit, Some(Microseconds::new(10_000)));
    assert_eq!(pair.status(0).detection_us, Some(30_000));
}

#[test]
fn section_6_5_a_poll_is_answered_at_once_and_ends_with_the_answer() {
    let mut pair = Pair::plain();
    pair.run(30 * MS);
    let polls = pair.sent[0].iter().filter(|(_, packet)| packet.poll).count();
    let answers = pair.sent[1].iter().filter(|(_, packet)| packet.answers_poll).count();
    assert!(polls >= 1 && answers == polls, "{polls} {answers}");
    assert!(pair.sent.iter().flatten().all(|(_, packet)| !(packet.poll && packet.answers_poll)));
    pair.sent = Default::default();
    pair.run(1000 * MS);
    assert!(pair.sent.iter().flatten().all(|(_, packet)| !packet.poll && !packet.answers_poll));
}

#[test]
fn section_6_8_3_slower_only_after_the_peer_has_agreed() {
    let mut pair = Pair::up();
    let slow = SessionConfig {
        desired_min_tx: Microseconds::new(100_000),
        required_min_rx: Microseconds::new(1_000),
        ..config(0)
    };
    // Nothing comes back: the poll stays without an answer, the peer goes on as before.
    pair.cut[1] = true;
    pair.reload(0, config(0), slow);
    assert_eq!(pair.status(0).transmit, Some(Microseconds::new(10_000)));
    assert_eq!(pair.status(0).receive, Microseconds::new(10_000));
    pair.run(5 * MS);
    pair.cut[1] = false;
    pair.run(2000 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
    assert_eq!(pair.status(0).transmit, Some(Microseconds::new(100_000)));
    assert_eq!(pair.status(1).detection_us, Some(300_000));
    assert!(pair.events.iter().flatten().all(|event| matches!(event, Event::Intervals { .. })));
}

#[test]
fn section_6_6_a_peer_in_demand_mode_hears_no_periodic_packets() {
    let mut pair = Pair::up();
    let told = pair.status(1);
    let mut message = Vec::new();
    let demand = Control {
        diagnostic: Diagnostic::NONE,
        state: State::Up,
        poll: false,
        answers_poll: false,
        independent: false,
        demand: true,
        multiplier: NonZeroU8::new(255).unwrap(),
        mine: told.local_discriminator,
        yours: told.remote_discriminator,
        desired_min_tx: Microseconds::new(10_000_000),
        required_min_rx: Microseconds::new(10_000),
        required_min_echo_rx: Microseconds::ZERO,
    };
    demand.write(None, &mut message);
    pair.cut = [true, true];
    pair.deliver(0, &message, 255);
    pair.sent = Default::default();
    pair.run(500 * MS);
    assert!(pair.sent[0].is_empty());
    Control { poll: true, ..demand }.write(None, &mut message);
    pair.deliver(0, &message, 255);
    assert!(pair.sent[0].iter().any(|(_, packet)| packet.answers_poll), "but its polls are answered");
}

#[test]
fn section_6_8_7_a_peer_that_can_receive_nothing_hears_nothing() {
    let deaf = SessionConfig { required_min_rx: Microseconds::ZERO, ..config(1) };
    let mut pair = Pair::new([config(0), deaf]);
    pair.run(3000 * MS);
    pair.sent = Default::default();
    pair.run(5000 * MS);
    assert!(pair.sent[0].iter().all(|(_, packet)| packet.answers_poll), "{:?}", pair.sent[0]);
}

#[test]
fn intervals_of_a_millisecond() {
    let fast = |end| SessionConfig {
        desired_min_tx: Microseconds::new(1_000),
        required_min_rx: Microseconds::new(1_000),
        ..config(end)
    };
    let mut pair = Pair::new([fast(0), fast(1)]).brought_up();
    pair.cut = [true; 2];
    let at = pair.now;
    pair.run(10 * MS);
    let Some(Event::State { at: down, .. }) = pair.events[0].first() else { panic!("still up") };
    assert!(down.since(at) <= 3 * MS);
}
