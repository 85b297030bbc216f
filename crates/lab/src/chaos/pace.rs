//! How fast everything goes.

use std::time::Duration;

/// Of every instance, where a machine has its usual speed.
const ADVERT_INTERVAL: Duration = Duration::from_millis(100);
const PING_INTERVAL: Duration = Duration::from_millis(2);
/// What a busy machine adds to what a client notices, beside what is measured of its stalls.
const TOLERANCE: Duration = Duration::from_millis(50);
const VIRTUAL_ROUTERS: u8 = 4;

/// The pace of a run. Other times follow from the advert interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Of every instance.
    pub advert_interval: Duration,
    /// How often a client asks each address.
    pub ping_interval: Duration,
    /// What the machine adds to what a client notices, beside what is measured of its stalls.
    pub tolerance: Duration,
    /// Virtual routers, each with an address and an order of preference of its own.
    pub virtual_routers: u8,
}

impl Pace {
    /// That of a machine with its usual speed.
    pub const USUAL: Self = Self {
        advert_interval: ADVERT_INTERVAL,
        ping_interval: PING_INTERVAL,
        tolerance: TOLERANCE,
        virtual_routers: VIRTUAL_ROUTERS,
    };

    /// Three adverts: whoever heard one may not claim before (RFC 9568 section 6.1: the skew time comes on top).
    pub(super) const fn master_down_min(self) -> Duration {
        self.advert_interval.saturating_mul(3)
    }

    /// The longest master down interval (RFC 9568 section 6.1): three adverts and a skew time of less than one.
    pub(super) const fn master_down_max(self) -> Duration {
        self.advert_interval.saturating_mul(4)
    }

    /// How long anything may take to settle: some elections, and an advert or two that a busy machine loses. Second
    /// announcements of a new master, which set right what its first ones missed, come later. How long a client was without an
    /// answer after a fault is judged by itself.
    pub(super) const fn settle_limit(self) -> Duration {
        self.advert_interval.saturating_mul(40)
    }

    /// Shorter than others wait by more than an advert.
    pub(super) fn hiccup(self) -> Duration {
        self.advert_interval.saturating_mul(6) / 5
    }

    /// How long everything is watched after it has settled.
    pub(super) fn aftermath(self) -> Duration {
        self.advert_interval.saturating_mul(5) / 2
    }

    /// How long a fault is left alone, at least and at most.
    pub(super) const fn hold(self) -> (Duration, Duration) {
        (self.advert_interval.saturating_mul(3), self.advert_interval.saturating_mul(15))
    }
}
