//! Scenarios from seeds: `STEADFAST_SIM_SEEDS` says how many, `STEADFAST_SIM_SEED` names one to
//! run alone, with its whole trace.

#![cfg(test)]

use std::fmt::Write;

use steadfast_sim::{History, Scenario, Violation, check, run};

const SEEDS: u64 = 1000;
/// More of them tell nothing more.
const FAILURES_MAX: usize = 20;
const TRACE_LINES: usize = 150;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

fn report(seed: u64, scenario: &Scenario, history: &History, broken: &[Violation]) -> String {
    let mut text = format!("seed {seed}: run it alone with STEADFAST_SIM_SEED={seed}\n");
    for (at, plan) in scenario.routers.iter().enumerate() {
        writeln!(text, "r{}: {:?}\n    {:?} {:?}", at + 1, plan.instances, plan.groups, plan.scripts)
            .unwrap();
    }
    writeln!(
        text,
        "{:?}, {} segments, {:?} late",
        scenario.network, scenario.segments, scenario.lateness_max
    )
    .unwrap();
    let until = broken.first().map_or(history.end, |violation| violation.at);
    text += &history.trace(until, TRACE_LINES);
    for violation in broken {
        writeln!(text, "BROKEN {violation}").unwrap();
    }
    text
}

#[test]
fn thousand_seeds() {
    let seeds = match number("STEADFAST_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STEADFAST_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let alone = seeds.end - seeds.start == 1;
    let mut failed = Vec::new();
    for seed in seeds.clone() {
        let scenario = Scenario::random(seed);
        let history = run(&scenario);
        let broken = check::all(&scenario, &history);
        if alone {
            println!("{}", history.trace(history.end, usize::MAX));
        }
        if !broken.is_empty() {
            if failed.is_empty() {
                println!("{}", report(seed, &scenario, &history, &broken));
            }
            failed.push((seed, broken[0].rule));
            if failed.len() == FAILURES_MAX {
                break;
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} seeds broke a promise: {failed:?}",
        failed.len(),
        seeds.end - seeds.start
    );
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in 0..20 {
        assert_eq!(run(&Scenario::random(seed)), run(&Scenario::random(seed)), "seed {seed}");
    }
}
