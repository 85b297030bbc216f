//! Time as this crate counts it: nanoseconds of CLOCK_BOOTTIME, which never goes back and goes on while the
//! machine sleeps. With a clock that sleeps too, a master would wake as if it had never been away.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// Readings of the two clocks this far apart count as one moment.
const SAMPLE_SPREAD_NANOSECONDS: u64 = 10_000;

/// Repeated readings on a machine that keeps interrupting them.
const SAMPLES_MAX: u32 = 3;

/// Nanoseconds of CLOCK_BOOTTIME.
#[inline]
pub fn monotonic() -> u64 {
    read(ClockId::Boottime)
}

/// Nanoseconds of CLOCK_MONOTONIC, which stands still while the machine sleeps: for those who ask for it by name.
pub fn awake() -> u64 {
    read(ClockId::Monotonic)
}

/// Nanoseconds since 1970 of CLOCK_REALTIME, which can jump.
#[inline]
pub fn realtime() -> u64 {
    read(ClockId::Realtime)
}

/// A duration in nanoseconds; beyond 584 years, the largest.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Both clocks at one moment, for turning the kernel's packet timestamps into monotonic time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPair {
    /// Nanoseconds of CLOCK_BOOTTIME.
    pub monotonic: u64,
    /// Nanoseconds of CLOCK_REALTIME.
    pub realtime: u64,
}

impl ClockPair {
    /// Reads both, again if something came between the readings.
    #[inline]
    pub fn sample() -> Self {
        let mut pair = Self { monotonic: monotonic(), realtime: realtime() };
        for _ in 0..SAMPLES_MAX {
            let after = monotonic();
            if after.saturating_sub(pair.monotonic) <= SAMPLE_SPREAD_NANOSECONDS {
                break;
            }
            pair = Self { monotonic: after, realtime: realtime() };
        }
        pair
    }

    /// CLOCK_REALTIME less CLOCK_BOOTTIME; the difference comes round.
    pub const fn ahead(&self) -> u64 {
        self.realtime.wrapping_sub(self.monotonic)
    }

    /// When on CLOCK_BOOTTIME the packet came that is stamped `realtime`: not before `earliest`, at which its
    /// socket was known to be empty, and not after this pair was read. The bounds hold even if the wall clock was
    /// set between the packet's arrival and its reading.
    pub fn monotonic_of(&self, realtime: u64, earliest: u64) -> u64 {
        let age = self.realtime.saturating_sub(realtime);
        self.monotonic.saturating_sub(age).max(earliest).min(self.monotonic)
    }
}

#[inline]
fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(NANOSECONDS_PER_SECOND).saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrival_stays_within_what_is_possible_when_the_wall_clock_jumps() {
        let pair = ClockPair { monotonic: 1_000, realtime: 50_000 };
        assert_eq!(pair.monotonic_of(49_900, 0), 900);
        assert_eq!(pair.monotonic_of(60_000, 0), 1_000);
        assert_eq!(pair.monotonic_of(10_000, 800), 800);
        assert_eq!(pair.monotonic_of(49_900, 2_000), 1_000);
    }

    #[test]
    fn the_clock_runs() {
        let before = monotonic();
        while monotonic() == before {}
    }
}
