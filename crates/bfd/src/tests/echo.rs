//! RFC 5880 sections 6.4, 6.8.3, 6.8.5 and 6.8.9.

use steadfast_wire::bfd::{Algorithm, Key, Sequence};

use super::*;

const ECHO: u32 = 20_000;

/// Echo packets every 20 ms both ways, three of them, beside control packets every 50 ms.
fn echoing(end: usize) -> SessionConfig {
    SessionConfig {
        desired_min_tx: Microseconds::new(50_000),
        required_min_rx: Microseconds::new(50_000),
        echo_tx: Microseconds::new(ECHO),
        echo_rx: Microseconds::new(ECHO),
        ..config(end)
    }
}

impl Pair {
    fn with_ways(mut self) -> Self {
        for end in 0..2 {
            self.drive(end, |machine, now, asked| machine.handle(now, Input::EchoWay(SESSION), asked));
        }
        self
    }

    fn echoing() -> Self {
        Self::new([echoing(0), echoing(1)]).with_ways().brought_up()
    }
}

fn goes_down(events: &[Event]) -> Vec<(Moment, Diagnostic, Cause)> {
    let down = |event: &Event| match event {
        Event::State { at, from: State::Up, diagnostic, cause, .. } => {
            Some((*at, *diagnostic, cause.clone()))
        }
        _ => None,
    };
    events.iter().filter_map(down).collect()
}

fn judged(events: &[Event]) -> Vec<bool> {
    events.iter().filter_map(|e| if let Event::Path { good, .. } = e { Some(*good) } else { None }).collect()
}

#[test]
fn section_6_8_9_only_while_up_and_at_the_slower_of_both() {
    let slow = SessionConfig { echo_rx: Microseconds::new(100_000), ..echoing(1) };
    let mut pair = Pair::new([echoing(0), slow]).with_ways();
    pair.cut = [true; 2];
    pair.run(5_000 * MS);
    assert_eq!(pair.status(0).state, State::Down);
    assert!(pair.echoes_sent[0].is_empty(), "it is not up");
    pair.cut = [false; 2];
    let mut pair = pair.brought_up();
    pair.echoes_sent = Default::default();
    pair.run(10_000 * MS);
    for (end, interval) in [(0, 100 * MS), (1, 20 * MS)] {
        let gaps: Vec<_> = pair.echoes_sent[end].windows(2).map(|two| two[1].since(two[0])).collect();
        assert!(
            gaps.len() > 80 && gaps.iter().all(|gap| (interval * 3 / 4..=interval).contains(gap)),
            "{gaps:?}"
        );
    }
    assert_eq!(pair.states(), [State::Up; 2]);
}

#[test]
fn none_where_the_peer_takes_none_where_nobody_asks_and_where_no_way_is_known() {
    let silent = |own, other| {
        let mut pair = Pair::new([own, other]).with_ways().brought_up();
        pair.run(1000 * MS);
        pair.echoes_sent[0].is_empty() && pair.status(0).echo.is_none()
    };
    assert!(silent(echoing(0), SessionConfig { echo_rx: Microseconds::ZERO, ..echoing(1) }));
    assert!(silent(SessionConfig { echo_tx: Microseconds::ZERO, ..echoing(0) }, echoing(1)));
    let mut pair = Pair::new([echoing(0), echoing(1)]).brought_up();
    pair.run(1000 * MS);
    assert!(pair.echoes_sent.iter().all(Vec::is_empty));
}

