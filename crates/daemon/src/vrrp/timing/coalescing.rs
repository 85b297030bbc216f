//! How long datagrams may be left to gather while they come thick and fast.
//!
//! A wake-up costs more than a datagram. When datagrams follow each other within a window the thread sleeps a window at a
//! time and reads them together. Arrival times come from the kernel, so no timer moves; only what an advert triggers at
//! once, yielding to a higher priority, is this much later. It is a master who does that: where there is none, more may
//! gather. A datagram that comes alone is never kept waiting.

use std::time::Duration;

use steadfast_bfd::Microseconds;
use steadfast_vrrp::Haste;

/// However slow the adverts are, nothing waits longer to be read by a master.
const COALESCING_MAX: Duration = Duration::from_millis(50);

/// And nothing waits longer to be read at all.
const COALESCING_LISTENING_MAX: Duration = Duration::from_millis(250);

/// Windows in the shortest interval, and where all only listen.
const COALESCING_INTERVAL_PARTS: u32 = 8;
const COALESCING_LISTENING_INTERVAL_PARTS: u32 = 4;

/// Windows in the shortest skew time, and where all only listen.
const COALESCING_SKEW_PARTS: u32 = 4;
const COALESCING_LISTENING_SKEW_PARTS: u32 = 2;

/// Datagrams that a window of listeners shall not exceed: more together make none of them cheaper, and in a flood they
/// would fill the sockets.
const GATHERED_DATAGRAMS: u32 = 512;

/// Windows by the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Coalescing {
    /// While an instance is master, or hands over.
    pub(super) speaking: Duration,
    /// While all only listen.
    pub(super) listening: Duration,
}

impl Coalescing {
    /// A part of the shortest interval, and of the shortest skew time (RFC 9568 section 6.1): the skew
    /// time that starts with an advert of priority 0 must still be running when the advert is read.
    /// A session's packets are read in a part of its shortest interval.
    pub(crate) fn of(config: &steadfast_vrrp::Config, sessions: &steadfast_bfd::Config) -> Self {
        let rhythms = config.instances.iter().map(|instance| {
            let interval = instance.interval.duration();
            Self::of_rhythm(interval, instance.skew(instance.priority, interval))
        });
        let sessions = sessions
            .sessions
            .iter()
            .flat_map(|session| [session.required_min_rx, session.desired_min_tx, session.echo_tx])
            .filter(|interval| *interval != Microseconds::ZERO)
            .map(Microseconds::duration);
        let watching = config.instances.iter().filter_map(|instance| instance.fast_detection);
        let sessions = sessions.chain(watching.map(|detection| detection.interval));
        let sessions = sessions.map(|interval| {
            let window = (interval / COALESCING_INTERVAL_PARTS).min(COALESCING_MAX);
            Self { speaking: window, listening: window }
        });
        rhythms.chain(sessions).reduce(Self::min).unwrap_or_default()
    }

    /// Windows where an advert comes once an interval, and this is the skew time.
    fn of_rhythm(interval: Duration, skew: Duration) -> Self {
        let speaking = (interval / COALESCING_INTERVAL_PARTS).min(skew / COALESCING_SKEW_PARTS);
        let listening =
            (interval / COALESCING_LISTENING_INTERVAL_PARTS).min(skew / COALESCING_LISTENING_SKEW_PARTS);
        Self { speaking: speaking.min(COALESCING_MAX), listening: listening.min(COALESCING_LISTENING_MAX) }
    }

    fn min(self, other: Self) -> Self {
        Self { speaking: self.speaking.min(other.speaking), listening: self.listening.min(other.listening) }
    }
}

/// The window as things are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gathering {
    configured: Coalescing,
    haste: Haste,
    /// Windows of both kinds, shortened by haste.
    bounds: Coalescing,
    window: Duration,
}

impl Gathering {
    /// Until more is known, somebody is master.
    pub(super) fn new(configured: Coalescing) -> Self {
        let haste = Haste { speaks: true, interval: Duration::MAX, skew: Duration::MAX };
        Self { configured, haste, bounds: configured, window: configured.speaking }
    }

    /// Another configuration.
    pub(super) fn configure(&mut self, configured: Coalescing) {
        self.configured = configured;
        self.limit();
    }

    /// Masters may advertise faster than is configured here, and a priority that was raised shortens the skew time.
    pub(super) fn keep_to(&mut self, haste: Haste) {
        self.haste = haste;
        self.limit();
    }

