//! The heart beat of a worker: one of which a thread gives no sign of life for [`BEATS_MISSED_MAX`] beats and one more is
//! killed, and its successor goes on.

use std::time::Duration;

use steadfast_vrrp::Moment;

/// Beats without a sign of life after which a worker counts as hung with the next.
const BEATS_MISSED_MAX: u32 = 3;

/// When a worker is looked at.
#[derive(Debug)]
pub(crate) struct Beats {
    every: Duration,
    next: Moment,
    /// Silence before this moment is not held against the worker.
    excused: Moment,
}

/// What a look at a worker found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// It was not time to look.
    Rest,
    /// It lives, as far as is known.
    Lives,
    /// It hangs.
    Hung,
}

impl Beats {
    pub(crate) fn new(now: Moment, every: Duration) -> Self {
        Self { every, next: now + every, excused: now }
    }

    /// When [`Self::beat`] has something to say.
    pub(crate) fn wakeup(&self) -> Moment {
        self.next
    }

    /// Time for a beat? `sign` is the last one of the worker's most silent thread.
    #[inline]
    pub(crate) fn beat(&mut self, now: Moment, sign: Moment) -> Beat {
        if now < self.next {
            return Beat::Rest;
        }
        // A supervisor that was itself held up must not blame the worker for the time in between.
        if now.since(self.next) > self.every {
            self.excused = now;
        }
        let hung_at = self.last(sign) + self.every * (BEATS_MISSED_MAX + 1);
        if hung_at <= now {
            self.excused = now;
            self.next = now + self.every;
            return Beat::Hung;
        }
        self.next = hung_at.min(now + self.every);
        Beat::Lives
    }

    /// At most one beat had no sign of life.
    pub(crate) fn is_steady(&self, now: Moment, sign: Moment) -> bool {
        now.since(self.last(sign)) < self.every * 2
    }

    fn last(&self, sign: Moment) -> Moment {
        sign.max(self.excused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(2);

    fn beats() -> Beats {
        Beats::new(Moment::ZERO, EVERY)
    }

    /// So many quarters of a beat after the start.
    fn at(quarters: u32) -> Moment {
        Moment::ZERO + EVERY / 4 * quarters
    }

    /// Looks whenever it is time to; what was found last comes back, and when.
    fn until_hung(mut beats: Beats, sign: Moment) -> Moment {
        loop {
            let now = beats.wakeup();
            match beats.beat(now, sign.min(now)) {
                Beat::Lives => {}
                Beat::Hung => return now,
                Beat::Rest => panic!("too early at {now:?}"),
            }
        }
    }

    #[test]
    fn a_worker_is_hung_four_beats_after_its_last_sign_and_not_before() {
        for quarters in 0..20 {
            assert_eq!(until_hung(beats(), at(quarters)), at(quarters + 16), "{quarters}");
        }
    }

    #[test]
    fn a_worker_that_gives_a_sign_now_and_then_lives() {
        let mut beats = beats();
        for n in 1..=20 {
            // As late as may be.
            assert_eq!(beats.beat(at(4 * n), at((4 * n).saturating_sub(15))), Beat::Lives, "{n}");
        }
    }

    #[test]
    fn a_worker_that_is_silent_for_two_beats_is_not_steady() {
        let beats = beats();
        let sign = at(3);
        assert!(beats.is_steady(at(10), sign));
        assert!(!beats.is_steady(at(11), sign));
    }

    #[test]
    fn a_worker_is_looked_at_once_a_beat() {
        let mut beats = beats();
        assert_eq!(beats.beat(at(3), at(3)), Beat::Rest);
        assert_eq!(beats.beat(at(5), at(3)), Beat::Lives);
        assert_eq!(beats.beat(at(8), at(3)), Beat::Rest);
        assert_eq!(beats.beat(at(9), at(3)), Beat::Lives);
    }

    #[test]
    fn a_supervisor_that_slept_does_not_blame_the_worker() {
        let mut beats = beats();
        assert_eq!(beats.beat(at(4), at(4)), Beat::Lives);
        assert_eq!(beats.beat(at(120), at(4)), Beat::Lives);
        assert!(beats.is_steady(at(121), at(4)));
        // One that hangs indeed is found out all the same.
        assert_eq!(until_hung(beats, at(4)), at(136));
    }

    #[test]
    fn one_that_was_killed_is_not_killed_again_at_once() {
        let mut beats = beats();
        assert_eq!(beats.beat(at(4), at(1)), Beat::Lives);
        for n in 2..4 {
            assert_eq!(beats.beat(at(4 * n), at(1)), Beat::Lives);
        }
        assert_eq!(beats.beat(at(17), at(1)), Beat::Hung);
        assert_eq!(beats.beat(at(21), at(1)), Beat::Lives);
    }
}
