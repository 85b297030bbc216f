//! The echo function (RFC 5880 sections 6.4, 6.8.5 and 6.8.9): packets that the peer's forwarding sends back, which find a
//! dead path at a rate of their own while control packets may be slow.
//!
//! A peer says how often it can return them. That it does return them is known when the first has come back: only from then
//! on does silence mean something, and is the peer asked for slow control packets. It may forward nothing at all, and a
//! session that works is not to fall for that.

use std::net::IpAddr;
use std::time::Duration;

use steadfast_time::{Moment, Random};
use steadfast_wire::bfd::{Diagnostic, Discriminator, Echo, Microseconds, Received, Sequence, State};

use crate::action::{Datagram, Sink, Transmit};
use crate::beat::Beat;
use crate::config::{Hops, SessionId};
use crate::event::{Cause, Event};
use crate::machine::Machine;
use crate::session::Session;
use crate::status::{EchoKnown, EchoStatus};

/// What the peer's control packets are slowed down to while echo packets find losses (RFC 5880 section 6.8.3), and how
/// seldom a peer is asked for echoes that has returned none.
const SLOW: Microseconds = Microseconds::new(1_000_000);

/// The echo packets of one session.
#[derive(Debug)]
pub(crate) struct EchoFunction {
    known: EchoKnown,
    /// The caller can send them.
    has_way: bool,
    /// Number of the last packet sent, and of the last one that came back. They begin anywhere, so that who did not see a
    /// packet cannot return it.
    sent: u32,
    returned: u32,
    /// When one came back last, or when they began.
    returned_at: Moment,
    /// When one came back last; `None` before the first.
    back_at: Option<Moment>,
    /// When the next one is due; `NEVER` if none are sent.
    pub(crate) at: Moment,
    /// Was told of a peer that returns none.
    told_none: bool,
    /// Number of the signed packet that showed the way last.
    way_shown_by: Option<Sequence>,
}

impl EchoFunction {
    pub(crate) fn new(random: &mut Random) -> Self {
        let first = u32::try_from(random.below(1 << 32)).unwrap_or_default();
        Self {
            known: EchoKnown::default(),
            has_way: false,
            sent: first,
            returned: first,
            returned_at: Moment::ZERO,
            back_at: None,
            at: Moment::NEVER,
            told_none: false,
            way_shown_by: None,
        }
    }

    /// Goes on where a predecessor was, as soon as there is a way.
    pub(crate) fn take_over(&mut self, known: EchoKnown, state: State) {
        self.known = EchoKnown { active: known.active && state == State::Up, ..known };
    }

    pub(crate) const fn known(&self) -> EchoKnown {
        self.known
    }

    /// A peer that starts anew, of which nothing is known.
    pub(crate) fn meet(&mut self) {
        self.known.proven = false;
        self.known.failed = false;
        self.told_none = false;
    }

    /// They did not come back, and have not since.
    pub(crate) const fn has_failed(&self) -> bool {
        self.known.failed
    }

    /// No packets from here on.
    pub(crate) fn end(&mut self) {
        self.known.active = false;
        self.at = Moment::NEVER;
    }

    const fn is_running(&self) -> bool {
        self.at.as_nanos() != Moment::NEVER.as_nanos()
    }

    fn begin(&mut self, now: Moment) {
        self.returned = self.sent;
        self.returned_at = now;
        self.at = now;
    }

    /// Packets sent since the last one that came back.
    const fn lost(&self) -> u32 {
        self.sent.wrapping_sub(self.returned)
    }

    /// Whether this is one that was sent and has not come back. One that overtook others answers for them.
    fn takes(&mut self, number: u32) -> bool {
        let ahead = number.wrapping_sub(self.returned);
        let fits = self.is_running() && (1..=self.lost()).contains(&ahead);
        if fits {
            self.returned = number;
        }
        fits
    }
}

