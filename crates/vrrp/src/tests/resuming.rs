//! A worker goes on where its predecessor died.

use super::router::*;
use crate::config::AnnounceConfig;
use crate::{Action, Cause, Config, Event, Input, InstanceConfig, InstanceId, Resume, State};

/// What the supervisor kept of `router`, and a successor that was given it.
fn successor(router: &Router, config: Config) -> Router {
    let resume: Vec<Resume> =
        router.machine.instances().filter_map(|id| router.machine.resume_state(id)).collect();
    let mut next = Router::prepare(config, resume);
    next.now = router.now + ms(30);
    next.advance();
    next
}

#[test]
fn a_master_goes_on_at_once() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    let before = router.machine.status(FIRST).unwrap();
    let counters = router.counters();
    let mut next = successor(&router, router.config.clone());
    assert_eq!(next.state(), State::Master);
    let after = next.machine.status(FIRST).unwrap();
    assert_eq!((after.since, after.causes), (before.since, before.causes));
    assert_eq!(next.counters().became_master, counters.became_master);
    assert_eq!(next.sent(), [100]);
    assert!(next.deadline() <= ms(1_000));
    let actions = next.actions();
    // Somebody may have taken over in between.
    let announced = Action::Announce { instance: FIRST, repeat: 1 };
    assert_eq!(actions, [Action::Addresses { instance: FIRST, wanted: true }, announced]);
}

#[test]
fn a_successor_announces_what_its_predecessor_owed() {
    let announce = AnnounceConfig { master_delay: ms(5_000), ..instance(0).announce };
    let repeat = announce.master_repeat;
    let mut router = Router::one(InstanceConfig { announce, ..instance(0) });
    router.wait(ms(4_000));
    let mut next = successor(&router, router.config.clone());
    assert_eq!(next.announcements(), [(FIRST, 1)]);
    next.wait(ms(4_500));
    assert_eq!(next.announcements(), []);
    next.wait(ms(500));
    assert_eq!(next.announcements(), [(FIRST, repeat)], "the second block of a new master");
    let mut last = successor(&next, next.config.clone());
    assert_eq!(last.announcements(), [(FIRST, 1)]);
    last.wait(ms(60_000));
    assert_eq!(last.announcements(), [], "nothing is owed any more");
}

/// A successor that starts `after` the death of its predecessor.
fn late_successor(router: &Router, after: u64) -> Router {
    let mut resume: Vec<Resume> =
        router.machine.instances().filter_map(|id| router.machine.resume_state(id)).collect();
    resume.iter_mut().for_each(|resume| resume.lived_until(router.now));
    let mut next = Router::prepare(router.config.clone(), resume);
    next.now = router.now + ms(after);
    next
}

#[test]
fn a_successor_that_comes_after_the_peers_took_over_listens_first() {
    let mut router = Router::start(grouped(vec![instance(0), instance(1)]));
    // Long after the change of state, which is what was kept.
    router.wait(ms(60_300));
    let mut next = late_successor(&router, 4_000);
    assert_eq!(next.machine.superseded(next.now), [FIRST, SECOND].into());
    next.advance();
    assert_eq!(next.sent(), []);
    assert_eq!((next.state(), next.state_of(SECOND)), (State::Backup, State::Backup));
    assert!(matches!(
        next.machine.status(FIRST).unwrap().causes[..],
        [Cause::HeldUp { silent_ms: 4_001..4_999 }]
    ));
    let actions = next.actions();
    for instance in [FIRST, SECOND] {
        assert!(actions.contains(&Action::Addresses { instance, wanted: false }));
    }
    let told = |action: &Action| matches!(action, Action::Event(Event::GroupState { to: State::Backup, .. }));
    assert_eq!(actions.iter().filter(|action| told(action)).count(), 1);
    next.wait(ms(5_000));
    assert_eq!(next.state(), State::Master, "nobody had taken over");
}

#[test]
fn a_successor_that_comes_in_time_speaks_at_once() {
    let mut router = Router::one(instance(0));
    router.wait(ms(60_300));
    let mut next = late_successor(&router, 2_000);
    assert!(next.machine.superseded(next.now).is_empty());
    next.advance();
    assert_eq!((next.state(), next.sent()), (State::Master, vec![100]));
}

