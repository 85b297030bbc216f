//! What an instance remembers so that each advert proves its sender once: sequence numbers, stamps, and what time it is.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;
use steadfast_wire::vrrp::{Authentication as Kind, HeaderProof, Proof, Proven, Stamp, TrailerProof};

use crate::config::{Authentication, InstanceConfig, Trailer, Transport};

/// Senders that are remembered, or as many as there are unicast peers. Only who has a key is,
/// and what was recorded of a forgotten one could be replayed within the window alone.
const SENDERS_MAX: usize = 16;

/// A change of the clock by less is no step.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// A successor skips this many sequence numbers, for adverts that its predecessor sent and did not tell of; and a router
/// that was never heard may be this many behind.
const SKIPPED_SEQUENCE: u32 = 1_000;

/// Adverts in one interval, at most, on the average of a mastership of which nothing else is known.
const ADVERTS_PER_INTERVAL: u32 = 4;

/// One instance's.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Proofs {
    /// The highest that may have been used with an authentication header. keepalived counts what it sends and what it
    /// hears in one row, and takes nothing below.
    sequence: u32,
    /// The highest that was used for certain. After a successor's leap the others are still down here.
    used: u32,
    /// Of the last advert signed.
    stamp: Option<Stamp>,
    /// What was heard last of each sender: the sequence number of a header,
    headers: Senders<u32>,
    /// or the stamp of a trailer.
    trailers: Senders<Stamp>,
    /// When the sequence number or the stamp was used.
    at: Moment,
    clock: Clock,
}

/// Oldest use first.
#[derive(Debug, Serialize, Deserialize)]
struct Senders<T>(Vec<(IpAddr, T)>);

impl<T> Default for Senders<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy> Senders<T> {
    fn last(&self, source: IpAddr) -> Option<T> {
        self.0.iter().find(|(sender, _)| *sender == source).map(|(_, last)| *last)
    }

    fn heard(&mut self, source: IpAddr, last: T, config: &InstanceConfig) {
        let room = match &config.transport {
            Transport::Multicast { .. } => SENDERS_MAX,
            Transport::Unicast { peers, .. } => peers.len().max(SENDERS_MAX),
        };
        self.0.retain(|(sender, _)| *sender != source);
        if self.0.len() >= room {
            self.0.remove(0);
        }
        self.0.push((source, last));
    }
}

/// What time it is, in nanoseconds since 1970 less those of a [`Moment`]; sums come round.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Clock {
    known: bool,
    ahead: u64,
    /// What it was before somebody set the clock. Adverts are signed by it until a router is heard that goes by the
    /// clock as it is: were only this router's clock set, the others would take its adverts for old ones.
    before: Option<u64>,
}

impl Clock {
    fn set(&mut self, ahead: u64) {
        let near = |one: u64, other: u64| one.abs_diff(other) < nanoseconds(CLOCK_STEP);
        if !self.known {
            *self = Self { known: true, ahead, before: None };
            return;
        }
        if self.before.is_none() && !near(self.ahead, ahead) {
            self.before = Some(self.ahead);
        }
        self.ahead = ahead;
        self.before = self.before.filter(|before| !near(*before, ahead));
    }

    const fn current(&self, now: Moment) -> Stamp {
        Stamp::at(now.as_nanos().wrapping_add(self.ahead))
    }

    fn before(&self, now: Moment) -> Option<Stamp> {
        self.before.map(|ahead| Stamp::at(now.as_nanos().wrapping_add(ahead)))
    }
}

/// What a successor has to know: the stamp, or the sequence number, that no later advert may fall behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastProof {
    sequence: u32,
    used: u32,
    stamp: Option<Stamp>,
    at: Moment,
}

