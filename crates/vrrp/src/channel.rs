//! Whether an instance can hear and speak. Sockets are the caller's; what follows from them is decided here.
//!
//! An instance that cannot hear would see no living master, and one that cannot speak would let its peers see none:
//! both would make two masters (RFC 9568 section 6.4.3). They are in FAULT until the channel is there again.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;

use crate::action::Sink;
use crate::config::{InstanceId, Transport};
use crate::event::{Cause, State};
use crate::instance::Instance;
use crate::machine::Machine;
use crate::track::Trackers;

/// An instance that cannot speak tries this often, or once in its own interval where that is longer.
pub const SPEECH_TRIAL: Duration = Duration::from_secs(1);

/// A refusal is told at once; what was not refused by then has left.
const VERDICT_AFTER: Duration = Duration::from_millis(1);

/// What stands between an instance and its peers, or its clients.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Obstacles {
    /// Why it has no socket.
    pub(crate) socket: Option<Arc<str>>,
    /// Why its adverts do not leave.
    pub(crate) refusal: Option<Arc<str>>,
    /// What of all that exists whatever its state is missing.
    pub(crate) standing: Option<Arc<str>>,
}

impl Obstacles {
    const fn kinds(&self) -> [bool; 3] {
        [self.socket.is_some(), self.refusal.is_some(), self.standing.is_some()]
    }
}

/// What became of the adverts of an instance.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Speech {
    /// The first refusal since an advert left.
    refused_since: Option<Moment>,
    /// The adverts sent last were refused.
    refused: bool,
    /// In FAULT: a trial was sent, and not refused so far.
    trying: bool,
}

impl Speech {
    /// Adverts are about to be sent; what was sent before and not refused has left. Whether that ends refusals comes back.
    pub(crate) fn begin(&mut self) -> bool {
        !std::mem::take(&mut self.refused) && self.refused_since.take().is_some()
    }

    /// The first refusal since an advert left.
    pub(crate) const fn refused_since(&self) -> Option<Moment> {
        self.refused_since
    }

    /// Refusals go on where a predecessor saw them.
    pub(crate) fn resume(&mut self, refused_since: Option<Moment>) {
        self.refused_since = refused_since;
        self.refused = refused_since.is_some();
    }
}

impl Machine {
    /// Sockets of instances came, or could not be had.
    pub(crate) fn channel(
        &mut self,
        now: Moment,
        instances: &[InstanceId],
        obstacle: Option<&str>,
        sink: &mut impl Sink,
    ) {
        let reason: Option<Arc<str>> = obstacle.map(Arc::from);
        let cause = Cause::Socket { obstacle: reason.clone() };
        let mut triggers = Vec::new();
        for &id in instances {
            if self.trackers.set_obstacle(id, |obstacles| obstacles.socket.clone_from(&reason)) {
                triggers.push((id, cause.clone()));
            }
        }
        self.reassess_all(now, &triggers, sink);
    }

    /// What instances follow is missing, or is there again.
    pub(crate) fn standing(
        &mut self,
        now: Moment,
        instances: &[InstanceId],
        missing: Option<&str>,
        sink: &mut impl Sink,
    ) {
        let missing: Option<Arc<str>> = missing.map(Arc::from);
        let cause = Cause::Standing { missing: missing.clone() };
        let mut triggers = Vec::new();
        for &id in instances {
            if self.trackers.set_obstacle(id, |obstacles| obstacles.standing.clone_from(&missing)) {
                triggers.push((id, cause.clone()));
            }
        }
        self.reassess_all(now, &triggers, sink);
    }