/// Its supervisor says so meanwhile, and not a moment before one that came then would find it out.
#[test]
fn who_has_no_successor_gives_way_when_a_late_one_would() {
    let mut router = Router::one(instance(0));
    router.wait(ms(60_300));
    let mut resume = router.machine.resume_state(FIRST).unwrap();
    resume.lived_until(router.now);
    let until = resume.awaited_until(&router.config.instances[0]).unwrap();
    let superseded = |now| {
        let next = Router::prepare(router.config.clone(), vec![resume.clone()]);
        !next.machine.superseded(now).is_empty()
    };
    assert!(!superseded(until));
    assert!(superseded(until + ms(1)));
    let released = resume.counters.released_master;

    let causes = vec![Cause::HeldUp { silent_ms: 7 }];
    let told = resume.give_way(until, causes.clone());
    let (from, to) = (State::Master, State::Backup);
    let priority = resume.priority;
    assert_eq!(
        told,
        Event::InstanceState { instance: FIRST, at: until, from, to, priority, causes: causes.clone() }
    );
    assert!(!resume.serves());
    assert_eq!(resume.awaited_until(&router.config.instances[0]), None);

    // Who comes next listens as long as any backup, and tells nothing of what was told.
    let mut next = Router::prepare(router.config.clone(), vec![resume]);
    next.now = until + ms(10);
    next.advance();
    assert_eq!((next.state(), next.sent()), (State::Backup, vec![]));
    let status = next.machine.status(FIRST).unwrap();
    assert_eq!((status.since, status.causes), (until, causes));
    assert_eq!(status.counters.released_master, released + 1);
    assert!(!next.actions().iter().any(|action| matches!(action, Action::Event(_))));
    next.wait(ms(3_000));
    assert_eq!(next.state(), State::Backup);
    next.wait(ms(1_000));
    assert_eq!(next.state(), State::Master, "nobody had taken over");
    let announced = next.announcements();
    assert_eq!(announced, [(FIRST, router.config.instances[0].announce.master_repeat)], "as any new master");
}

#[test]
fn a_successor_knows_whom_its_predecessor_met() {
    let mut router = Router::one(instance(0));
    router.take_remembered();
    router.hear(LOWER, 50);
    assert!(!router.take_remembered().is_empty(), "somebody new");
    router.hear(LOWER, 50);
    let before = router.machine.status(FIRST).unwrap().peers;
    assert_eq!(before.len(), 1);
    let next = successor(&router, router.config.clone());
    assert_eq!(next.machine.status(FIRST).unwrap().peers, before);
}

#[test]
fn what_the_kernel_refuses_is_known_to_the_successor() {
    let refused = |router: &mut Router| {
        router.input(Input::Refused { instance: FIRST, datagrams: 1, reason: "no" });
    };
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    router.take_remembered();
    refused(&mut router);
    assert!(!router.take_remembered().is_empty(), "the first refusal");
    // Before it is a fault: the count goes on.
    let mut next = successor(&router, router.config.clone());
    next.now = router.now + ms(1_900);
    refused(&mut next);
    assert_eq!(next.state(), State::Fault);
    // As a fault: it stays one until a trial gets out.
    next.forget_output();
    let mut last = successor(&next, router.config.clone());
    assert_eq!((last.state(), last.sent()), (State::Fault, vec![]));
    last.wait(ms(1_100));
    assert_eq!(last.state(), State::Backup);
}

#[test]
fn a_backup_keeps_its_master_and_the_interval_it_learned() {
    let mut router = Router::one(instance(0));
    let peer = InstanceConfig { interval: centiseconds(20), ..instance(0) };
    router.hear_from(&peer, LOWER, 200);
    let next = successor(&router, router.config.clone());
    let status = next.machine.status(FIRST).unwrap();
    assert_eq!((status.state, status.master.unwrap().address), (State::Backup, LOWER));
    assert_eq!((status.master_interval, next.deadline()), (ms(200), ms(600) + ms(200) * 156 / 256));
}

#[test]
fn a_master_need_not_wait_for_its_scripts() {
    let mut router = Router::one(tracking_script(0, 0, false));
    router.script(&[true]);
    router.wait(ms(4_000));
    let mut next = successor(&router, router.config.clone());
    assert_eq!(next.state(), State::Master);
    next.script(&[false, false]);
    assert_eq!(next.state(), State::Master, "the count goes on");
    next.script(&[false]);
    assert_eq!(next.state(), State::Fault);
}

