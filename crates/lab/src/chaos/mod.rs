//! Chaos: real daemons on a switch, one fault after another from a seed, and a history that is judged.
//!
//! ```text
//!   seed ─▶ faults ─▶ arena: hosts, daemons, cables
//!                       │ who has which address, who answered a client
//!                       ▼
//!                     judge ─▶ report
//! ```

mod arena;
mod fault;
mod judge;
mod report;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use steadfast_time::Random;

use self::arena::Arena;
use self::fault::Strike;
pub use self::report::{Report, Violation};
use crate::program::Program;

/// Routers that a run can have.
pub const ROUTERS: std::ops::RangeInclusive<u8> = 3..=5;

/// How long everything is watched after it has settled.
const AFTERMATH: Duration = Duration::from_millis(250);
/// How long a fault is left alone, at least and at most.
const HOLD: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(1_500));
/// In so many of a thousand cases a second router fails together with the first.
const TWO_AT_ONCE_PERMILLE: u64 = 200;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Everything that happens follows from it.
    pub seed: u64,
    /// For how long faults begin.
    pub duration: Duration,
    /// What each router runs; how many there are.
    pub programs: Vec<Program>,
}

/// Lets faults happen until the time is over, and tells each on `out`.
///
/// # Errors
/// When the hosts cannot be set up, or a program does not start at all. What the routers do wrong is in the report.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<Report> {
    let count = u8::try_from(options.programs.len()).unwrap_or(u8::MAX);
    ensure!(ROUTERS.contains(&count), "{count} routers: expected {} to {}", ROUTERS.start(), ROUTERS.end());
    let mut random = Random::new(options.seed);
    let mut arena = Arena::set_up(&options.programs, &mut random)?;
    let mut report = Report::new(options);
    arena.judge_settled("the start", &mut report);
    let end = Instant::now() + options.duration;
    while Instant::now() < end {
        let mut strikes = vec![Strike::choose(&mut random, count, None)];
        if random.permille(TWO_AT_ONCE_PERMILLE) {
            strikes.push(Strike::choose(&mut random, count, strikes.first().map(|strike| strike.router)));
        }
        let hold = random.between(HOLD.0, HOLD.1);
        play(&mut arena, &strikes, hold, &mut report, out)?;
    }
    arena.end(&mut report);
    Ok(report)
}

/// Faults at one moment, and their repair.
fn play(
    arena: &mut Arena,
    strikes: &[Strike],
    hold: Duration,
    report: &mut Report,
    out: &mut dyn Write,
) -> Result<()> {
    let name = strikes.iter().map(|strike| arena.describe(*strike)).collect::<Vec<_>>().join(" and ");
    let bound = strikes.iter().map(|strike| strike.fault.bound()).max().unwrap_or_default();
    let began = Instant::now();
    for strike in strikes {
        arena.strike(*strike)?;
    }
    arena.judge_settled(&name, report);
    arena.watch_for(hold.saturating_sub(began.elapsed()).max(AFTERMATH));
    arena.judge_settled(&name, report);
    let during = arena.judge_outage(&name, began, bound, report);

    let mended = Instant::now();
    for strike in strikes {
        arena.mend(*strike)?;
    }
    let after = format!("the end of: {name}");
    arena.judge_settled(&after, report);
    arena.watch_for(AFTERMATH);
    arena.judge_settled(&after, report);
    let back = arena.judge_outage(&after, mended, bound, report);

    report.played(strikes, during.max(back));
    writeln!(out, "{name}: {:.1} ms, and {:.1} ms at its end", milliseconds(during), milliseconds(back))?;
    for violation in report.violations_since(began) {
        writeln!(out, "  VIOLATION {violation}")?;
    }
    Ok(out.flush()?)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
