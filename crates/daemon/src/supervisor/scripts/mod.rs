//! The supervisor's dealings with scripts: starting what is due, passing on what came of it.

pub(crate) mod checks;
pub(crate) mod hooks;
pub(crate) mod programs;
pub(crate) mod runner;

use steadfast_control::event::{Happening, Severity};
use steadfast_vrrp::Moment;

use self::checks::Checks;
use self::programs::Programs;
use self::runner::{Ended, Purpose, Runner};
use super::notify::scripts::{self as notifying, Transition};
use super::{RUNS, Supervisor, moment};
use crate::link::vrrp::Order;

/// The programs of the configuration, and their runs.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) programs: Programs,
    pub(crate) checks: Checks,
    /// Notify scripts that wait for their turn.
    pub(crate) order: notifying::Order,
    pub(crate) runner: Runner,
    /// The startup script runs, and is waited for until then.
    pub(crate) starting: Option<Moment>,
}

impl Scripts {
    pub(crate) fn new(programs: Programs) -> Self {
        Self {
            programs,
            checks: Checks::default(),
            order: notifying::Order::default(),
            runner: Runner::default(),
            starting: None,
        }
    }

    /// Takes over the programs of a configuration. Checks whose command is gone are ended: nobody asks for
    /// what they find.
    pub(crate) fn configure(&mut self, now: Moment, programs: Programs) {
        self.checks.configure(now, &programs);
        self.programs = programs;
        let checks = &self.checks;
        self.runner.terminate(now, |purpose| matches!(purpose, Purpose::Check(id) if !checks.has(*id)));
    }
}

impl Supervisor {
    /// Starts check scripts that are due and notify scripts whose turn it is; ends what overstays.
    pub(crate) fn run_scripts(&mut self, now: Moment) {
        for ended in self.scripts.runner.overdue(now) {
            self.script_ended(ended);
        }
        if self.stopping.is_none() && self.scripts.starting.is_none() {
            while let Some((id, check)) = self.scripts.checks.take_due(now) {
                let purpose = Purpose::Check(id);
                let started = self.scripts.runner.start(
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
        for (owner, command) in self.scripts.order.startable(now) {
            let purpose = Purpose::Notify(owner);
            if let Err(outcome) =
                self.scripts.runner.start(now, &command, purpose.clone(), None, &self.poller, RUNS)
            {
                self.script_ended(Ended::not_started(purpose, command.text, outcome));
            }
        }
    }

    /// When [`Self::run_scripts`] has work next.
    pub(crate) fn scripts_wakeup(&self) -> Option<Moment> {
        let checks = if self.stopping.is_none() && self.scripts.starting.is_none() {
            self.scripts.checks.next_wakeup()
        } else {
            None
        };
        let Scripts { order, runner, starting, .. } = &self.scripts;
        [checks, order.next_wakeup(), runner.next_wakeup(), *starting].into_iter().flatten().min()
    }

    /// Queues the notify scripts of a transition.
    pub(crate) fn notify(&mut self, transition: Transition) {
        let owner = transition.owner.clone();
        if !self.scripts.order.add(transition) {
            let message =
                format!("({}) too many notify scripts wait: the oldest was forgotten", owner.name());
            self.journal.line(Severity::Warning, &message);
        }
        self.run_scripts(moment());
    }

    /// A script ended, or printed something.
    pub(crate) fn hear_script(&mut self, offset: u64) {
        if let Some(ended) = self.scripts.runner.ready(moment(), offset, &self.poller) {
            self.script_ended(ended);
        }
    }

    /// Passes on what came of a script.
    pub(crate) fn script_ended(&mut self, ended: Ended) {
        match &ended.purpose {
            Purpose::Check(id) => {
                let Some(verdict) = self.scripts.checks.ended(*id, &ended) else { return };
                let result = Order::ScriptResult { script: id.script, success: ended.success };
                self.workers.vrrp.order(result, &self.poller);
                if verdict.changed {
                    let script = verdict.name;
                    let (outcome, output) = (ended.outcome, ended.output);
                    self.tell(None, Happening::Script { script, success: ended.success, outcome, output });
                }
            }
            Purpose::Hook(hook) => self.hook_ended(*hook, ended),
            Purpose::Notify(owner) => {
                self.scripts.order.ended(owner);
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