    /// The kernel refused adverts of an instance. It goes to FAULT when the next one could not come before its peers,
    /// who count from the last one that left, hold it for dead.
    pub(crate) fn refused(
        &mut self,
        now: Moment,
        id: InstanceId,
        datagrams: u32,
        reason: &str,
        sink: &mut impl Sink,
    ) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if !instance.speech.trying {
            instance.counters.adverts_sent = instance.counters.adverts_sent.saturating_sub(datagrams.into());
        }
        let destinations = match &instance.config.transport {
            Transport::Multicast { .. } => 1,
            Transport::Unicast { peers, .. } => peers.len(),
        };
        // As long as one peer is spoken to, this one is no worse than a router on the way.
        if usize::try_from(datagrams).is_ok_and(|datagrams| datagrams < destinations) {
            return;
        }
        match instance.state {
            State::Master => {
                instance.speech.refused = true;
                if instance.speech.refused_since.is_none() {
                    sink.remember(id);
                }
                let since = *instance.speech.refused_since.get_or_insert(now);
                let silent = now.since(since) + instance.interval() * 2;
                if silent > instance.down_time() {
                    let reason = Arc::from(reason);
                    let cause = Cause::Sending { obstacle: Some(Arc::clone(&reason)) };
                    self.trackers.set_obstacle(id, |obstacles| obstacles.refusal = Some(reason));
                    self.reassess(now, id, &cause, sink);
                }
            }
            State::Fault if instance.speech.trying => {
                instance.speech.trying = false;
                instance.timers.protocol = now + instance.trial_pause();
                self.arm(id);
            }
            _ => {}
        }
    }

    /// The timer of an instance in FAULT: one that could not speak tries whether it can.
    pub(crate) fn try_to_speak(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let refused = self.trackers.is_refused(id);
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.timers.protocol = Moment::NEVER;
        if !refused {
            return;
        }
        if instance.speech.trying {
            instance.speech = Speech::default();
            self.trackers.set_obstacle(id, |obstacles| obstacles.refusal = None);
            self.reassess(now, id, &Cause::Sending { obstacle: None }, sink);
            return;
        }
        instance.speech.trying = instance.send_trial(&self.trackers, sink);
        instance.timers.protocol =
            now + if instance.speech.trying { VERDICT_AFTER } else { instance.trial_pause() };
    }
}

impl Instance {
    /// After the change to FAULT.
    pub(crate) fn await_speech(&mut self, now: Moment, trackers: &Trackers) {
        self.speech = Speech::default();
        if trackers.is_refused(self.id()) {
            self.timers.protocol = now + self.trial_pause();
        }
    }

    fn trial_pause(&self) -> Duration {
        self.interval().max(SPEECH_TRIAL)
    }

    /// A datagram that takes the way of an advert and means nothing to anybody: empty, and with a hop limit of 0, so that
    /// Linux lets no IPv4 multicast of it out and no router accepts it (RFC 9568 section 5.1.1.3).
    fn send_trial(&mut self, trackers: &Trackers, sink: &mut impl Sink) -> bool {
        trackers.source(&self.config).is_some_and(|source| self.advert.send_empty(&self.config, source, sink))
    }
}

impl Trackers {
    /// Whether the instance was, or is, without an obstacle, and that changed.
    fn set_obstacle(&mut self, id: InstanceId, set: impl FnOnce(&mut Obstacles)) -> bool {
        let obstacles = self.obstacles.entry(id).or_default();
        let before = obstacles.kinds();
        set(obstacles);
        let after = obstacles.kinds();
        if after == [false; 3] {
            self.obstacles.remove(&id);
        }
        before != after
    }

    fn is_refused(&self, id: InstanceId) -> bool {
        self.obstacles.get(&id).is_some_and(|obstacles| obstacles.refusal.is_some())
    }

    /// Why its adverts do not leave.
    pub(crate) fn refusal(&self, id: InstanceId) -> Option<Arc<str>> {
        self.obstacles.get(&id)?.refusal.clone()
    }

    /// What a predecessor was refused is refused still, until a trial shows otherwise.
    pub(crate) fn resume_refusal(&mut self, id: InstanceId, refusal: Option<Arc<str>>) {
        self.set_obstacle(id, |obstacles| obstacles.refusal = refusal);
    }

    /// An instance is gone; whether its number has a socket is still the caller's to say.
    pub(crate) fn forget_refusal(&mut self, id: InstanceId) {
        self.set_obstacle(id, |obstacles| obstacles.refusal = None);
    }

    /// Whether the instance cannot hear or cannot speak, or lacks what it follows.
    pub(crate) fn is_obstructed(&self, id: InstanceId) -> bool {
        self.obstacles.contains_key(&id)
    }

    /// Why.
    pub(crate) fn obstacle_causes(&self, id: InstanceId) -> impl Iterator<Item = Cause> {
        let obstacles = self.obstacles.get(&id);
        let socket = obstacles.and_then(|obstacles| obstacles.socket.clone());
        let refusal = obstacles.and_then(|obstacles| obstacles.refusal.clone());
        let standing = obstacles.and_then(|obstacles| obstacles.standing.clone());
        let standing = standing.map(|missing| Cause::Standing { missing: Some(missing) });
        let socket = socket.map(|reason| Cause::Socket { obstacle: Some(reason) });
        let refusal = refusal.map(|reason| Cause::Sending { obstacle: Some(reason) });
        socket.into_iter().chain(refusal).chain(standing)
    }
}
