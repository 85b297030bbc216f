//! An instance that cannot hear or cannot speak keeps out of the election.

use std::net::IpAddr;
use std::sync::Arc;

use super::router::*;
use crate::{Cause, Input, InstanceId, State};

const REASON: &str = "too many open files";

fn channel(router: &mut Router, instances: &[InstanceId], obstacle: Option<&str>) {
    router.input(Input::Channel { instances, obstacle });
}

fn refused(router: &mut Router) {
    router.input(Input::Refused { instance: FIRST, datagrams: 1, reason: "forbidden" });
}

fn forbidden() -> Cause {
    Cause::Sending { obstacle: Some(Arc::from("forbidden")) }
}

#[test]
fn without_a_socket_there_is_no_election() {
    let mut router = Router::prepare(config(vec![instance(0), instance(1)]), Vec::new());
    channel(&mut router, &[FIRST], Some(REASON));
    router.advance();
    router.wait(ms(10_000));
    assert_eq!((router.state(), router.state_of(SECOND)), (State::Fault, State::Master));
    let obstacle = Cause::Socket { obstacle: Some(Arc::from(REASON)) };
    assert_eq!(router.machine.status(FIRST).unwrap().faults, [obstacle]);
    router.forget_output();
    channel(&mut router, &[FIRST], None);
    assert_eq!(router.transitions(), [(State::Backup, vec![Cause::Socket { obstacle: None }])]);
    router.wait(ms(4_000));
    assert_eq!(router.state(), State::Master);
}

#[test]
fn a_master_that_loses_its_socket_gives_up() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    channel(&mut router, &[FIRST], Some(REASON));
    assert_eq!((router.state(), router.addresses_wanted()), (State::Fault, Some(false)));
}

#[test]
fn what_is_known_of_a_socket_before_a_reload_adds_its_instance_counts() {
    let mut router = Router::one(instance(0));
    channel(&mut router, &[SECOND], Some(REASON));
    router.reload(config(vec![instance(0), instance(1)]));
    assert_eq!(router.state_of(SECOND), State::Fault);
    let states: Vec<State> = router
        .events()
        .into_iter()
        .filter_map(|event| match event {
            crate::Event::InstanceState { instance: SECOND, to, .. } => Some(to),
            _ => None,
        })
        .collect();
    assert_eq!(states, [State::Fault], "it was never a backup");
}

#[test]
fn an_advert_without_a_socket_was_not_sent() {
    let mut router = Router::one(instance(0));
    router.sink.no_socket = true;
    router.wait(ms(10_000));
    assert_eq!((router.state(), router.counters().adverts_sent), (State::Master, 0));
}

#[test]
fn refusals_shorter_than_the_down_interval_change_nothing() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    let sent = router.counters().adverts_sent;
    for _ in 0..4 {
        router.wait(ms(1_000));
        refused(&mut router);
        router.wait(ms(1_000));
        refused(&mut router);
        // This one leaves.
        router.wait(ms(1_000));
    }
    assert_eq!(router.state(), State::Master);
    assert_eq!(router.counters().adverts_sent, sent + 4, "what was refused is not counted");
}

#[test]
fn a_master_whose_adverts_are_refused_gives_up_before_its_peers_take_over() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    router.forget_output();
    let last = router.now;
    for _ in 0..3 {
        assert_eq!(router.state(), State::Master);
        router.wait(ms(1_000));
        refused(&mut router);
    }
    assert!(router.now.since(last) < ms(3_000) + ms(1_000) * 156 / 256);
    let (state, causes) = router.transitions().pop().unwrap();
    assert_eq!((state, causes.last()), (State::Fault, Some(&forbidden())));
    assert_eq!(router.machine.status(FIRST).unwrap().faults, [forbidden()]);
}

fn mute() -> Router {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    for _ in 0..3 {
        router.wait(ms(1_000));
        refused(&mut router);
    }
    assert_eq!(router.state(), State::Fault);
    router.forget_output();
    router
}

#[test]
fn one_that_cannot_speak_tries_with_nothing_that_a_peer_would_heed() {
    let mut router = mute();
    let sent = router.counters().adverts_sent;
    for _ in 0..5 {
        router.wait(ms(1_000));
        let trials: Vec<Sent> = std::mem::take(&mut router.sink.adverts);
        assert_eq!(trials.len(), 1, "once a second");
        assert!(trials.iter().all(|trial| trial.message.is_empty() && trial.hop_limit == 0));
        refused(&mut router);
    }
    assert_eq!((router.state(), router.transitions()), (State::Fault, Vec::new()));
    assert_eq!(router.counters().adverts_sent, sent, "trials are no adverts");
    router.wait(ms(1_100));
    assert_eq!(router.transitions(), [(State::Backup, vec![Cause::Sending { obstacle: None }])]);
    router.wait(ms(4_000));
    assert_eq!(router.state(), State::Master);
}

#[test]
fn a_peer_that_cannot_be_reached_is_no_fault_as_long_as_another_can() {
    let mut router = Router::one(unicast(0, &[LOWER, HIGHER]));
    router.wait(ms(4_000));
    for _ in 0..10 {
        router.wait(ms(1_000));
        refused(&mut router);
    }
    assert_eq!(router.state(), State::Master);
    for _ in 0..3 {
        router.wait(ms(1_000));
        router.input(Input::Refused { instance: FIRST, datagrams: 2, reason: "forbidden" });
    }
    assert_eq!(router.state(), State::Fault);
    router.sink.adverts.clear();
    router.wait(ms(1_000));
    let tried: Vec<IpAddr> = router.sink.adverts.iter().flat_map(|sent| sent.destinations.clone()).collect();
    assert_eq!(tried, [LOWER, HIGHER]);
}

#[test]
fn the_group_follows_one_that_cannot_speak() {
    let mut router = Router::start(grouped(vec![instance(0), instance(1)]));
    router.wait(ms(5_000));
    assert_eq!(router.state_of(SECOND), State::Master);
    for _ in 0..3 {
        router.wait(ms(1_000));
        refused(&mut router);
    }
    assert_eq!((router.state(), router.state_of(SECOND)), (State::Fault, State::Fault));
    router.wait(ms(6_000));
    assert_eq!((router.state(), router.state_of(SECOND)), (State::Master, State::Master));
}

#[test]
fn what_a_track_group_follows_is_a_fault_while_it_is_missing() {
    let mut router = Router::start(config(vec![instance(0), instance(1)]));
    router.wait(ms(4_000));
    let tell = |router: &mut Router, missing| router.input(Input::Standing { instances: &[FIRST], missing });
    tell(&mut router, Some("address 192.0.2.1/24"));
    assert_eq!((router.state(), router.state_of(SECOND)), (State::Fault, State::Master));
    let missing = Cause::Standing { missing: Some("address 192.0.2.1/24".into()) };
    assert_eq!(router.machine.status(FIRST).unwrap().faults, [missing]);
    tell(&mut router, None);
    assert_eq!(router.state(), State::Backup);
}
