//! What a reconciler waits for when the netlink socket itself failed: everything stays to be done, and the next attempt
//! would most likely fail as well.

use super::addresses::RETRY_INTERVAL_NANOSECONDS;
use crate::error::Result;

/// No attempt before a time.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until: u64,
}

impl Pause {
    /// An attempt may be made.
    pub(super) const fn is_over(&self, now: u64) -> bool {
        self.until <= now
    }

    /// Hands on how an attempt went; after a failure the next one waits.
    pub(super) fn after<T>(&mut self, attempt: Result<T>, now: u64) -> Result<T> {
        attempt.inspect_err(|_| self.until = now.saturating_add(RETRY_INTERVAL_NANOSECONDS))
    }

    /// When what is due at `at` may be attempted.
    pub(super) fn put_off(&self, at: Option<u64>) -> Option<u64> {
        at.map(|at| at.max(self.until))
    }
}
