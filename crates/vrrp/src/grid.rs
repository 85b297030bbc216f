//! The grid that adverts fall on.

use std::time::Duration;

use steadfast_time::Moment;

use crate::config::InstanceId;

/// Instances that share a slot of the grid that adverts of one interval fall on.
///
/// Masters of equal interval share a few moments an interval instead of one each, so that one
/// wake-up and one batch of system calls sends many adverts. How many go together is bounded,
/// and with it the time a batch takes and the packets that a peer finds in its socket at once.
/// A slot is never later than one interval after the advert before it, so no peer ever waits
/// longer than the protocol says.
const SLOT_INSTANCES: u32 = 64;

/// Where in the interval an instance's slot lies. The first slot is at its beginning, the second
/// in the middle, the next two in the middles of the halves, and so on: however many there are,
/// they are spread evenly.
fn phase(interval: u64, instance: InstanceId) -> u64 {
    let part_of_2_to_the_32 = (instance.0 / SLOT_INSTANCES).reverse_bits();
    let product = u128::from(interval) * u128::from(part_of_2_to_the_32);
    u64::try_from(product >> u32::BITS).unwrap_or(0)
}

/// The last moment on `instance`'s slot of the grid that is at most one `interval` after `from`.
///
/// On the grid already, that is exactly `from + interval`: the period does not drift. Off the grid
/// (first advert, changed interval) it is earlier. Always later than `from`.
pub(crate) fn next_on_grid(from: Moment, interval: Duration, instance: InstanceId) -> Moment {
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX / 4).clamp(1, u64::MAX / 4);
    let phase = phase(interval, instance);
    let latest = from.as_nanos().saturating_add(interval);
    // phase < interval, so the difference does not wrap.
    Moment::from_nanos(latest - latest.saturating_add(interval - phase) % interval)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn grid_is_never_late_and_always_ahead(from in 0_u64..1 << 62, centiseconds in 1_u64..4096, id in 0_u32..5000) {
            let interval = Duration::from_millis(centiseconds * 10);
            let from = Moment::from_nanos(from);
            let next = next_on_grid(from, interval, InstanceId(id));
            prop_assert!(next > from && next <= from + interval);
            prop_assert_eq!(next_on_grid(next, interval, InstanceId(id)), next + interval);
        }
    }

    #[test]
    fn instances_of_an_interval_share_moments_that_are_spread_over_it() {
        let interval = Duration::from_secs(1);
        let moments = |instances: u32| {
            let mut shared = std::collections::BTreeMap::<u64, u32>::new();
            for id in 0..instances {
                let from = Moment::from_nanos(77 + u64::from(id) * 1_000_000);
                let moment = next_on_grid(from, interval, InstanceId(id)).as_nanos() % 1_000_000_000;
                *shared.entry(moment).or_default() += 1;
            }
            shared
        };
        assert_eq!(moments(64), [(0, 64)].into());
        let quarters = [(0, 64), (250_000_000, 64), (500_000_000, 64), (750_000_000, 58)];
        assert_eq!(moments(250), quarters.into());
        let many = moments(4096);
        assert!(many.len() == 64 && many.values().all(|together| *together == 64), "{many:?}");
        let places: Vec<u64> = many.into_keys().collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == 15_625_000), "{places:?}");
    }
}
