//! One session: its variables (RFC 5880 section 6.8.1), intervals and deadlines.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_time::{Moment, Random};
use steadfast_wire::bfd::{
    Control, Counter, Diagnostic, Discriminator, Key, Microseconds, PACKET_LENGTH_MAX, Reject, Sequence,
    State,
};

use crate::action::{Sink, Transmit};
use crate::beat::Beat;
use crate::config::SessionConfig;
use crate::counters::Counters;
use crate::echo::EchoFunction;
use crate::event::{Cause, Event};
use crate::status::{Peer, Resume, SessionStatus};

/// Slowest rate that a peer can be believed to have agreed to before it was heard (bfd.RemoteMinRxInterval
/// begins as 1, RFC 5880 section 6.8.1).
const UNHEARD_MIN_RX: Microseconds = Microseconds::new(1);

/// State of one session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) config: Arc<SessionConfig>,
    pub(crate) local: Discriminator,
    pub(crate) state: State,
    pub(crate) since: Moment,
    pub(crate) diagnostic: Diagnostic,
    /// What the peer said last; forgotten when it is silent for a detection time.
    pub(crate) peer: Option<Peer>,
    /// What trackers were told.
    pub(crate) good: Option<bool>,
    /// Told to the peer in every packet (bfd.DesiredMinTxInterval, bfd.RequiredMinRxInterval).
    desired_min_tx: Microseconds,
    required_min_rx: Microseconds,
    /// A poll sequence runs (RFC 5880 section 6.5), and these go on until it ends (section 6.8.3).
    poll: Option<Before>,
    /// Number of the last signed packet sent.
    sequence: Sequence,
    /// The one that a successor was told of last.
    remembered_sequence: Sequence,
    /// Number of the last signed packet taken, and when that is to be forgotten.
    pub(crate) heard_sequence: Option<(Sequence, Moment)>,
    pub(crate) obstacle: Option<Arc<str>>,
    /// `ZERO` before the first packet, which is due at once.
    last_sent: Moment,
    /// Interval that `transmit_at` was chosen for.
    paced: Option<Duration>,
    /// Kept, so that sending allocates nothing.
    message: Vec<u8>,
    pub(crate) last_heard: Moment,
    /// Deadlines; `NEVER` if there is none.
    transmit_at: Moment,
    pub(crate) detect_at: Moment,
    /// Moment of the live queue entry; `NEVER` if there is none.
    pub(crate) queued: Moment,
    pub(crate) counters: Counters,
    /// Why the last packet was dropped, if it was.
    pub(crate) dropped: Option<Reject>,
    /// Reasons told since the last change of state, one bit each.
    reported: u32,
    pub(crate) echo: EchoFunction,
    told_intervals: Option<(Microseconds, Microseconds, Duration)>,
}

/// Intervals that the peer still counts on.
#[derive(Debug, Clone, Copy)]
struct Before {
    desired_min_tx: Microseconds,
    required_min_rx: Microseconds,
}

impl Session {
    pub(crate) fn new(
        now: Moment,
        config: Arc<SessionConfig>,
        local: Discriminator,
        random: &mut Random,
    ) -> Self {
        let sequence = Sequence(u32::try_from(random.below(1 << 32)).unwrap_or_default());
        let obstacle = config.broken.clone();
        Self {
            desired_min_tx: config.idle(),
            required_min_rx: config.required_min_rx,
            config,
            local,
            state: if obstacle.is_some() { State::AdminDown } else { State::Down },
            since: now,
            diagnostic: Diagnostic::NONE,
            peer: None,
            good: None,
            poll: None,
            sequence,
            remembered_sequence: sequence,
            heard_sequence: None,
            obstacle,
            last_sent: Moment::ZERO,
            paced: None,
            message: Vec::with_capacity(PACKET_LENGTH_MAX),
            last_heard: now,
            transmit_at: Moment::NEVER,
            detect_at: Moment::NEVER,
            queued: Moment::NEVER,
            counters: Counters::default(),
            dropped: None,
            reported: 0,
            echo: EchoFunction::new(random),
            told_intervals: None,
        }
    }