impl Session {
    /// A packet signed as it has to be, with the number of the one that was believed last or one that may follow it: the
    /// other socket may have read this very packet before. One by a meticulous key shows the way once. The number, if it has
    /// one, comes back.
    fn may_believe(&self, now: Moment, received: &Received<'_>) -> Option<Option<Sequence>> {
        let sequence = received.authenticate(self.config.key.as_ref()).ok()?;
        let (Some(key), Some(found)) = (&self.config.key, sequence) else { return Some(sequence) };
        let multiplier = received.control.multiplier.get();
        let is_new = self.echo.way_shown_by.is_none_or(|last| found != last);
        (self.may_follow(now, found, false, multiplier) && (is_new || !key.algorithm().is_meticulous()))
            .then_some(sequence)
    }

    /// Interval of the peer's control packets to ask for.
    pub(crate) fn required_wish(&self) -> Microseconds {
        let required = self.config.required_min_rx;
        if self.echo.known.active && required != Microseconds::ZERO { required.max(SLOW) } else { required }
    }

    /// How often echo packets are sent, jitter aside; `None` for not at all (RFC 5880 section 6.8.9).
    fn echo_interval(&self) -> Option<Microseconds> {
        let theirs = self.peer.map_or(Microseconds::ZERO, |peer| peer.required_min_echo_rx);
        let ours = self.config.echo_tx;
        let wanted = self.state == State::Up && self.config.path.hops == Hops::Single;
        (wanted && theirs != Microseconds::ZERO && ours != Microseconds::ZERO).then(|| theirs.max(ours))
    }

    /// The state, the peer's or our own settings, or the way may have changed.
    pub(crate) fn tune_echo(&mut self, now: Moment, beat: Beat, sink: &mut impl Sink) {
        if self.state != State::Up {
            return;
        }
        if self.echo_interval().is_none() {
            self.leave_echo(now, sink);
        } else if self.echo.has_way && !self.echo.is_running() {
            self.echo.begin(now);
            self.echo_due(now, beat, sink);
        }
    }

    /// One of both ends wants no echo packets any more: control packets find losses alone, at their old rate.
    fn leave_echo(&mut self, now: Moment, sink: &mut impl Sink) {
        self.echo.end();
        self.ask(self.config.desired_min_tx, self.required_wish());
        if std::mem::take(&mut self.echo.known.failed) {
            self.judge(now, Cause::EchoOver, sink);
        }
    }

    /// The next packet is due; or so many did not come back that the path is dead.
    pub(crate) fn echo_due(&mut self, now: Moment, beat: Beat, sink: &mut impl Sink) {
        let Some(interval) = self.echo_interval() else { return self.echo.end() };
        let mut pace = interval.duration();
        if self.echo.lost() >= u32::from(self.config.multiplier.get()) {
            if self.echo.known.proven {
                return self.echo_failed(now, interval, beat, sink);
            }
            pace = pace.max(SLOW.duration());
            if !std::mem::replace(&mut self.echo.told_none, true) {
                self.tell_echo(now, false, interval, sink);
            }
        }
        self.send_echo(sink);
        let next = |from| beat.next(from, pace, self.config.multiplier);
        // Not from when a late wake-up sends it: the beat goes on.
        let due = self.echo.at.min(now);
        self.echo.at = Some(next(due)).filter(|at| *at > now).unwrap_or_else(|| next(now));
    }

    fn send_echo(&mut self, sink: &mut impl Sink) {
        self.echo.sent = self.echo.sent.wrapping_add(1);
        self.counters.echoes_sent += 1;
        let message = Echo { session: self.local, number: self.echo.sent }.bytes();
        sink.transmit_echo(Transmit { session: &self.config, message: &message });
    }

    /// RFC 5880 section 6.8.5.
    fn echo_failed(&mut self, now: Moment, interval: Microseconds, beat: Beat, sink: &mut impl Sink) {
        let cause = Cause::Echo {
            silent_us: micros(now.since(self.echo.returned_at)),
            lost: self.echo.lost(),
            interval_us: interval.get().into(),
        };
        self.echo.known.failed = true;
        self.enter(now, State::Down, Diagnostic::ECHO_FAILED, cause, sink);
        self.send_periodic(now, beat, sink);
    }

