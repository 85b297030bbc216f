//! One virtual router: what it is, its intervals and its deadlines.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Priority;

use crate::action::{Action, Sink};
use crate::advert::Advert;
use crate::channel::Speech;
use crate::config::{InstanceConfig, InstanceId};
use crate::configured::Configured;
use crate::counters::Counters;
use crate::event::{Cause, Event, State};
use crate::grid::next_on_grid;
use crate::peers::Peers;
use crate::preparing::Preparing;
use crate::proof::Proofs;
use crate::repeat::Repeat;
use crate::split_brain::SplitBrain;
use crate::status::{Heard, Master};
use crate::track::{OwnState, Standing, Trackers};
use steadfast_time::Moment;

/// A change of priority explains a later change of state only while the election that it caused
/// can still be running: this many master down intervals, beyond a preempt delay.
const ELECTION_DOWN_INTERVALS: u32 = 2;

/// State of one virtual router.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) config: Configured,
    pub(crate) state: State,
    pub(crate) since: Moment,
    pub(crate) causes: Vec<Cause>,
    /// Who claims the addresses, ourselves included.
    pub(crate) master: Option<Master>,
    /// Active_Adver_Interval of RFC 9568 section 6.1; our own in version 2.
    pub(crate) master_interval: Duration,
    /// The master heard, with the highest priority that it told.
    pub(crate) best: Option<Master>,
    pub(crate) last_heard: Option<Heard>,
    pub(crate) peers: Peers,
    pub(crate) standing: Standing,
    pub(crate) own: OwnState,
    pub(crate) split_brain: SplitBrain,
    /// As MASTER: it does not serve yet.
    pub(crate) preparing: Option<Preparing>,
    /// The own master down timer has run out; the sync group decides.
    pub(crate) wants_master: bool,
    /// End of the preempt delay, also after it has passed.
    pub(crate) preempt_at: Option<Moment>,
    /// What the running master down timer means when it ends.
    pub(crate) wait: Wait,
    pub(crate) rivalry: Option<Rivalry>,
    pub(crate) timers: Timers,
    /// The advert that is known to be without consequences.
    #[serde(skip)]
    pub(crate) repeat: Option<Repeat>,
    /// Built when it is needed.
    #[serde(skip)]
    pub(crate) advert: Advert,
    pub(crate) proofs: Proofs,
    pub(crate) counters: Counters,
    /// Reasons reported since the last change of state, one bit each.
    pub(crate) reported: u64,
    pub(crate) master_reported_at: Option<Moment>,
    /// What a successor was last told of the master, and when.
    pub(crate) remembered: Option<(Told, Moment)>,
    pub(crate) announced_over_lower: Option<Moment>,
    pub(crate) lower_told_at: Option<Moment>,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) speech: Speech,
    /// That nobody was ever heard has been told.
    pub(crate) loneliness_told: bool,
    /// Removed by a reload: forget it once it has handed over.
    pub(crate) departing: bool,
}

/// Deadlines; `NEVER` where nothing is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timers {
    /// Next advert as master, master down as backup, end of the hand-over when stopping.
    pub(crate) protocol: Moment,
    /// Second block of announcements after becoming master.
    pub(crate) second_block: Moment,
    /// Second block of announcements after a lower priority advert.
    pub(crate) after_lower: Moment,
    /// Announcements over lower priority adverts that came too soon after others to be announced over at once.
    pub(crate) over_late_lower: Moment,
    /// Periodic announcements.
    pub(crate) refresh: Moment,
    /// End of the time to prepare, or of the FAULT after it.
    pub(crate) preparation: Moment,
    /// A master asks who else serves, or has waited for an answer.
    pub(crate) question: Moment,
}

impl Timers {
    pub(crate) const IDLE: Self = Self {
        protocol: Moment::NEVER,
        second_block: Moment::NEVER,
        after_lower: Moment::NEVER,
        over_late_lower: Moment::NEVER,
        refresh: Moment::NEVER,
        preparation: Moment::NEVER,
        question: Moment::NEVER,
    };
}

/// Why a backup is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wait {
    /// For a sign of life of the master, since this moment.
    Silence(Moment),
    /// One skew after a priority 0 advert.
    Released {
        /// Who gave up.
        master: IpAddr,
        /// When that was heard.
        at: Moment,
    },
    /// For routers of higher priority, as the master is dead.
    Dead {
        /// Who.
        master: IpAddr,
        /// When that was told.
        at: Moment,
        /// Microseconds since its last packet then.
        silent_us: u64,
    },
    /// To preempt a living master of lower priority.
    Preempting(Master),
}

