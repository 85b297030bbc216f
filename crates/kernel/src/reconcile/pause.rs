//! How long is waited for what failed, before it is tried again.

use crate::error::Result;

/// A thing that somebody else keeps removing is put back at most once in this time.
pub const PUT_BACK_INTERVAL_NANOSECONDS: u64 = 1_000_000_000;

/// What the kernel refused is tried again after this time.
pub const RETRY_INTERVAL_NANOSECONDS: u64 = 1_000_000_000;

/// No attempt before a time: where the way to the kernel itself failed, everything stays to be done, and the next attempt
/// would most likely fail as well.
#[derive(Debug)]
pub struct Pause {
    until: u64,
    /// In a row.
    failures: u32,
    longest: u64,
}

impl Default for Pause {
    /// Of the same length whatever came before.
    fn default() -> Self {
        Self::doubling_to(RETRY_INTERVAL_NANOSECONDS)
    }
}

impl Pause {
    /// Twice as long after each further failure, up to this time.
    pub const fn doubling_to(longest: u64) -> Self {
        Self { until: 0, failures: 0, longest }
    }

    /// An attempt may be made.
    pub const fn is_over(&self, now: u64) -> bool {
        self.until <= now
    }

    /// When the next attempt may be made.
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// When what is due at `at` may be attempted.
    pub fn put_off(&self, at: Option<u64>) -> Option<u64> {
        at.map(|at| at.max(self.until))
    }

    /// Attempts in a row that failed.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Hands on how an attempt went; after a failure the next one waits.
    ///
    /// # Errors
    /// The attempt's.
    pub fn after<T>(&mut self, attempt: Result<T>, now: u64) -> Result<T> {
        match &attempt {
            Ok(_) => self.failures = 0,
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                self.until = now.saturating_add(wait_after(self.failures, self.longest));
            }
        }
        attempt
    }
}

/// How long is waited after so many failures in a row.
pub(super) fn wait_after(failures: u32, longest: u64) -> u64 {
    let doublings = failures.saturating_sub(1);
    let doubled = RETRY_INTERVAL_NANOSECONDS.saturating_mul(1_u64.checked_shl(doublings).unwrap_or(u64::MAX));
    doubled.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Errno, Error};

    const SECOND: u64 = 1_000_000_000;

    fn failure() -> Result<()> {
        Err(Error::new("do anything", Errno::NOBUFS))
    }

    #[test]
    fn a_pause_doubles_up_to_its_bound_and_begins_anew_after_a_success() {
        let mut pause = Pause::doubling_to(4 * SECOND);
        assert!(pause.is_over(0));
        for wait in [1, 2, 4, 4] {
            let now = pause.until();
            assert!(pause.after(failure(), now).is_err());
            assert_eq!(pause.until(), now + wait * SECOND);
            assert!(!pause.is_over(pause.until() - 1) && pause.is_over(pause.until()));
        }
        let now = pause.until();
        assert!(pause.after(Ok(()), now).is_ok());
        assert!(pause.after(failure(), now).is_err());
        assert_eq!(pause.until(), now + SECOND);
    }

    #[test]
    fn a_plain_pause_keeps_its_length_whatever_came_before() {
        let mut pause = Pause::default();
        for attempt in 0..100 {
            assert!(pause.after(failure(), attempt).is_err());
            assert_eq!(pause.until(), attempt + RETRY_INTERVAL_NANOSECONDS);
        }
    }
}
