//! Files, sets of processes and BFD sessions: what somebody else watches, and what it read there last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{InstanceId, Reading, TrackWatch, WatchConfig, WatchId, WatchKind, Weight};
use crate::event::Cause;
use crate::status::{TrackerKind, TrackerShare};

/// Largest part of a file in a priority; what is as far below zero and further is a fault.
const LARGEST_FILE_SHARE: i64 = 253;

/// Everything of that kind, and by whom it is followed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Watches(BTreeMap<WatchId, Watch>);

#[derive(Debug, Serialize, Deserialize)]
struct Watch {
    config: Arc<WatchConfig>,
    users: BTreeSet<InstanceId>,
}

impl Watches {
    /// Takes a configuration over with what was read when it was made; who has to be weighed anew comes back.
    pub(crate) fn set(&mut self, config: &Arc<WatchConfig>) -> Vec<InstanceId> {
        match self.0.get_mut(&config.id) {
            Some(watch) => {
                let changed = watch.config.reading != config.reading;
                watch.config = Arc::clone(config);
                if changed { watch.users.iter().copied().collect() } else { Vec::new() }
            }
            None => {
                self.0.insert(config.id, Watch { config: Arc::clone(config), users: BTreeSet::new() });
                Vec::new()
            }
        }
    }

    /// Name as configured.
    pub(crate) fn name(&self, id: WatchId) -> Option<Arc<str>> {
        self.0.get(&id).map(|watch| Arc::clone(&watch.config.name))
    }

    pub(crate) fn remove(&mut self, id: WatchId) {
        self.0.remove(&id);
    }

    /// Something else was read; who follows it, and what to say of it.
    pub(crate) fn read(&mut self, id: WatchId, reading: Reading) -> Option<(Vec<InstanceId>, Cause)> {
        let watch = self.0.get_mut(&id)?;
        if watch.config.reading == Some(reading) {
            return None;
        }
        Arc::make_mut(&mut watch.config).reading = Some(reading);
        let cause = watch.cause()?;
        Some((watch.users.iter().copied().collect(), cause))
    }

    pub(crate) fn subscribe(&mut self, instance: InstanceId, tracked: &[TrackWatch]) {
        for track in tracked {
            if let Some(watch) = self.0.get_mut(&track.watch) {
                watch.users.insert(instance);
            }
        }
    }

    pub(crate) fn unsubscribe(&mut self, instance: InstanceId, tracked: &[TrackWatch]) {
        for track in tracked {
            if let Some(watch) = self.0.get_mut(&track.watch) {
                watch.users.remove(&instance);
            }
        }
    }

    /// What each of `tracked` does at present.
    pub(crate) fn effects(&self, tracked: &[TrackWatch]) -> impl Iterator<Item = Effect> {
        tracked.iter().filter_map(|track| {
            let watch = self.0.get(&track.watch)?;
            Some(track.weight.effect(watch.config.reading))
        })
    }

    /// Those of `tracked` that keep an instance in FAULT.
    pub(crate) fn faults(&self, tracked: &[TrackWatch]) -> impl Iterator<Item = Cause> {
        self.causes(tracked, |_, effect| effect.fault)
    }

    /// Those of `tracked` that keep an instance away from its base priority, or from what it can reach.
    pub(crate) fn departures(&self, tracked: &[TrackWatch]) -> impl Iterator<Item = Cause> {
        self.causes(tracked, |reading, effect| match reading {
            Reading::Good(good) => !good && !effect.fault,
            Reading::Value(_) => effect.share != 0,
        })
    }

    fn causes(
        &self,
        tracked: &[TrackWatch],
        wanted: impl Fn(Reading, Effect) -> bool,
    ) -> impl Iterator<Item = Cause> {
        tracked.iter().filter_map(move |track| {
            let watch = self.0.get(&track.watch)?;
            let reading = watch.config.reading?;
            wanted(reading, track.weight.effect(Some(reading))).then(|| watch.cause()).flatten()
        })
    }

