//! The heart beat of a worker: one that leaves [`BEATS_MISSED_MAX`] beats unanswered is killed, and its
//! successor goes on.

use std::time::Duration;

use steadfast_vrrp::Moment;

/// Unanswered beats after which a worker counts as hung.
const BEATS_MISSED_MAX: u32 = 3;

/// When a worker is asked whether it lives, and how often it did not answer.
#[derive(Debug)]
pub(crate) struct Beats {
    every: Duration,
    next: Moment,
    missed: u32,
    /// The first beat since the last answer.
    unanswered_since: Option<Moment>,
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

impl Beats {
    pub(crate) fn new(now: Moment, every: Duration) -> Self {
        Self { every, next: now + every, missed: 0, unanswered_since: None }
    }

    /// When [`Self::beat`] has something to say.
    pub(crate) fn wakeup(&self) -> Moment {
        self.next
    }

    /// Time for a beat?
    pub(crate) fn beat(&mut self, now: Moment) -> Beat {
        if now < self.next {
            return Beat::Rest;
        }
        // A supervisor that was itself held up must not blame the worker for the time in between.
        let held_up = now.since(self.next) > self.every;
        self.next = now + self.every;
        if held_up {
            self.missed = 0;
        }
        self.missed += 1;
        self.unanswered_since.get_or_insert(now);
        if self.missed > BEATS_MISSED_MAX {
            self.missed = 0;
            return Beat::Hung;
        }
        Beat::Ask
    }

    /// The worker answered.
    pub(crate) fn answered(&mut self) {
        self.missed = 0;
        self.unanswered_since = None;
    }

    /// Until when a worker that ended, as seen at `now`, was surely at work: until its end, unless it left a beat
    /// unanswered, or its end came while nobody looked.
    pub(crate) fn alive_until(&self, now: Moment) -> Moment {
        let looked_away = now.since(self.next) > self.every;
        self.unanswered_since.unwrap_or(if looked_away { self.next - self.every } else { now })
    }

    /// At most the last beat is unanswered.
    pub(crate) fn is_steady(&self) -> bool {
        self.missed <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(2);

    fn beats() -> Beats {
        Beats::new(Moment::ZERO, EVERY)
    }

    #[test]
    fn a_worker_that_never_answers_is_hung_after_the_fourth_beat() {
        let mut beats = beats();
        let asked: Vec<Beat> = (1..=4).map(|n| beats.beat(Moment::ZERO + EVERY * n)).collect();
        assert_eq!(asked, [Beat::Ask, Beat::Ask, Beat::Ask, Beat::Hung]);
    }

    #[test]
    fn an_answer_starts_the_count_afresh() {
        let mut beats = beats();
        for n in 1..=20 {
            assert_eq!(beats.beat(Moment::ZERO + EVERY * n), Beat::Ask);
            assert!(beats.is_steady());
            beats.answered();
        }
    }

    #[test]
    fn a_worker_that_leaves_two_beats_unanswered_is_not_steady() {
        let mut beats = beats();
        let steady = [1, 2].map(|n| {
            beats.beat(Moment::ZERO + EVERY * n);
            beats.is_steady()
        });
        assert_eq!(steady, [true, false]);
    }

    #[test]
    fn a_worker_was_at_work_until_it_died_or_hung() {
        let mut beats = beats();
        let at = |n| Moment::ZERO + EVERY * n;
        assert_eq!(beats.alive_until(at(1)), at(1), "it died");
        beats.beat(at(1));
        beats.answered();
        assert_eq!(beats.alive_until(at(9)), at(1), "the supervisor slept");
        beats.beat(at(2));
        beats.beat(at(3));
        assert_eq!(beats.alive_until(at(4)), at(2), "it hung");
        beats.answered();
        assert_eq!(beats.alive_until(at(4)), at(4));
    }

    #[test]
    fn a_supervisor_that_slept_does_not_blame_the_worker() {
        let mut beats = beats();
        for n in 1..=3 {
            beats.beat(Moment::ZERO + EVERY * n);
        }
        assert_eq!(beats.beat(Moment::ZERO + EVERY * 30), Beat::Ask);
    }
}
