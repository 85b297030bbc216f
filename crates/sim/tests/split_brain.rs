//! Adverts do not pass and everything else does: routers that ask who serves agree on one owner.

#![cfg(test)]

use std::collections::BTreeSet;
use std::time::Duration;

use steadfast_sim::check::Rule;
use steadfast_sim::{Fault, History, RouterId, Scenario, check, run};
use steadfast_time::{Moment, Random};
use steadfast_vrrp::{InstanceId, InterfaceId, SplitBrainCheck};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds};

const R1: RouterId = RouterId(0);
const R2: RouterId = RouterId(1);
const VI_1: InstanceId = InstanceId(0);
const ETH0: InterfaceId = InterfaceId(0);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn moment(at: u64) -> Moment {
    Moment::ZERO + seconds(at)
}

fn asking(priorities: &[u8], yields: bool) -> Scenario {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(10).unwrap());
    let check = SplitBrainCheck {
        link: true,
        arbiter: None,
        service: None,
        yields,
        within: Duration::from_millis(200),
        every: seconds(5),
    };
    let mut scenario = Scenario::single(interval, priorities)
        .each(|_, instance| instance.split_brain_check = Some(Box::new(check.clone())));
    scenario.end = moment(120);
    scenario
}

/// Nobody hears anybody's adverts.
fn silence(scenario: &Scenario) -> Fault {
    let pairs = scenario.router_ids().flat_map(|from| scenario.router_ids().map(move |to| (from, to)));
    Fault::Mute { segment: ETH0, muted: pairs.filter(|(from, to)| from != to).collect() }
}

fn kept(scenario: &Scenario) -> History {
    let history = run(scenario);
    let broken: String = check::all(scenario, &history).iter().map(|v| format!("{v}\n")).collect();
    assert!(broken.is_empty(), "{}\n{broken}", history.trace(history.end, 200));
    history
}

#[test]
fn a_backup_that_asks_first_never_becomes_a_second_master() {
    let scenario = asking(&[200, 100, 50], true);
    let scenario = scenario.clone().with(seconds(2), silence(&scenario));
    let history = kept(&scenario);
    for at in 3..120 {
        assert_eq!(history.owners(VI_1, moment(at)), [R1], "after {at} s");
    }
}

#[test]
fn two_that_start_deaf_agree_on_one_and_a_third_takes_over_from_it() {
    for priorities in [[100, 100, 100], [200, 100, 50]] {
        let scenario = asking(&priorities, true);
        let scenario = scenario.clone().with(Duration::ZERO, silence(&scenario));
        let history = kept(&scenario);
        let owners = history.owners(VI_1, moment(60));
        let [owner] = owners[..] else { panic!("{owners:?}") };
        let history = kept(&scenario.with(seconds(60), Fault::PowerOff(owner)));
        let heirs = history.owners(VI_1, moment(110));
        assert!(heirs.len() == 1 && heirs != owners, "{heirs:?}");
    }
}

#[test]
fn without_yield_both_serve_as_they_would() {
    let scenario = asking(&[200, 100], false);
    let history = kept(&scenario.clone().with(seconds(2), silence(&scenario)));
    assert_eq!(history.owners(VI_1, moment(100)), [R1, R2]);
}

#[test]
fn a_master_that_does_not_give_way_to_what_it_finds_is_caught() {
    // The second one asks for nothing, and the rule is told otherwise.
    let mut scenario = asking(&[200, 100], true);
    let blind = scenario.clone().each(|_, instance| instance.split_brain_check = None);
    scenario = scenario.clone().with(seconds(2), silence(&scenario));
    let blind = Scenario { steps: scenario.steps.clone(), ..blind };
    let broken: BTreeSet<Rule> =
        check::all(&scenario, &run(&blind)).into_iter().map(|violation| violation.rule).collect();
    assert_eq!(broken, BTreeSet::from([Rule::Asking]));
}

#[test]
fn whatever_adverts_are_lost_one_owner_is_left_within_the_bound() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let routers = 2 + random.below(3);
        let priorities: Vec<u8> = (0..routers)
            .map(|_| [50, 100, 100, 200].get(usize::try_from(random.below(4)).unwrap()).copied().unwrap())
            .collect();
        let mut scenario = asking(&priorities, true);
        scenario.seed = seed;
        let mut at = Duration::ZERO;
        for _ in 0..3 {
            at += random.between(Duration::ZERO, seconds(60));
            let muted = scenario
                .router_ids()
                .flat_map(|from| scenario.router_ids().map(move |to| (from, to)))
                .filter(|_| random.permille(600))
                .collect();
            scenario = scenario.with(at, Fault::Mute { segment: ETH0, muted });
        }
        scenario.end = Moment::ZERO + at + seconds(120);
        kept(&scenario);
    }
}