    /// A packet of ours came back.
    fn echo_returned(&mut self, now: Moment, number: u32, sink: &mut impl Sink) {
        if !self.echo.takes(number) {
            return;
        }
        self.counters.echoes_returned += 1;
        (self.echo.returned_at, self.echo.back_at) = (now, Some(now));
        let Some(interval) = self.echo_interval() else { return };
        if !std::mem::replace(&mut self.echo.known.active, true) {
            self.echo.known.proven = true;
            self.echo.told_none = false;
            self.ask(self.config.desired_min_tx, self.required_wish());
            self.tell_echo(now, true, interval, sink);
            sink.remember(self.config.id);
        }
        if std::mem::take(&mut self.echo.known.failed) {
            self.judge(now, Cause::EchoOver, sink);
        }
    }

    fn tell_echo(&self, now: Moment, returned: bool, interval: Microseconds, sink: &mut impl Sink) {
        let detection_us = micros(self.echo_detection(interval));
        let session = self.config.id;
        sink.tell(&self.config, Event::Echo { session, at: now, returned, interval, detection_us });
    }

    fn echo_detection(&self, interval: Microseconds) -> Duration {
        interval.duration() * u32::from(self.config.multiplier.get())
    }

    pub(crate) fn echo_status(&self) -> Option<EchoStatus> {
        let interval = self.echo_interval().filter(|_| self.echo.is_running())?;
        let detection_us = micros(self.echo_detection(interval));
        let (returned, returned_at) = (self.echo.known.active, self.echo.back_at);
        Some(EchoStatus { returned, interval, detection_us, returned_at })
    }
}

impl Machine {
    /// The session whose echo packets go the way that this control packet came: to its sender, who is to send them back. What
    /// is not of its peer shows no way, and what somebody repeats that the peer signed shows none that is another.
    pub fn echoes_by(&mut self, now: Moment, datagram: &Datagram<'_>) -> Option<SessionId> {
        let received = Received::parse(datagram.message).ok()?;
        let (id, session) = self.echoing(received.control.yours?)?;
        let path = session.config.path;
        let from_peer = path.remote == datagram.source
            && path.hops == datagram.hops
            && path.carries(datagram.interface, datagram.destination)
            && datagram.hop_limit.is_none_or(|found| found >= session.config.min_hop_limit);
        let sequence = session.may_believe(now, &received).filter(|_| from_peer)?;
        self.sessions.get_mut(&id)?.echo.way_shown_by = sequence;
        Some(id)
    }

    /// The session for which an echo packet to this destination, one of our addresses, is to go back to its sender. Those that
    /// the peer addresses to itself, as RFC 5881 section 4 has it, are forwarded by the kernel.
    pub fn returns_echoes_of(&self, source: IpAddr, destination: IpAddr) -> Option<SessionId> {
        self.with_remote(source).find(|id| {
            self.sessions.get(id).is_some_and(|session| {
                session.state == State::Up
                    && session.config.echo_rx != Microseconds::ZERO
                    && session.config.path.carries(None, destination)
            })
        })
    }

    pub(crate) fn echo_way(&mut self, now: Moment, id: SessionId, sink: &mut impl Sink) {
        let beat = self.beat;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if !std::mem::replace(&mut session.echo.has_way, true) {
            session.tune_echo(now, beat, sink);
            self.arm(id);
        }
    }

    pub(crate) fn echo_returned(&mut self, now: Moment, echo: Echo, sink: &mut impl Sink) {
        let Some((id, _)) = self.echoing(echo.session) else { return };
        let beat = self.beat;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.echo_returned(now, echo.number, sink);
        session.reschedule(now, beat);
        self.arm(id);
    }

    /// The session of this name, if it sends echo packets.
    fn echoing(&self, name: Discriminator) -> Option<(SessionId, &Session)> {
        let id = *self.by_discriminator.get(&name)?;
        let session = self.sessions.get(&id)?;
        (session.config.echo_tx != Microseconds::ZERO).then_some((id, session))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
