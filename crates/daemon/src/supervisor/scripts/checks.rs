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
    editions: u64,
}

/// A script with one command: what comes of a run says nothing of the command that a reload put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CheckId {
    /// The script.
    pub(crate) script: ScriptId,
    edition: u64,
}

#[derive(Debug)]
struct Entry {
    check: Check,
    edition: u64,
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
            self.entries.entry(*id).or_insert_with(|| {
                self.editions += 1;
                Entry {
                    check: check.clone(),
                    edition: self.editions,
                    due: now,
                    running: false,
                    last: None,
                    runs: 0,
                    skipped: 0,
                }
            });
        }
        self.due = self.entries.iter().map(|(id, entry)| (entry.due, *id)).collect();
    }

    /// Whether a script with this command is in force.
    pub(crate) fn has(&self, id: CheckId) -> bool {
        self.entries.get(&id.script).is_some_and(|entry| entry.edition == id.edition)
    }

    /// When [`Self::take_due`] has work next.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        self.due.first().map(|(due, _)| *due)
    }

    /// A script that is to be started now. One that still runs from before is skipped and counted.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<(CheckId, Check)> {
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
            return Some((CheckId { script: id, edition: entry.edition }, entry.check.clone()));
        }
        None
    }

    /// A run ended, exceeded its time, or could not be started. `None` when there is nothing to tell:
    /// the script or its command is gone from the configuration, or its failure was told at the time limit.
    pub(crate) fn ended(&mut self, id: CheckId, ended: &Ended) -> Option<Verdict> {
        let entry = self.entries.get_mut(&id.script).filter(|entry| entry.edition == id.edition)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::scripts::programs::{Command, Identity};
    use crate::supervisor::scripts::runner::Purpose;

    const SCRIPT: ScriptId = ScriptId(0);

    fn programs(text: &str) -> Programs {
        let account = Identity { uid: 0, gid: 0, groups: Vec::new() };
        let command = Command { text: text.to_owned(), program: text.into(), arguments: Vec::new(), account };
        let second = Duration::from_secs(1);
        let check = Check { name: "chk".into(), command, interval: second, timeout: second };
        Programs { checks: BTreeMap::from([(SCRIPT, check)]), ..Programs::default() }
    }

    fn failed(id: CheckId) -> Ended {
        Ended::not_started(Purpose::Check(id), "chk".to_owned(), "exited with status 1".to_owned())
    }

    #[test]
    fn a_run_of_the_former_command_is_no_verdict() {
        let mut checks = Checks::default();
        checks.configure(Moment::ZERO, &programs("/bin/old"));
        let (old, _) = checks.take_due(Moment::ZERO).unwrap();
        checks.configure(Moment::ZERO, &programs("/bin/new"));
        let (new, _) = checks.take_due(Moment::ZERO).unwrap();
        assert!(!checks.has(old) && checks.has(new));
        assert!(checks.ended(old, &failed(old)).is_none());
        assert!(checks.entries[&SCRIPT].running, "the new command runs on");
        assert_eq!(checks.report()[0].success, None);
        assert!(checks.ended(new, &failed(new)).is_some());
        assert_eq!(checks.report()[0].success, Some(false));
    }

    #[test]
    fn a_run_survives_a_reload_that_leaves_its_command_alone() {
        let mut checks = Checks::default();
        checks.configure(Moment::ZERO, &programs("/bin/same"));
        let (id, _) = checks.take_due(Moment::ZERO).unwrap();
        checks.configure(Moment::ZERO, &programs("/bin/same"));
        assert!(checks.has(id) && checks.take_due(Moment::ZERO).is_none());
        assert!(checks.ended(id, &failed(id)).is_some());
    }
}
