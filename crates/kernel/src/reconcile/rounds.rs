//! Kinds of things that lean on each other, driven together.

use super::{Pause, Reconcile};
use crate::error::Result;

/// Kinds that share a way to the kernel, in the order of their dependence: each may lean on those before it.
pub type Kinds<'a, 'b, Way> = &'a mut [&'b mut dyn Reconcile<Way = Way>];

/// Drives [kinds](Kinds): what goes is deleted from the last kind to the first, and then what comes is made from the first
/// to the last. Where the way itself fails, everything waits, here and nowhere else.
#[derive(Debug, Default)]
pub struct Rounds {
    pause: Pause,
}

impl Rounds {
    /// With such a pause after a failure.
    pub const fn pausing(pause: Pause) -> Self {
        Self { pause }
    }

    /// The pause after a failure.
    pub const fn pause(&self) -> &Pause {
        &self.pause
    }

    /// Hands on how an attempt to open the way went.
    ///
    /// # Errors
    /// The attempt's.
    pub fn opened<T>(&mut self, attempt: Result<T>, now: u64) -> Result<T> {
        self.pause.after(attempt, now)
    }

    /// When [`run`](Self::run) has something to do, if ever: nanoseconds of CLOCK_BOOTTIME, 0 for at once.
    pub fn next_wakeup<Way>(&self, kinds: Kinds<'_, '_, Way>) -> Option<u64> {
        self.pause.put_off(kinds.iter().filter_map(|kind| kind.next_wakeup()).min())
    }

    /// One round through the kinds that have something to do.
    ///
    /// # Errors
    /// Only when the way itself fails; the rest stays to be done, and until [`next_wakeup`](Self::next_wakeup) nothing is
    /// attempted.
    pub fn run<Way>(&mut self, way: &mut Way, kinds: Kinds<'_, '_, Way>, now: u64) -> Result<()> {
        let is_due = |kind: &dyn Reconcile<Way = Way>| kind.next_wakeup().is_some_and(|at| at <= now);
        if !self.pause.is_over(now) || !kinds.iter().any(|kind| is_due(&**kind)) {
            return Ok(());
        }
        let mut round = || {
            for kind in kinds.iter_mut() {
                kind.survey(way, now)?;
            }
            for kind in kinds.iter_mut().rev().filter(|kind| is_due(&***kind)) {
                kind.retract(way, now)?;
            }
            for kind in kinds.iter_mut().filter(|kind| is_due(&***kind)) {
                kind.install(way, now)?;
            }
            Ok(())
        };
        let went = round();
        self.pause.after(went, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Heard, RETRY_INTERVAL_NANOSECONDS, Report};
    use super::*;
    use crate::error::{Errno, Error};

    /// What was done, and at which step the way fails.
    #[derive(Debug, Default)]
    struct Log {
        steps: Vec<(&'static str, u32)>,
        fails_at: Option<(&'static str, u32)>,
    }

    impl Log {
        fn step(&mut self, what: &'static str, number: u32) -> Result<()> {
            if self.fails_at == Some((what, number)) {
                return Err(Error::new("do anything", Errno::NOBUFS));
            }
            self.steps.push((what, number));
            Ok(())
        }
    }

    /// A kind without things.
    #[derive(Debug)]
    struct Kind {
        number: u32,
        wakeup: Option<u64>,
    }

    impl Reconcile for Kind {
        type Way = Log;
        type Key = ();
        type Wish = ();

        fn key((): &()) {}

        fn wish(&mut self, (): ()) {}

        fn unwish(&mut self, (): &()) {}

        fn heard(&mut self, _: Heard<'_>, _: u64) {}

        fn retract(&mut self, log: &mut Log, _: u64) -> Result<()> {
            log.step("retract", self.number)
        }

        fn install(&mut self, log: &mut Log, _: u64) -> Result<()> {
            log.step("install", self.number)?;
            self.wakeup = None;
            Ok(())
        }

        fn next_wakeup(&self) -> Option<u64> {
            self.wakeup
        }

        fn take_reports(&mut self) -> Vec<Report> {
            Vec::new()
        }
    }

    #[test]
    fn what_goes_is_deleted_in_the_reverse_order_of_what_comes() {
        let [mut first, mut idle, mut last] =
            [(1, Some(0)), (2, Some(9)), (3, Some(4))].map(|(number, wakeup)| Kind { number, wakeup });
        let mut kinds: [&mut dyn Reconcile<Way = Log>; 3] = [&mut first, &mut idle, &mut last];
        let (mut rounds, mut log) = (Rounds::default(), Log::default());
        rounds.run(&mut log, &mut kinds, 5).unwrap();
        assert_eq!(log.steps, [("retract", 3), ("retract", 1), ("install", 1), ("install", 3)]);
        assert_eq!(rounds.next_wakeup(&mut kinds), Some(9));
        rounds.run(&mut log, &mut kinds, 5).unwrap();
        assert_eq!(log.steps.len(), 4, "nothing is due");
    }

    #[test]
    fn where_the_way_fails_everything_waits_once() {
        let [mut first, mut last] = [1, 2].map(|number| Kind { number, wakeup: Some(0) });
        let mut kinds: [&mut dyn Reconcile<Way = Log>; 2] = [&mut first, &mut last];
        let mut rounds = Rounds::default();
        let mut log = Log { fails_at: Some(("retract", 1)), ..Log::default() };
        assert!(rounds.run(&mut log, &mut kinds, 5).is_err());
        let again = 5 + RETRY_INTERVAL_NANOSECONDS;
        assert_eq!(rounds.next_wakeup(&mut kinds), Some(again));
        log = Log::default();
        rounds.run(&mut log, &mut kinds, again - 1).unwrap();
        assert_eq!(log.steps, []);
        rounds.run(&mut log, &mut kinds, again).unwrap();
        assert_eq!(log.steps.len(), 4);
    }
}
