//! When check scripts run, and what became of their last runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_control::event::Ending;
use steadfast_control::status as report;
use steadfast_control::wording;
use steadfast_vrrp::{Moment, ScriptId};

use super::programs::{Check, Programs};
use super::runner::{Ended, lacks_room};

/// A script for which there was no room is tried again after this time.
pub(crate) const ROOM_AGAIN: Duration = Duration::from_millis(250);

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
    /// It exceeded its time and still runs: when that counted as a failure last, and whether a run was due since.
    overstays: Option<Overstay>,
    /// It could not be started, and that was told.
    kept_from_running: bool,
    last: Option<Last>,
    runs: u64,
    skipped: u64,
}

#[derive(Debug, Clone, Copy)]
struct Overstay {
    counted_at: Moment,
    missed: bool,
}

/// A script as it is left to another program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckLeft {
    script: ScriptId,
    due: Moment,
    runs: u64,
    skipped: u64,
    /// Success, how it ended as JSON, what it printed, how long it took.
    last: Option<(bool, String, String, Duration)>,
}

/// What is to be done with a check that is due.
#[derive(Debug)]
pub(crate) enum Due {
    /// It is to be started.
    Start(CheckId, Check),
    /// The run before does not end, for as long as another would have been given: that is another failure.
    StillHangs(ScriptId),
}

#[derive(Debug)]
struct Last {
    success: bool,
    ending: Ending,
    output: String,
    duration: Duration,
}

