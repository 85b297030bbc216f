//! A flight record as a case: what a daemon was told one night, run again and judged by the rules that speak of one router.
//!
//! Of the others a record knows only what was heard, so that nothing is asked of them. A reload begins a case of its own,
//! since the rules go by the settings that a router begins with.

use std::sync::Arc;
use std::time::Duration;

use steadfast_record::{Difference, Input, Replay, ReplayError, Segment, Step, Told};
use steadfast_time::Moment;
use steadfast_vrrp::{Action, Event, InstanceId, Machine, State};

use crate::check::{self, Violation};
use crate::history::{Happening, History};
use crate::scenario::{Fault, Network, RouterId, RouterPlan, Scenario};

/// A daemon promises that its timers fire no later than this on a machine that has time for it.
pub const LATENESS: Duration = Duration::from_millis(20);
/// A timer that is later than it may be counts as a pause from here on, when its lateness is told.
const PAUSED_AFTER: Duration = Duration::from_millis(21);
/// The router that kept the record.
const RECORDER: RouterId = RouterId(0);

/// What a record comes to.
#[derive(Debug, Default)]
pub struct Verdict {
    /// All that happened, from the beginning of the record.
    pub history: History,
    /// Promises that were not kept.
    pub broken: Vec<Violation>,
    /// What is decided otherwise here than at the time: when, and what.
    pub differences: Vec<(Moment, Difference)>,
    /// Instances by their numbers, as they were configured last.
    pub names: Vec<(InstanceId, Arc<str>)>,
    /// When the record begins, on the clock of the machine that it is of.
    pub began: Moment,
}

/// Runs a record, and judges it.
///
/// # Errors
/// When it cannot be run.
pub fn judge(segments: &[Segment]) -> Result<Verdict, ReplayError> {
    let mut replay = Replay::new(segments)?;
    let began = replay.began();
    let mut verdict = Verdict { began, ..Verdict::default() };
    let mut case = Case::begin(replay.machine(), Moment::ZERO);
    loop {
        let due = replay.machine().next_wakeup();
        let Some(step) = replay.next() else { break };
        let step = step?;
        let at = Moment::ZERO + step.at.since(began);
        verdict.differences.extend(step.difference.clone().map(|difference| (at, difference)));
        let due = due.map(|due| Moment::ZERO + due.since(began));
        if step.gap || matches!(step.input, Input::Apply(_)) {
            // Of what a gap hides nothing is known.
            let end = if step.gap { case.last } else { at };
            case.end(end, &mut verdict);
            case = Case::begin(replay.machine(), at);
            // What a reload brings about is part of what follows it.
            case.answers(&step, at);
        } else {
            case.step(&step, at, due);
        }
    }
    let machine = replay.machine();
    let name = |instance| Some((instance, machine.instance_name(instance)?));
    verdict.names = machine.instances().filter_map(name).collect();
    case.end(Moment::ZERO + replay.now().since(began), &mut verdict);
    Ok(verdict)
}

/// The same settings from beginning to end.
struct Case {
    scenario: Scenario,
    history: History,
    /// Of the last step.
    last: Moment,
}

impl Case {
    fn begin(machine: &Machine, at: Moment) -> Self {
        let mut history = History::default();
        history.push(at, Happening::Fault(Fault::PowerOn(RECORDER)));
        let mut instances = Vec::new();
        for status in machine.instances().filter_map(|instance| machine.status(instance)) {
            // One that hands over is none of the configuration any more.
            let Some(settings) = machine.settings(status.instance).filter(|_| status.state != State::Stop)
            else {
                continue;
            };
            instances.push(settings.clone());
            let (router, instance) = (RECORDER, status.instance);
            let (from, to, causes) = (State::Init, status.state, status.causes);
            history.push(at, Happening::State { router, instance, from, to, causes });
            if machine.resume_state(instance).is_some_and(|resume| resume.serves()) {
                history.push(at, Happening::Owns { router, instance, owns: true });
            }
        }
        let segments = instances.iter().map(|instance| instance.interface.0.saturating_add(1)).max();
        let plan = RouterPlan {
            instances,
            groups: Vec::new(),
            scripts: Vec::new(),
            sessions: Vec::new(),
            clock: Duration::ZERO,
        };
        let scenario = Scenario {
            seed: 0,
            network: Network {
                delay_max: Duration::ZERO,
                duplicates_permille: 0,
                corruptions_permille: 0,
                in_order: true,
            },
            segments: segments.unwrap_or_default(),
            lateness_max: LATENESS,
            script_interval: Duration::ZERO,
            preparation: Duration::MAX,
            routers: vec![plan],
            steps: Vec::new(),
            end: Moment::NEVER,
        };
        Self { scenario, history, last: at }
    }

    fn step(&mut self, step: &Step, at: Moment, due: Option<Moment>) {
        // Whoever did something meanwhile did not sleep until then.
        let since = due.map(|due| (due + PAUSED_AFTER).max(self.last));
        if let Some(since) = since.filter(|since| *since < at) {
            self.history.push(since, Happening::Fault(Fault::Pause(RECORDER)));
            self.history.push(at, Happening::Fault(Fault::Resume(RECORDER)));
        }
        self.last = at;
        match &step.input {
            Input::Told(Told::Interface { interface, up, .. }) => {
                let link = Fault::Link { router: RECORDER, segment: *interface, up: *up };
                self.history.push(at, Happening::Fault(link));
            }
            Input::Told(Told::Stop) => self.history.push(at, Happening::Fault(Fault::Stop(RECORDER))),
            _ => {}
        }
        self.answers(step, at);
    }

    /// What came of an input.
    fn answers(&mut self, step: &Step, at: Moment) {
        let router = RECORDER;
        for (instance, priority) in &step.sent {
            let (instance, priority) = (*instance, *priority);
            if self.knows(instance) {
                self.history.push(at, Happening::Advert { router, instance, priority });
            }
        }
        for action in &step.actions {
            let (instance, what) = match action {
                Action::Addresses { instance, wanted } => {
                    (*instance, Happening::Owns { router, instance: *instance, owns: *wanted })
                }
                Action::Event(Event::InstanceState { instance, from, to, causes, .. }) => {
                    let causes = causes.clone();
                    (
                        *instance,
                        Happening::State { router, instance: *instance, from: *from, to: *to, causes },
                    )
                }
                _ => continue,
            };
            if self.knows(instance) {
                self.history.push(at, what);
            }
        }
    }

    fn knows(&self, instance: InstanceId) -> bool {
        self.scenario.instance(RECORDER, instance).is_some()
    }

    fn end(mut self, at: Moment, verdict: &mut Verdict) {
        self.history.end = at;
        verdict.broken.extend(check::alone(&self.scenario, &self.history));
        verdict.history.entries.append(&mut self.history.entries);
        verdict.history.end = at;
    }
}