/// What a successor has to know of the master: who it is, how often it speaks, and the best that it has told.
pub(crate) type Told = (Option<Master>, Duration, Option<Master>);

/// Another router that also claims to own the addresses (both send priority 255).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Rivalry {
    pub(crate) last_heard: Moment,
    /// We give way if it still advertises then.
    pub(crate) yield_at: Moment,
}

/// A change of priority upwards: what it needs to explain a later preemption.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recovery {
    at: Moment,
    causes: Vec<Cause>,
}

impl Instance {
    pub(crate) fn new(now: Moment, config: Arc<InstanceConfig>) -> Self {
        Self {
            state: State::Init,
            since: now,
            causes: Vec::new(),
            master: None,
            master_interval: config.interval.duration(),
            best: None,
            last_heard: None,
            peers: Peers::default(),
            standing: Standing { fault: false, pending: false, priority: config.priority },
            own: OwnState::default(),
            split_brain: SplitBrain::default(),
            preparing: None,
            wants_master: false,
            preempt_at: None,
            wait: Wait::Silence(now),
            rivalry: None,
            timers: Timers::IDLE,
            repeat: None,
            advert: Advert::default(),
            proofs: Proofs::default(),
            counters: Counters::default(),
            reported: 0,
            master_reported_at: None,
            remembered: None,
            announced_over_lower: None,
            lower_told_at: None,
            recovery: None,
            speech: Speech::default(),
            loneliness_told: false,
            departing: false,
            config: Configured::new(config),
        }
    }

    pub(crate) fn id(&self) -> InstanceId {
        self.config.id
    }

    /// The configured owner that wants to be master at once (RFC 9568 section 6.4.1).
    pub(crate) fn starts_as_owner(&self) -> bool {
        self.config.priority == Priority::OWNER && self.config.initial_master
    }

    pub(crate) fn interval(&self) -> Duration {
        self.config.interval.duration()
    }

    /// Skew_Time for a router of `priority` behind the present master.
    pub(crate) fn skew(&self, priority: Priority) -> Duration {
        self.config.skew(priority, self.master_interval)
    }

    /// How long the master may be silent.
    pub(crate) fn down_time(&self) -> Duration {
        self.config.down_time(self.standing.priority, self.master_interval)
    }

    pub(crate) fn next_deadline(&self) -> Moment {
        let Timers { protocol, second_block, after_lower, over_late_lower, refresh, preparation, question } =
            self.timers;
        let announcing = second_block.min(after_lower).min(over_late_lower).min(refresh);
        protocol.min(announcing).min(preparation).min(question)
    }

    /// The next advert of a master falls on the grid.
    pub(crate) fn schedule_advert(&mut self, after: Moment) {
        self.timers.protocol = next_on_grid(after, self.interval(), self.id());
    }

    /// After the advert that was due at `timers.protocol`: one interval on, without drift. Adverts
    /// missed in a long pause are not made up for.
    pub(crate) fn reschedule_advert(&mut self, now: Moment) {
        self.schedule_advert(self.timers.protocol);
        if self.timers.protocol <= now {
            self.schedule_advert(now);
        }
    }

    /// Waits a full master down interval, from `now` or from the end of the start-up delay.
    pub(crate) fn restart_down_timer(&mut self, now: Moment) {
        self.drop_question();
        self.wait = Wait::Silence(now);
        self.timers.protocol = now + self.down_time();
    }

    /// A backup that follows another master, and does not wait to preempt it or to take over from it.
    pub(crate) fn has_lost(&self) -> bool {
        self.state == State::Backup
            && self.master.is_some()
            && !self.wants_master
            && matches!(self.wait, Wait::Silence(_))
    }

    /// A master that has been silent for so long that a backup may have taken over: its process was
    /// held up, or the whole node. `due` is when its advert was to be sent.
    pub(crate) fn is_superseded(&self, now: Moment, due: Moment) -> bool {
        self.state == State::Master && due != Moment::NEVER && {
            let last_advert = due - self.interval();
            now.since(last_advert) > self.config.patience(self.standing.priority, self.master_interval)
        }
    }

    /// When a master sent its last advert.
    pub(crate) fn last_advert(&self) -> Option<Moment> {
        let due = self.timers.protocol;
        (self.state == State::Master && due != Moment::NEVER).then(|| due - self.interval())
    }

    /// Sends an advert of the effective priority.
    pub(crate) fn send_advert(&mut self, now: Moment, trackers: &Trackers, sink: &mut impl Sink) {
        self.send(now, self.standing.priority, trackers, sink);
    }

