//! Routers that prove who they are: nobody else changes anything, keys are changed, and clocks are set.

#![cfg(test)]

use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use steadfast_sim::{Fault, Happening, History, RouterId, Scenario, check, run};
use steadfast_time::Moment;
use steadfast_vrrp::config::{Authentication, Trailer};
use steadfast_vrrp::{InstanceId, InterfaceId};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Key, TrailerKey};

const R1: RouterId = RouterId(0);
const R2: RouterId = RouterId(1);
const R3: RouterId = RouterId(2);
const VI_1: InstanceId = InstanceId(0);
const HOUR: Duration = Duration::from_secs(3_600);

fn second() -> AdvertInterval {
    AdvertInterval::Centiseconds(Centiseconds::new(100).unwrap())
}

fn key(id: u8) -> TrailerKey {
    TrailerKey { id, key: Key::new([id; 32].into()) }
}

fn trailer(keys: &[u8], active: u8, window: Option<u64>) -> Authentication {
    Authentication::Trailer(Arc::new(Trailer {
        keys: keys.iter().copied().map(key).collect(),
        active,
        required: true,
        signs: true,
        window: window.map(Duration::from_secs),
    }))
}

fn prove(scenario: &mut Scenario, router: RouterId, authentication: &Authentication) {
    for instance in &mut scenario.routers[router.index()].instances {
        instance.authentication = authentication.clone();
    }
}

/// Three routers with the same proof.
fn three(interval: AdvertInterval, authentication: &Authentication) -> Scenario {
    let mut scenario = Scenario::single(interval, &[200, 150, 100]);
    for router in [R1, R2, R3] {
        prove(&mut scenario, router, authentication);
    }
    scenario.end = Moment::ZERO + Duration::from_secs(120);
    scenario
}

fn kept(scenario: &Scenario) -> History {
    let history = run(scenario);
    let broken = check::all(scenario, &history);
    let trace = history.trace(history.end, 200);
    assert!(broken.is_empty(), "{trace}\n{}", broken.iter().map(|v| format!("{v}\n")).collect::<String>());
    history
}

/// Nobody becomes or ceases to be an owner after this time.
fn nothing_moves_after(history: &History, seconds: u64) {
    let from = Moment::ZERO + Duration::from_secs(seconds);
    let moves = history.entries.iter().filter(|entry| entry.at > from);
    let moves: Vec<_> = moves.filter(|entry| matches!(entry.what, Happening::Owns { .. })).collect();
    assert!(moves.is_empty(), "{}", history.trace(history.end, 100));
}

fn settings(scenario: &Scenario, router: RouterId, authentication: &Authentication) -> Fault {
    let mut plan = scenario.routers[router.index()].clone();
    for instance in &mut plan.instances {
        instance.authentication = authentication.clone();
    }
    Fault::Reload { router, plan: Arc::new(plan) }
}

#[test]
fn a_clock_that_is_set_moves_nothing() {
    let back = Duration::from_nanos(u64::MAX) - HOUR;
    for window in [Some(5), None] {
        for ahead in [HOUR, back] {
            for steps in [vec![R1], vec![R2], vec![R3, R1], vec![R1, R2, R3]] {
                let mut scenario = three(second(), &trailer(&[1], 1, window));
                for (number, router) in steps.into_iter().enumerate() {
                    let then = Duration::from_secs(20 + 20 * u64::try_from(number).unwrap());
                    scenario = scenario.with(then, Fault::SetClock { router, ahead });
                }
                let history = kept(&scenario);
                nothing_moves_after(&history, 10);
                assert_eq!(history.owners(VI_1, history.end), [R1]);
            }
        }
    }
}

/// The clock is right again, or all are wrong alike: the next failover is as fast as any.
#[test]
fn after_the_clocks_were_set_there_is_a_failover_as_ever() {
    let mut scenario = three(second(), &trailer(&[1], 1, Some(5)));
    for router in [R1, R2, R3] {
        scenario = scenario.with(Duration::from_secs(20), Fault::SetClock { router, ahead: HOUR });
    }
    let history = kept(&scenario.with(Duration::from_secs(40), Fault::PowerOff(R1)));
    assert_eq!(history.owners(VI_1, history.end), [R2]);
}

