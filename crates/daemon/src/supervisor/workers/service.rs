//! The service manager, and the heart beat behind its watchdog.
//!
//! The watchdog hears that the daemon lives only while the timing thread answers: a supervisor that
//! is well beside a worker that hangs is no living daemon. A worker that leaves [`BEATS_MISSED_MAX`]
//! beats unanswered is killed, and its successor goes on.

use std::time::Duration;

use steadfast_kernel::process::notify::{Notifier, State, watchdog_interval};
use steadfast_vrrp::Moment;

/// Between two beats without a watchdog.
const BEAT: Duration = Duration::from_secs(2);
/// Unanswered beats after which a worker counts as hung.
const BEATS_MISSED_MAX: u32 = 3;

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Service {
    notifier: Option<Notifier>,
    beat: Duration,
    next_beat: Moment,
    missed: u32,
}

/// What a beat calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Not yet.
    Rest,
    /// Ask the worker to answer.
    Ask,
    /// The worker hangs.
    Hung,
}

impl Service {
    pub(crate) fn open(now: Moment) -> Self {
        let notifier = Notifier::from_environment().ok().flatten();
        // The manager wants to hear something within its interval; a third leaves room for a lost one.
        let beat = watchdog_interval().map_or(BEAT, |interval| (interval / 3).min(BEAT));
        Self { notifier, beat, next_beat: now + beat, missed: 0 }
    }

    /// Start or reload has finished.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&[State::Ready, State::Status(status)]);
    }

    /// A reload begins.
    pub(crate) fn reloading(&self) {
        self.tell(&[State::Reloading]);
    }

    /// The daemon stops.
    pub(crate) fn stopping(&self) {
        self.tell(&[State::Stopping]);
    }

    /// When [`Self::beat`] has something to say.
    pub(crate) fn wakeup(&self) -> Moment {
        self.next_beat
    }

    /// Time for a beat? Without a worker the supervisor alone is the living daemon.
    pub(crate) fn beat(&mut self, now: Moment, has_worker: bool) -> Beat {
        if now < self.next_beat {
            return Beat::Rest;
        }
        // A supervisor that was itself held up must not blame the worker for the time in between.
        let held_up = now.since(self.next_beat) > self.beat;
        self.next_beat = now + self.beat;
        if !has_worker {
            self.answered();
            return Beat::Rest;
        }
        if held_up {
            self.missed = 0;
        }
        self.missed += 1;
        if self.missed > BEATS_MISSED_MAX {
            self.missed = 0;
            return Beat::Hung;
        }
        Beat::Ask
    }

    /// The worker answered.
    pub(crate) fn answered(&mut self) {
        self.missed = 0;
        self.tell(&[State::Watchdog]);
    }

    fn tell(&self, states: &[State<'_>]) {
        if let Some(notifier) = &self.notifier {
            let _ = notifier.tell(states);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service { notifier: None, beat: BEAT, next_beat: Moment::ZERO + BEAT, missed: 0 }
    }

    #[test]
    fn a_worker_that_never_answers_is_hung_after_the_fourth_beat() {
        let mut service = service();
        let beats: Vec<Beat> = (1..=4).map(|n| service.beat(Moment::ZERO + BEAT * n, true)).collect();
        assert_eq!(beats, [Beat::Ask, Beat::Ask, Beat::Ask, Beat::Hung]);
    }

    #[test]
    fn an_answer_starts_the_count_afresh() {
        let mut service = service();
        for n in 1..=20 {
            assert_eq!(service.beat(Moment::ZERO + BEAT * n, true), Beat::Ask);
            service.answered();
        }
    }

    #[test]
    fn a_supervisor_that_slept_does_not_blame_the_worker() {
        let mut service = service();
        for n in 1..=3 {
            service.beat(Moment::ZERO + BEAT * n, true);
        }
        assert_eq!(service.beat(Moment::ZERO + BEAT * 30, true), Beat::Ask);
    }
}
