//! Who was heard, whose adverts are dropped, and two masters.

use std::net::{IpAddr, Ipv4Addr};

use steadfast_wire::vrrp::Reject;

use super::router::*;
use crate::config::Authentication;
use crate::peers::PEERS_MAX;
use crate::{Cause, Event, InstanceConfig, Peer, Problem, State};

fn peers(router: &Router) -> Vec<Peer> {
    router.machine.status(FIRST).unwrap().peers
}

fn problems(router: &Router) -> Vec<Problem> {
    router.machine.status(FIRST).unwrap().problems(router.now)
}

fn secret() -> InstanceConfig {
    InstanceConfig { authentication: Authentication::Password(*b"right\0\0\0"), ..version_2(0) }
}

fn stranger() -> InstanceConfig {
    InstanceConfig { authentication: Authentication::Password(*b"wrong\0\0\0"), ..version_2(0) }
}

#[test]
fn a_peer_is_remembered_with_what_it_said() {
    let mut router = Router::one(instance(0));
    let start = router.now;
    router.hear(LOWER, 200);
    router.wait(ms(500));
    router.hear(LOWER, 210);
    let [peer] = &peers(&router)[..] else { panic!() };
    let said = peer.said.unwrap();
    assert_eq!((peer.address, peer.accepted, peer.first_heard), (LOWER, 2, start));
    assert_eq!((said.priority.get(), said.addresses, said.addresses_match), (210, 1, true));
    assert_eq!((peer.last_heard, peer.last_accepted), (router.now, Some(router.now)));
    assert_eq!((peer.refused, &peer.drops[..]), (None, &[][..]));
}

#[test]
fn who_takes_over_from_a_master_whose_adverts_are_dropped_says_so() {
    let mut router = Router::one(secret());
    for _ in 0..3 {
        router.hear_from(&stranger(), LOWER, 200);
        router.wait(ms(1_000));
    }
    assert!(matches!(
        problems(&router)[..],
        [Problem::Dropping { peer: LOWER, reason: Reject::AuthFailure, adverts: 3, .. }]
    ));
    router.forget_output();
    router.hear_from(&stranger(), LOWER, 200);
    router.wait(ms(700));
    let transitions = router.transitions();
    let [(State::Master, causes)] = &transitions[..] else { panic!("{transitions:?}") };
    let dropped = Cause::Dropped { peer: LOWER, reason: Reject::AuthFailure, adverts: 4, span_ms: 3_609 };
    assert!(
        matches!(&causes[..], [told, Cause::MasterSilent { master: None, .. }] if *told == dropped),
        "{causes:?}"
    );
}

#[test]
fn two_masters_are_told_once_and_stand_in_the_status_until_one_is_silent() {
    let mut router = Router::one(secret());
    router.wait(ms(4_000));
    router.forget_output();
    for _ in 0..20 {
        router.hear_from(&stranger(), LOWER, 200);
        router.wait(ms(1_000));
    }
    assert!(matches!(
        problems(&router)[..],
        [Problem::TwoMasters { other: LOWER, dropped: Some(Reject::AuthFailure), adverts: 20, .. }]
    ));
    let told = router.events();
    assert!(
        matches!(
            told[..],
            [
                Event::Dropped { source: LOWER, .. },
                Event::TwoMasters { other: LOWER, dropped: Some(Reject::AuthFailure), .. }
            ]
        ),
        "{told:?}"
    );
    router.wait(ms(10_000));
    assert_eq!(problems(&router), []);
    router.wait(ms(60_000));
    let told = router.events();
    assert!(matches!(told[..], [Event::OneMaster { other: LOWER, adverts: 20, .. }]), "{told:?}");
}

#[test]
fn an_old_master_that_gives_way_is_no_second_one() {
    let mut router = Router::one(instance(0));
    router.hear(HIGHER, 50);
    router.wait(ms(3_700));
    assert_eq!(router.state(), State::Master);
    // Its last advert was on its way already.
    router.hear(HIGHER, 50);
    router.wait(ms(2_000));
    assert_eq!(problems(&router), []);
    let events = router.events();
    assert!(!events.iter().any(|event| matches!(event, Event::TwoMasters { .. })), "{events:?}");
}

#[test]
fn one_sender_of_lower_priority_makes_one_event_however_long_it_goes_on() {
    let mut router = Router::one(instance(0));
    router.wait(ms(4_000));
    router.forget_output();
    for pause in 0..500 {
        router.hear(LOWER, 50);
        router.wait(ms(if pause % 100 == 0 { 30_000 } else { 1_000 }));
    }
    let told: Vec<_> = router.events().into_iter().filter(|event| !event.is_repetition()).collect();
    assert!(matches!(told[..], [Event::LowerPriorityHeard { .. }, Event::TwoMasters { .. }]), "{told:?}");
    router.wait(ms(61_000));
    let told = router.events();
    assert!(matches!(told[..], [Event::OneMaster { adverts: 500, .. }]), "{told:?}");
}

#[test]
fn forged_senders_do_not_push_out_a_peer_that_was_taken() {
    let mut router = Router::one(secret());
    router.hear_from(&secret(), LOWER, 200);
    for forged in 0..1_000_u32 {
        let source = IpAddr::V4(Ipv4Addr::from(0x0a01_0000 + forged));
        router.hear_from(&stranger(), source, 200);
    }
    let known = peers(&router);
    assert_eq!((known.len(), known[0].address, known[0].accepted), (PEERS_MAX, LOWER, 1));
}
