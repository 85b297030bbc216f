//! Whether another router serves although its adverts are not heard (`split_brain_check`): asked by ways other than
//! adverts, before this one becomes master and again and again while it is.
//!
//! The machine asks by [`Action::AskWhoServes`] and is told by [`Input::WhoServes`](crate::Input::WhoServes). It waits for
//! an answer no longer than is configured: without one, an election goes on.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_time::{Moment, Random};

use crate::action::{Action, Sink};
use crate::config::{InstanceId, SplitBrainCheck};
use crate::event::{Event, Served, State};
use crate::instance::{Instance, Wait};
use crate::machine::Machine;

/// A new master asks for the first time after this time: by then clients and the old master know of it.
pub const SPLIT_BRAIN_SETTLE: Duration = Duration::from_secs(1);

/// Between what a master finds and the question that confirms it, for a router of priority 256. A lower one asks sooner, so
/// that of two that give way to each other the better one finds itself alone.
pub const SPLIT_BRAIN_SPREAD: Duration = Duration::from_secs(2);

/// What chance adds to it, since routers of equal priority do not hear each other's addresses either.
pub const SPLIT_BRAIN_CHANCE: Duration = Duration::from_millis(500);

/// What an instance knows of others that serve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SplitBrain {
    /// When the question that is under way was asked; it is known by that.
    asked: Option<Moment>,
    /// As BACKUP: it was asked, and nothing stands against becoming master.
    cleared: bool,
    /// As MASTER: something was found that is to be confirmed.
    suspected: bool,
    /// What was found, and told.
    found: Option<FoundElsewhere>,
}

/// Another router serves, or this one is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundElsewhere {
    /// How that shows.
    pub served: Served,
    /// When it was found first.
    pub since: Moment,
}

impl Machine {
    /// Before a team becomes master: asks for those of its members that want it. Whether an answer is waited for comes
    /// back; the members that wait are woken when the time for it is over.
    pub(crate) fn asks_before(
        &mut self,
        now: Moment,
        id: InstanceId,
        team: &[InstanceId],
        sink: &mut impl Sink,
    ) -> bool {
        let mut until = None;
        for &member in team {
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if instance.state == State::Backup
                && let Some(end) = instance.ask_before(now, sink)
            {
                instance.timers.protocol = end;
                until = until.max(Some(end));
                self.arm(member);
            }
        }
        if let (Some(until), Some(instance)) = (until, self.instances.get_mut(id)) {
            instance.timers.protocol = until;
        }
        until.is_some()
    }

    /// What became of a question. The answer to an earlier one counts for nothing.
    pub(crate) fn who_serves(
        &mut self,
        now: Moment,
        id: InstanceId,
        asked: Moment,
        served: Option<Served>,
        sink: &mut impl Sink,
    ) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.split_brain.asked != Some(asked) {
            return;
        }
        instance.split_brain.asked = None;
        let yields = instance.config.split_brain_check.as_ref().is_some_and(|check| check.yields);
        match instance.state {
            State::Backup => {
                instance.tell_served(now, served, sink);
                if served.is_some() && yields {
                    self.hold_back(now, id);
                } else {
                    instance.split_brain.cleared = true;
                    self.master_down(now, id, sink);
                }
                self.arm(id);
            }
            State::Master => {
                if let Some(served) = instance.confirm(now, served, sink)
                    && yields
                {
                    self.give_way(now, id, served, sink);
                }
                self.arm(id);
            }
            State::Init | State::Fault | State::Stop => {}
        }
    }

    /// Somebody else serves: the team stays BACKUP and asks again when a master should have been heard.
    fn hold_back(&mut self, now: Moment, id: InstanceId) {
        for member in self.team(id) {
            let Some(instance) = self.instances.get_mut(member) else { continue };
            if instance.state == State::Backup {
                instance.wants_master = false;
                instance.restart_down_timer(now);
                self.arm(member);
            }
        }
    }
}

impl Instance {
    /// Asks, unless that is done. When an answer is waited for, the end of the wait comes back.
    fn ask_before(&mut self, now: Moment, sink: &mut impl Sink) -> Option<Moment> {
        let check = self.config.split_brain_check.as_deref()?;
        let within = check.within;
        if let Some(asked) = self.split_brain.asked {
            let end = asked + within;
            if now < end {
                return Some(end);
            }
            self.split_brain.asked = None;
            self.split_brain.cleared = true;
        }
        // A master that is known serves until it hears that this one is.
        let known = matches!(self.wait, Wait::Released { .. } | Wait::Preempting(_));
        if self.split_brain.cleared || (known && check.arbiter.is_none()) {
            return None;
        }
        self.ask(now, known, sink);
        Some(now + within)
    }

    fn ask(&mut self, now: Moment, only_arbiter: bool, sink: &mut impl Sink) {
        self.split_brain.asked = Some(now);
        sink.act(Action::AskWhoServes { instance: self.id(), asked: now, only_arbiter });
    }

