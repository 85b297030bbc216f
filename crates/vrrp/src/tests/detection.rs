//! Fast detection: whom an instance has watched over, and what it does when that one is dead.

use std::num::NonZeroU8;
use std::time::Duration;

use steadfast_wire::vrrp::Priority;

use super::router::*;
use crate::{Cause, FastDetection, Input, InstanceConfig, InterfaceId, State};

const DETECTION: FastDetection =
    FastDetection { interval: Duration::from_millis(16), multiplier: NonZeroU8::new(3).unwrap() };
const SILENT_US: u64 = 48_000;

fn watching(id: u32) -> InstanceConfig {
    InstanceConfig { fast_detection: Some(DETECTION), ..instance(id) }
}

fn bury(router: &mut Router, master: std::net::IpAddr) {
    router.input(Input::Dead { instances: &[FIRST], master, silent_us: SILENT_US });
}

/// Half an interval of the session for a router of priority 0.
fn skew(priority: u32) -> Duration {
    DETECTION.interval / 2 * (256 - priority) / 256
}

#[test]
fn only_a_backup_that_hears_a_master_has_one_watched() {
    let mut router = Router::one(watching(0));
    let whom = |router: &Router| router.machine.watch(FIRST).unwrap().master;
    assert_eq!(whom(&router), None);
    router.hear(LOWER, 200);
    assert_eq!(whom(&router), Some(LOWER));
    router.hear(HIGHER, 210);
    assert_eq!(whom(&router), Some(HIGHER));
    router.wait(ms(4000));
    assert_eq!((router.state(), whom(&router)), (State::Master, None));
    assert!(Router::one(instance(0)).machine.watch(FIRST).is_none());
}

#[test]
fn adverts_by_another_interface_are_of_a_router_on_the_one_below() {
    let on_top = InstanceConfig { adverts_on: InterfaceId(7), ..watching(0) };
    let mut router = Router::one(on_top);
    router.hear(LOWER, 200);
    let watch = router.machine.watch(FIRST).unwrap();
    assert_eq!((watch.interface, watch.own, watch.master), (LAN, OWN, Some(LOWER)));
}

#[test]
fn a_dead_master_is_replaced_after_a_skew_time_of_the_session() {
    for priority in [1_u8, 100, 199] {
        let mut router = Router::one(InstanceConfig { priority: Priority::new(priority), ..watching(0) });
        router.hear(LOWER, 200);
        router.wait(ms(300));
        router.forget_output();
        bury(&mut router, LOWER);
        assert_eq!(router.deadline(), skew(priority.into()));
        router.wait(skew(priority.into()));
        let cause = Cause::MasterDead { master: LOWER, silent_us: SILENT_US };
        assert_eq!(router.transitions(), [(State::Master, vec![cause])]);
        assert_eq!(router.sent(), [priority]);
    }
}

#[test]
fn a_sign_of_life_or_a_better_router_ends_the_wait() {
    for (source, priority) in [(LOWER, 200), (HIGHER, 150)] {
        let mut router = Router::one(watching(0));
        router.hear(LOWER, 200);
        bury(&mut router, LOWER);
        router.hear(source, priority);
        router.wait(ms(2900));
        assert_eq!(router.state(), State::Backup);
    }
    // A worse one that was quicker changes nothing.
    let mut router = Router::one(watching(0));
    router.hear(LOWER, 200);
    bury(&mut router, LOWER);
    router.hear(HIGHER, 50);
    router.wait(skew(100));
    assert_eq!(router.state(), State::Master);
}

#[test]
fn the_death_of_others_changes_nothing() {
    let mut router = Router::one(watching(0));
    router.hear(LOWER, 200);
    let before = router.deadline();
    bury(&mut router, HIGHER);
    assert_eq!(router.deadline(), before);
    // The election after an advert of priority 0 runs already.
    router.hear(LOWER, 0);
    let released = router.deadline();
    bury(&mut router, LOWER);
    assert_eq!(router.deadline(), released);
    let mut master = Router::one(InstanceConfig { fast_detection: Some(DETECTION), ..owner(0) });
    bury(&mut master, OWN);
    assert_eq!(master.state(), State::Master);
}

#[test]
fn another_priority_moves_the_wait() {
    let mut router =
        Router::one(InstanceConfig { fast_detection: Some(DETECTION), ..tracking_script(0, 50, false) });
    router.hear(LOWER, 200);
    bury(&mut router, LOWER);
    assert_eq!(router.deadline(), skew(100));
    router.script(&[true; 3]);
    assert_eq!(router.deadline(), skew(150));
}

#[test]
fn a_sync_group_goes_as_one_when_all_its_masters_are_dead() {
    let config = grouped(vec![watching(0), InstanceConfig { interface: LAN, ..watching(1) }]);
    let mut router = Router::start(config);
    for id in [FIRST, SECOND] {
        router.hear_for(id, LOWER, 200);
    }
    router.input(Input::Dead { instances: &[FIRST], master: LOWER, silent_us: SILENT_US });
    router.wait(ms(100));
    assert_eq!([router.state_of(FIRST), router.state_of(SECOND)], [State::Backup; 2]);
    router.hear_for(FIRST, LOWER, 200);
    router.input(Input::Dead { instances: &[FIRST, SECOND], master: LOWER, silent_us: SILENT_US });
    router.wait(skew(100));
    assert_eq!([router.state_of(FIRST), router.state_of(SECOND)], [State::Master; 2]);
}
