//! A master that prepares itself before it serves.

use super::router::*;
use crate::{
    Action, Cause, Config, Event, GroupId, Input, InstanceConfig, InstanceId, Moment, Prepare,
    PrepareFailure, Prepared, Resume, State,
};

const DOWN: u64 = 3_700;

fn preparing(id: u32, failure: PrepareFailure) -> InstanceConfig {
    InstanceConfig { prepare: Some(Prepare { timeout: ms(5_000), failure }), ..instance(id) }
}

/// Has just won; when, comes too.
fn winner(config: Config) -> (Router, Moment) {
    let mut router = Router::start(config);
    router.forget_output();
    router.wait(ms(DOWN));
    let since = router.machine.status(FIRST).unwrap().since;
    (router, since)
}

fn ends(router: &mut Router, id: InstanceId, since: Moment, success: bool) {
    router.input(Input::Prepared { instance: id, since, success });
}

/// What users of the addresses notice, of one instance.
fn visible(actions: &[Action], id: InstanceId) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::Addresses { instance, wanted } if *instance == id => Some(format!("addresses {wanted}")),
        Action::Announce { instance, .. } if *instance == id => Some("announce".to_owned()),
        Action::Prepare { instance, .. } if *instance == id => Some("prepare".to_owned()),
        Action::Event(Event::Preparing { instance, .. }) if *instance == id => Some("preparing".to_owned()),
        Action::Event(Event::InstanceState { instance, from, to, .. }) if *instance == id => {
            Some(format!("{from:?} {to:?}"))
        }
        Action::Event(Event::GroupState { to, .. }) => Some(format!("group {to:?}")),
        _ => None,
    };
    actions.iter().filter_map(name).collect()
}

#[test]
fn a_router_that_prepares_speaks_at_once_and_serves_when_its_script_has_ended() {
    let (mut router, since) = winner(config(vec![preparing(0, PrepareFailure::Serve)]));
    assert_eq!((router.state(), router.sent()), (State::Master, vec![100]));
    assert_eq!(visible(&router.actions(), FIRST), ["preparing", "prepare"]);
    assert_eq!(router.machine.status(FIRST).unwrap().causes.last(), Some(&Cause::Preparing));
    router.wait(ms(2_000));
    assert_eq!(router.sent(), [100, 100], "no other router wins meanwhile");
    // A lower one is answered; nothing is announced that is not there.
    router.hear(LOWER, 50);
    assert_eq!(router.sent(), [100]);
    assert_eq!(visible(&router.actions(), FIRST), [""; 0]);
    ends(&mut router, FIRST, since, true);
    let actions = router.actions();
    assert_eq!(visible(&actions, FIRST), ["addresses true", "announce", "Backup Master"]);
    let told = |action: &Action| match action {
        Action::Event(Event::InstanceState { causes, .. }) => causes.last().cloned(),
        _ => None,
    };
    let after_ms = 2_000 + DOWN - 3_609 - 1;
    let why = actions.iter().find_map(told).unwrap();
    assert!(
        matches!(why, Cause::Prepared { outcome: Prepared::Done, after_ms: took } if took.abs_diff(after_ms) <= 1),
        "{why:?}"
    );
    // Once is enough.
    ends(&mut router, FIRST, since, false);
    router.wait(ms(10_000));
    assert_eq!(visible(&router.actions(), FIRST), [""; 0]);
}

#[test]
fn a_script_that_fails_or_takes_too_long_ends_the_wait_all_the_same() {
    for timeout in [false, true] {
        let (mut router, since) = winner(config(vec![preparing(0, PrepareFailure::Serve)]));
        router.forget_output();
        if timeout {
            router.wait(ms(4_900));
            assert_eq!(visible(&router.actions(), FIRST), [""; 0]);
            router.wait(ms(200));
        } else {
            ends(&mut router, FIRST, since, false);
        }
        assert_eq!(visible(&router.actions(), FIRST), ["addresses true", "announce", "Backup Master"]);
    }
}