    fn limit(&mut self) {
        let Haste { interval, skew, .. } = self.haste;
        self.bounds = self.configured.min(Coalescing::of_rhythm(interval, skew));
        self.window = self.window.clamp(self.bounds.speaking, self.longest());
    }

    const fn longest(&self) -> Duration {
        if self.haste.speaks { self.bounds.speaking } else { self.bounds.listening }
    }

    /// So many came in the last window: at this rate the next one is not to exceed its share.
    pub(super) fn gathered(&mut self, datagrams: usize) {
        let datagrams = u32::try_from(datagrams).unwrap_or(u32::MAX);
        let wanted =
            if datagrams == 0 { Duration::MAX } else { self.window * GATHERED_DATAGRAMS / datagrams };
        self.window = wanted.clamp(self.bounds.speaking, self.longest());
    }

    /// Whether anything may wait at all.
    pub(super) const fn is_allowed(&self) -> bool {
        !self.bounds.speaking.is_zero()
    }

    /// How long.
    pub(super) const fn window(&self) -> Duration {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;
    use std::sync::Arc;

    use steadfast_vrrp::{Config, InstanceConfig, InstanceId, InterfaceId};
    use steadfast_wire::vrrp::{AdvertInterval, Priority, Vrid};

    use super::*;

    const LISTENS: Haste = Haste { speaks: false, interval: Duration::MAX, skew: Duration::MAX };

    fn configured(seconds: u8, priority: u8) -> Coalescing {
        let interval = AdvertInterval::Seconds(NonZeroU8::new(seconds).unwrap());
        let group = "224.0.0.18".parse().unwrap();
        let plain =
            InstanceConfig::plain(InstanceId(0), Vrid::new(1).unwrap(), InterfaceId(0), group, interval);
        let instance = InstanceConfig { priority: Priority::new(priority), ..plain };
        let config = Config { instances: vec![Arc::new(instance)], ..Config::default() };
        Coalescing::of(&config, &steadfast_bfd::Config::default())
    }

    fn listening(configured: Coalescing) -> Gathering {
        let mut gathering = Gathering::new(configured);
        gathering.keep_to(LISTENS);
        gathering.gathered(1);
        gathering
    }

    #[test]
    fn the_window_of_version_2_ends_within_its_skew_of_parts_of_a_second() {
        let skew = Duration::from_secs(1) * 6 / 256;
        let Coalescing { speaking, listening } = configured(10, 250);
        assert_eq!([speaking, listening], [skew / 4, skew / 2]);
    }

    #[test]
    fn more_gathers_where_no_advert_is_answered_at_once() {
        let mut gathering = listening(configured(10, 100));
        assert_eq!(gathering.window(), COALESCING_LISTENING_MAX);
        gathering.keep_to(Haste { speaks: true, ..LISTENS });
        assert_eq!(gathering.window(), COALESCING_MAX);
    }

    #[test]
    fn a_master_that_is_faster_than_its_backup_is_heard_in_time() {
        let mut gathering = listening(configured(10, 100));
        let (interval, skew) = (Duration::from_millis(100), Duration::from_millis(61));
        gathering.keep_to(Haste { interval, skew, ..LISTENS });
        assert_eq!(gathering.window(), interval / COALESCING_LISTENING_INTERVAL_PARTS);
        gathering.keep_to(Haste { skew: skew / 10, ..LISTENS });
        gathering.gathered(1);
        assert_eq!(gathering.window(), skew / 10 / COALESCING_LISTENING_SKEW_PARTS);
    }

    #[test]
    fn a_window_shrinks_when_many_come_and_grows_again() {
        let mut gathering = listening(configured(10, 100));
        let rate = |gathering: &Gathering, a_second: usize| {
            usize::try_from(gathering.window().as_millis()).unwrap() * a_second / 1_000
        };
        gathering.gathered(rate(&gathering, 4_000));
        assert_eq!(gathering.window(), Duration::from_millis(128));
        gathering.gathered(rate(&gathering, 4_000));
        assert_eq!(gathering.window(), Duration::from_millis(128));
        gathering.gathered(rate(&gathering, 100_000));
        assert_eq!(gathering.window(), COALESCING_MAX, "a flood");
        gathering.gathered(rate(&gathering, 100));
        assert_eq!(gathering.window(), COALESCING_LISTENING_MAX);
    }

    #[test]
    fn without_a_virtual_router_nothing_waits() {
        let mut gathering = listening(Coalescing::default());
        gathering.gathered(0);
        assert!(!gathering.is_allowed() && gathering.window().is_zero());
    }
}
