//! A reload changes what differs, and no session goes down by it.

use super::*;

#[test]
fn equal_configurations_make_an_empty_plan() {
    let list = |config| Config { sessions: vec![Arc::new(config)] };
    assert!(Plan::between(&list(config(0)), &list(config(0))).is_empty());
    let changed = SessionConfig { passive: true, ..config(0) };
    let plan = Plan::between(&list(config(0)), &list(changed.clone()));
    let mut followed = list(config(0));
    followed.follow(&plan);
    assert_eq!(followed, list(changed));
}

/// Reported of keepalived: sessions that stay down after a handful of reloads.
#[test]
fn many_reloads_leave_a_session_up() {
    let mut pair = Pair::up();
    let mut current = config(0);
    for round in 1..=200_u32 {
        let next = SessionConfig {
            desired_min_tx: Microseconds::new(5_000 + (round % 7) * 5_000),
            required_min_rx: Microseconds::new(5_000 + (round % 5) * 5_000),
            multiplier: NonZeroU8::new(u8::try_from(3 + round % 3).unwrap()).unwrap(),
            ..config(0)
        };
        pair.reload(0, current, next.clone());
        current = next;
        pair.run(Duration::from_millis(u64::from(round % 4) * 13));
        assert_eq!(pair.states(), [State::Up; 2], "after {round} reloads");
    }
    assert!(pair.events.iter().flatten().all(|event| !matches!(event, Event::State { .. })));
    pair.run(1000 * MS);
    assert_eq!(pair.status(0).receive, current.required_min_rx.max(Microseconds::new(10_000)));
}

#[test]
fn a_removed_session_is_ended_and_comes_back_when_added() {
    let mut pair = Pair::up();
    for _ in 0..20 {
        let (with, without) = (Config { sessions: vec![Arc::new(config(0))] }, Config::default());
        let removal = Plan::between(&with, &without);
        assert_eq!(removal.removed(), [SESSION]);
        pair.drive(0, |machine, now, asked| machine.apply(now, &removal, asked));
        assert_eq!((pair.ends[0].status().count(), pair.status(1).state), (0, State::Down));
        pair.run(40 * MS);
        let addition = Plan::between(&without, &with);
        pair.drive(0, |machine, now, asked| machine.apply(now, &addition, asked));
        pair.run(1100 * MS);
        assert_eq!(pair.states(), [State::Up; 2]);
    }
}

#[test]
fn another_peer_is_another_session() {
    let mut pair = Pair::up();
    let mut moved = config(0);
    moved.path.remote = Ipv4Addr::new(10, 0, 0, 9).into();
    pair.reload(0, config(0), moved.clone());
    assert_eq!(pair.states(), [State::Down, State::Down]);
    pair.run(100 * MS);
    pair.reload(0, moved, config(0));
    pair.run(1100 * MS);
    assert_eq!(pair.states(), [State::Up; 2]);
}
