//! What came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::Options;
use super::fault::{Fault, Strike};
use crate::program::Program;

/// Violations that are kept.
const VIOLATIONS_MAX: usize = 1_000;

/// Who has to answer for a violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Culprit {
    /// A router that runs this did what it may not, or did not do what it must.
    Program(Program),
    /// Nobody answered, and routers of several programs would have had to.
    NobodyAnswered,
}

/// Something that may not happen.
#[derive(Debug, Clone)]
pub struct Violation {
    at: Instant,
    /// During what.
    pub during: String,
    /// Who misbehaved, whoever the fault happened to.
    pub culprit: Culprit,
    /// What it was.
    pub what: String,
}

/// Faults that this machine cannot make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    pub(super) what: &'static str,
    pub(super) why: String,
    /// They are expected to be made here, since they are wherever everything is installed.
    pub(super) everywhere: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    seed: u64,
    programs: Vec<&'static str>,
    began: Instant,
    lacking: Vec<Lacking>,
    played: BTreeMap<Fault, Played>,
    /// Oldest first.
    pub violations: Vec<Violation>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Played {
    times: usize,
    /// What a client noticed of it alone.
    worst: Duration,
}

impl Report {
    pub(super) fn new(options: &Options, lacking: Vec<Lacking>) -> Self {
        Self {
            seed: options.seed,
            programs: options.programs.iter().map(crate::Program::name).collect(),
            began: Instant::now(),
            lacking,
            played: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    pub(super) fn violation(&mut self, during: &str, culprit: Culprit, what: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { at: Instant::now(), during: during.to_owned(), culprit, what });
        }
    }

    pub(super) fn violations_since(&self, since: Instant) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(move |violation| violation.at >= since)
    }

    pub(super) fn played(&mut self, strikes: &[Strike], worst: Duration) {
        for strike in strikes {
            let played = self.played.entry(strike.fault).or_default();
            played.times += 1;
            if strikes.len() == 1 {
                played.worst = played.worst.max(worst);
            }
        }
    }

    /// How many faults happened.
    pub fn faults(&self) -> usize {
        self.played.values().map(|played| played.times).sum()
    }

    /// How often the wall clock stepped.
    pub fn steps(&self) -> usize {
        self.times(|fault| fault == Fault::ClockStepped)
    }

    /// How often a cable lost packets.
    pub fn losses(&self) -> usize {
        self.times(Fault::loses)
    }

    /// How often the switch was split.
    pub fn splits(&self) -> usize {
        self.times(|fault| fault == Fault::Split)
    }

    fn times(&self, wanted: impl Fn(Fault) -> bool) -> usize {
        let wanted = self.played.iter().filter(|(fault, _)| wanted(**fault));
        wanted.map(|(_, played)| played.times).sum()
    }

    /// Faults that this machine cannot make, and why.
    pub fn lacking(&self) -> &[Lacking] {
        &self.lacking
    }

    /// Those of them that the run was to have, so that it has shown less than it says.
    pub fn left_out(&self) -> impl Iterator<Item = &Lacking> {
        self.lacking.iter().filter(|lacking| lacking.everywhere)
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program(program) => program.name(),
            Self::NobodyAnswered => "nobody answered",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.during, self.culprit, self.what)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.began.elapsed().as_secs();
        writeln!(
            f,
            "seed {}, {}: {} faults in {seconds} s",
            self.seed,
            self.programs.join(", "),
            self.faults()
        )?;
        writeln!(f, "\n| a router … | times | longest without an answer, alone |\n|---|---|---|")?;
        for (fault, played) in &self.played {
            writeln!(f, "| {fault} | {} | {:.1} ms |", played.times, played.worst.as_secs_f64() * 1e3)?;
        }
        self.lacking.iter().try_for_each(|lacking| writeln!(f, "\nnot made here: {lacking}"))?;
        match self.violations.len() {
            0 => writeln!(f, "\nno violation"),
            count => writeln!(f, "\n{count} violations"),
        }?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "- {violation}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::{Kinds, Pace};

    #[test]
    fn a_run_without_loss_is_left_out_and_one_without_a_clock_of_its_own_is_not() {
        let options = Options {
            seed: 1,
            duration: Duration::ZERO,
            programs: Vec::new(),
            pace: Pace::USUAL,
            kinds: Kinds::Every,
        };
        let lacking = |what, everywhere| Lacking { what, why: "no program".to_owned(), everywhere };
        let report = Report::new(&options, vec![lacking("loss", true), lacking("clock steps", false)]);
        let left_out: Vec<String> = report.left_out().map(Lacking::to_string).collect();
        assert_eq!(left_out, ["loss: no program"]);
        assert_eq!(report.lacking().len(), 2);
    }
}
