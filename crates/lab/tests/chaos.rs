//! Routers under one fault after another.

use std::time::Duration;

use steadfast_lab::chaos::{self, Options, Report};
use steadfast_lab::{Program, permission};

/// Seconds for which faults begin in each test.
const SECONDS: &str = "STEADFAST_CHAOS_SECONDS";
const SEED: &str = "STEADFAST_CHAOS_SEED";
/// `keepalived`: what the reference does under the same seed, for the record.
const PROGRAM: &str = "STEADFAST_CHAOS_PROGRAM";

const SECONDS_BY_DEFAULT: u64 = 20;
const SEED_BY_DEFAULT: u64 = 1;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// None where it cannot be run.
fn run(test: &str, programs: &[Option<Program>]) -> anyhow::Result<Option<Report>> {
    let programs = programs.iter().cloned().collect::<Option<Vec<_>>>();
    let Some(programs) = programs.filter(|_| permission::lab_possible(test)) else { return Ok(None) };
    let seconds = number(SECONDS).unwrap_or(SECONDS_BY_DEFAULT);
    let options = Options {
        seed: number(SEED).unwrap_or(SEED_BY_DEFAULT),
        duration: Duration::from_secs(seconds),
        programs,
    };
    let report = chaos::run(&options, &mut std::io::stdout().lock())?;
    println!("{report}");
    assert!(report.faults() > 0);
    Ok(Some(report))
}

#[test]
fn each_address_has_one_owner_after_every_fault() {
    let test = "each_address_has_one_owner_after_every_fault";
    let reference = std::env::var(PROGRAM).is_ok_and(|name| name == "keepalived");
    let ours = || if reference { Program::keepalived(test) } else { Program::steadfast(test) };
    let Some(report) = run(test, &[ours(), ours(), ours(), ours()]).unwrap() else { return };
    assert!(report.violations.is_empty(), "{report}");
}

#[test]
fn so_it_is_among_others() {
    let test = "so_it_is_among_others";
    let (ours, theirs) = (|| Program::steadfast(test), || Program::keepalived(test));
    let Some(report) = run(test, &[ours(), theirs(), ours(), theirs()]).unwrap() else { return };
    // What another program does at its own faults is not ours to answer for.
    let answered_for = |violation: &&chaos::Violation| !violation.during.contains("keepalived");
    let violations: Vec<_> = report.violations.iter().filter(answered_for).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}
