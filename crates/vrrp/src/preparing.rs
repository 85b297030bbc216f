//! Between winning and serving: a master whose connections or data must be there before its addresses are.
//!
//! It says at once that it is master, so that no other router takes over, and holds no address before its script has
//! ended. The script has a bound, and so has the wait. Members of a sync group serve together.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;

use crate::action::{Action, Sink};
use crate::config::{InstanceId, PrepareFailure};
use crate::event::{Cause, Event, Prepared, State};
use crate::instance::Instance;
use crate::machine::Machine;

/// An instance that went to FAULT because it could not prepare tries again after this time.
pub(crate) const PREPARE_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A preparation that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparing {
    /// When the election was won; one preparation is known from another by it.
    pub since: Moment,
    /// State before.
    pub from: State,
    /// Why the election was won, oldest first.
    pub causes: Vec<Cause>,
    /// Nothing of its own is left to do: it waits for its sync group.
    pub done: bool,
}

impl Machine {
    /// Whether one of a team prepares itself; then all of them wait.
    pub(crate) fn prepares(&self, team: &[InstanceId]) -> bool {
        team.iter()
            .filter_map(|member| self.instances.get(*member))
            .any(|member| member.config.prepare.is_some())
    }

    /// The caller's script ended. What belongs to an earlier preparation counts for nothing.
    pub(crate) fn prepared(
        &mut self,
        now: Moment,
        id: InstanceId,
        since: Moment,
        success: bool,
        sink: &mut impl Sink,
    ) {
        let Some(instance) = self.instances.get(id) else { return };
        if instance.preparing.as_ref().is_some_and(|own| own.since == since && !own.done) {
            let outcome = if success { Prepared::Done } else { Prepared::Failed };
            self.end_preparation(now, id, outcome, sink);
        }
    }

    /// The time of a script is over, or that of a FAULT that came of one.
    pub(crate) fn preparation_due(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.timers.preparation = Moment::NEVER;
        if instance.preparing.as_ref().is_some_and(|own| !own.done) {
            self.end_preparation(now, id, Prepared::TimedOut, sink);
        } else if instance.own.unprepared_until.take().is_some() {
            self.reassess(now, id, &Cause::PrepareAgain, sink);
        }
    }

    fn end_preparation(&mut self, now: Moment, id: InstanceId, outcome: Prepared, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(own) = &mut instance.preparing else { return };
        let after_ms = u64::try_from(now.since(own.since).as_millis()).unwrap_or(u64::MAX);
        let cause = Cause::Prepared { outcome, after_ms };
        instance.timers.preparation = Moment::NEVER;
        let fails = instance.config.prepare.is_some_and(|prepare| prepare.failure == PrepareFailure::Fault);
        if fails && outcome != Prepared::Done {
            instance.own.unprepared_until = Some(now + PREPARE_AGAIN_AFTER);
            self.reassess(now, id, &cause, sink);
        } else {
            own.done = true;
            own.causes.push(cause);
            sink.remember(id);
            self.serve_if_prepared(now, id, sink);
        }
    }

    /// The team of `id` serves as soon as no member has anything to do first.
    pub(crate) fn serve_if_prepared(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let team = self.team(id);
        let preparing = |member: &&InstanceId| {
            self.instances.get(**member).and_then(|member| member.preparing.as_ref()).is_some()
        };
        let members: Vec<InstanceId> = team.iter().filter(preparing).copied().collect();
        let done = |member: &InstanceId| {
            let own = self.instances.get(*member).and_then(|member| member.preparing.as_ref());
            own.is_none_or(|own| own.done)
        };
        if members.is_empty() || !members.iter().all(done) {
            return;
        }
        let mut told = Vec::new();
        for member in members {
            let Some(instance) = self.instances.get_mut(member) else { continue };
            let causes = instance.preparing.as_ref().map(|own| own.causes.clone()).unwrap_or_default();
            instance.serve(now, causes.clone(), sink);
            if member == id || told.is_empty() {
                told = causes;
            }
            self.arm(member);
        }
        self.tell_group(now, id, told, sink);
    }

    /// A reload may have changed who prepares, how long, and with whom.
    pub(crate) fn review_preparations(&mut self, now: Moment, sink: &mut impl Sink) {
        let preparing = self.instances.iter().filter(|instance| instance.preparing.is_some());
        let preparing: Vec<InstanceId> = preparing.map(Instance::id).collect();
        for &id in &preparing {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.review_preparation();
                self.arm(id);
            }
        }
        for id in preparing {
            self.serve_if_prepared(now, id, sink);
        }
    }
}

impl Instance {
    /// MASTER for all other routers, but not yet for those that use the addresses.
    pub(crate) fn prepare(&mut self, now: Moment, causes: Vec<Cause>, sink: &mut impl Sink) {
        self.drop_claims(now, sink);
        let from = std::mem::replace(&mut self.state, State::Master);
        self.since = now;
        self.reported = 0;
        self.recovery = None;
        self.causes.clone_from(&causes);
        self.causes.push(Cause::Preparing);
        let instance = self.id();
        let (priority, told) = (self.standing.priority, causes.clone());
        self.preparing = Some(Preparing { since: now, from, causes, done: false });
        self.review_preparation();
        sink.act(Action::Event(Event::Preparing { instance, at: now, priority, causes: told }));
        self.ask_to_prepare(sink);
        sink.remember(instance);
    }

    /// Asks the caller to run the script; repeated by a successor, which knows it by its `since`.
    pub(crate) fn ask_to_prepare(&self, sink: &mut impl Sink) {
        if let Some(own) = self.preparing.as_ref().filter(|own| !own.done) {
            sink.act(Action::Prepare { instance: self.id(), since: own.since });
        }
    }

    /// Sets the timer by the settings in force. Where no script is, there is nothing to wait for.
    pub(crate) fn review_preparation(&mut self) {
        let Some(own) = &mut self.preparing else { return };
        own.done |= self.config.prepare.is_none();
        self.timers.preparation = match self.config.prepare {
            Some(prepare) if !own.done => own.since + prepare.timeout,
            _ => Moment::NEVER,
        };
    }
}