#[test]
fn section_6_8_3_control_packets_are_slow_while_echoes_return() {
    let mut pair = Pair::echoing();
    pair.run(3000 * MS);
    for end in 0..2 {
        let status = pair.status(end);
        assert_eq!(status.receive, Microseconds::new(1_000_000));
        assert_eq!(status.transmit, Some(Microseconds::new(1_000_000)));
        let returned_at = status.echo.and_then(|echo| echo.returned_at);
        let interval = Microseconds::new(ECHO);
        let echo = EchoStatus { returned: true, interval, detection_us: 60_000, returned_at };
        assert_eq!(status.echo, Some(echo));
        let ago = returned_at.map(|at| pair.now.since(at).as_micros());
        assert!(ago.is_some_and(|ago| ago <= u128::from(ECHO)), "{ago:?}");
    }
    pair.sent = Default::default();
    pair.run(10_000 * MS);
    assert!((10..=15).contains(&pair.sent[0].len()), "{}", pair.sent[0].len());
    // One end takes none any more: control packets find losses again, at their old rate.
    let without = SessionConfig { echo_rx: Microseconds::ZERO, ..echoing(1) };
    pair.reload(1, echoing(1), without);
    pair.run(3000 * MS);
    assert_eq!(pair.status(0).receive, Microseconds::new(50_000));
    assert_eq!(pair.status(0).echo, None);
    assert!(pair.events.iter().all(|events| goes_down(events).is_empty()), "{:?}", pair.events);
}

