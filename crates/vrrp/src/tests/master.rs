//! MASTER: RFC 3768 and RFC 9568 section 6.4.3, and keepalived's additions to it.

use std::time::Duration;

use steadfast_wire::vrrp::Priority;

use super::router::*;
use crate::config::AnnounceConfig;
use crate::event::Difference;
use crate::{Action, Cause, Event, Input, InstanceConfig, InstanceId, State};

fn master(instance: InstanceConfig) -> Router {
    let mut router = Router::one(instance);
    router.wait(ms(3_700));
    assert_eq!(router.state(), State::Master);
    router.forget_output();
    router
}

#[test]
fn rfc9568_6_4_3_adverts_are_one_interval_apart() {
    let mut router = Router::one(instance(0));
    router.wait(ms(20_000));
    let times: Vec<_> = router.sink.adverts.iter().map(|advert| advert.at).collect();
    assert!(times.len() >= 16);
    assert!(times[1].since(times[0]) <= ms(1000), "the first step may be shorter");
    for pair in times[1..].windows(2) {
        assert_eq!(pair[1].since(pair[0]), ms(1000));
    }
}

#[test]
fn adverts_missed_in_a_pause_are_not_made_up_for() {
    let mut router = master(instance(0));
    router.now = router.now + ms(3_200);
    router.advance();
    assert_eq!(router.sent(), [100]);
    assert!(router.deadline() <= ms(1000));
}

#[test]
fn rfc9568_6_4_2_who_was_held_up_for_longer_than_backups_wait_listens_first() {
    let mut router = master(instance(0));
    router.now = router.now + ms(60_000);
    router.advance();
    assert_eq!(router.sent(), [0_u8; 0]);
    assert_eq!((router.state(), router.deadline()), (State::Backup, ms(3_609) + ms(1) * 3 / 8));
    let actions = router.actions();
    let given_up =
        actions.iter().position(|action| *action == Action::Addresses { instance: FIRST, wanted: false });
    let told = actions.iter().position(|action| matches!(action, Action::Event(Event::InstanceState { .. })));
    assert!(given_up.is_some() && given_up < told, "{actions:?}");
    router.wait(ms(3_700));
    assert_eq!((router.state(), router.sent()), (State::Master, vec![100]));
}

#[test]
fn who_was_held_up_gives_up_when_a_router_of_the_configured_priority_would_have_taken_over() {
    let held_up = |gives_up_as| {
        let mut router = master(InstanceConfig { gives_up_as, ..instance(0) });
        router.now = router.now + ms(3_200);
        router.advance();
        (router.state(), router.sent())
    };
    assert_eq!(held_up(None), (State::Master, vec![100]));
    assert_eq!(held_up(Some(Priority::new(254))), (State::Backup, Vec::new()));
}

#[test]
fn who_was_held_up_does_not_answer_who_took_over() {
    let mut router = master(instance(0));
    router.now = router.now + ms(60_000);
    // The socket is read before the timers are looked at.
    router.hear(LOWER, 50);
    assert_eq!((router.state(), router.sent()), (State::Backup, Vec::new()));
    let [(State::Backup, causes)] = &router.transitions()[..] else { panic!() };
    assert!(matches!(causes[..], [Cause::HeldUp { silent_ms: 60_000..=61_000 }]), "{causes:?}");
}

#[test]
fn a_late_advert_does_not_move_the_following_ones() {
    let mut router = master(instance(0));
    let due = router.machine.next_wakeup().unwrap();
    router.now = due + ms(7);
    router.advance();
    assert_eq!(router.machine.next_wakeup(), Some(due + ms(1000)));
}

#[test]
fn rfc9568_6_4_3_priority_zero_is_answered_with_an_advert() {
    let mut router = master(instance(0));
    router.hear(HIGHER, 0);
    assert_eq!(router.sent(), [100]);
    assert_eq!(router.state(), State::Master);
    assert!(router.deadline() <= ms(1000));
}