/// What the end of a run means.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A result.
    Result {
        /// Name of the script.
        name: Arc<str>,
        /// It ended otherwise than the run before it.
        changed: bool,
    },
    /// This script could not be started, for the first time in a row: that says nothing, and the last result stands.
    NotRun(Arc<str>),
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
                    overstays: None,
                    kept_from_running: false,
                    last: None,
                    runs: 0,
                    skipped: 0,
                }
            });
        }
        self.due = self.entries.iter().map(|(id, entry)| (entry.due, *id)).collect();
    }

    /// For the program that comes. A run that goes on is not in it: it is run again.
    pub(crate) fn left(&self) -> Vec<CheckLeft> {
        let last = |last: &Last| {
            let ending = serde_json::to_string(&last.ending).unwrap_or_default();
            (last.success, ending, last.output.clone(), last.duration)
        };
        let left = |(script, entry): (&ScriptId, &Entry)| CheckLeft {
            script: *script,
            // One that was cut short is due at once.
            due: if entry.running { Moment::ZERO } else { entry.due },
            runs: entry.runs,
            skipped: entry.skipped,
            last: entry.last.as_ref().map(last),
        };
        self.entries.iter().map(left).collect()
    }

    /// Goes on with what another program left of the scripts that are in force.
    pub(crate) fn adopt(&mut self, now: Moment, left: Vec<CheckLeft>) {
        for left in left {
            let Some(entry) = self.entries.get_mut(&left.script) else { continue };
            entry.due = left.due.max(now);
            (entry.runs, entry.skipped) = (left.runs, left.skipped);
            entry.last = left.last.and_then(|(success, ending, output, duration)| {
                Some(Last { success, ending: serde_json::from_str(&ending).ok()?, output, duration })
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

    /// A script whose turn it is. One that still runs from before is skipped and counted; a script that ignores the end
    /// of its time fails again each time that as long has passed.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<Due> {
        while let Some(&(due, id)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.pop_first();
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            // After a stall the missed times are not made up for.
            let interval = entry.check.interval.max(Duration::from_millis(1));
            let next = due + interval;
            entry.due = if next > now { next } else { now + interval };
            self.due.insert((entry.due, id));
            if !entry.running {
                entry.running = true;
                let run = CheckId { script: id, edition: entry.edition };
                return Some(Due::Start(run, entry.check.clone()));
            }
            entry.skipped += 1;
            if let Some(overstay) = &mut entry.overstays {
                overstay.missed = true;
                if now.since(overstay.counted_at) >= entry.check.timeout {
                    overstay.counted_at = now;
                    return Some(Due::StillHangs(id));
                }
            }
        }
        None
    }

    /// A run ended, exceeded its time, or could not be started. `None` when there is nothing to tell:
    /// the script or its command is gone from the configuration, or its failure was told at the time limit.
    pub(crate) fn ended(&mut self, now: Moment, id: CheckId, ended: &Ended) -> Option<Verdict> {
        let entry = self.entries.get_mut(&id.script).filter(|entry| entry.edition == id.edition)?;
        if ended.gone {
            entry.running = false;
            // The run that it kept from starting comes now, and one without room soon: where all have the same interval
            // and start at the same moment, the same ones would find none each time.
            let missed = entry.overstays.take().is_some_and(|overstay| overstay.missed).then_some(now);
            let again = lacks_room(&ended.ending).then(|| now + ROOM_AGAIN);
            if let Some(due) = missed.or(again).filter(|due| *due < entry.due) {
                self.due.remove(&(entry.due, id.script));
                entry.due = due;
                self.due.insert((due, id.script));
            }
            if !ended.ran {
                let told = std::mem::replace(&mut entry.kept_from_running, true);
                return (!told).then(|| Verdict::NotRun(Arc::clone(&entry.check.name)));
            }
            entry.runs += 1;
            if ended.overstayed {
                return None;
            }
        } else {
            entry.overstays = Some(Overstay { counted_at: now, missed: false });
        }
        entry.kept_from_running = false;
        let changed = entry.last.as_ref().is_none_or(|last| last.success != ended.success);
        entry.last = Some(Last {
            success: ended.success,
            ending: ended.ending.clone(),
            output: ended.output.clone(),
            duration: ended.duration,
        });
        Some(Verdict::Result { name: Arc::clone(&entry.check.name), changed })
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
            outcome: last.map(|last| wording::ending(&last.ending)),
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
    use steadfast_kernel::{Errno, Error};

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
        let not_started =
            Ended::not_started(Purpose::Check(id), "chk".to_owned(), Ending::NoRoom { running: 1 });
        Ended { ran: true, ending: Ending::Exited { status: 1 }, ..not_started }
    }

    fn started(checks: &mut Checks) -> CheckId {
        match checks.take_due(Moment::ZERO) {
            Some(Due::Start(id, _)) => id,
            due => panic!("{due:?}"),
        }
    }

    #[test]
    fn a_run_of_the_former_command_is_no_verdict() {
        let mut checks = Checks::default();
        checks.configure(Moment::ZERO, &programs("/bin/old"));
        let old = started(&mut checks);
        checks.configure(Moment::ZERO, &programs("/bin/new"));
        let new = started(&mut checks);
        assert!(!checks.has(old) && checks.has(new));
        assert!(checks.ended(Moment::ZERO, old, &failed(old)).is_none());
        assert!(checks.entries[&SCRIPT].running, "the new command runs on");
        assert_eq!(checks.report()[0].success, None);
        assert!(checks.ended(Moment::ZERO, new, &failed(new)).is_some());
        assert_eq!(checks.report()[0].success, Some(false));
    }

    #[test]
    fn a_run_survives_a_reload_that_leaves_its_command_alone() {
        let mut checks = Checks::default();
        checks.configure(Moment::ZERO, &programs("/bin/same"));
        let id = started(&mut checks);
        checks.configure(Moment::ZERO, &programs("/bin/same"));
        assert!(checks.has(id) && checks.take_due(Moment::ZERO).is_none());
        assert!(checks.ended(Moment::ZERO, id, &failed(id)).is_some());
    }

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(100 + seconds)
    }

    /// One check every two seconds, which may take as long.
    fn slow() -> Checks {
        let mut programs = programs("/bin/slow");
        let two = Duration::from_secs(2);
        programs.checks.values_mut().for_each(|check| (check.interval, check.timeout) = (two, two));
        let mut checks = Checks::default();
        checks.configure(at(0), &programs);
        checks
    }

    fn begun(checks: &mut Checks, seconds: u64) -> CheckId {
        match checks.take_due(at(seconds)) {
            Some(Due::Start(id, _)) => id,
            due => panic!("{due:?}"),
        }
    }

    #[test]
    fn a_script_that_does_not_end_fails_as_often_as_one_that_is_ended_in_time() {
        let mut checks = slow();
        let id = begun(&mut checks, 0);
        // The end of its time is a failure, although it lives; its next turn is at the same moment.
        let lives = Ended { gone: false, overstayed: true, ..failed(id) };
        assert!(matches!(checks.ended(at(2), id, &lives), Some(Verdict::Result { .. })));
        assert!(checks.take_due(at(2)).is_none());
        assert!(matches!(checks.take_due(at(4)), Some(Due::StillHangs(SCRIPT))));
        assert!(matches!(checks.take_due(at(6)), Some(Due::StillHangs(SCRIPT))));
        // Killed at last: what was kept waiting runs at once.
        assert!(checks.ended(at(7), id, &Ended { overstayed: true, ..failed(id) }).is_none());
        begun(&mut checks, 7);
        assert_eq!(checks.report()[0].skipped, 3);
    }

    #[test]
    fn a_script_that_cannot_be_started_gives_no_verdict() {
        let mut checks = slow();
        let id = begun(&mut checks, 0);
        checks.ended(at(1), id, &Ended { success: true, ..failed(id) });
        for (seconds, told) in [(2, true), (4, false)] {
            let id = begun(&mut checks, seconds);
            let not_started =
                Ended::not_started(Purpose::Check(id), String::new(), Ending::NoRoom { running: 1 });
            let verdict = checks.ended(at(seconds), id, &not_started);
            assert_eq!(matches!(verdict, Some(Verdict::NotRun(_))), told, "{verdict:?}");
        }
        assert_eq!((checks.report()[0].success, checks.report()[0].runs), (Some(true), 1));
    }

    #[test]
    fn a_script_without_room_tries_again_before_its_interval_is_over() {
        let mut checks = slow();
        let id = begun(&mut checks, 0);
        let error = Box::new(Error::new("start script", Errno::MFILE));
        for ending in [Ending::NoRoom { running: 1 }, Ending::NotStarted { error }] {
            let mut checks = slow();
            let id = begun(&mut checks, 0);
            let not_started = Ended::not_started(Purpose::Check(id), String::new(), ending);
            checks.ended(at(0), id, &not_started);
            assert_eq!(checks.next_wakeup(), Some(at(0) + ROOM_AGAIN));
            assert!(checks.take_due(at(0)).is_none());
            assert!(matches!(checks.take_due(at(0) + ROOM_AGAIN), Some(Due::Start(..))));
            // From then on its turn is another one than that of the others.
            assert_eq!(checks.next_wakeup(), Some(at(2) + ROOM_AGAIN));
        }
        // What is wrong with the script itself is so in a moment, too.
        let error = Box::new(Error::new("start script", Errno::INVAL));
        let not_started = Ended::not_started(Purpose::Check(id), String::new(), Ending::NotStarted { error });
        checks.ended(at(0), id, &not_started);
        assert_eq!(checks.next_wakeup(), Some(at(2)));
    }
}