    /// Each one's part, in configured order.
    pub(crate) fn shares(
        &self,
        tracked: &[TrackWatch],
        is_owner: bool,
    ) -> impl Iterator<Item = TrackerShare> {
        tracked.iter().filter_map(move |track| {
            let config = &self.0.get(&track.watch)?.config;
            let effect = track.weight.effect(config.reading);
            Some(TrackerShare {
                kind: match config.kind {
                    WatchKind::File => TrackerKind::File,
                    WatchKind::Process => TrackerKind::Process,
                    WatchKind::Session => TrackerKind::Session,
                },
                name: Arc::clone(&config.name),
                good: config.reading.map(|reading| match reading {
                    Reading::Good(good) => good,
                    Reading::Value(_) => !effect.fault,
                }),
                share: if is_owner { 0 } else { effect.share },
                fault: effect.fault,
            })
        })
    }
}

impl Watch {
    fn cause(&self) -> Option<Cause> {
        let name = Arc::clone(&self.config.name);
        Some(match (self.config.kind, self.config.reading?) {
            (_, Reading::Value(value)) => Cause::File { name, value },
            (WatchKind::Session, Reading::Good(up)) => Cause::Session { name, up },
            (_, Reading::Good(good)) => Cause::Process { name, good },
        })
    }
}

/// What a tracked object does to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effect {
    /// It keeps it in FAULT.
    pub(crate) fault: bool,
    /// It keeps it waiting: nothing is known yet.
    pub(crate) pending: bool,
    /// What it adds to the priority.
    pub(crate) share: i32,
}

impl Weight {
    /// What an object with this weight does to an instance.
    fn effect(self, reading: Option<Reading>) -> Effect {
        match reading {
            Some(Reading::Value(value)) => self.effect_of_value(value),
            reading => {
                let good = reading.map(|reading| reading == Reading::Good(true));
                self.effect_of_state(good)
            }
        }
    }

    /// An object that is good or bad.
    pub(crate) fn effect_of_state(self, good: Option<bool>) -> Effect {
        Effect {
            fault: self.faults(good),
            pending: self.value == 0 && good.is_none(),
            share: self.share(good),
        }
    }

    /// A number is multiplied: what is added stays within a priority, and far enough below zero it is a fault.
    fn effect_of_value(self, value: i32) -> Effect {
        if self.value == 0 {
            return Effect { fault: (value != 0) != self.reverse, pending: false, share: 0 };
        }
        let product = i64::from(value) * i64::from(self.value);
        let product = if self.reverse { -product } else { product };
        let fault = product < -LARGEST_FILE_SHARE;
        let share = if fault { 0 } else { product.min(LARGEST_FILE_SHARE) };
        Effect { fault, pending: false, share: i32::try_from(share).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(value: i16, reverse: bool) -> Weight {
        Weight { value, reverse }
    }

    #[test]
    fn a_file_counts_as_keepalived_counts_it() {
        let cases = [
            // weight, reverse, value: fault, share
            ((1, false, 0), (false, 0)),
            ((1, false, 20), (false, 20)),
            ((2, false, 20), (false, 40)),
            ((2, true, 20), (false, -40)),
            ((-3, false, 10), (false, -30)),
            ((1, false, 1_000), (false, 253)),
            ((1, false, -253), (false, -253)),
            ((1, false, -254), (true, 0)),
            ((254, false, i32::MIN), (true, 0)),
            ((-254, false, i32::MIN), (false, 253)),
            ((0, false, 0), (false, 0)),
            ((0, false, 7), (true, 0)),
            ((0, true, 0), (true, 0)),
            ((0, true, 7), (false, 0)),
        ];
        for ((factor, reverse, value), (fault, share)) in cases {
            let effect = weight(factor, reverse).effect(Some(Reading::Value(value)));
            assert_eq!(effect, Effect { fault, pending: false, share }, "{factor} {reverse} {value}");
        }
    }

    #[test]
    fn what_is_not_known_keeps_waiting_only_where_it_could_be_a_fault() {
        assert!(weight(0, false).effect(None).pending);
        let effect = weight(10, false).effect(None);
        assert_eq!(effect, Effect { fault: false, pending: false, share: 0 });
    }
}