    /// The time of a master to ask, or to have been answered.
    pub(crate) fn question_due(&mut self, now: Moment, sink: &mut impl Sink) {
        self.timers.question = Moment::NEVER;
        let Some(check) = self.config.split_brain_check.as_deref() else { return };
        if self.state != State::Master {
            return;
        }
        let (within, every) = (check.within, check.every);
        if self.split_brain.asked.take().is_some() {
            self.timers.question = now + every;
        } else {
            self.ask(now, false, sink);
            self.timers.question = now + within;
        }
    }

    /// A master was answered. What it finds counts when a second question finds it too: then it comes back.
    fn confirm(&mut self, now: Moment, served: Option<Served>, sink: &mut impl Sink) -> Option<Served> {
        let every = self.config.split_brain_check.as_deref().map(|check| check.every)?;
        let confirmed = self.split_brain.suspected;
        self.split_brain.suspected = served.is_some();
        if served.is_some() && !confirmed {
            self.timers.question = now + self.patience();
            return None;
        }
        self.timers.question = now + every;
        self.tell_served(now, served, sink);
        served
    }

    /// From finding another to the question that confirms it.
    fn patience(&self) -> Duration {
        let by_priority = SPLIT_BRAIN_SPREAD * u32::from(self.standing.priority.get()) / 256;
        let own = match self.master.map(|master| master.address) {
            Some(IpAddr::V4(address)) => mixed(&address.octets()),
            Some(IpAddr::V6(address)) => mixed(&address.octets()),
            None => 0,
        };
        let mut chance = Random::new(self.since.as_nanos() ^ own);
        by_priority + chance.between(Duration::ZERO, SPLIT_BRAIN_CHANCE)
    }

    /// Tells what is new of it.
    fn tell_served(&mut self, now: Moment, served: Option<Served>, sink: &mut impl Sink) {
        let before = self.split_brain.found;
        let (instance, state) = (self.id(), self.state);
        match (before, served) {
            (None, None) => return,
            (Some(before), Some(served)) if before.served == served => return,
            (before, Some(served)) => {
                let since = before.map_or(now, |before| before.since);
                self.split_brain.found = Some(FoundElsewhere { served, since });
                let yields = self.config.split_brain_check.as_ref().is_some_and(|check| check.yields);
                sink.act(Action::Event(Event::ServedElsewhere { instance, at: now, served, state, yields }));
            }
            (Some(before), None) => {
                self.split_brain.found = None;
                let (served, since) = (before.served, before.since);
                sink.act(Action::Event(Event::ServedHereAlone { instance, at: now, served, since }));
            }
        }
        sink.remember(instance);
    }

    /// Another state: what was asked for before counts for nothing. A new master asks when all know of it.
    pub(crate) fn begin_asking(&mut self, now: Moment, sink: &mut impl Sink) {
        // Whoever hands over may do so because of what it found.
        let takes_part = matches!(self.state, State::Backup | State::Master | State::Stop);
        if !takes_part || self.config.split_brain_check.is_none() {
            self.tell_served(now, None, sink);
        }
        self.split_brain = SplitBrain { found: self.split_brain.found, ..SplitBrain::default() };
        let asks = self.state == State::Master
            && self.preparing.is_none()
            && self.config.split_brain_check.is_some();
        self.timers.question = if asks { now + SPLIT_BRAIN_SETTLE } else { Moment::NEVER };
    }

    /// A backup waits anew, because it hears a master or because it has to.
    pub(crate) fn drop_question(&mut self) {
        self.split_brain.asked = None;
        self.split_brain.cleared = false;
    }

    /// A master is heard: whoever serves is known. What is asked of the arbiter, and what it does not answer, stands.
    pub(crate) fn hears_who_serves(&mut self, now: Moment, sink: &mut impl Sink) {
        if !matches!(self.wait, Wait::Released { .. } | Wait::Preempting(_)) {
            self.drop_question();
        }
        if !matches!(self.split_brain.found, Some(FoundElsewhere { served: Served::NoArbiter { .. }, .. })) {
            self.tell_served(now, None, sink);
        }
    }

    /// That master is followed: there is nothing left to ask.
    pub(crate) fn follows_who_serves(&mut self, now: Moment, sink: &mut impl Sink) {
        self.tell_served(now, None, sink);
    }

    /// A reload brought other settings.
    pub(crate) fn revise_split_brain_check(
        &mut self,
        now: Moment,
        old: Option<&SplitBrainCheck>,
        sink: &mut impl Sink,
    ) {
        if old != self.config.split_brain_check.as_deref() {
            self.begin_asking(now, sink);
        }
    }

    /// What was found and told.
    pub(crate) const fn found_elsewhere(&self) -> Option<FoundElsewhere> {
        self.split_brain.found
    }

    /// What a predecessor found.
    pub(crate) fn resume_found(&mut self, found: Option<FoundElsewhere>) {
        self.split_brain.found = found.filter(|_| self.config.split_brain_check.is_some());
    }
}

/// A number that differs where the octets do.
fn mixed(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |sum: u64, octet| sum.rotate_left(7).wrapping_mul(31) ^ u64::from(*octet))
}