#[test]
fn rfc9568_6_4_3_higher_priority_is_yielded_to() {
    let mut router = master(instance(0));
    router.hear(LOWER, 101);
    assert_eq!(router.sent(), [0_u8; 0], "the other is there already: no priority 0");
    let actions = router.sink.actions.clone();
    assert_eq!(actions.len(), 3, "{actions:?}");
    assert_eq!(router.addresses_wanted(), Some(false));
    router.sink.actions = actions;
    let cause = Cause::HigherPriority { master: LOWER, priority: Priority::new(101) };
    assert_eq!(router.transitions(), [(State::Backup, vec![cause])]);
    assert_eq!(router.deadline(), ms(3000) + ms(1000) * 156 / 256);
}

#[test]
fn rfc9568_6_4_3_equal_priority_and_higher_address_is_yielded_to() {
    let mut router = master(instance(0));
    router.hear(HIGHER, 100);
    assert_eq!(router.transitions(), [(State::Backup, vec![Cause::HigherAddress { master: HIGHER }])]);
}

#[test]
fn rfc9568_6_4_3_equal_priority_and_lower_address_is_not() {
    let mut router = master(instance(0));
    router.hear(LOWER, 100);
    assert_eq!(router.state(), State::Master);
    assert_eq!(router.sent(), [100], "answered at once");
}

#[test]
fn rfc9568_6_4_3_addresses_are_compared_in_network_order() {
    // 10.0.1.0 is larger than 10.0.0.10, though its last octet is not.
    let mut router = master(instance(0));
    router.hear("10.0.1.0".parse().unwrap(), 100);
    assert_eq!(router.state(), State::Backup);
    let mut router = master(ipv6(0));
    router.hear(LOWER_V6.into(), 100);
    assert_eq!(router.state(), State::Master);
}

#[test]
fn rfc9568_6_4_3_yielding_adopts_the_interval_of_the_new_master() {
    let mut router = master(instance(0));
    let peer = InstanceConfig { interval: centiseconds(20), ..instance(0) };
    router.hear_from(&peer, LOWER, 200);
    assert_eq!(router.machine.status(FIRST).unwrap().master_interval, ms(200));
}

#[test]
fn a_master_sends_with_its_own_interval() {
    let mut router = Router::one(instance(0));
    let peer = InstanceConfig { interval: centiseconds(1), ..instance(0) };
    router.hear_from(&peer, LOWER, 200);
    router.wait(ms(5_000));
    let last = router.sink.adverts.last().unwrap();
    assert_eq!(u16::from_be_bytes([last.message[4], last.message[5]]), 100);
    assert!(router.sink.adverts.len() <= 7);
}

#[test]
fn lower_priority_is_answered_with_an_advert_and_told() {
    let mut router = master(instance(0));
    router.hear(HIGHER, 99);
    assert_eq!(router.sent(), [100]);
    let told = router.events();
    assert!(
        matches!(told[..], [Event::LowerPriorityHeard { master: HIGHER, priority, .. }] if priority.get() == 99),
        "{told:?}"
    );
}

#[test]
fn a_flood_of_lower_adverts_is_answered_but_told_and_announced_within_bounds() {
    let mut router = Router::one(announcing());
    router.wait(ms(10_000));
    router.forget_output();
    for _ in 0..100 {
        router.hear(LOWER, 50);
        router.now = router.now + ms(10);
    }
    assert_eq!(router.sent().len(), 100);
    let actions = router.actions();
    let events = || {
        actions.iter().filter_map(|action| if let Action::Event(event) = action { Some(event) } else { None })
    };
    let notified = events().filter(|event| matches!(event, Event::LowerPriorityHeard { .. })).count();
    let announced = actions.iter().filter(|action| matches!(action, Action::Announce { .. })).count();
    assert_eq!((notified, announced), (4, 4));
    let told: Vec<_> = events().filter(|event| !event.is_repetition()).collect();
    assert!(
        matches!(
            told[..],
            [
                Event::LowerPriorityHeard { times: 1, .. },
                Event::TwoMasters { other: LOWER, dropped: None, .. }
            ]
        ),
        "{told:?}"
    );
}

#[test]
fn lower_prio_no_advert_stays_silent() {
    let mut router = master(InstanceConfig { lower_priority_no_advert: true, ..instance(0) });
    let before = router.deadline();
    router.hear(HIGHER, 99);
    assert_eq!(router.sent(), [0_u8; 0]);
    assert_eq!(router.deadline(), before);
}

