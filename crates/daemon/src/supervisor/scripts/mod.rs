//! The supervisor's dealings with scripts: starting what is due, passing on what came of it.

pub(crate) mod checks;
pub(crate) mod hooks;
pub(crate) mod preparations;
pub(crate) mod programs;
pub(crate) mod runner;

use std::sync::Arc;

use steadfast_control::event::{Bound, Fault, Happening, Matter};
use steadfast_vrrp::{Moment, ScriptId};

use self::checks::{CheckId, Checks, Due, Verdict};
use self::preparations::Preparations;
use self::programs::{Check, Programs};
use self::runner::{Ended, Purpose, Runner, lacks_room};
use super::notify::scripts::{self as notifying, Owner, Transition};
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
    pub(crate) preparations: Preparations,
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
            preparations: Preparations::default(),
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
    /// Starts check scripts that are due and notify scripts whose turn it is; ends what overstays. Each purpose has a bound
    /// of its own, so that none takes another's place.
    pub(crate) fn run_scripts(&mut self, now: Moment) {
        for ended in self.scripts.runner.overdue(now) {
            self.script_ended(ended);
        }
        if self.may_check() {
            while let Some(due) = self.scripts.checks.take_due(now) {
                match due {
                    Due::Start(id, check) => self.start_check(now, id, check),
                    Due::StillHangs(id) => self.pass_on(id, false),
                }
            }
        }
        self.run_notifies(now);
    }

    fn run_notifies(&mut self, now: Moment) {
        let room = self.scripts.runner.room(&Purpose::Notify(Owner::Instance("".into())));
        let mut starting = self.scripts.order.startable(now, room).into_iter();
        while let Some((owner, command)) = starting.next() {
            let purpose = Purpose::Notify(owner.clone());
            let started = self.scripts.runner.start(now, &command, purpose.clone(), None, &self.poller, RUNS);
            match started {
                Ok(_) => {}
                Err(ending) if lacks_room(&ending) => {
                    let waiting: Vec<_> = std::iter::once((owner, command)).chain(starting).collect();
                    self.scripts.order.put_back(now, &waiting);
                    break;
                }
                Err(ending) => self.script_ended(Ended::not_started(purpose, command.text, ending)),
            }
        }
        if self.scripts.order.reached_bound() {
            let running = self.scripts.runner.count(|purpose| matches!(purpose, Purpose::Notify(_)));
            self.tell(Happening::Bound { bound: Bound::NotifyScripts { running } });
        }
    }

    /// No stop, start or upgrade is in the way of another run of a check.
    fn may_check(&self) -> bool {
        self.stopping.is_none() && self.scripts.starting.is_none() && !self.upgrade.is_imminent()
    }

    fn start_check(&mut self, now: Moment, id: CheckId, check: Check) {
        let purpose = Purpose::Check(id);
        let limit = Some(check.timeout);
        let started =
            self.scripts.runner.start(now, &check.command, purpose.clone(), limit, &self.poller, RUNS);
        if let Err(ending) = started {
            self.script_ended(Ended::not_started(purpose, check.command.text, ending));
        }
    }

    fn pass_on(&mut self, script: ScriptId, success: bool) {
        self.workers.vrrp.order(Order::ScriptResult { script, success }, &self.poller);
    }

    /// When [`Self::run_scripts`] has work next.
    pub(crate) fn scripts_wakeup(&self) -> Option<Moment> {
        let checks = if self.may_check() { self.scripts.checks.next_wakeup() } else { None };
        let Scripts { order, runner, starting, .. } = &self.scripts;
        [checks, order.next_wakeup(), runner.next_wakeup(), *starting].into_iter().flatten().min()
    }

    /// Queues the notify scripts of a transition.
    pub(crate) fn notify(&mut self, transition: Transition) {
        let owner = transition.owner.clone();
        if !self.scripts.order.add(transition) {
            let bound =
                Bound::NotifiesForgotten { owner: Arc::clone(owner.name()), waiting: owner.waiting_max() };
            self.tell(Happening::Bound { bound });
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
            Purpose::Check(id) => match self.scripts.checks.ended(moment(), *id, &ended) {
                None => {}
                Some(Verdict::Result { name, changed }) => {
                    self.pass_on(id.script, ended.success);
                    self.fault_over(&Matter::Check(Arc::clone(&name)));
                    if changed {
                        let Ended { success, ending, output, .. } = ended;
                        self.tell(Happening::Script { script: name, success, ending, output });
                    }
                }
                Some(Verdict::NotRun(script)) => {
                    self.fault(Fault::CheckNotRun { script, ending: ended.ending });
                }
            },
            Purpose::Reader(kind) => {
                // One that was told to end has ended well.
                if !ended.overstayed {
                    self.fault(Fault::FifoReader {
                        keyword: kind.script_keyword().into(),
                        ending: ended.ending,
                    });
                }
            }
            Purpose::Prepare(instance, since, owner) => {
                let (instance, since, owner) = (*instance, *since, Arc::clone(owner));
                self.prepare_ended(instance, since, owner, ended);
            }
            Purpose::Server(check, settings) => {
                let (check, settings) = (*check, Arc::clone(settings));
                self.server_checked(check, settings, &ended);
            }
            Purpose::Hook(hook) => self.hook_ended(*hook, ended),
            Purpose::Upgrade => self.upgrade_checked(&ended),
            Purpose::Notify(owner) => {
                self.scripts.order.ended(owner);
                let owner = owner.name().clone();
                let Ended { command, ending, output, .. } = ended;
                self.tell(Happening::Notify { owner, command, ending, output });
            }
        }
    }
}
