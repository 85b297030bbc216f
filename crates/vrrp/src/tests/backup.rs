//! INIT and BACKUP: RFC 3768 and RFC 9568 sections 6.1, 6.4.1 and 6.4.2.

use std::time::Duration;

use steadfast_wire::vrrp::Priority;

use super::router::*;
use crate::{Action, Cause, Config, Event, Haste, InstanceConfig, State};

/// (256 - priority) / 256 of `interval`.
fn skew(priority: u32, interval: Duration) -> Duration {
    interval * (256 - priority) / 256
}

#[test]
fn rfc9568_6_4_1_owner_becomes_master_at_once() {
    let mut router = Router::one(owner(0));
    assert_eq!(router.state(), State::Master);
    assert_eq!(router.sink.adverts[0].priority(), 255);
    assert_eq!(router.transitions(), [(State::Master, vec![Cause::Start, Cause::Owner])]);
}

#[test]
fn rfc9568_6_4_1_other_router_starts_as_backup_for_one_down_interval() {
    let mut router = Router::one(instance(0));
    assert_eq!(router.state(), State::Backup);
    assert_eq!(router.deadline(), ms(3000) + skew(100, ms(1000)));
    assert_eq!(router.sent(), [0_u8; 0]);
    assert_eq!(router.addresses_wanted(), None);
}

#[test]
fn rfc9568_6_1_skew_is_part_of_the_masters_interval() {
    let mut router = Router::one(instance(0));
    let peer = InstanceConfig { interval: centiseconds(50), ..instance(0) };
    router.hear_from(&peer, LOWER, 200);
    assert_eq!(router.deadline(), ms(1500) + skew(100, ms(500)));
}

#[test]
fn rfc3768_6_1_skew_is_part_of_a_second() {
    let slow = steadfast_wire::vrrp::AdvertInterval::Seconds(std::num::NonZeroU8::new(5).unwrap());
    let router = Router::one(InstanceConfig { interval: slow, ..version_2(0) });
    assert_eq!(router.deadline(), ms(15_000) + skew(100, ms(1000)));
}

#[test]
fn rfc9568_6_4_2_backup_takes_over_from_a_silent_master() {
    let mut router = Router::one(instance(0));
    router.hear(LOWER, 200);
    router.forget_output();
    let down = ms(3000) + skew(100, ms(1000));
    router.wait(down - ms(1));
    assert_eq!(router.state(), State::Backup);
    router.wait(ms(1));
    assert_eq!(router.state(), State::Master);
    let waited_ms = u64::try_from(down.as_millis()).unwrap();
    let cause = Cause::MasterSilent { master: Some(LOWER), waited_ms };
    assert_eq!(router.transitions(), [(State::Master, vec![cause])]);
    assert_eq!(router.sent(), [100]);
}

#[test]
fn rfc9568_6_4_2_backup_priority_zero_waits_one_skew() {
    let mut router = Router::one(instance(0));
    router.hear(LOWER, 200);
    router.wait(ms(500));
    router.forget_output();
    router.hear(LOWER, 0);
    assert_eq!(router.deadline(), skew(100, ms(1000)));
    router.wait(skew(100, ms(1000)));
    assert_eq!(router.transitions(), [(State::Master, vec![Cause::MasterReleased { master: LOWER }])]);
    assert_eq!(router.counters().priority_zero_received, 1);
}

#[test]
fn rfc3768_6_4_2_backup_priority_zero_waits_one_skew_of_a_second() {
    let mut router = Router::one(version_2(0));
    router.hear(LOWER, 0);
    assert_eq!(router.deadline(), skew(100, ms(1000)));
}

#[test]
fn rfc9568_6_4_2_backup_restarts_its_timer_for_equal_or_higher_priority() {
    for priority in [100, 101, 255] {
        let mut router = Router::one(instance(0));
        router.wait(ms(2000));
        router.hear(LOWER, priority);
        assert_eq!(router.deadline(), ms(3000) + skew(100, ms(1000)));
    }
}

#[test]
fn rfc9568_6_4_2_backup_that_may_preempt_discards_lower_priority() {
    let mut router = Router::one(instance(0));
    router.wait(ms(2000));
    let before = router.deadline();
    router.hear(LOWER, 99);
    assert_eq!(router.deadline(), before);
    router.forget_output();
    router.wait(before);
    let cause = Cause::Preempt { master: LOWER, priority: Priority::new(99) };
    assert_eq!(router.transitions(), [(State::Master, vec![cause])]);
}

#[test]
fn rfc9568_6_4_2_backup_without_preempt_follows_lower_priority() {
    let mut router = Router::one(InstanceConfig { nopreempt: true, ..instance(0) });
    for _ in 0..20 {
        router.wait(ms(1000));
        router.hear(LOWER, 1);
        assert_eq!(router.deadline(), ms(3000) + skew(100, ms(1000)));
    }
    router.wait(ms(4000));
    assert_eq!(router.state(), State::Master, "a silent master is followed by anyone");
}

