//! Points and spans of time, and weights, that need no room beside their number for not being there.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use steadfast_time::Moment;

/// A point in time; the origin of the clock is taken for the nanosecond after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since(NonZeroU64);

/// A span of time in microseconds, up to 71 minutes; none at all is taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lapse(NonZeroU32);

/// A weight; the largest number is taken for the one before it, which the kernel does not take either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share(NonZeroU32);

impl From<u32> for Share {
    fn from(weight: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(weight))
    }
}

impl From<Share> for u32 {
    fn from(share: Share) -> Self {
        share.0.get() - 1
    }
}

impl From<Moment> for Since {
    fn from(moment: Moment) -> Self {
        Self(NonZeroU64::new(moment.as_nanos()).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Since> for Moment {
    fn from(since: Since) -> Self {
        Self::from_nanos(since.0.get())
    }
}

impl From<Duration> for Lapse {
    fn from(span: Duration) -> Self {
        let microseconds = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
        Self(NonZeroU32::new(microseconds).unwrap_or(NonZeroU32::MIN))
    }
}

impl From<Lapse> for Duration {
    fn from(lapse: Lapse) -> Self {
        Self::from_micros(lapse.0.get().into())
    }
}
