//! Routers under one fault after another.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::io::{self, Write};
use std::time::Duration;

use steadfast_lab::chaos::{self, Culprit, Kinds, Options, Pace, Report, Violation};
use steadfast_lab::{Program, permission};

/// Seconds for which faults begin in each run.
const SECONDS: &str = "STEADFAST_CHAOS_SECONDS";
/// One run of this seed instead of those beside each other.
const SEED: &str = "STEADFAST_CHAOS_SEED";
/// `keepalived`: what the reference does under the same seed, for the record.
const PROGRAM: &str = "STEADFAST_CHAOS_PROGRAM";

const SECONDS_BY_DEFAULT: u64 = 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What one run says, in whole lines that name it: others say theirs in between.
struct Lines {
    seed: u64,
    text: String,
}

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.text.push_str(&String::from_utf8_lossy(octets));
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.text);
        let lines: String = text.lines().map(|line| format!("seed {}: {line}\n", self.seed)).collect();
        io::stdout().lock().write_all(lines.as_bytes())
    }
}

/// A run of each seed, beside each other: a router mostly waits. None where they cannot be run.
fn run(test: &str, seeds: &[u64], programs: &[Option<Program>]) -> Option<Vec<Report>> {
    let programs = programs.iter().cloned().collect::<Option<Vec<_>>>();
    let programs = programs.filter(|_| permission::lab_possible(test))?;
    let asked_for = number(SEED).map(|seed| vec![seed]);
    let duration = Duration::from_secs(number(SECONDS).unwrap_or(SECONDS_BY_DEFAULT));
    let runs = asked_for.as_deref().unwrap_or(seeds).iter().map(|seed| Options {
        seed: *seed,
        duration,
        programs: programs.clone(),
        pace: Pace::USUAL,
        kinds: Kinds::Every,
    });
    let runs: Vec<Options> = runs.collect();
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let threads: Vec<_> = runs
            .iter()
            .map(|options| {
                scope.spawn(|| {
                    let mut lines = Lines { seed: options.seed, text: String::new() };
                    chaos::run(options, &mut lines).unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for report in &reports {
        println!("{report}");
        assert!(report.faults() > 0 && report.splits() > 0);
    }
    // The machine is the same for all.
    for lacking in reports.iter().take(1).flat_map(Report::left_out) {
        permission::left_out(test, &lacking.to_string());
    }
    Some(reports)
}

fn violations(reports: &[Report]) -> Vec<&Violation> {
    reports.iter().flat_map(|report| &report.violations).collect()
}

/// With [`so_it_is_among_others`] five runs.
#[test]
fn each_address_has_one_owner_after_every_fault() {
    let test = "each_address_has_one_owner_after_every_fault";
    let reference = std::env::var(PROGRAM).is_ok_and(|name| name == "keepalived");
    let ours = || if reference { Program::keepalived(test) } else { Program::steadfast(test) };
    let Some(reports) = run(test, &[1, 2, 3], &[ours(), ours(), ours(), ours()]) else { return };
    // Of the reference the violations are what is measured.
    let violations = violations(&reports);
    assert!(reference || violations.is_empty(), "{violations:#?}");
}

#[test]
fn so_it_is_among_others() {
    let test = "so_it_is_among_others";
    let (ours, theirs) = (|| Program::steadfast(test), || Program::keepalived(test));
    let Some(reports) = run(test, &[1, 2], &[ours(), theirs(), ours(), theirs()]) else { return };
    // What another program does is not ours to answer for; what ours does is, whoever the fault happened to.
    let mut violations = violations(&reports);
    violations.retain(|violation| !matches!(violation.culprit, Culprit::Program(Program::Keepalived(_))));
    assert!(violations.is_empty(), "{violations:#?}");
}