impl Proofs {
    /// What an advert has to prove.
    pub(crate) fn expectation<'a>(
        &self,
        now: Moment,
        config: &'a InstanceConfig,
        source: IpAddr,
    ) -> Proof<'a> {
        match &config.authentication {
            Authentication::None | Authentication::Password(_) => Proof::None,
            Authentication::Header(key) => {
                // Who was never heard cannot be far behind all others: it has heard one of them.
                let unknown = || self.used.saturating_sub(SKIPPED_SEQUENCE);
                let last = self.headers.last(source).unwrap_or_else(unknown);
                Proof::Header(HeaderProof { key, last })
            }
            Authentication::Trailer(trailer) => Proof::Trailer(TrailerProof {
                keys: &trailer.keys,
                required: trailer.required,
                window: trailer.window,
                clocks: [Some(self.clock.current(now)), self.clock.before(now)],
                last: self.trailers.last(source),
            }),
        }
    }

    /// An advert was taken.
    pub(crate) fn heard(&mut self, now: Moment, config: &InstanceConfig, source: IpAddr, proven: Proven) {
        match proven {
            Proven::Nothing => {}
            Proven::Header(sequence) => {
                // A round of keepalived's takes a number for each peer.
                let round = config.destinations().saturating_sub(1);
                self.sequence = self.sequence.max(sequence.saturating_add(round));
                self.used = self.used.max(sequence);
                self.at = now;
                self.headers.heard(source, sequence, config);
            }
            Proven::Trailer(stamp) => {
                self.follow_clock(now, config, stamp);
                self.trailers.heard(source, stamp, config);
            }
        }
    }

    /// Of two clocks the one counts that a router with a key goes by.
    fn follow_clock(&mut self, now: Moment, config: &InstanceConfig, stamp: Stamp) {
        let (Some(before), Some(window)) = (self.clock.before(now), config.trailer().and_then(|t| t.window))
        else {
            return;
        };
        if before.distance(stamp) > window {
            self.clock.before = None;
        }
    }

    /// The sequence number of the next advert, the same to each peer. It leaves out as many as a round of keepalived's
    /// takes: were it the next one, an advert that crosses one of a keepalived which takes over would seem a replay to it.
    pub(crate) fn next_sequence(&mut self, now: Moment, config: &InstanceConfig) -> u32 {
        self.at = now;
        // With one advert a second the end is decades away; a peer that remembers more has to be started anew.
        self.sequence = self.sequence.checked_add(config.destinations().saturating_add(1)).unwrap_or(1);
        self.used = self.sequence;
        self.sequence
    }

    /// The stamp of the next advert: the time, and later than the one before. Where only a window of time is looked at,
    /// a stamp that is ahead of it by more is given up, for the clock was set back.
    pub(crate) fn next_stamp(&mut self, now: Moment, trailer: &Trailer) -> Stamp {
        let clock = self.clock.before(now).unwrap_or_else(|| self.clock.current(now));
        let within = |last: &Stamp| trailer.window.is_none_or(|window| last.distance(clock) <= window);
        let next = match self.stamp.filter(within) {
            Some(last) if !clock.is_after(last) => last.next(),
            _ => clock,
        };
        self.stamp = Some(next);
        self.at = now;
        next
    }

    pub(crate) fn set_clock(&mut self, ahead: u64) {
        self.clock.set(ahead);
    }

    pub(crate) const fn last(&self) -> LastProof {
        LastProof { sequence: self.sequence, used: self.used, stamp: self.stamp, at: self.at }
    }

    /// Goes on where a predecessor was, which has sent adverts since it told of them.
    pub(crate) fn resume(&mut self, now: Moment, last: LastProof, config: &InstanceConfig) {
        let interval = config.interval.duration();
        let since = now.since(last.at);
        let adverts = since.as_nanos() / interval.as_nanos().max(1)
            * u128::from(ADVERTS_PER_INTERVAL)
            * u128::from(config.destinations().saturating_add(1));
        let adverts = u32::try_from(adverts).unwrap_or(u32::MAX).saturating_add(SKIPPED_SEQUENCE);
        if last.sequence != 0 {
            self.sequence = last.sequence.saturating_add(adverts);
        }
        self.used = last.used;
        self.stamp = last.stamp.map(|stamp| stamp.plus(since).next());
        self.at = now;
    }
}