    /// Goes on where a predecessor was. The peer gets a whole detection time to be heard in: nobody
    /// listened meanwhile.
    pub(crate) fn take_over(&mut self, now: Moment, resume: Resume) {
        self.local = resume.local_discriminator;
        self.state = resume.state;
        self.since = resume.since;
        self.good = resume.good;
        self.diagnostic = resume.diagnostic;
        self.peer = resume.peer;
        self.counters = resume.counters;
        // The predecessor may have sent more than it could tell of, yet not more than the peer may lose at once, by which it
        // is still within what the peer takes (RFC 5880 section 6.7.4).
        self.sequence = resume.sent_sequence.ahead(2 * u32::from(self.config.multiplier.get()));
        // Of the leap nobody was told yet: the first packet tells of it, for a successor of this one.
        self.remembered_sequence = resume.sent_sequence;
        if self.state == State::AdminDown && self.obstacle.is_none() {
            self.state = State::Down;
        }
        self.echo.take_over(resume.echo, self.state);
        if self.state == State::Up {
            self.desired_min_tx = self.config.desired_min_tx;
            self.required_min_rx = self.required_wish();
        }
        if self.peer.is_some() {
            self.detect_at = now + self.detection_time();
        }
    }

    /// The earliest of its deadlines.
    pub(crate) fn next_deadline(&self) -> Moment {
        self.transmit_at.min(self.detect_at).min(self.echo.at)
    }

    pub(crate) fn transmit_due(&self, now: Moment) -> bool {
        self.transmit_at <= now
    }

    /// How often packets are sent, jitter aside; `None` for not at all (RFC 5880 section 6.8.7).
    pub(crate) fn transmit_interval(&self) -> Option<Duration> {
        if self.state == State::AdminDown && self.obstacle.is_some() {
            return None;
        }
        let Some(peer) = &self.peer else {
            return (!self.config.passive).then(|| self.desired_min_tx.max(UNHEARD_MIN_RX).duration());
        };
        let demanded = peer.demand && self.state == State::Up && peer.state == State::Up;
        if peer.required_min_rx == Microseconds::ZERO || (demanded && self.poll.is_none()) {
            return None;
        }
        // A wish for a slower rate holds once the peer has taken it (RFC 5880 section 6.8.3).
        let desired = match self.poll {
            Some(before) if self.state == State::Up => self.desired_min_tx.min(before.desired_min_tx),
            _ => self.desired_min_tx,
        };
        Some(desired.max(peer.required_min_rx).duration())
    }

    /// Interval of the peer's packets as agreed.
    fn receive_interval(&self) -> Microseconds {
        // A wish for a faster rate holds once the peer has taken it (RFC 5880 section 6.8.3).
        let required = match self.poll {
            Some(before) if self.state == State::Up => self.required_min_rx.max(before.required_min_rx),
            _ => self.required_min_rx,
        };
        required.max(self.peer.map_or(Microseconds::ZERO, |peer| peer.desired_min_tx))
    }

    /// Silence that ends the session (RFC 5880 section 6.8.4, asynchronous mode).
    pub(crate) fn detection_time(&self) -> Duration {
        let multiplier = self.peer.map_or(self.config.multiplier, |peer| peer.multiplier);
        self.receive_interval().duration() * u32::from(multiplier.get())
    }

    /// Chooses the next packet's time anew if the interval has changed. Otherwise the time stays: to choose
    /// again and again would always end at the shortest.
    pub(crate) fn reschedule(&mut self, now: Moment, beat: Beat) {
        let interval = self.transmit_interval();
        if interval == self.paced {
            return;
        }
        self.paced = interval;
        self.transmit_at = interval.map_or(Moment::NEVER, |interval| {
            let first = self.last_sent == Moment::ZERO;
            if first { now } else { beat.next(self.last_sent, interval, self.config.multiplier).max(now) }
        });
    }

    /// Sends a packet that is due, or that tells at once what differs from the last one (RFC 5880 section 6.8.7),
    /// and chooses the time of the next one.
    pub(crate) fn send_periodic(&mut self, now: Moment, beat: Beat, sink: &mut impl Sink) {
        // Not from when a late wake-up sends it: the beat goes on.
        let due = self.transmit_at.min(now);
        self.paced = self.transmit_interval();
        self.transmit_at = Moment::NEVER;
        if let Some(interval) = self.paced {
            self.send(now, false, sink);
            let next = |from| beat.next(from, interval, self.config.multiplier);
            self.transmit_at = Some(next(due)).filter(|at| *at > now).unwrap_or_else(|| next(now));
        }
    }