#[test]
fn a_router_that_must_be_prepared_goes_to_fault_and_tries_again() {
    let (mut router, since) = winner(config(vec![preparing(0, PrepareFailure::Fault)]));
    router.forget_output();
    ends(&mut router, FIRST, since, false);
    assert_eq!(router.state(), State::Fault);
    assert_eq!(router.sent(), [0, 0], "others take over at once");
    let status = router.machine.status(FIRST).unwrap();
    assert!(matches!(status.faults[..], [Cause::Prepared { outcome: Prepared::Failed, .. }]));
    router.wait(ms(29_900));
    assert_eq!(router.state(), State::Fault);
    router.wait(ms(200));
    assert_eq!(router.state(), State::Backup);
    router.forget_output();
    router.wait(ms(DOWN));
    assert_eq!(visible(&router.actions(), FIRST), ["preparing", "prepare"]);
    let again = router.machine.status(FIRST).unwrap().since;
    ends(&mut router, FIRST, since, true);
    assert_eq!(visible(&router.actions(), FIRST), [""; 0], "that was the first script");
    ends(&mut router, FIRST, again, true);
    assert_eq!(visible(&router.actions(), FIRST), ["addresses true", "announce", "Backup Master"]);
}

#[test]
fn what_ends_mastership_ends_the_preparation() {
    for state in [State::Backup, State::Fault, State::Stop] {
        let (mut router, since) = winner(config(vec![preparing(0, PrepareFailure::Serve)]));
        match state {
            State::Backup => router.hear(LOWER, 200),
            State::Fault => router.interface(LAN, false),
            _ => router.input(Input::Stop),
        }
        assert_eq!(router.state(), state);
        router.forget_output();
        ends(&mut router, FIRST, since, true);
        if state != State::Stop {
            router.hear(LOWER, 200);
            router.wait(ms(2_000));
        }
        assert!(!visible(&router.actions(), FIRST).contains(&"addresses true".to_owned()));
        assert_eq!(router.machine.is_drained(), state == State::Stop, "it answers for nothing");
    }
}

#[test]
fn a_reload_counts_at_once_and_announces_nothing_early() {
    let (mut router, _) = winner(config(vec![preparing(0, PrepareFailure::Serve)]));
    router.forget_output();
    let mut more = preparing(0, PrepareFailure::Serve);
    more.addresses.push("10.1.9.9".parse().unwrap());
    more.announce.refresh = ms(100);
    router.reload(config(vec![more.clone()]));
    router.wait(ms(1_000));
    assert_eq!(visible(&router.actions(), FIRST), [""; 0]);
    // Nothing is left to wait for.
    router.reload(config(vec![InstanceConfig { prepare: None, ..more }]));
    assert_eq!(visible(&router.actions(), FIRST), ["addresses true", "announce", "Backup Master"]);
}

#[test]
fn a_sync_group_serves_together() {
    let members = || grouped(vec![preparing(0, PrepareFailure::Serve), instance(1)]);
    let (mut router, since) = winner(members());
    assert_eq!((router.state(), router.state_of(SECOND)), (State::Master, State::Master));
    let actions = router.actions();
    assert_eq!(visible(&actions, FIRST), ["preparing", "prepare"]);
    assert_eq!(visible(&actions, SECOND), ["preparing"]);
    ends(&mut router, FIRST, since, true);
    let actions = router.actions();
    let served = ["addresses true", "announce", "Backup Master", "group Master"];
    assert_eq!(visible(&actions, FIRST), served);
    assert_eq!(visible(&actions, SECOND), served);
    // The one that is waited for leaves the group.
    let (mut router, _) = winner(members());
    router.forget_output();
    let alone = |id| InstanceConfig { group: Some(GroupId(0)), ..instance(id) };
    let mut without = members();
    without.instances = vec![alone(1).into()];
    let mut group = (*without.groups[0]).clone();
    group.members = vec![SECOND];
    without.groups = vec![group.into()];
    router.reload(without);
    assert!(visible(&router.actions(), SECOND).contains(&"addresses true".to_owned()));
}

#[test]
fn a_successor_goes_on_preparing() {
    let plain = config(vec![preparing(0, PrepareFailure::Serve)]);
    let (mut router, since) = winner(plain.clone());
    router.wait(ms(500));
    let resume: Vec<Resume> = router.machine.resume_state(FIRST).into_iter().collect();
    assert!(!resume[0].serves());
    let mut next = Router::prepare(plain, resume);
    next.now = router.now + ms(30);
    next.advance();
    assert_eq!((next.state(), next.sent()), (State::Master, vec![100]));
    let asked = Action::Prepare { instance: FIRST, since };
    assert_eq!(next.actions(), [asked], "the same script, and no address");
    next.wait(ms(5_000));
    assert_eq!(visible(&next.actions(), FIRST), ["addresses true", "announce", "Backup Master"]);
}
