//! Chaos: real daemons on a switch, one fault after another from a seed, and a history that is judged.
//!
//! ```text
//!   seed ─▶ faults ─▶ arena: hosts, daemons, cables
//!                       │ who has which address, who answered a client
//!                       ▼
//!                     judge ─▶ report
//! ```

mod arena;
mod blame;
mod claims;
mod clock;
mod court;
mod fault;
mod inventory;
mod judge;
mod pace;
mod report;
mod router;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use steadfast_time::Random;

use self::arena::Arena;
pub use self::clock::possible as clock_can_step;
pub use self::fault::Kinds;
use self::fault::{Deck, Fault, LOSS_LASTS, Strike};
pub use self::pace::Pace;
pub use self::report::{Culprit, Lacking, Report, Violation};
use crate::program::Program;

/// Routers that a run can have.
pub const ROUTERS: std::ops::RangeInclusive<u8> = 3..=5;

/// In so many of a thousand cases a second router fails together with the first.
const TWO_AT_ONCE_PERMILLE: u64 = 200;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Everything that happens follows from it.
    pub seed: u64,
    /// For how long faults begin; longer until each happened once.
    pub duration: Duration,
    /// What each router runs; how many there are.
    pub programs: Vec<Program>,
    /// How fast everything goes.
    pub pace: Pace,
    /// What is to happen.
    pub kinds: Kinds,
}

/// Lets faults happen until the time is over, and tells each on `out`.
///
/// # Errors
/// When the hosts cannot be set up, or a program does not start at all. What the routers do wrong is in the report.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<Report> {
    let count = u8::try_from(options.programs.len()).unwrap_or(u8::MAX);
    ensure!(ROUTERS.contains(&count), "{count} routers: expected {} to {}", ROUTERS.start(), ROUTERS.end());
    let mut random = Random::new(options.seed);
    let mut arena = Arena::set_up(options, &mut random)?;
    let (possible, lacking) = arena.possible(options.kinds);
    let (mut deck, mut report) = (Deck::new(possible), Report::new(options, lacking));
    arena.judge_settled("the start", Instant::now(), &mut report);
    let (shortest, longest) = options.pace.hold();
    let end = Instant::now() + options.duration;
    while Instant::now() < end || !deck.was_dealt() {
        let first = deck.deal(&mut random, count);
        let beside = random.permille(TWO_AT_ONCE_PERMILLE);
        let second = beside.then(|| deck.deal_beside(&mut random, count, first)).flatten();
        let strikes: Vec<Strike> = [first].into_iter().chain(second).collect();
        let hold = random.between(shortest, longest);
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
    let began = Instant::now();
    let during = suffer(arena, strikes, &name, hold, report)?;
    let back = recover(arena, strikes, &format!("the end of: {name}"), report)?;
    report.played(strikes, during.max(back));
    writeln!(out, "{name}: {:.1} ms, and {:.1} ms at its end", milliseconds(during), milliseconds(back))?;
    for violation in report.violations_since(began) {
        writeln!(out, "  VIOLATION {violation}")?;
    }
    Ok(out.flush()?)
}

/// Lets faults happen and last; how long a client was without an answer.
fn suffer(
    arena: &mut Arena,
    strikes: &[Strike],
    name: &str,
    hold: Duration,
    report: &mut Report,
) -> Result<Duration> {
    let bound = strikes.iter().map(|strike| strike.fault.bound()).max().unwrap_or_default();
    let lossy = loses(strikes);
    if lossy {
        arena.listen()?;
    }
    let (before, began) = (arena.verdicts(), Instant::now());
    for strike in strikes {
        arena.strike(*strike, name, report)?;
    }
    if lossy {
        // Who owns what is for the loss to say, and nothing has to settle; who claims must have lost enough.
        arena.watch_for((hold * LOSS_LASTS).saturating_sub(began.elapsed()));
        arena.judge_claims(name, began, report);
    } else {
        arena.judge_settled(name, began, report);
        arena.watch_for(hold.saturating_sub(began.elapsed()).max(arena.pace.aftermath()));
        arena.judge_settled(name, began, report);
    }
    if changes_nothing(strikes) {
        arena.judge_still(name, began, report);
    }
    Ok(arena.judge_outage(name, began, bound, &before, report))
}

/// Mends them; how long a client was without an answer.
fn recover(arena: &mut Arena, strikes: &[Strike], name: &str, report: &mut Report) -> Result<Duration> {
    let bound = strikes.iter().map(|strike| strike.fault.bound_at_end()).max().unwrap_or_default();
    let (before, mended) = (arena.verdicts(), Instant::now());
    for strike in strikes {
        arena.mend(*strike)?;
    }
    if loses(strikes) {
        arena.forget()?;
    }
    arena.judge_settled(name, mended, report);
    arena.watch_for(arena.pace.aftermath());
    arena.judge_settled(name, mended, report);
    if changes_nothing(strikes) {
        arena.judge_still(name, mended, report);
    }
    Ok(arena.judge_outage(name, mended, bound, &before, report))
}

fn loses(strikes: &[Strike]) -> bool {
    strikes.iter().any(|strike| strike.fault.loses())
}

/// Whether no address may move at all.
fn changes_nothing(strikes: &[Strike]) -> bool {
    strikes.iter().all(|strike| strike.fault == Fault::ClockStepped)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