    /// Sends one packet; `answers_poll` whatever the timers say (RFC 5880 section 6.5).
    pub(crate) fn send(&mut self, now: Moment, answers_poll: bool, sink: &mut impl Sink) {
        let control = Control {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.poll.is_some() && self.peer.is_some() && !answers_poll,
            answers_poll,
            independent: false,
            demand: false,
            multiplier: self.config.multiplier,
            mine: self.local,
            yours: self.peer.map(|peer| peer.discriminator),
            desired_min_tx: self.desired_min_tx,
            required_min_rx: self.required_min_rx,
            required_min_echo_rx: self.config.echo_rx,
        };
        let signature = self.config.key.as_ref().map(|key| {
            // Every packet gets a number of its own, which those who are not meticulous allow.
            self.sequence = self.sequence.next();
            (key, self.sequence)
        });
        control.write(signature, &mut self.message);
        self.counters.sent += 1;
        self.last_sent = now;
        sink.transmit(Transmit { session: &self.config, message: &self.message });
        let untold = self.sequence.0.wrapping_sub(self.remembered_sequence.0);
        if untold >= u32::from(self.config.multiplier.get()) {
            self.remembered_sequence = self.sequence;
            sink.remember(self.config.id);
        }
    }

    /// Enters a state. Timers and packets are the caller's business.
    pub(crate) fn enter(
        &mut self,
        now: Moment,
        to: State,
        diagnostic: Diagnostic,
        cause: Cause,
        sink: &mut impl Sink,
    ) {
        let from = std::mem::replace(&mut self.state, to);
        if from == to {
            return;
        }
        self.since = now;
        self.diagnostic = diagnostic;
        self.reported = 0;
        match (from, to) {
            (_, State::Up) => self.counters.came_up += 1,
            (State::Up, _) => self.counters.went_down += 1,
            _ => {}
        }
        // Fast while up, a second at least otherwise (RFC 5880 section 6.8.3).
        let wish = if to == State::Up { self.config.desired_min_tx } else { self.config.idle() };
        if to != State::Up {
            self.echo.end();
        }
        self.ask(wish, self.required_wish());
        self.told_intervals = None;
        let session = self.config.id;
        sink.tell(
            &self.config,
            Event::State { session, at: now, from, to, diagnostic, cause: cause.clone() },
        );
        self.judge(now, cause, sink);
        sink.remember(session);
    }

    /// Tells trackers what the state means for the path.
    pub(crate) fn judge(&mut self, now: Moment, cause: Cause, sink: &mut impl Sink) {
        let good = match (self.state, &cause) {
            // Control packets alone do not prove what echo packets have refuted.
            (State::Up, _) if self.echo.has_failed() => return,
            (State::Up, _) => true,
            // On purpose: says nothing of the path (RFC 5880 section 6.2).
            (_, Cause::Peer { state: State::AdminDown, .. } | Cause::Stop | Cause::Reload) => return,
            (State::Down | State::AdminDown, _) => false,
            (State::Init, _) => return,
        };
        if self.good != Some(good) {
            self.good = Some(good);
            sink.tell(&self.config, Event::Path { session: self.config.id, at: now, good, cause });
        }
    }

    /// Asks the peer for other intervals by a poll sequence (RFC 5880 section 6.8.3).
    pub(crate) fn ask(&mut self, desired_min_tx: Microseconds, required_min_rx: Microseconds) {
        if (self.desired_min_tx, self.required_min_rx) == (desired_min_tx, required_min_rx) {
            return;
        }
        // A second wish during a sequence: what the peer has taken is unknown, so that the most careful of
        // both holds.
        let before = self.poll.map_or(
            Before { desired_min_tx: self.desired_min_tx, required_min_rx: self.required_min_rx },
            |before| Before {
                desired_min_tx: before.desired_min_tx.min(self.desired_min_tx),
                required_min_rx: before.required_min_rx.max(self.required_min_rx),
            },
        );
        self.desired_min_tx = desired_min_tx;
        self.required_min_rx = required_min_rx;
        self.poll = Some(before);
    }

