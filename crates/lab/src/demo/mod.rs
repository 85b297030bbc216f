//! The demonstration: two routers, a client, and what it notices of every way to fail.

mod report;
mod scenario;
mod stage;
mod view;

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub use report::{Measurement, Noticed, Report, TOLERANCE};
pub use scenario::{Scenario, UnknownScenario};

use crate::permission;
use crate::program::Program;
use stage::Stage;
use view::View;

/// Default of [`Options::advert_interval`].
pub const ADVERT_INTERVAL: Duration = Duration::from_millis(100);

/// What version 3 can tell of an interval: whole centiseconds in 12 bits (RFC 9568 section 5.2.7).
const INTERVAL_UNIT: Duration = Duration::from_millis(10);
const INTERVAL_MAX: Duration = Duration::from_millis(40_950);

/// What to show.
#[derive(Debug, Clone)]
pub struct Options {
    /// In this order; none means [`Scenario::ALL`].
    pub scenarios: Vec<Scenario>,
    /// Time between two adverts of the master: a multiple of 10 ms up to 40.95 s.
    pub advert_interval: Duration,
    /// Write the report as JSON to standard output, and what happens to standard error.
    pub json: bool,
    /// Stay up after the last scenario until the process is ended.
    pub keep: bool,
    /// What the routers run; the calling program itself if none.
    pub program: Option<Program>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scenarios: Vec::new(),
            advert_interval: ADVERT_INTERVAL,
            json: false,
            keep: false,
            program: None,
        }
    }
}

/// Sets the lab up, goes through the scenarios while it shows what happens, and shows the report
/// at the end. Call it before the process starts threads: without root it enters a user namespace.
///
/// # Errors
/// When the lab cannot be set up, or a router does not come to own the addresses in any time. An
/// outage that lasts longer than it may is no error: [`Report::held`] tells.
pub fn run(options: &Options) -> Result<Report> {
    check_interval(options.advert_interval)?;
    let rights = permission::obtain()?;
    let program = match &options.program {
        Some(program) => program.clone(),
        None => Program::Steadfast(env::current_exe().context("finding this program's own file")?),
    };
    let scenarios = if options.scenarios.is_empty() { &Scenario::ALL[..] } else { &options.scenarios };
    let view = if options.json {
        View::lines(Box::new(io::stderr()))
    } else if io::stdout().is_terminal() {
        View::redrawn(Box::new(io::stdout()))
    } else {
        View::lines(Box::new(io::stdout()))
    };

    let mut stage = Stage::set_up(program, options.advert_interval, view)?;
    let mut measurements = Vec::new();
    for scenario in scenarios {
        measurements.push(stage.play(*scenario)?);
    }
    stage.end_view();
    let report = Report::new(options.advert_interval, measurements);
    let mut out = io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "\n{report}")?;
    }
    out.flush()?;
    if options.keep {
        stage.stay_up(rights);
    }
    Ok(report)
}

fn check_interval(interval: Duration) -> Result<()> {
    let whole = interval.as_nanos().is_multiple_of(INTERVAL_UNIT.as_nanos());
    if !whole || interval < INTERVAL_UNIT || interval > INTERVAL_MAX {
        bail!(
            "an advert interval of {interval:?} cannot be told in a VRRP version 3 packet: expected a multiple of \
             10 ms up to 40.95 s"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_version_3() {
        for good in [10, 100, 1000, 40_950] {
            check_interval(Duration::from_millis(good)).unwrap();
        }
        for bad in [0, 5, 101, 40_960] {
            check_interval(Duration::from_millis(bad)).unwrap_err();
        }
    }
}
