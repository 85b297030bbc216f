//! A reload ends where a start with the same settings ends, whatever was in force before.

#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use steadfast_sim::scenario::instance;
use steadfast_sim::{Fault, History, Random, RouterId, RouterPlan, Scenario, run};
use steadfast_time::Moment;
use steadfast_vrrp::{GroupConfig, GroupId, InstanceId, InterfaceId};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Family, Priority};

const SEEDS: u64 = 400;
const INSTANCES: u32 = 4;
const RELOADED: Duration = Duration::from_secs(5);
const SETTLED: Duration = Duration::from_secs(15);

/// Instances of two routers, and which of them are in which group.
fn plans(random: &mut Random, alike: bool) -> Vec<RouterPlan> {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(10).unwrap());
    let group_of: Vec<Option<u32>> =
        (0..INSTANCES).map(|_| u32::try_from(random.below(3)).ok().filter(|group| *group < 2)).collect();
    let plan = |router: u64, random: &mut Random| {
        let mut plan = RouterPlan {
            instances: Vec::new(),
            groups: Vec::new(),
            scripts: Vec::new(),
            sessions: Vec::new(),
            clock: Duration::ZERO,
        };
        for id in 0..INSTANCES {
            if !alike && random.below(4) == 0 {
                continue;
            }
            // One router decides by groups, the other for each virtual router, so that there is one
            // right end: groups that win here and lose there would change places for ever.
            let priority = match (alike, router) {
                (false, _) => random.below(250) + 1,
                (true, 0) => 150,
                (true, _) => {
                    if random.below(4) == 0 {
                        200
                    } else {
                        100
                    }
                }
            };
            let priority = u8::try_from(priority).unwrap();
            let mut config = instance(InstanceId(id), InterfaceId(0), Family::V4, interval, priority);
            config.nopreempt = !alike && random.below(3) == 0;
            let joins = if alike { router == 0 } else { random.below(2) > 0 };
            config.group = group_of[id as usize].filter(|_| joins).map(GroupId);
            plan.instances.push(config);
        }
        for id in (0..2).map(GroupId) {
            let members = plan.instances.iter().filter(|config| config.group == Some(id));
            let members: Vec<_> = members.map(|config| config.id).collect();
            if !members.is_empty() {
                plan.groups.push(GroupConfig { id, name: format!("VG_{}", id.0).into(), members });
            }
        }
        plan
    };
    vec![plan(0, random), plan(1, random)]
}

fn scenario(seed: u64, routers: Vec<RouterPlan>) -> Scenario {
    let interval = AdvertInterval::Centiseconds(Centiseconds::new(10).unwrap());
    Scenario { seed, routers, end: Moment::ZERO + SETTLED, ..Scenario::single(interval, &[1]) }
}

fn owners(history: &History) -> Vec<Vec<RouterId>> {
    (0..INSTANCES).map(|id| history.owners(InstanceId(id), history.end)).collect()
}

/// The first router if it is better for this virtual router and for all in its group.
fn rightful(plans: &[RouterPlan], id: InstanceId) -> RouterId {
    let [first, second] = plans else { panic!() };
    let group = first.instances.iter().find(|config| config.id == id).and_then(|config| config.group);
    let together =
        first.instances.iter().filter(|config| config.id == id || (group.is_some() && config.group == group));
    let loses =
        |id| second.instances.iter().any(|config| config.id == id && config.priority == Priority::new(200));
    if together.map(|config| config.id).any(loses) { RouterId(1) } else { RouterId(0) }
}

#[test]
fn a_reload_ends_where_a_start_ends() {
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let before = plans(&mut random, false);
        let after = plans(&mut random, true);
        let mut reloaded = scenario(seed, before);
        for (router, plan) in (0..).map(RouterId).zip(&after) {
            let apart = random.between(Duration::ZERO, Duration::from_secs(1));
            reloaded =
                reloaded.with(RELOADED + apart, Fault::Reload { router, plan: Arc::new(plan.clone()) });
        }
        let reloaded = run(&reloaded);
        let started = run(&scenario(seed, after.clone()));
        assert_eq!(
            owners(&reloaded),
            owners(&started),
            "seed {seed}\n{after:#?}\n{}",
            reloaded.trace(reloaded.end, 200)
        );
        for (id, owners) in (0..INSTANCES).map(InstanceId).zip(owners(&started)) {
            assert_eq!(owners, [rightful(&after, id)], "seed {seed} {id:?}");
        }
    }
}