#[test]
fn rfc9568_6_4_2_backup_adopts_the_masters_interval() {
    let mut router = Router::one(instance(0));
    let peer = InstanceConfig { interval: centiseconds(1), ..instance(0) };
    router.hear_from(&peer, LOWER, 200);
    assert_eq!(router.machine.status(FIRST).unwrap().master_interval, ms(10));
    router.wait(ms(36));
    assert_eq!(router.state(), State::Backup);
    router.wait(ms(1));
    assert_eq!(router.state(), State::Master);
}

/// The skew time that priority 0 starts is still running when that advert is read in time.
#[test]
fn haste_follows_the_masters_interval_and_the_own_priority() {
    let mut router = Router::one(tracking_script(0, 100, false));
    let haste = |router: &Router| {
        let Haste { speaks, interval, skew } = router.machine.haste();
        (speaks, interval, skew)
    };
    assert_eq!(haste(&router), (false, ms(1000), skew(100, ms(1000))));
    router.script(&[true, true, true]);
    assert_eq!(haste(&router), (false, ms(1000), skew(200, ms(1000))));
    let peer = InstanceConfig { interval: centiseconds(10), ..instance(0) };
    router.hear_from(&peer, LOWER, 250);
    assert_eq!(haste(&router), (false, ms(100), skew(200, ms(100))));
    router.wait(ms(400));
    assert_eq!(router.state(), State::Master);
    assert_eq!(haste(&router), (true, Duration::MAX, Duration::MAX));
}

#[test]
fn rfc9568_6_4_2_priority_zero_and_ignored_adverts_teach_no_interval() {
    let mut router = Router::one(instance(0));
    let peer = InstanceConfig { interval: centiseconds(1), ..instance(0) };
    router.hear_from(&peer, LOWER, 99);
    router.hear_from(&peer, LOWER, 0);
    assert_eq!(router.machine.status(FIRST).unwrap().master_interval, ms(1000));
}

#[test]
fn initial_state_master_shortens_the_first_wait_only() {
    let mut router = Router::one(InstanceConfig { initial_master: true, ..instance(0) });
    assert_eq!(router.state(), State::Backup);
    assert_eq!(router.deadline(), ms(1000) + skew(255, ms(1000)));
    router.hear(LOWER, 200);
    assert_eq!(router.deadline(), ms(3000) + skew(100, ms(1000)));
}

#[test]
fn down_timer_adverts_counts_missed_adverts() {
    let router = Router::one(InstanceConfig { down_timer_adverts: 5, ..instance(0) });
    assert_eq!(router.deadline(), ms(5000) + skew(100, ms(1000)));
}

#[test]
fn rfc9568_6_1_the_shortest_interval_takes_over_in_time() {
    let mut router = Router::one(InstanceConfig { interval: centiseconds(1), ..instance(0) });
    router.hear(LOWER, 200);
    let down = ms(30) + skew(100, ms(10));
    router.wait(down - Duration::from_nanos(1));
    assert_eq!(router.state(), State::Backup);
    router.wait(Duration::from_nanos(1));
    assert_eq!(router.state(), State::Master);
    router.forget_output();
    router.wait(ms(1_000));
    assert!((100..=101).contains(&router.sent().len()));
}

#[test]
fn startup_delay_moves_every_first_timer_and_hears_nothing() {
    let delayed = |instance| Config { startup_delay: ms(10_000), ..config(vec![instance]) };
    let mut router = Router::start(delayed(instance(0)));
    router.hear(LOWER, 200);
    assert_eq!(router.counters().adverts_received, 0);
    assert_eq!(router.deadline(), ms(13_000) + skew(100, ms(1000)));

    let mut router = Router::start(delayed(owner(0)));
    assert_eq!(router.state(), State::Init);
    router.wait(ms(9_999));
    assert_eq!(router.state(), State::Init);
    router.wait(ms(1));
    assert_eq!(router.state(), State::Master);
}

#[test]
fn preempt_delay_follows_the_lower_master_until_it_ends() {
    let mut router = Router::one(InstanceConfig { preempt_delay: ms(5_000), ..instance(0) });
    for _ in 0..5 {
        router.hear(LOWER, 50);
        assert_eq!(router.deadline(), ms(3000) + skew(100, ms(1000)));
        router.wait(ms(1000));
    }
    assert_eq!(router.state(), State::Backup);
    for _ in 0..4 {
        router.hear(LOWER, 50);
        router.wait(ms(1000));
    }
    assert_eq!(router.state(), State::Master);
}

#[test]
fn preempt_delay_is_cancelled_by_a_better_master() {
    let mut router = Router::one(InstanceConfig { preempt_delay: ms(5_000), ..instance(0) });
    router.hear(LOWER, 50);
    assert!(router.machine.status(FIRST).unwrap().preempt_at.is_some());
    router.hear(HIGHER, 100);
    assert_eq!(router.machine.status(FIRST).unwrap().preempt_at, None);
    router.wait(ms(1_000));
    router.hear(LOWER, 50);
    assert_eq!(router.machine.status(FIRST).unwrap().preempt_at, Some(router.now + ms(5_000)));
}