#[test]
fn higher_prio_send_advert_sends_one_before_yielding() {
    let mut router = master(InstanceConfig { higher_priority_send_advert: true, ..instance(0) });
    router.hear(LOWER, 200);
    assert_eq!(router.sent(), [100]);
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn equal_priority_from_the_own_address_is_told_and_changes_nothing() {
    let mut router = master(instance(0));
    router.hear(OWN, 100);
    router.hear(OWN, 100);
    assert_eq!((router.state(), router.counters().own_address_heard), (State::Master, 2));
    assert!(matches!(router.events()[..], [Event::Disagreement { .. }]));
}

/// Section 7.1 dropped what an owner hears; as corrected it is told of another owner and goes on as ever.
#[test]
fn rfc9568_erratum_8298_an_owner_tells_of_another_and_takes_its_adverts() {
    let mut router = Router::one(owner(0));
    router.forget_output();
    router.hear(HIGHER, 255);
    assert_eq!(router.state(), State::Backup, "the one with the lower address yields");
    let told = router.events().into_iter().any(|event| {
        matches!(event, Event::Disagreement { source: HIGHER, difference: Difference::TwoOwners, .. })
    });
    assert!(told);
    assert_eq!(router.counters().adverts_received, 1);
}

#[test]
fn of_two_owners_the_other_waits_then_lowers_itself_and_recovers() {
    let mut router = Router::one(owner(0));
    router.hear(LOWER, 255);
    router.wait(ms(1_000));
    router.hear(LOWER, 255);
    router.wait(ms(1_000));
    router.hear(LOWER, 255);
    assert_eq!((router.state(), router.priority()), (State::Master, 255));
    // Two adverts and 1.2 intervals after the first sign of the rival.
    router.wait(ms(1_300));
    router.hear(LOWER, 255);
    assert_eq!((router.state(), router.priority()), (State::Backup, 254));
    router.wait(ms(4_000));
    assert_eq!((router.state(), router.priority()), (State::Master, 255), "the rival has gone");

    router.hear(LOWER, 255);
    router.wait(ms(2_000));
    router.hear(LOWER, 255);
    router.wait(ms(1_300));
    router.hear(LOWER, 255);
    assert_eq!(router.priority(), 254);
    router.hear(LOWER, 100);
    assert_eq!(router.priority(), 255, "the rival has lowered itself");
}

#[test]
fn a_rival_owner_that_gives_way_changes_nothing() {
    let mut router = Router::one(owner(0));
    router.hear(LOWER, 255);
    router.wait(ms(60_000));
    router.hear(LOWER, 255);
    assert_eq!((router.state(), router.priority()), (State::Master, 255));
}

#[test]
fn owner_ignore_adverts_hears_nothing() {
    let mut router = Router::one(InstanceConfig { owner_ignore_adverts: true, ..owner(0) });
    router.hear(HIGHER, 255);
    assert_eq!((router.state(), router.counters().adverts_received), (State::Master, 0));
}

fn announcing() -> InstanceConfig {
    let announce = AnnounceConfig {
        master_delay: ms(5_000),
        master_repeat: 5,
        refresh: ms(60_000),
        refresh_repeat: 2,
        lower_priority_delay: ms(3_000),
        lower_priority_repeat: 4,
    };
    InstanceConfig { announce, ..instance(0) }
}

#[test]
fn rfc9568_6_4_2_addresses_are_announced_at_once_and_again_later() {
    let mut router = Router::one(announcing());
    let until = |router: &mut Router, span: Duration| {
        router.wait(span);
        router.announcements()
    };
    assert_eq!(until(&mut router, ms(3_700)), [(FIRST, 5)]);
    assert_eq!(until(&mut router, ms(4_800)), []);
    assert_eq!(until(&mut router, ms(200)), [(FIRST, 5)]);
    assert_eq!(until(&mut router, ms(59_500)), []);
    assert_eq!(until(&mut router, ms(600)), [(FIRST, 2)]);
    assert_eq!(until(&mut router, ms(60_000)), [(FIRST, 2)]);
}

#[test]
fn announcements_end_with_mastership_and_do_not_add_up() {
    let mut router = Router::one(announcing());
    router.wait(ms(3_700));
    router.hear(LOWER, 200);
    assert!(router.actions().contains(&Action::CancelAnnounce { instance: FIRST }));
    router.wait(ms(3_000));
    router.hear(LOWER, 200);
    router.wait(ms(3_500));
    assert_eq!(router.announcements(), []);
    router.wait(ms(10_000));
    assert_eq!(router.announcements(), [(FIRST, 5), (FIRST, 5)], "master again");
    router.wait(ms(120_000));
    assert_eq!(router.announcements(), [(FIRST, 2), (FIRST, 2)]);
}

#[test]
fn a_lower_priority_advert_makes_a_master_announce_twice() {
    let mut router = Router::one(announcing());
    router.wait(ms(10_000));
    router.forget_output();
    router.hear(LOWER, 50);
    assert_eq!(router.announcements(), [(FIRST, 4)]);
    router.wait(ms(3_000));
    assert_eq!(router.announcements(), [(FIRST, 4)]);
}

/// Of three masters that meet, the second may announce after the best has, and give way after that.
#[test]
fn the_last_word_of_a_lower_master_is_announced_over_even_if_it_comes_soon_after_another() {
    let mut router = Router::one(announcing());
    router.wait(ms(10_000));
    router.forget_output();
    router.hear(LOWER, 50);
    assert_eq!(router.announcements(), [(FIRST, 4)]);
    router.wait(ms(20));
    router.hear(HIGHER, 60);
    assert_eq!(router.announcements(), []);
    router.wait(ms(250));
    assert_eq!(router.announcements(), [(FIRST, 4)]);
    router.wait(ms(2_900));
    assert_eq!(router.announcements(), []);
    router.wait(ms(200));
    assert_eq!(router.announcements(), [(FIRST, 4)], "the second block counts from the last");
}

/// Two routers become master within a moment, and the lower one gives way at the first advert that it hears: what it still has to
/// announce goes out behind its last word, and behind what the other announces over that.
#[test]
fn a_lower_master_that_has_only_just_begun_is_announced_over_once_more() {
    let mut router = Router::one(announcing());
    router.wait(ms(3_610));
    assert_eq!((router.state(), router.announcements()), (State::Master, vec![(FIRST, 5)]));
    router.hear(LOWER, 50);
    assert_eq!(router.announcements(), [(FIRST, 4)]);
    router.wait(ms(240));
    assert_eq!(router.announcements(), []);
    router.wait(ms(20));
    assert_eq!(router.announcements(), [(FIRST, 4)], "the other is quiet");
    router.wait(ms(2_900));
    assert_eq!(router.announcements(), []);
}

/// One that goes on is no new one.
#[test]
fn a_lower_master_that_goes_on_is_announced_over_once_an_advert() {
    let mut router = Router::one(announcing());
    router.wait(ms(10_000));
    router.hear(LOWER, 50);
    router.wait(ms(1_000));
    router.forget_output();
    for _ in 0..3 {
        router.hear(LOWER, 50);
        assert_eq!(router.announcements(), [(FIRST, 4)]);
        router.wait(ms(1_000));
        assert_eq!(router.announcements(), []);
    }
}

/// It may have announced after its last advert.
#[test]
fn a_lower_master_that_gives_up_is_announced_over() {
    let mut router = Router::one(announcing());
    router.wait(ms(10_000));
    router.hear(LOWER, 50);
    router.wait(ms(500));
    router.forget_output();
    router.hear(LOWER, 0);
    assert_eq!(router.announcements(), []);
    router.wait(ms(260));
    assert_eq!(router.announcements(), [(FIRST, 4)]);
}

/// Two masters that drop each other's adverts draw the traffic from each other once each: who outlives the other has it back.
#[test]
fn a_router_whose_adverts_are_dropped_is_announced_over_when_it_is_silent() {
    let mut router = Router::one(announcing());
    router.wait(ms(10_000));
    router.forget_output();
    let other = InstanceConfig { addresses: vec!["10.9.9.9".parse().unwrap()], ..instance(0) };
    for _ in 0..3 {
        router.hear_from(&other, HIGHER, 200);
        router.wait(ms(1_000));
    }
    assert_eq!((router.state(), router.counters().adverts_received), (State::Master, 3));
    router.wait(ms(2_900));
    assert_eq!(router.announcements(), []);
    router.wait(ms(1_200));
    assert_eq!(router.announcements(), [(FIRST, 4)]);
    router.wait(ms(3_000));
    assert_eq!(router.announcements(), [(FIRST, 4)], "the second block");
    router.wait(ms(20_000));
    assert_eq!(router.announcements(), []);
}

#[test]
fn who_gave_way_announces_over_nobody() {
    let mut router = Router::one(announcing());
    router.wait(ms(10_000));
    router.hear(LOWER, 50);
    router.hear(LOWER, 50);
    router.hear(HIGHER, 200);
    router.forget_output();
    router.wait(ms(300));
    assert_eq!(router.announcements(), []);
}

#[test]
fn the_cause_chain_reads_from_the_script_to_the_state() {
    let mut router = Router::start(config(vec![InstanceConfig {
        priority: Priority::new(150),
        ..tracking_script(0, -60, false)
    }]));
    router.script(&[true]);
    router.wait(ms(4_000));
    router.forget_output();
    router.script(&[false, false, false]);
    router.hear(LOWER, 100);
    let script = Cause::Script { name: "chk".into(), good: false, times: 3 };
    let priority = Cause::Priority { from: Priority::new(150), to: Priority::new(90) };
    let heard = Cause::HigherPriority { master: LOWER, priority: Priority::new(100) };
    assert_eq!(router.transitions(), [(State::Backup, vec![script, priority, heard])]);

    router.script(&[true, true, true]);
    router.hear(LOWER, 100);
    router.wait(ms(4_000));
    let script = Cause::Script { name: "chk".into(), good: true, times: 3 };
    let priority = Cause::Priority { from: Priority::new(90), to: Priority::new(150) };
    let preempt = Cause::Preempt { master: LOWER, priority: Priority::new(100) };
    assert_eq!(router.transitions(), [(State::Master, vec![script, priority, preempt])]);
}

#[test]
fn a_master_that_never_heard_anybody_tells_so_once() {
    let lonely = |router: &mut Router| {
        router.events().iter().filter(|event| matches!(event, Event::NobodyHeard { .. })).count()
    };
    let mut router = Router::one(owner(0));
    router.wait(ms(59_000));
    assert_eq!(lonely(&mut router), 0);
    router.wait(ms(2000));
    assert_eq!(lonely(&mut router), 1);
    router.wait(ms(200_000));
    assert_eq!(lonely(&mut router), 0);
    // Whoever was heard, if only once and dropped, is there.
    let mut router = Router::one(owner(0));
    router.hear(LOWER, 100);
    router.wait(ms(200_000));
    assert_eq!(lonely(&mut router), 0);
}

#[test]
fn a_removed_address_ends_the_mastership_only_where_that_is_asked_for() {
    let address = instance(0).addresses[0];
    for gives_up_removed in [false, true] {
        let member = |id| InstanceConfig { gives_up_removed, ..instance(id) };
        let mut router = Router::start(grouped(vec![member(0), member(1)]));
        router.wait(ms(5000));
        assert_eq!((router.state_of(FIRST), router.state_of(SECOND)), (State::Master, State::Master));
        router.forget_output();
        router.input(Input::AddressRemoved { instance: FIRST, address });
        if !gives_up_removed {
            assert_eq!(router.state(), State::Master);
            continue;
        }
        assert_eq!((router.state_of(FIRST), router.state_of(SECOND)), (State::Backup, State::Backup));
        assert_eq!(router.sent(), [0, 0]);
        assert_eq!(router.transitions(), [(State::Backup, vec![Cause::AddressRemoved { address }])]);
        // As with keepalived it is master again if nobody else is.
        router.wait(ms(5000));
        assert_eq!(router.state(), State::Master);
        router.forget_output();
        router.input(Input::AddressRemoved { instance: InstanceId(9), address });
        assert!(router.actions().is_empty());
    }
}
