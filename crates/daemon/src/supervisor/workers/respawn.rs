//! How long to wait before a worker is started again.

use std::time::Duration;

/// Deaths in a row after which a worker waits before it is started again: less would cost addresses
/// for what was bad luck.
const IMMEDIATE_STARTS: u32 = 4;
/// A worker that ran this long has no deaths in a row.
const STEADY_AFTER: Duration = Duration::from_secs(60);
/// Longest wait before another start.
const RESPAWN_DELAY_MAX: Duration = Duration::from_secs(60);

/// How long to wait before a worker is started again.
#[derive(Debug, Default)]
pub(crate) struct Respawn {
    deaths: u32,
    delay: Duration,
}

impl Respawn {
    /// After a death: at once for the first few in a row, then 1, 2, 4 … 60 seconds.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY_AFTER {
            *self = Self::default();
        }
        self.deaths += 1;
        if self.deaths <= IMMEDIATE_STARTS {
            return Duration::ZERO;
        }
        self.delay = if self.delay.is_zero() {
            Duration::from_secs(1)
        } else {
            (self.delay * 2).min(RESPAWN_DELAY_MAX)
        };
        self.delay
    }

    /// Deaths in a row.
    pub(crate) fn deaths(&self) -> u32 {
        self.deaths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_keeps_dying_waits_longer_each_time() {
        let mut respawn = Respawn::default();
        let short = Duration::from_secs(1);
        let waits: Vec<u64> = (0..12).map(|_| respawn.after(short).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(respawn.deaths(), 12);
        assert_eq!(respawn.after(STEADY_AFTER), Duration::ZERO);
        assert_eq!(respawn.deaths(), 1);
    }
}
