//! Points and spans of time that need no room beside their number for not being there.

use std::num::NonZeroU64;
use std::time::Duration;

use steadfast_time::Moment;

/// A point in time; the origin of the clock is taken for the nanosecond after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since(NonZeroU64);

/// A span of time; none at all is taken for a nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lapse(NonZeroU64);

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
        let nanoseconds = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(NonZeroU64::new(nanoseconds).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Lapse> for Duration {
    fn from(lapse: Lapse) -> Self {
        Self::from_nanos(lapse.0.get())
    }
}