#[test]
fn section_6_8_5_a_peer_that_forwards_no_more_is_found_though_it_speaks() {
    let mut pair = Pair::echoing();
    pair.run(3000 * MS);
    let at = pair.now;
    pair.forwards[1] = false;
    pair.run(90 * MS);
    let down = goes_down(&pair.events[0]);
    let [(when, diagnostic, Cause::Echo { lost: 3, interval_us, .. })] = &*down else { panic!("{down:?}") };
    assert_eq!((*diagnostic, *interval_us), (Diagnostic::ECHO_FAILED, u64::from(ECHO)));
    assert!((40 * MS..=80 * MS).contains(&when.since(at)), "{:?}", when.since(at));
    let [(_, _, Cause::Peer { diagnostic, .. })] = &*goes_down(&pair.events[1]) else { panic!() };
    assert_eq!(*diagnostic, Diagnostic::ECHO_FAILED, "the peer is told why");
    // Control packets bring it up again and again; who follows it is told once.
    pair.run(20_000 * MS);
    assert!(goes_down(&pair.events[0]).len() > 3);
    assert_eq!(judged(&pair.events[0]), [false]);
    pair.forwards[1] = true;
    pair.run(3_000 * MS);
    assert_eq!(judged(&pair.events[0]), [false, true]);
    pair.events = Default::default();
    pair.run(20_000 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
    assert!(pair.events.iter().all(|events| goes_down(events).is_empty()), "{:?}", pair.events);
}

#[test]
fn a_peer_that_never_forwarded_is_told_of_once_and_watched_by_control_packets() {
    let mut pair = Pair::new([echoing(0), echoing(1)]).with_ways();
    pair.forwards[1] = false;
    pair.run(1500 * MS);
    assert_eq!(judged(&pair.events[0]), [true]);
    pair.echoes_sent = Default::default();
    pair.run(20_000 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
    assert_eq!(pair.status(0).receive, Microseconds::new(50_000));
    let told: Vec<_> =
        pair.events[0].iter().filter(|event| matches!(event, Event::Echo { returned: false, .. })).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!((20..=28).contains(&pair.echoes_sent[0].len()), "asked seldom: {}", pair.echoes_sent[0].len());
    pair.forwards[1] = true;
    pair.run(5_000 * MS);
    assert!(pair.status(0).echo.is_some_and(|echo| echo.returned));
    assert_eq!(pair.status(0).receive, Microseconds::new(1_000_000));
}

#[test]
fn one_lost_now_and_then_means_nothing() {
    let mut pair = Pair::echoing();
    for _ in 0..200 {
        pair.run(50 * MS);
        pair.forwards = [false; 2];
        pair.run(30 * MS);
        pair.forwards = [true; 2];
    }
    assert!(pair.events.iter().all(|events| goes_down(events).is_empty()), "{:?}", pair.events);
}

#[test]
fn a_pause_of_this_end_is_no_loss() {
    let mut pair = Pair::echoing();
    pair.run(3000 * MS);
    for _ in 0..10 {
        // Nothing is sent meanwhile, so that nothing can come back.
        pair.now = pair.now + 500 * MS;
        pair.run(100 * MS);
    }
    assert!(pair.events.iter().all(|events| goes_down(events).is_empty()), "{:?}", pair.events);
}

#[test]
fn only_what_was_sent_counts_and_only_once() {
    let mut pair = Pair::echoing();
    let mine = pair.status(0).local_discriminator;
    let before = pair.status(0).counters.echoes_returned;
    for number in (0..1000).chain(u32::MAX - 1000..=u32::MAX) {
        let echo = Input::Echo(Echo { session: mine, number });
        pair.drive(0, |machine, now, asked| machine.handle(now, echo, asked));
    }
    assert_eq!(pair.status(0).counters.echoes_returned, before);
}

#[test]
fn a_successor_goes_on_without_a_loss() {
    let mut pair = Pair::echoing();
    pair.run(3000 * MS);
    let known = pair.known[0].clone().unwrap();
    assert!(known.echo.active);
    let list = Config { sessions: vec![Arc::new(echoing(0))] };
    pair.ends[0] = Machine::new(pair.now, &list, 77, vec![known]);
    // It knows no way yet: control packets arrive once a second.
    pair.run(2500 * MS);
    let mut pair = pair.with_ways();
    pair.run(3000 * MS);
    assert!(pair.status(0).echo.is_some_and(|echo| echo.returned));
    assert!(pair.events.iter().all(|events| goes_down(events).is_empty()), "{:?}", pair.events);
}

#[test]
fn a_control_packet_of_the_peer_shows_the_way_and_no_other() {
    let key = Key::new(Algorithm::MeticulousSha1, 1, b"of both").ok();
    for key in [None, key] {
        let ends = [0, 1].map(|end| SessionConfig { key: key.clone(), ..echoing(end) });
        let mut pair = Pair::new(ends).brought_up();
        let status = pair.status(1);
        pair.run(100 * MS);
        let mut control = pair.sent[1].last().unwrap().1;
        let (last, _) = pair.ends[0].sessions[&SESSION].heard_sequence.unwrap_or((Sequence(5), pair.now));
        let mut written = |number: Sequence, yours| {
            let mut message = Vec::new();
            control.yours = yours;
            control.write(key.as_ref().map(|key| (key, number)), &mut message);
            message
        };
        let to_us = Some(pair.status(0).local_discriminator);
        let message = written(last, to_us);
        let now = pair.now;
        let mut shown = |datagram: Datagram<'_>| pair.ends[0].echoes_by(now, &datagram);
        assert_eq!(shown(datagram(0, &message, 254)), None, "from afar");
        let stranger = Datagram { source: "10.0.0.3".parse().unwrap(), ..datagram(0, &message, 255) };
        assert_eq!(shown(stranger), None, "of somebody else");
        assert_eq!(shown(datagram(0, &message, 255)), Some(SESSION));
        let other = written(last, Some(status.local_discriminator));
        assert_eq!(shown(datagram(0, &other, 255)), None, "to nobody here");
        if key.is_some() {
            assert_eq!(shown(datagram(0, &message, 255)), None, "it showed the way already");
            let next = written(last.next(), to_us);
            assert_eq!(shown(datagram(0, &next, 255)), Some(SESSION));
            let before = written(Sequence(last.0.wrapping_sub(1)), to_us);
            assert_eq!(shown(datagram(0, &before, 255)), None, "somebody kept it");
            let mut forged = written(last.next().next(), to_us);
            let end = forged.len() - 1;
            forged[end] ^= 1;
            assert_eq!(shown(datagram(0, &forged, 255)), None, "signed by nobody");
        }
    }
}