    /// Sends an advert of priority 0: we give up (RFC 9568 section 5.2.4).
    pub(crate) fn send_release(&mut self, now: Moment, trackers: &Trackers, sink: &mut impl Sink) {
        let sent = self.send(now, Priority::RELEASE, trackers, sink);
        self.counters.priority_zero_sent += sent;
    }

    fn send(&mut self, now: Moment, priority: Priority, trackers: &Trackers, sink: &mut impl Sink) -> u64 {
        let Some(source) = trackers.source(&self.config) else { return 0 };
        if self.speech.begin() {
            sink.remember(self.id());
        }
        let sent = self.advert.send(now, &self.config, (source, priority), &mut self.proofs, sink);
        self.counters.adverts_sent += sent;
        sent
    }

    /// Enters `to` and tells. Timers are the caller's business.
    pub(crate) fn enter(&mut self, now: Moment, to: State, causes: Vec<Cause>, sink: &mut impl Sink) {
        self.drop_claims(now, sink);
        let mut from = std::mem::replace(&mut self.state, to);
        if let Some(prepared) = self.preparing.take() {
            self.timers.preparation = Moment::NEVER;
            from = if to == State::Master { prepared.from } else { from };
        }
        self.since = now;
        self.begin_asking(now, sink);
        // Not into the room of those before: it takes no more than they need, for as long as the state lasts.
        self.causes = causes.clone();
        self.reported = 0;
        self.recovery = None;
        let priority = self.standing.priority;
        let instance = self.id();
        sink.act(Action::Event(Event::InstanceState { instance, at: now, from, to, priority, causes }));
        self.tell_follower(sink);
    }

    /// Takes another effective priority over. The running master down timer moves by as much as the
    /// master down interval changes; a master says the new priority in its next advert.
    pub(crate) fn set_priority(
        &mut self,
        now: Moment,
        to: Priority,
        trackers: &Trackers,
        trigger: &Cause,
        sink: &mut impl Sink,
    ) {
        let from = self.standing.priority;
        if from == to {
            return;
        }
        let before = self.down_time();
        self.standing.priority = to;
        self.shift_down_timer(before);
        if from < to && trigger.is_of_tracker() {
            let causes = vec![trigger.clone(), Cause::Priority { from, to }];
            self.recovery = Some(Recovery { at: now, causes });
        } else {
            self.recovery = None;
        }
        let mut causes = trackers.explain(&self.config);
        link(&mut causes, trigger.clone());
        let instance = self.id();
        sink.act(Action::Event(Event::PriorityChanged { instance, at: now, from, to, causes }));
    }

    /// A backup's timer follows a change of its master down interval, which was `before`, or of its skew
    /// when it waits only for that.
    pub(crate) fn shift_down_timer(&mut self, before: Duration) {
        if self.state != State::Backup {
            return;
        }
        match self.wait {
            Wait::Released { at, .. } => {
                self.timers.protocol = at + self.skew(self.standing.priority);
                return;
            }
            Wait::Dead { at, .. } => {
                self.timers.protocol = at + self.detection_skew();
                return;
            }
            Wait::Silence(_) | Wait::Preempting(_) => {}
        }
        let after = self.down_time();
        let deadline = self.timers.protocol;
        self.timers.protocol =
            if after > before { deadline + (after - before) } else { deadline - (before - after) };
    }

    /// Everything that explains a change that `trigger` brings about, oldest first.
    pub(crate) fn chain(&self, now: Moment, trackers: &Trackers, trigger: Cause) -> Vec<Cause> {
        let mut causes = trackers.explain(&self.config);
        let election = self.config.preempt_delay.saturating_add(self.down_time() * ELECTION_DOWN_INTERVALS);
        match &self.recovery {
            Some(recovery) if now.since(recovery.at) <= election => {
                causes.extend(recovery.causes.iter().cloned())
            }
            _ if self.standing.priority != self.config.priority => {
                causes.push(Cause::Priority { from: self.config.priority, to: self.standing.priority });
            }
            _ => {}
        }
        link(&mut causes, trigger);
        causes
    }
}

/// Puts what brought a change about to the causes that stand: last, but what came before all
/// trackers (a start, a reload) first.
fn link(causes: &mut Vec<Cause>, trigger: Cause) {
    causes.retain(|cause| *cause != trigger);
    if matches!(trigger, Cause::Start | Cause::Reload) {
        causes.insert(0, trigger);
    } else {
        causes.push(trigger);
    }
}
