//! When packets are sent.

use std::num::NonZeroU8;
use std::time::Duration;

use steadfast_time::{Moment, Random};

/// The beat of one machine. Packets are sent up to a quarter earlier than agreed, so that routers do not fall into step;
/// with a multiplier of 1 a tenth earlier at least, so that a packet is never late (RFC 5880 section 6.8.7). How much
/// earlier is chosen for a moment and not for a session: sessions of one interval send together, which costs one wake-up,
/// and their peers miss this router together, so that what they do then keeps its order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beat(u64);

impl Beat {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self(random.number())
    }

    /// When the packet after one at `from` is due: three quarters to a whole interval later. Who is out of step comes into
    /// it within a few packets.
    pub(crate) fn next(self, from: Moment, interval: Duration, multiplier: NonZeroU8) -> Moment {
        let latest_tenths = if multiplier.get() == 1 { 9 } else { 10 };
        let (earliest, latest) = (interval * 3 / 4, interval * latest_tenths / 10);
        let nanoseconds = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let earliest_at = from + earliest;
        // Two strokes are a period apart, give or take a choice.
        let period = nanoseconds((earliest + latest) / 2).max(1);
        let choice = nanoseconds(latest - earliest) / 2;
        let number = earliest_at.as_nanos() / period;
        let strokes =
            (number.saturating_sub(1)..=number + 1).map(|number| self.stroke(number, period, choice));
        strokes
            .into_iter()
            .find(|stroke| (earliest_at..=from + latest).contains(stroke))
            .unwrap_or(earliest_at)
    }

    fn stroke(self, number: u64, period: u64, choice: u64) -> Moment {
        let chosen = Random::new(self.0.wrapping_add(number)).below(choice.max(1));
        Moment::from_nanos(number.saturating_mul(period).saturating_add(chosen))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MULTIPLIER: NonZeroU8 = NonZeroU8::new(3).unwrap();

    proptest! {
        #[test]
        fn section_6_8_7_never_late_and_never_more_than_a_quarter_early(
            seed in any::<u64>(), from in 0_u64..1 << 60, microseconds in 1_000_u64..10_000_000, single in any::<bool>()
        ) {
            let (from, interval) = (Moment::from_nanos(from), Duration::from_micros(microseconds));
            let multiplier = if single { NonZeroU8::MIN } else { MULTIPLIER };
            let latest = if single { interval * 9 / 10 } else { interval };
            let next = Beat(seed).next(from, interval, multiplier);
            prop_assert!((interval * 3 / 4..=latest).contains(&next.since(from)), "{:?}", next.since(from));
        }

        #[test]
        fn who_begins_at_any_time_is_soon_in_step(seed in any::<u64>(), apart in 1_u64..10_000_000) {
            let (beat, interval) = (Beat(seed), Duration::from_millis(10));
            let mut both = [Moment::from_nanos(1 << 50), Moment::from_nanos((1 << 50) + apart)];
            for _ in 0..20 {
                both = both.map(|from| beat.next(from, interval, MULTIPLIER));
            }
            // They may count from different strokes.
            let [one, other] = both;
            let mut ahead = one.min(other);
            while ahead < one.max(other) {
                ahead = beat.next(ahead, interval, MULTIPLIER);
            }
            prop_assert_eq!(ahead, one.max(other));
        }
    }
}
