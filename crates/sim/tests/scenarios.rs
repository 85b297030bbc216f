//! Named scenarios, with tighter bounds than a seed can have.

#![cfg(test)]

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::time::Duration;

use steadfast_sim::{Fault, Happening, History, RouterId, Scenario, check, run};
use steadfast_time::Moment;
use steadfast_vrrp::config::{TrackScript, Weight};
use steadfast_vrrp::{
    HANDOVER_GRACE, InstanceId, InterfaceId, Prepare, PrepareFailure, ScriptConfig, ScriptId, TrackWatch,
    WatchId,
};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Priority};

const R1: RouterId = RouterId(0);
const R2: RouterId = RouterId(1);
const R3: RouterId = RouterId(2);
const VI_1: InstanceId = InstanceId(0);
const ETH0: InterfaceId = InterfaceId(0);
/// Travel and lateness of [`Scenario::single`].
const JITTER: Duration = Duration::from_millis(1);

fn centiseconds(value: u16) -> AdvertInterval {
    AdvertInterval::Centiseconds(Centiseconds::new(value).unwrap())
}

fn one_second_v2() -> AdvertInterval {
    AdvertInterval::Seconds(NonZeroU8::MIN)
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn moment(seconds: f64) -> Moment {
    Moment::ZERO + at(seconds)
}

/// Runs it and makes sure that no general promise is broken.
fn kept(scenario: &Scenario) -> History {
    let history = run(scenario);
    let broken = check::all(scenario, &history);
    let trace = history.trace(history.end, 200);
    assert!(broken.is_empty(), "{trace}\n{}", broken.iter().map(|v| format!("{v}\n")).collect::<String>());
    history
}

/// When `router` got the addresses first after `from`.
fn owned_by(history: &History, router: RouterId, from: Moment) -> Moment {
    let owns = Happening::Owns { router, instance: VI_1, owns: true };
    let entry = history.entries.iter().find(|entry| entry.at >= from && entry.what == owns);
    entry
        .unwrap_or_else(|| panic!("{router} never owns after {from:?}:\n{}", history.trace(history.end, 100)))
        .at
}

/// Changes of ownership after `from`.
fn changes(history: &History, from: Moment) -> usize {
    let after = history.entries.iter().filter(|entry| entry.at > from);
    after.filter(|entry| matches!(entry.what, Happening::Owns { .. })).count()
}

/// Three intervals and the skew of priority 100 (RFC 9568 section 6.1).
fn master_down(interval: Duration) -> Duration {
    interval * 3 + interval * 156 / 256
}

#[test]
fn power_loss_is_taken_over_within_the_master_down_interval() {
    for interval in [centiseconds(1), centiseconds(10), centiseconds(100), one_second_v2()] {
        let span = interval.duration();
        let scenario = Scenario::single(interval, &[200, 100]).with(span * 20, Fault::PowerOff(R1));
        let history = kept(&scenario);
        let lost = Moment::ZERO + span * 20;
        assert_eq!(history.owners(VI_1, lost - Duration::from_nanos(1)), [R1]);
        let outage = owned_by(&history, R2, lost).since(lost);
        assert!(outage <= master_down(span) + JITTER, "{interval:?}: {outage:?}");
        assert!(outage >= master_down(span) - span - JITTER, "{interval:?}: too early, {outage:?}");
    }
}

#[test]
fn hung_master_is_replaced_and_listens_before_it_wins_again() {
    let scenario = Scenario::single(centiseconds(10), &[200, 100])
        .with(at(2.0), Fault::Pause(R1))
        .with(at(4.0), Fault::Resume(R1));
    let history = kept(&scenario);
    let taken = owned_by(&history, R2, moment(2.0)).since(moment(2.0));
    assert!(taken <= master_down(at(0.1)) + JITTER, "{taken:?}");
    assert_eq!(history.owners(VI_1, moment(3.9)), [R1, R2], "the kernel of the hung one goes on answering");
    assert_eq!(history.owners(VI_1, moment(4.01)), [R2], "it gives up what another has, and listens");
    let regained = owned_by(&history, R1, moment(4.01)).since(moment(4.0));
    assert!(regained <= master_down(at(0.1)) + JITTER, "{regained:?}");
    assert_eq!(history.owners(VI_1, moment(5.0)), [R1]);
}

#[test]
fn hung_master_of_equal_priority_yields_to_the_higher_address() {
    let scenario = Scenario::single(centiseconds(10), &[100, 100])
        .with(at(0.1), Fault::PowerOff(R2))
        .with(at(1.0), Fault::PowerOn(R2))
        .with(at(2.0), Fault::Pause(R1))
        .with(at(4.0), Fault::Resume(R1));
    let history = kept(&scenario);
    assert_eq!(history.owners(VI_1, moment(1.9)), [R1]);
    assert_eq!(history.owners(VI_1, moment(4.2)), [R2]);
    assert_eq!(changes(&history, moment(4.2)), 0);
}

/// A router of equal priority and higher address comes back and misses an advert.
fn returning_to_an_equal(incumbent_wins_ties: bool) -> Scenario {
    Scenario::single(centiseconds(10), &[100, 100])
        .each(|_, instance| {
            instance.initial_master = true;
            instance.incumbent_wins_ties = incumbent_wins_ties;
        })
        .with(at(1.0), Fault::PowerOff(R2))
        .with(at(2.0), Fault::PowerOn(R2))
        .with(at(2.0), Fault::Loss { permille: 1000 })
        .with(at(2.15), Fault::Loss { permille: 0 })
}

#[test]
fn a_router_that_comes_back_leaves_an_equal_one_alone_where_it_is_asked_to() {
    let history = kept(&returning_to_an_equal(false));
    assert_eq!(history.owners(VI_1, moment(1.9)), [R1]);
    assert_eq!(history.owners(VI_1, moment(3.0)), [R2], "two masters met, and the higher address won");
    let history = kept(&returning_to_an_equal(true));
    assert_eq!(changes(&history, moment(1.9)), 0);
    assert_eq!(history.owners(VI_1, moment(3.0)), [R1]);
}

#[test]
fn after_a_partition_two_masters_of_equal_priority_settle_on_one_whatever_is_asked_for() {
    let parted = Scenario::split(ETH0, &[&[R1], &[R2]]);
    let healed = Fault::Partition { segment: ETH0, blocked: std::collections::BTreeSet::new() };
    let scenario = returning_to_an_equal(true).with(at(3.0), parted).with(at(4.0), healed);
    let history = kept(&scenario);
    assert_eq!(history.owners(VI_1, moment(3.9)), [R1, R2]);
    assert_eq!(history.owners(VI_1, moment(4.2)), [R2], "neither knows who was first");
    assert_eq!(changes(&history, moment(4.2)), 0);
}

fn preparing(lasts: f64) -> Scenario {
    let prepare = Some(Prepare { timeout: at(1.0), failure: PrepareFailure::Serve });
    let mut scenario = Scenario::single(centiseconds(10), &[200, 100])
        .each(|_, instance| instance.prepare = prepare)
        .with(at(3.0), Fault::PowerOff(R1));
    scenario.preparation = at(lasts);
    scenario
}

#[test]
fn a_preparation_delays_the_addresses_and_not_the_adverts_and_is_bounded() {
    for (lasts, waited) in [(0.4, 0.4), (7.0, 1.0)] {
        let history = kept(&preparing(lasts));
        let speaks = |entry: &&steadfast_sim::Entry| {
            entry.at >= moment(3.0) && matches!(entry.what, Happening::Advert { router: R2, .. })
        };
        let speaks = history.entries.iter().find(speaks).unwrap().at;
        let serves = owned_by(&history, R2, moment(3.0));
        let wait = serves.since(speaks);
        assert!(wait >= at(waited) && wait <= at(waited) + JITTER, "{wait:?}");
    }
}

#[test]
fn a_preparation_goes_on_when_the_worker_dies() {
    let history = kept(&preparing(0.4).with(at(3.5), Fault::KillWorker(R2)));
    let serves = owned_by(&history, R2, moment(3.0)).since(moment(3.0));
    assert!(serves <= master_down(at(0.1)) + at(0.4) + JITTER, "{serves:?}");
}

#[test]
fn planned_stop_hands_over_without_a_gap() {
    for interval in [centiseconds(1), centiseconds(10), centiseconds(100), one_second_v2()] {
        let span = interval.duration();
        let stop = Moment::ZERO + span * 20;
        let scenario = Scenario::single(interval, &[200, 100, 50]).with(span * 20, Fault::Stop(R1));
        let history = kept(&scenario);
        let taken = owned_by(&history, R2, stop);
        let skew = span * 156 / 256;
        assert!(taken.since(stop) <= skew + JITTER, "{interval:?}: {:?}", taken.since(stop));
        assert_eq!(
            history.owners(VI_1, taken - Duration::from_nanos(1)),
            [R1],
            "the old one serves until then"
        );
        let both = taken + HANDOVER_GRACE + JITTER;
        assert_eq!(history.owners(VI_1, both), [R2], "the old one leaves soon after");
    }
}

#[test]
fn last_router_stops_and_releases() {
    let scenario = Scenario::single(centiseconds(100), &[100]).with(at(20.0), Fault::Stop(R1));
    let history = kept(&scenario);
    assert_eq!(history.owners(VI_1, moment(19.0)), [R1]);
    assert_eq!(history.owners(VI_1, moment(22.0)), []);
}

#[test]
fn partition_has_one_owner_in_each_part_and_heals_to_the_best() {
    let scenario = Scenario::single(centiseconds(10), &[200, 100, 150])
        .with(at(2.0), Scenario::split(ETH0, &[&[R1], &[R2, R3]]))
        .with(at(4.0), Fault::Partition { segment: ETH0, blocked: [].into() });
    let history = kept(&scenario);
    assert_eq!(history.owners(VI_1, moment(1.9)), [R1]);
    assert_eq!(history.owners(VI_1, moment(3.9)), [R1, R3]);
    assert_eq!(history.owners(VI_1, moment(4.2)), [R1]);
    assert_eq!(changes(&history, moment(4.2)), 0);
}

#[test]
fn returning_router_preempts_unless_told_not_to() {
    for (nopreempt, last) in [(false, R1), (true, R2)] {
        let scenario = Scenario::single(centiseconds(10), &[200, 100])
            .each(|_, instance| instance.nopreempt = nopreempt)
            .with(at(1.0), Fault::PowerOff(R1))
            .with(at(3.0), Fault::PowerOn(R1));
        let history = kept(&scenario);
        assert_eq!(history.owners(VI_1, moment(2.9)), [R2]);
        assert_eq!(history.owners(VI_1, history.end), [last]);
    }
}

#[test]
fn preempt_delay_is_waited_out_for_the_living_but_not_for_the_dead() {
    let scenario = Scenario::single(centiseconds(10), &[200, 100])
        .each(|_, instance| instance.preempt_delay = at(1.0))
        .with(at(1.0), Fault::PowerOff(R1))
        .with(at(2.0), Fault::PowerOn(R1));
    let history = kept(&scenario);
    let back = owned_by(&history, R1, moment(2.0)).since(moment(2.0));
    assert!(back >= at(1.0) && back <= at(1.0) + master_down(at(0.1)), "{back:?}");

    let scenario = scenario.with(at(2.5), Fault::PowerOff(R2));
    let history = kept(&scenario);
    let taken = owned_by(&history, R1, moment(2.5)).since(moment(2.5));
    assert!(taken <= master_down(at(0.1)) + JITTER, "{taken:?}");
}

#[test]
fn killed_worker_moves_no_address() {
    let scenario = Scenario::single(centiseconds(10), &[200, 100])
        .with(at(2.0), Fault::KillWorker(R1))
        .with(at(3.0), Fault::KillWorker(R2));
    let history = kept(&scenario);
    assert_eq!(changes(&history, moment(1.0)), 0, "{}", history.trace(history.end, 100));
    assert_eq!(history.owners(VI_1, history.end), [R1]);
}

/// Its successor waits a master down interval from its own start on, for nobody heard the fault before.
#[test]
fn a_fault_while_a_killed_worker_has_no_successor_gives_that_its_whole_time() {
    let killed = Scenario::single(centiseconds(1), &[200, 100]).with(at(0.3), Fault::KillWorker(R2));
    let alone = killed.clone().with(at(0.3005), Scenario::split(ETH0, &[&[R1], &[R2]]));
    let link = |up| Fault::Link { router: R2, segment: ETH0, up };
    let joined =
        killed.with(at(0.1), Fault::PowerOff(R1)).with(at(0.2), link(false)).with(at(0.3005), link(true));
    for scenario in [alone, joined] {
        let history = kept(&scenario);
        let waited = owned_by(&history, R2, moment(0.3)).since(moment(0.3005));
        assert!(waited > master_down(at(0.01)) + JITTER, "{waited:?}");
    }
}

#[test]
fn equal_priorities_settle_on_the_higher_address() {
    let scenario = Scenario::single(centiseconds(10), &[100, 100, 100])
        .with(at(2.0), Scenario::split(ETH0, &[&[R1], &[R2], &[R3]]))
        .with(at(4.0), Fault::Partition { segment: ETH0, blocked: [].into() });
    let history = kept(&scenario);
    assert_eq!(history.owners(VI_1, moment(3.9)), [R1, R2, R3]);
    assert_eq!(history.owners(VI_1, history.end), [R3]);
}

#[test]
fn backup_adopts_a_slower_master_s_interval() {
    // RFC 9568 section 6.4.2: without it the fast router would take over between two adverts.
    let scenario = Scenario::single(centiseconds(100), &[200, 100])
        .each(|router, instance| {
            if router == R2 {
                instance.interval = centiseconds(1);
            }
        })
        .with(at(30.0), Fault::PowerOff(R1));
    let history = kept(&scenario);
    assert_eq!(history.owners(VI_1, moment(29.9)), [R1]);
    assert_eq!(changes(&history, moment(5.0)), 2, "only the takeover:\n{}", history.trace(history.end, 50));
    let taken = owned_by(&history, R2, moment(30.0)).since(moment(30.0));
    assert!(taken <= master_down(at(1.0)) + JITTER, "{taken:?}");
}

#[test]
fn failed_script_moves_the_address_and_its_recovery_brings_it_back() {
    for weight in [0, -150] {
        let scenario = Scenario::single(centiseconds(10), &[200, 100]);
        let mut scenario = scenario.each(|_, instance| {
            let weight = Weight { value: weight, reverse: false };
            instance.track_scripts = vec![TrackScript { script: ScriptId(0), weight }];
        });
        for plan in &mut scenario.routers {
            let (rise, fall) = (2, 3);
            plan.scripts =
                vec![ScriptConfig { id: ScriptId(0), name: "chk".into(), rise, fall, init_fail: false }];
        }
        let script = |good| Fault::Script { router: R1, script: ScriptId(0), good };
        let history = kept(&scenario.with(at(2.0), script(false)).with(at(4.0), script(true)));
        assert_eq!(history.owners(VI_1, moment(1.9)), [R1], "weight {weight}");
        assert_eq!(history.owners(VI_1, moment(3.5)), [R2], "weight {weight}");
        assert_eq!(history.owners(VI_1, history.end), [R1], "weight {weight}");
    }
}

#[test]
fn lost_session_moves_the_address_and_its_return_brings_it_back() {
    let session = WatchId(0);
    for weight in [0, -150] {
        let scenario = Scenario::single(centiseconds(100), &[200, 100]);
        let mut scenario = scenario.each(|_, instance| {
            let weight = Weight { value: weight, reverse: false };
            instance.track_watches = vec![TrackWatch { watch: session, weight }];
        });
        for plan in &mut scenario.routers {
            plan.sessions = vec![session];
        }
        let told = |up| Fault::Session { router: R1, session, up };
        let history = kept(&scenario.with(at(10.0), told(false)).with(at(20.0), told(true)));
        let taken = owned_by(&history, R2, moment(10.0)).since(moment(10.0));
        // A fault releases at once; adverts of a lower priority are no longer heard.
        let bound = if weight == 0 { at(1.0) * 156 / 256 } else { master_down(at(1.0)) };
        assert!(taken <= bound + JITTER, "weight {weight}: {taken:?}");
        assert_eq!(history.owners(VI_1, moment(9.9)), [R1], "weight {weight}");
        assert_eq!(history.owners(VI_1, moment(19.9)), [R2], "weight {weight}");
        assert_eq!(history.owners(VI_1, history.end), [R1], "weight {weight}");
    }
}

#[test]
fn sync_group_moves_together_when_one_link_fails() {
    let scenario = Scenario::single(centiseconds(10), &[200, 100]).grouped();
    let link = |up| Fault::Link { router: R1, segment: InterfaceId(1), up };
    let history = kept(&scenario.with(at(2.0), link(false)).with(at(4.0), link(true)));
    for instance in [InstanceId(0), InstanceId(1)] {
        assert_eq!(history.owners(instance, moment(1.9)), [R1]);
        assert_eq!(history.owners(instance, moment(3.0)), [R2]);
        assert_eq!(history.owners(instance, history.end), [R1]);
    }
}

#[test]
fn sync_group_yields_together_when_only_one_member_hears_the_better_router() {
    let segment = InterfaceId(1);
    let history = kept(
        &Scenario::single(centiseconds(10), &[200, 100])
            .grouped()
            .with(at(0.1), Fault::PowerOff(R1))
            .with(at(2.0), Scenario::split(segment, &[&[R1], &[R2]]))
            .with(at(3.0), Fault::PowerOn(R1)),
    );
    for instance in [InstanceId(0), InstanceId(1)] {
        assert_eq!(history.owners(instance, moment(2.9)), [R2]);
        assert_eq!(history.owners(instance, history.end), [R1]);
    }
}

#[test]
fn sync_group_stays_backup_while_one_member_hears_the_master() {
    let scenario = Scenario::single(centiseconds(10), &[200, 100])
        .grouped()
        .with(at(2.0), Scenario::split(InterfaceId(1), &[&[R1], &[R2]]));
    let history = kept(&scenario);
    assert_eq!(changes(&history, moment(1.0)), 0, "{}", history.trace(history.end, 50));
    assert_eq!(history.owners(InstanceId(1), history.end), [R1]);
}

#[test]
fn owner_is_master_at_once_and_takes_its_addresses_back() {
    let scenario = Scenario::single(centiseconds(10), &[Priority::OWNER.get(), 100])
        .with(at(2.0), Fault::PowerOff(R1))
        .with(at(4.0), Fault::PowerOn(R1));
    let history = kept(&scenario);
    assert!(owned_by(&history, R1, Moment::ZERO) <= moment(0.001));
    assert_eq!(history.owners(VI_1, moment(3.9)), [R2]);
    assert!(owned_by(&history, R1, moment(4.0)) <= moment(4.001));
    assert_eq!(history.owners(VI_1, moment(4.01)), [R1]);
}

/// The second of them may hear the third before the best: then it announces over the third, and gives way after that.
#[test]
fn clients_follow_the_best_of_three_masters_that_meet() {
    let all = [R1, R2, R3];
    let deaf = [R2, R3].into_iter().flat_map(|deaf| all.map(|speaker| (speaker, deaf)));
    let blocked = deaf.filter(|(speaker, deaf)| speaker != deaf).collect();
    for seed in 0..100 {
        let mut scenario = Scenario::single(centiseconds(10), &[140, 110, 80])
            .with(at(2.0), Fault::Partition { segment: ETH0, blocked: BTreeSet::clone(&blocked) })
            .with(at(3.0), Fault::Partition { segment: ETH0, blocked: BTreeSet::new() });
        scenario.seed = seed;
        kept(&scenario);
    }
}