    /// The peer answered: the poll sequence is over.
    pub(crate) fn polled(&mut self) {
        self.poll = None;
    }

    pub(crate) const fn is_polling(&self) -> bool {
        self.poll.is_some()
    }

    /// The peer was silent for a detection time: it may not exist any more, or be another one (bfd.RemoteDiscr,
    /// RFC 5880 section 6.8.1).
    pub(crate) fn forget_peer(&mut self) {
        self.peer = None;
        self.detect_at = Moment::NEVER;
    }

    /// Tells intervals that changed while up.
    pub(crate) fn tell_intervals(&mut self, now: Moment, sink: &mut impl Sink) {
        if self.state != State::Up || self.is_polling() {
            return;
        }
        let transmit = self.transmit_interval().map_or(Microseconds::ZERO, Microseconds::from_duration);
        let intervals = (transmit, self.receive_interval(), self.detection_time());
        if self.told_intervals.replace(intervals) != Some(intervals) {
            let (transmit, receive, detection) = intervals;
            let detection_us = u64::try_from(detection.as_micros()).unwrap_or(u64::MAX);
            let session = self.config.id;
            sink.tell(&self.config, Event::Intervals { session, at: now, transmit, receive, detection_us });
        }
    }

    /// What is dropped from now on is dropped for other reasons than before.
    pub(crate) fn judge_drops_anew(&mut self) {
        self.reported = 0;
        self.dropped = None;
    }

    /// Counts a dropped packet, and tells of the first with its reason.
    pub(crate) fn reject(&mut self, now: Moment, source: IpAddr, reason: Reject, sink: &mut impl Sink) {
        let counter = reason.counter();
        self.counters.drop(counter);
        self.dropped = Some(reason);
        let place = Counter::ALL.iter().position(|known| *known == counter);
        let bit = place.map_or(0, |place| 1_u32 << (place & 31));
        if self.reported & bit == 0 {
            self.reported |= bit;
            sink.tell(&self.config, Event::Dropped { session: self.config.id, at: now, source, reason });
        }
    }

    /// The link of a chain that says how long the peer was silent.
    pub(crate) fn silence(&self, now: Moment) -> Cause {
        Cause::Silent {
            silent_us: u64::try_from(now.since(self.last_heard).as_micros()).unwrap_or(u64::MAX),
            multiplier: self.peer.map_or(self.config.multiplier, |peer| peer.multiplier).get(),
            interval_us: u64::from(self.receive_interval().get()),
        }
    }

    pub(crate) fn status(&self) -> SessionStatus {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        SessionStatus {
            session: self.config.id,
            name: Arc::clone(&self.config.name),
            path: self.config.path,
            state: self.state,
            since: self.since,
            good: self.good,
            diagnostic: self.diagnostic,
            remote_state: self.peer.map_or(State::Down, |peer| peer.state),
            remote_diagnostic: self.peer.map_or(Diagnostic::NONE, |peer| peer.diagnostic),
            local_discriminator: self.local,
            remote_discriminator: self.peer.map(|peer| peer.discriminator),
            transmit: self.transmit_interval().map(Microseconds::from_duration),
            receive: self.receive_interval(),
            detection_us: self.peer.map(|_| micros(self.detection_time())),
            remote_multiplier: self.peer.map(|peer| peer.multiplier),
            echo: self.echo_status(),
            obstacle: self.obstacle.clone(),
            authentication: self.config.key.as_ref().map(Key::algorithm),
            dropped: self.dropped,
            counters: self.counters,
        }
    }

    pub(crate) fn resume_state(&self) -> Resume {
        Resume {
            session: self.config.id,
            path: self.config.path,
            local_discriminator: self.local,
            state: self.state,
            since: self.since,
            good: self.good,
            diagnostic: self.diagnostic,
            peer: self.peer,
            echo: self.echo.known(),
            sent_sequence: self.sequence,
            counters: self.counters,
        }
    }
}
