//! Planned stops: the addresses are answered for until another router does.

use super::router::*;
use crate::{Action, Cause, HANDOVER_GRACE, Input, InstanceConfig, State};

fn stopped(instance: InstanceConfig) -> Router {
    let mut router = Router::one(instance);
    router.wait(ms(4_000));
    assert_eq!(router.state(), State::Master);
    router.forget_output();
    router.input(Input::Stop);
    router
}

#[test]
fn rfc9568_6_4_3_shutdown_sends_priority_zero() {
    let mut router = stopped(instance(0));
    assert_eq!(router.sent(), [0]);
    assert_eq!(router.transitions(), [(State::Stop, vec![Cause::Stop])]);
    assert_eq!(router.counters().priority_zero_sent, 1);
}

/// Long enough for announcements to reach clients that are a switch away, and short beside what a stop may take.
#[test]
fn a_stopping_master_answers_for_20_ms_beside_the_new_one() {
    assert_eq!(HANDOVER_GRACE, ms(20));
}

#[test]
fn a_stopping_master_answers_until_the_new_one_is_heard() {
    let mut router = stopped(instance(0));
    router.wait(ms(500));
    assert_eq!(router.addresses_wanted(), None);
    // A backup of lower priority takes over: its first advert counts, later ones do not prolong.
    router.hear(LOWER, 10);
    router.wait(HANDOVER_GRACE - ms(1));
    router.hear(HIGHER, 20);
    assert!(!router.machine.is_drained());
    assert_eq!(router.addresses_wanted(), None);
    router.wait(ms(1));
    assert_eq!(router.addresses_wanted(), Some(false));
    assert!(router.machine.is_drained());
    assert_eq!(router.sent(), [0], "nothing after the priority 0");
}

#[test]
fn a_stopping_master_without_backups_answers_for_the_longest_skew() {
    let mut router = stopped(instance(0));
    let longest = ms(1000) * 255 / 256 + HANDOVER_GRACE;
    router.wait(longest - ms(1));
    assert!(!router.machine.is_drained());
    router.wait(ms(1));
    assert!(router.machine.is_drained());
    assert_eq!(router.addresses_wanted(), Some(false));
    assert_eq!(router.machine.next_wakeup(), None);
}

#[test]
fn invalid_adverts_and_priority_zero_end_no_handover() {
    let mut router = stopped(instance(0));
    router.hear(LOWER, 0);
    let forged = message(&instance(0), LOWER, GROUP_V4, 50);
    router.hear_message(LAN, LOWER, GROUP_V4, Some(254), &forged);
    router.wait(ms(900));
    assert!(!router.machine.is_drained());
}

#[test]
fn backups_and_faults_stop_at_once() {
    let mut router = Router::one(instance(0));
    router.forget_output();
    router.input(Input::Stop);
    assert!(router.machine.is_drained());
    assert_eq!(router.sent(), [0_u8; 0]);
    assert_eq!(router.transitions(), [(State::Stop, vec![Cause::Stop])]);

    let mut router = Router::one(instance(0));
    router.interface(LAN, false);
    router.input(Input::Stop);
    assert!(router.machine.is_drained());
}

#[test]
fn after_a_stop_nothing_starts_again() {
    let mut router = stopped(instance(0));
    router.wait(ms(2_000));
    router.forget_output();
    router.interface(LAN, false);
    router.interface(LAN, true);
    router.input(Input::Stop);
    router.hear(LOWER, 1);
    router.reload(config(vec![instance(0), instance(1)]));
    router.wait(ms(10_000));
    assert!(router.sent().is_empty() && router.actions().is_empty());
}

#[test]
fn a_removed_master_hands_over_the_same_way_and_is_forgotten() {
    let mut router = Router::start(config(vec![instance(0), instance(1)]));
    router.wait(ms(4_000));
    router.forget_output();
    router.reload(config(vec![instance(0)]));
    assert_eq!(router.sent(), [0]);
    router.config = config(vec![instance(0), instance(1)]);
    router.hear_for(SECOND, LOWER, 50);
    router.wait(HANDOVER_GRACE);
    let rest: Vec<_> =
        router.actions().into_iter().filter(|action| !matches!(action, Action::Event(_))).collect();
    assert_eq!(
        rest,
        [
            Action::CancelAnnounce { instance: SECOND },
            Action::Addresses { instance: SECOND, wanted: false },
            Action::Removed { instance: SECOND },
        ]
    );
    assert_eq!(router.machine.status(SECOND), None);
    router.wait(ms(5_000));
    assert!(router.sent().iter().all(|priority| *priority == 100));
}

#[test]
fn a_removed_backup_is_forgotten_at_once() {
    let mut router = Router::one(instance(0));
    router.forget_output();
    router.reload(config(vec![]));
    assert!(router.actions().contains(&Action::Removed { instance: FIRST }));
    router.wait(ms(10_000));
    assert_eq!(router.sent(), [0_u8; 0]);
}