#[test]
fn keys_are_changed_without_a_missed_advert() {
    let (old, both) = (trailer(&[1], 1, Some(5)), trailer(&[1, 2], 1, Some(5)));
    let (next, new) = (trailer(&[1, 2], 2, Some(5)), trailer(&[2], 2, Some(5)));
    let mut scenario = three(second(), &old);
    let mut seconds = 15;
    for keys in [&both, &next, &new] {
        for router in [R3, R1, R2] {
            seconds += 5;
            let reload = settings(&scenario, router, keys);
            scenario = scenario.with(Duration::from_secs(seconds), reload);
        }
    }
    let history = kept(&scenario);
    nothing_moves_after(&history, 10);
}

/// Who has another key, another kind of proof or none is heard by nobody: he is alone in his world, and they in theirs.
#[test]
fn a_stranger_changes_nothing() {
    let one_second = AdvertInterval::Seconds(NonZeroU8::MIN);
    let header = |key: &[u8; 8]| Authentication::Header(Key::new((*key).into()));
    let cases = [
        (trailer(&[1], 1, Some(5)), trailer(&[2], 2, Some(5))),
        (trailer(&[1], 1, None), Authentication::None),
        (header(b"one\0\0\0\0\0"), header(b"other\0\0\0")),
        (header(b"one\0\0\0\0\0"), Authentication::None),
        (header(b"one\0\0\0\0\0"), Authentication::Password(*b"one\0\0\0\0\0")),
    ];
    for (ours, strange) in cases {
        let mut scenario = three(one_second, &ours);
        // The best by priority.
        prove(&mut scenario, R1, &strange);
        let history = run(&scenario);
        let trace = history.trace(history.end, 100);
        assert_eq!(history.owners(VI_1, history.end), [R1, R2], "{trace}");
        nothing_moves_after(&history, 10);
    }
}

/// A worker's successor must not seem to replay the adverts of its predecessor.
#[test]
fn a_successor_is_believed() {
    let header = Authentication::Header(Key::new((*b"sesame12").into()));
    for authentication in [header, trailer(&[1], 1, None), trailer(&[1], 1, Some(5))] {
        let scenario = three(AdvertInterval::Seconds(NonZeroU8::MIN), &authentication);
        let scenario = scenario
            .with(Duration::from_secs(60), Fault::KillWorker(R1))
            .with(Duration::from_secs(70), Fault::KillWorker(R2))
            .with(Duration::from_secs(90), Fault::PowerOff(R1));
        let history = kept(&scenario);
        let before = Moment::ZERO + Duration::from_secs(89);
        let moves = history.entries.iter().filter(|entry| entry.at < before);
        let moves = moves.filter(|entry| matches!(entry.what, Happening::Owns { .. }));
        // A successor finds the addresses where they are.
        assert!(moves.count() <= 2, "{}", history.trace(before, 100));
        assert_eq!(history.owners(VI_1, history.end), [R2], "{}", history.trace(history.end, 60));
    }
}

/// A number tells no router that began anew from a recording of it. Who was cut off meanwhile takes over once, though it
/// may not preempt, and then they agree; with a time in the proof it leaves the master alone.
#[test]
fn who_was_cut_off_while_a_master_began_anew_may_take_over_by_an_authentication_header() {
    let header = Authentication::Header(Key::new((*b"sesame12").into()));
    let link = |up| Fault::Link { router: R2, segment: InterfaceId(0), up };
    let at = Duration::from_secs;
    let incumbent = |authentication: &Authentication| {
        let mut scenario = Scenario::single(AdvertInterval::Seconds(NonZeroU8::MIN), &[100, 200])
            .each(|_, instance| {
                instance.nopreempt = true;
                instance.authentication = authentication.clone();
            })
            .with(at(10), Fault::PowerOff(R2))
            .with(at(20), Fault::PowerOn(R2))
            .with(at(60), link(false))
            .with(at(100), link(true));
        scenario.end = Moment::ZERO + at(150);
        scenario
    };
    let begins =
        |scenario: Scenario| scenario.with(at(62), Fault::PowerOff(R1)).with(at(64), Fault::PowerOn(R1));
    let cases = [
        (begins(incumbent(&header)), R2),
        (incumbent(&header), R1),
        (begins(incumbent(&trailer(&[1], 1, Some(5)))), R1),
        (begins(incumbent(&Authentication::None)), R1),
    ];
    for (scenario, owner) in cases {
        let history = kept(&scenario);
        assert_eq!(history.owners(VI_1, history.end), [owner], "{}", history.trace(history.end, 60));
        nothing_moves_after(&history, 110);
    }
}
