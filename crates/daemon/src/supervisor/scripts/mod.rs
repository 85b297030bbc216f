//! The supervisor's dealings with scripts: starting what is due, passing on what came of it.

pub(crate) mod checks;
pub(crate) mod hooks;
pub(crate) mod programs;
pub(crate) mod runner;

use steadfast_vrrp::Moment;

use self::runner::{Ended, Purpose};
use super::notify::scripts::Transition;
use super::{CHANNEL, RUNS, Supervisor, moment};
use crate::link::vrrp::ToWorker;
use crate::record::{Happening, Severity};

impl Supervisor {
    /// Starts check scripts that are due and notify scripts whose turn it is; ends what overstays.
    pub(crate) fn run_scripts(&mut self, now: Moment) {
        for ended in self.runner.overdue(now) {
            self.script_ended(ended);
        }
        if self.stopping.is_none() && self.starting.is_none() {
            while let Some((id, check)) = self.checks.take_due(now) {
                let purpose = Purpose::Check(id);
                let started = self.runner.start(
                    now,
                    &check.command,
                    purpose.clone(),
                    Some(check.timeout),
                    &self.poller,
                    RUNS,
                );
                if let Err(outcome) = started {
                    self.script_ended(Ended::not_started(purpose, check.command.text, outcome));
                }
            }
        }
        for (owner, command) in self.order.startable(now) {
            let purpose = Purpose::Notify(owner);
            if let Err(outcome) = self.runner.start(now, &command, purpose.clone(), None, &self.poller, RUNS)
            {
                self.script_ended(Ended::not_started(purpose, command.text, outcome));
            }
        }
    }

    /// When [`Self::run_scripts`] has work next.
    pub(crate) fn scripts_wakeup(&self) -> Option<Moment> {
        let checks =
            if self.stopping.is_none() && self.starting.is_none() { self.checks.next_wakeup() } else { None };
        [checks, self.order.next_wakeup(), self.runner.next_wakeup()].into_iter().flatten().min()
    }

    /// Queues the notify scripts of a transition.
    pub(crate) fn notify(&mut self, transition: Transition) {
        let owner = transition.owner.clone();
        if !self.order.add(transition) {
            let message =
                format!("({}) too many notify scripts wait: the oldest was forgotten", owner.name());
            self.journal.line(Severity::Warning, &message);
        }
        self.run_scripts(moment());
    }

    /// Passes on what came of a script.
    pub(crate) fn script_ended(&mut self, ended: Ended) {
        match &ended.purpose {
            Purpose::Check(id) => {
                let Some(verdict) = self.checks.ended(*id, &ended) else { return };
                if let Some(worker) = &mut self.worker {
                    worker.tell(
                        &ToWorker::ScriptResult { script: *id, success: ended.success },
                        &self.poller,
                        CHANNEL,
                    );
                }
                if verdict.changed {
                    let script = verdict.name;
                    let (outcome, output) = (ended.outcome, ended.output);
                    self.tell(None, Happening::Script { script, success: ended.success, outcome, output });
                }
            }
            Purpose::Hook(hook) => self.hook_ended(*hook, ended),
            Purpose::Notify(owner) => {
                self.order.ended(owner);
                if !ended.success {
                    let mut outcome = ended.outcome;
                    if !ended.output.is_empty() {
                        outcome = format!("{outcome}; it printed: {}", ended.output);
                    }
                    let owner = owner.name().clone();
                    self.tell(None, Happening::Notify { owner, command: ended.command, outcome });
                }
            }
        }
    }
}
