//! Randomness from a seed.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014): small, fast, and good enough to spread timers and to choose faults with.
/// Not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `end - 1`; 0 when `end` is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        // The bias of the remainder is far below what a scenario could show.
        match self.number().checked_rem(end) {
            Some(number) => number,
            None => 0,
        }
    }

    /// True in this many of a thousand cases.
    pub const fn permille(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of them; `None` of nothing.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let at = self.below(u64::try_from(choices.len()).unwrap_or(u64::MAX));
        choices.get(usize::try_from(at).unwrap_or(usize::MAX))
    }

    /// Between these two lengths of time, the second excluded.
    pub fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest);
        let nanos = self.below(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
        shortest + Duration::from_nanos(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_numbers_of_the_published_generator() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.number(), 6_457_827_717_110_365_317);
        assert_eq!(random.number(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn bounds_hold() {
        let mut random = Random::new(0);
        assert_eq!(random.below(0), 0);
        assert_eq!(random.pick::<u8>(&[]), None);
        let span = Duration::from_millis(1)..Duration::from_millis(3);
        assert!((0..1000).all(|_| span.contains(&random.between(span.start, span.end))));
    }
}