#[test]
fn a_master_whose_interface_went_down_meanwhile_gives_up() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    let resume = router.machine.resume_state(FIRST).into_iter().collect();
    let mut next = Router::prepare(router.config.clone(), resume);
    next.interface(LAN, false);
    next.advance();
    assert_eq!(next.state(), State::Fault);
    assert_eq!(next.addresses_wanted(), Some(false));
}

#[test]
fn a_fault_that_has_gone_ends() {
    let mut router = Router::one(instance(0));
    router.interface(LAN, false);
    let next = successor(&router, router.config.clone());
    assert_eq!(next.state(), State::Backup);
}

#[test]
fn a_fault_that_lasts_keeps_its_time_and_its_reason() {
    let mut router = Router::one(tracking_script(0, 0, false));
    router.script(&[true, false, false, false, false]);
    let before = router.machine.status(FIRST).unwrap();
    let failed = Cause::Script { name: "chk".into(), good: false, times: 3 };
    assert_eq!((before.state, before.faults.as_slice()), (State::Fault, [failed.clone()].as_slice()));
    let mut next = successor(&router, router.config.clone());
    next.script(&[false]);
    let after = next.machine.status(FIRST).unwrap();
    assert_eq!((after.state, after.since, after.causes), (State::Fault, before.since, before.causes));
    assert_eq!(after.faults, [failed]);
}

#[test]
fn a_group_goes_on_without_being_told_again() {
    let mut router = Router::start(grouped(vec![instance(0), instance(1)]));
    router.wait(ms(4_000));
    let mut next = successor(&router, router.config.clone());
    assert_eq!((next.state(), next.state_of(SECOND)), (State::Master, State::Master));
    assert_eq!(next.group_states(), []);
    next.hear(LOWER, 200);
    assert_eq!(next.group_states(), [State::Backup]);
}

#[test]
fn what_is_resumed_but_no_longer_configured_is_ignored() {
    let mut router = Router::start(config(vec![instance(0), instance(1)]));
    router.wait(ms(4_000));
    let next = successor(&router, config(vec![instance(0)]));
    assert_eq!(next.machine.instances().collect::<Vec<InstanceId>>(), [FIRST]);
}

#[test]
fn what_a_successor_needs_is_told_when_it_changes() {
    let mut router = Router::one(tracking_script(0, 0, false));
    router.take_remembered();
    router.script(&[true]);
    assert!(!router.take_remembered().is_empty(), "the first result");
    router.script(&[true]);
    assert!(router.take_remembered().is_empty(), "nothing new");
    let peer = |interval| InstanceConfig { interval: centiseconds(interval), ..instance(0) };
    router.hear_from(&peer(20), LOWER, 200);
    assert!(!router.take_remembered().is_empty(), "the first master");
    router.wait(ms(100));
    router.hear_from(&peer(20), LOWER, 200);
    assert!(router.take_remembered().is_empty(), "the same master");
    router.wait(ms(100));
    // Two masters at once are told of a few times an interval, and at last.
    for _ in 0..5 {
        router.hear_from(&peer(20), HIGHER, 200);
        router.hear_from(&peer(40), LOWER, 200);
    }
    assert!(router.take_remembered().len() <= 1);
    router.wait(ms(1_100));
    router.hear_from(&peer(40), LOWER, 200);
    assert!(!router.take_remembered().is_empty(), "another interval");
}

#[test]
fn what_a_master_told_before_is_known_to_the_successor() {
    let config = InstanceConfig { nopreempt: true, yields_to_health: true, ..instance(0) };
    let mut router = Router::one(config);
    router.take_remembered();
    router.hear(LOWER, 150);
    router.wait(ms(1_100));
    router.take_remembered();
    router.hear(LOWER, 120);
    let mut next = successor(&router, router.config.clone());
    for _ in 0..5 {
        next.hear(LOWER, 90);
        next.wait(ms(1_000));
    }
    assert_eq!(next.state(), State::Master, "it told 150 to the predecessor");
}

#[test]
fn what_a_master_tells_for_the_first_time_is_told_for_the_successor() {
    let config = InstanceConfig { nopreempt: true, yields_to_health: true, ..instance(0) };
    let mut router = Router::one(config);
    router.hear(LOWER, 90);
    router.wait(ms(1_100));
    router.take_remembered();
    router.hear(LOWER, 150);
    assert!(!router.take_remembered().is_empty());
    router.wait(ms(1_100));
    router.hear(LOWER, 150);
    assert!(router.take_remembered().is_empty(), "nothing new");
}