#[test]
fn preempt_delay_never_delays_taking_over_from_a_silent_master() {
    let mut router = Router::one(InstanceConfig { preempt_delay: ms(60_000), ..instance(0) });
    router.hear(LOWER, 50);
    router.wait(ms(4_000));
    assert_eq!(router.state(), State::Master);
}

#[test]
fn a_change_of_priority_shifts_the_running_timer() {
    let mut router = Router::start(config(vec![tracking_script(0, -50, false)]));
    router.hear(LOWER, 200);
    router.wait(ms(1000));
    let before = router.deadline();
    router.script(&[false]);
    assert_eq!(router.priority(), 50);
    assert_eq!(router.deadline(), before + skew(50, ms(1000)) - skew(100, ms(1000)));
    router.script(&[true, true, true]);
    assert_eq!(router.deadline(), before);
}

#[test]
fn a_change_of_priority_shifts_the_skew_after_a_release_too() {
    let mut router = Router::start(config(vec![tracking_script(0, -50, false)]));
    router.hear(LOWER, 200);
    router.hear(LOWER, 0);
    router.wait(ms(100));
    router.script(&[false]);
    assert_eq!(router.deadline(), skew(50, ms(1000)) - ms(100));
}

#[test]
fn a_new_master_is_told_once_an_interval_at_most() {
    let mut router = Router::one(instance(0));
    let told = |router: &mut Router| {
        router.events().into_iter().filter(|event| matches!(event, Event::MasterChanged { .. })).count()
    };
    router.hear(LOWER, 200);
    assert_eq!(told(&mut router), 1);
    for _ in 0..50 {
        router.hear(HIGHER, 200);
        router.hear(LOWER, 200);
    }
    assert_eq!(told(&mut router), 0);
    router.wait(ms(1000));
    router.hear(HIGHER, 200);
    assert_eq!(told(&mut router), 1);
}

#[test]
fn becoming_master_is_advert_then_addresses_then_announcement_then_event() {
    let mut router = Router::one(instance(0));
    router.forget_output();
    router.wait(ms(3_700));
    assert_eq!(router.sink.adverts.len(), 1);
    let kinds: Vec<_> = router
        .actions()
        .into_iter()
        .map(|action| match action {
            Action::Addresses { wanted: true, .. } => "addresses",
            Action::Announce { repeat: 5, .. } => "announce",
            Action::Event(Event::InstanceState { to: State::Master, .. }) => "event",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["addresses", "announce", "event"]);
}

#[test]
fn nopreempt_yields_to_health_where_it_is_asked_to() {
    for yields_to_health in [false, true] {
        let config = InstanceConfig { nopreempt: true, yields_to_health, ..instance(0) };
        let mut router = Router::one(config);
        let hear = |router: &mut Router, priority, adverts| {
            for _ in 0..adverts {
                router.hear(LOWER, priority);
                router.wait(ms(1000));
            }
        };
        // A master that has always been worse is healthy as far as anybody knows.
        hear(&mut router, 90, 6);
        assert_eq!(router.state(), State::Backup);
        hear(&mut router, 150, 2);
        // It is still the better one.
        hear(&mut router, 120, 6);
        assert_eq!(router.state(), State::Backup);
        hear(&mut router, 50, 6);
        let expected = if yields_to_health { State::Master } else { State::Backup };
        assert_eq!(router.state(), expected, "{yields_to_health}");
    }
}

#[test]
fn another_master_is_measured_by_what_it_told_itself() {
    let config = InstanceConfig { nopreempt: true, yields_to_health: true, ..instance(0) };
    let mut router = Router::one(config);
    router.hear(HIGHER, 150);
    for _ in 0..6 {
        router.hear(LOWER, 90);
        router.wait(ms(1000));
    }
    assert_eq!(router.state(), State::Backup);
}

#[test]
fn a_router_that_comes_back_leaves_one_of_equal_priority_alone() {
    for incumbent_wins_ties in [false, true] {
        let config = InstanceConfig { initial_master: true, incumbent_wins_ties, ..instance(0) };
        let mut router = Router::one(config);
        // An advert is lost.
        router.wait(ms(1_900));
        router.hear(LOWER, 100);
        let expected = if incumbent_wins_ties { State::Backup } else { State::Master };
        assert_eq!(router.state(), expected, "{incumbent_wins_ties}");
        for _ in 0..10 {
            router.wait(ms(1_000));
            router.hear(LOWER, 100);
        }
        assert_eq!(router.state(), expected, "{incumbent_wins_ties}");
        // Nobody is left to be left alone.
        router.wait(ms(4_000));
        assert_eq!(router.state(), State::Master);
    }
}

#[test]
fn of_two_masters_of_equal_priority_the_higher_address_stays_whatever_is_asked_for() {
    // RFC 9568 section 6.4.3: neither can know who was there first.
    for (other, expected) in [(LOWER, State::Master), (HIGHER, State::Backup)] {
        let mut router = Router::one(InstanceConfig { incumbent_wins_ties: true, ..instance(0) });
        router.wait(ms(60_000));
        router.hear(other, 100);
        assert_eq!(router.state(), expected);
    }
}
