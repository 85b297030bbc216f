//! When check scripts run, and what became of their last runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::status as report;
use steadfast_vrrp::{Moment, ScriptId};

use super::programs::{Check, Programs};
use super::runner::Ended;

/// All check scripts.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    entries: BTreeMap<ScriptId, Entry>,
    due: BTreeSet<(Moment, ScriptId)>,
}

#[derive(Debug)]
struct Entry {
    check: Check,
    due: Moment,
    running: bool,
    last: Option<Last>,
    runs: u64,
    skipped: u64,
}

#[derive(Debug)]
struct Last {
    success: bool,
    outcome: String,
    output: String,
    duration: Duration,
}

/// What the end of a run means.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Name of the script.
    pub(crate) name: Arc<str>,
    /// It ended otherwise than the run before it.
    pub(crate) changed: bool,
}

impl Checks {
    /// Takes over a configuration: unchanged scripts keep their times and results, further ones run at once.
    pub(crate) fn configure(&mut self, now: Moment, programs: &Programs) {
        self.entries.retain(|id, entry| match programs.checks.get(id) {
            Some(check) if check.command == entry.check.command => {
                entry.check = check.clone();
                true
            }
            _ => false,
        });
        for (id, check) in &programs.checks {
            self.entries.entry(*id).or_insert_with(|| Entry {
                check: check.clone(),
                due: now,
                running: false,
                last: None,
                runs: 0,
                skipped: 0,
            });
        }
        self.due = self.entries.iter().map(|(id, entry)| (entry.due, *id)).collect();
    }

    /// When [`Self::take_due`] has work next.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }

    /// A script that is to be started now. One that still runs from before is skipped and counted.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<(ScriptId, Check)> {
        while let Some(&(due, id)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.pop_first();
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            // After a stall the missed times are not made up for.
            let interval = entry.check.interval.max(Duration::from_millis(1));
            let next = due + interval;
            entry.due = if next > now { next } else { now + interval };
            self.due.insert((entry.due, id));
            if entry.running {
                entry.skipped += 1;
                continue;
            }
            entry.running = true;
            return Some((id, entry.check.clone()));
        }
        None
    }

    /// A run ended, exceeded its time, or could not be started. `None` when there is nothing to tell:
    /// the script is gone from the configuration, or its failure was told at the time limit.
    pub(crate) fn ended(&mut self, id: ScriptId, ended: &Ended) -> Option<Verdict> {
        let entry = self.entries.get_mut(&id)?;
        if ended.gone {
            entry.running = false;
            entry.runs += 1;
            if ended.overstayed {
                return None;
            }
        }
        let changed = entry.last.as_ref().is_none_or(|last| last.success != ended.success);
        entry.last = Some(Last {
            success: ended.success,
            outcome: ended.outcome.clone(),
            output: ended.output.clone(),
            duration: ended.duration,
        });
        Some(Verdict { name: Arc::clone(&entry.check.name), changed })
    }

    /// For `status`, ordered by number.
    pub(crate) fn report(&self) -> Vec<report::Script> {
        self.entries.values().map(Entry::report).collect()
    }
}

impl Entry {
    fn report(&self) -> report::Script {
        let last = self.last.as_ref();
        report::Script {
            name: Arc::clone(&self.check.name),
            command: self.check.command.text.clone(),
            success: last.map(|last| last.success),
            outcome: last.map(|last| last.outcome.clone()),
            duration_milliseconds: last
                .map(|last| u64::try_from(last.duration.as_millis()).unwrap_or(u64::MAX)),
            runs: self.runs,
            skipped: self.skipped,
            output: last.map(|last| last.output.clone()).unwrap_or_default(),
            running: self.running,
        }
    }
}