/// What the header of version 2 says of it.
pub(crate) const fn kind(config: &InstanceConfig) -> Kind {
    match config.authentication {
        Authentication::None | Authentication::Trailer(_) => Kind::None,
        Authentication::Password(password) => Kind::Password(password),
        Authentication::Header(_) => Kind::Header,
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use steadfast_wire::vrrp::{AdvertInterval, Vrid};

    use super::*;
    use crate::config::{InstanceId, InterfaceId};

    const HOUR: u64 = 3_600_000_000_000;
    const SENDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn at(nanoseconds: u64) -> Moment {
        Moment::from_nanos(nanoseconds)
    }

    fn multicast() -> InstanceConfig {
        let group = IpAddr::V4(std::net::Ipv4Addr::new(224, 0, 0, 18));
        let interval = AdvertInterval::Seconds(std::num::NonZeroU8::MIN);
        InstanceConfig::plain(InstanceId(0), Vrid::MIN, InterfaceId(0), group, interval)
    }

    fn keyed() -> InstanceConfig {
        let key = steadfast_wire::vrrp::Key::new((*b"a key").into());
        InstanceConfig { authentication: Authentication::Header(key), ..multicast() }
    }

    fn trailer(window: Option<u64>) -> Trailer {
        Trailer {
            keys: Vec::new(),
            active: 1,
            required: true,
            signs: true,
            window: window.map(Duration::from_secs),
        }
    }

    #[test]
    fn stamps_follow_the_clock_and_never_repeat() {
        let mut proofs = Proofs::default();
        proofs.set_clock(HOUR);
        let trailer = trailer(Some(5));
        let first = proofs.next_stamp(at(10), &trailer);
        let second = proofs.next_stamp(at(10), &trailer);
        let later = proofs.next_stamp(at(1_000_000), &trailer);
        assert_eq!(first, Stamp::at(HOUR + 10));
        assert_eq!(second, first.next());
        assert_eq!(later, Stamp::at(HOUR + 1_000_000));
    }

    #[test]
    fn a_clock_that_is_set_changes_no_stamp() {
        for ahead in [0, 3 * HOUR] {
            for window in [Some(5), None] {
                let mut proofs = Proofs::default();
                proofs.set_clock(HOUR);
                proofs.set_clock(ahead);
                assert_eq!(proofs.next_stamp(at(5), &trailer(window)), Stamp::at(HOUR + 5));
                // Set right again, or by less than a step: the time as it is counts.
                proofs.set_clock(HOUR + 1_000);
                assert_eq!(proofs.next_stamp(at(1_000_000), &trailer(window)), Stamp::at(HOUR + 1_001_000));
            }
        }
    }

    /// Otherwise a successor takes a master of whom it knows nothing for a replay, and preempts where it must not.
    #[test]
    fn a_successor_believes_who_stayed_where_its_predecessor_was() {
        let config = keyed();
        let mut proofs = Proofs::default();
        for _ in 0..600 {
            proofs.next_sequence(at(0), &config);
        }
        let others = proofs.last().sequence;
        // Nor does a second successor, which hears nothing in between, leap beyond them.
        for death in 1..=2 {
            let mut successor = Proofs::default();
            successor.resume(at(death * 60_000_000_000), proofs.last(), &config);
            let Proof::Header(expected) = successor.expectation(at(HOUR), &config, SENDER) else {
                panic!("no header is expected");
            };
            assert!(expected.last < others, "{} after {death}", expected.last);
            proofs = successor;
        }
    }

    #[test]
    fn a_successor_is_ahead_of_what_its_predecessor_may_have_sent() {
        let mut before = Proofs::default();
        before.set_clock(HOUR);
        for _ in 0..7 {
            before.next_sequence(at(0), &multicast());
        }
        let stamp = before.next_stamp(at(0), &trailer(None));
        let last = before.last();
        let mut after = Proofs::default();
        after.set_clock(0);
        let second = Duration::from_secs(1);
        after.resume(at(60 * 1_000_000_000), last, &multicast());
        assert_eq!(after.next_sequence(at(HOUR), &multicast()), 7 * 2 + 60 * 4 * 2 + 1_000 + 2);
        assert_eq!(
            after.next_stamp(at(60 * 1_000_000_000), &trailer(None)),
            stamp.plus(60 * second).next().next()
        );
        // Whoever never used a number needs none.
        let mut plain = Proofs::default();
        plain.resume(at(HOUR), Proofs::default().last(), &multicast());
        assert_eq!(plain.next_sequence(at(HOUR), &multicast()), 2);
    }

    #[test]
    fn sequence_numbers_come_round() {
        let mut proofs = Proofs { sequence: u32::MAX, ..Proofs::default() };
        assert_eq!(proofs.next_sequence(at(0), &multicast()), 1);
    }
}
