//! Counting the results of a script: rise, fall and the first result.

use serde::{Deserialize, Serialize};

use crate::config::ScriptConfig;

/// Result counter, 0 to rise + fall - 1; good from rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) count: u32,
    /// `None` before the first result.
    pub(crate) good: Option<bool>,
    pub(crate) last: bool,
    /// Equal results in a row.
    pub(crate) row: u32,
    /// How many in a row made it good or bad: what an explanation tells, however many followed since.
    pub(crate) times: u32,
}

/// Highest value of the counter.
pub(crate) fn top(config: &ScriptConfig) -> u32 {
    config.rise.max(1).saturating_add(config.fall.max(1)).saturating_sub(1)
}

impl Tally {
    /// One result is enough to know the state of a script that has not run, unless it is configured
    /// to count as failed.
    pub(crate) fn new(config: &ScriptConfig) -> Self {
        if config.init_fail {
            Self { count: 0, good: Some(false), last: false, row: 0, times: 0 }
        } else {
            Self { count: config.rise.max(1) - 1, good: None, last: false, row: 0, times: 0 }
        }
    }

    pub(crate) fn count(&mut self, config: &ScriptConfig, success: bool) {
        let before = self.good;
        self.row = if self.last == success { self.row.saturating_add(1) } else { 1 };
        self.last = success;
        let rise = config.rise.max(1);
        if success {
            if self.count.saturating_add(1) < rise {
                self.count += 1;
            } else {
                self.count = top(config);
                self.good = Some(true);
            }
        } else if self.count > rise {
            self.count -= 1;
        } else {
            self.count = 0;
            self.good = Some(false);
        }
        if self.good != before {
            self.times = self.row;
        }
    }

    /// Keeps the state, and the distance from its far end, under other limits.
    pub(crate) fn rescale(&mut self, old: &ScriptConfig, new: &ScriptConfig) {
        let rise = new.rise.max(1);
        self.count = match self.good {
            Some(true) => {
                let failures = top(old).saturating_sub(self.count);
                top(new).saturating_sub(failures).max(rise)
            }
            Some(false) => self.count.min(rise - 1),
            None => Self::new(new).count.min(rise - 1),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::config::ScriptId;

    fn script(rise: u32, fall: u32, init_fail: bool) -> ScriptConfig {
        ScriptConfig { id: ScriptId(0), name: Arc::from("chk"), rise, fall, init_fail }
    }

    fn run(config: &ScriptConfig, results: &[bool]) -> Tally {
        let mut tally = Tally::new(config);
        for &result in results {
            tally.count(config, result);
        }
        tally
    }

    #[test]
    fn first_result_decides_alone() {
        let config = script(3, 3, false);
        assert_eq!(run(&config, &[]).good, None);
        assert_eq!(run(&config, &[true]).good, Some(true));
        assert_eq!(run(&config, &[false]).good, Some(false));
    }

    #[test]
    fn init_fail_needs_rise_successes() {
        let config = script(2, 3, true);
        assert_eq!(run(&config, &[]).good, Some(false));
        assert_eq!(run(&config, &[true]).good, Some(false));
        assert_eq!(run(&config, &[true, true]).good, Some(true));
    }

    #[test]
    fn falls_after_fall_failures_in_a_row() {
        let config = script(2, 3, false);
        assert_eq!(run(&config, &[true, false, false]).good, Some(true));
        assert_eq!(run(&config, &[true, false, false, true, false, false]).good, Some(true));
        let failed = run(&config, &[true, false, false, false]);
        assert_eq!((failed.good, failed.times), (Some(false), 3));
    }

    #[test]
    fn an_explanation_tells_what_made_it_bad_and_not_what_followed() {
        let config = script(2, 3, false);
        let failed = run(&config, &[true, false, false, false, false, false, true, false]);
        assert_eq!((failed.good, failed.times), (Some(false), 3));
    }

    #[test]
    fn rises_after_rise_successes_in_a_row() {
        let config = script(3, 1, false);
        assert_eq!(run(&config, &[false, true, true, false, true, true]).good, Some(false));
        assert_eq!(run(&config, &[false, true, true, true]).good, Some(true));
    }

    #[test]
    fn other_limits_keep_the_state() {
        let (old, new) = (script(2, 5, false), script(3, 2, false));
        let mut tally = run(&old, &[true, false]);
        tally.rescale(&old, &new);
        assert_eq!((tally.good, tally.count), (Some(true), 3));
        tally.count(&new, false);
        assert_eq!(tally.good, Some(false));
    }

    proptest! {
        #[test]
        fn counter_stays_in_range_and_tells_the_state(
            rise in 0_u32..5,
            fall in 0_u32..5,
            init_fail: bool,
            results in proptest::collection::vec(any::<bool>(), 0..40),
        ) {
            let config = script(rise, fall, init_fail);
            let tally = run(&config, &results);
            prop_assert!(tally.count <= top(&config));
            if let Some(good) = tally.good {
                prop_assert_eq!(good, tally.count >= rise.max(1));
            }
        }
    }
}
