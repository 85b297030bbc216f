//! Reception of control packets (RFC 5880 section 6.8.6).

use std::time::Duration;

use steadfast_time::Moment;
use steadfast_wire::bfd::{Control, Diagnostic, Discriminator, Received, Reject, Sequence, State};

use crate::action::{Datagram, Sink};
use crate::config::SessionId;
use crate::event::Cause;
use crate::machine::Machine;
use crate::session::Session;
use crate::status::Peer;

/// Sequence numbers may run ahead by three detection multipliers (RFC 5880 section 6.7.3).
const SEQUENCE_MULTIPLIERS: u32 = 3;

impl Machine {
    pub(crate) fn receive(&mut self, now: Moment, datagram: &Datagram<'_>, sink: &mut impl Sink) {
        let received = match Received::parse(datagram.message) {
            Ok(received) => received,
            Err(reason) => {
                // Told by the session with that address, if there is one.
                let session = self.with_address(datagram);
                return self.drop(now, session, datagram, reason, sink);
            }
        };
        let control = received.control;
        let found = match control.yours {
            Some(yours) => self.named(yours, datagram).ok_or(Reject::UnknownDiscriminator { found: yours }),
            None => self.with_address(datagram).ok_or(Reject::UnknownPeer),
        };
        let id = match found {
            Ok(id) => id,
            Err(reason) => return self.drop(now, self.with_address(datagram), datagram, reason, sink),
        };
        let beat = self.beat;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Err(reason) = session.believe(now, datagram, &received) {
            return session.reject(now, datagram.source, reason, sink);
        }
        session.counters.received += 1;
        session.dropped = None;
        let state_before = session.state;
        // Its number is news in our packets, which may go at once (RFC 5880 section 6.8.7). A peer that thinks that the session
        // is up, because its worker was dead meanwhile, learns of it before it misses packets.
        let newcomer = session.peer.is_none();
        let was_polling = session.is_polling();
        session.hear(now, &control);
        if control.answers_poll {
            session.polled();
        }
        session.react(now, &control, sink);
        session.tune_echo(now, beat, sink);
        session.detect_at = now + session.detection_time();
        if newcomer || session.state != state_before {
            session.send_periodic(now, beat, sink);
        } else {
            session.reschedule(now, beat);
        }
        if control.poll {
            session.send(now, true, sink);
        }
        session.tell_intervals(now, sink);
        if was_polling && !session.is_polling() {
            sink.remember(id);
        }
        self.arm(id);
    }

    /// The session that a discriminator names. The address may change meanwhile (RFC 5880 section 6.3), the
    /// port may not.
    fn named(&self, yours: Discriminator, datagram: &Datagram<'_>) -> Option<SessionId> {
        let id = *self.by_discriminator.get(&yours)?;
        let session = self.sessions.get(&id)?;
        (session.config.path.hops == datagram.hops).then_some(id)
    }

    /// The session with the sender (RFC 5881 section 3, RFC 5883 section 4).
    fn with_address(&self, datagram: &Datagram<'_>) -> Option<SessionId> {
        let first = (datagram.hops, datagram.source, SessionId(0));
        let last = (datagram.hops, datagram.source, SessionId(u32::MAX));
        let fits = |(_, _, id): &&(_, _, SessionId)| {
            let session = self.sessions.get(id);
            session
                .is_some_and(|session| session.config.path.carries(datagram.interface, datagram.destination))
        };
        self.by_address.range(first..=last).find(fits).map(|(_, _, id)| *id)
    }

    fn drop(
        &mut self,
        now: Moment,
        session: Option<SessionId>,
        datagram: &Datagram<'_>,
        reason: Reject,
        sink: &mut impl Sink,
    ) {
        match session.and_then(|id| self.sessions.get_mut(&id)) {
            Some(session) => session.reject(now, datagram.source, reason, sink),
            None => self.strangers.drop(reason.counter()),
        }
    }
}

impl Session {
    /// The checks that need the session.
    fn believe(
        &mut self,
        now: Moment,
        datagram: &Datagram<'_>,
        received: &Received<'_>,
    ) -> Result<(), Reject> {
        let expected = self.config.min_hop_limit;
        if let Some(found) = datagram.hop_limit.filter(|found| *found < expected) {
            return Err(Reject::HopLimit { expected, found });
        }
        let sequence = received.authenticate(self.config.key.as_ref())?;
        if let (Some(key), Some(found)) = (&self.config.key, sequence) {
            let anew = key.algorithm().is_meticulous();
            self.follow_sequence(now, found, anew, received.control.multiplier.get())?;
        }
        if self.state == State::AdminDown { Err(Reject::AdminDown) } else { Ok(()) }
    }

    /// Sequence numbers rise (RFC 5880 sections 6.7.3 and 6.7.4); the last one is forgotten after two detection
    /// times of silence (bfd.AuthSeqKnown, section 6.8.1).
    fn follow_sequence(
        &mut self,
        now: Moment,
        found: Sequence,
        anew: bool,
        multiplier: u8,
    ) -> Result<(), Reject> {
        if !self.may_follow(now, found, anew, multiplier) {
            let last = self.heard_sequence.map_or(0, |(last, _)| last.0);
            return Err(Reject::Sequence { last, found: found.0 });
        }
        let span = self.detection_time().saturating_mul(2).max(Duration::from_millis(1));
        self.heard_sequence = Some((found, now + span));
        Ok(())
    }

    /// Whether a packet of this number may come next.
    pub(crate) fn may_follow(&self, now: Moment, found: Sequence, anew: bool, multiplier: u8) -> bool {
        let most = SEQUENCE_MULTIPLIERS * u32::from(multiplier);
        self.heard_sequence.is_none_or(|(last, until)| now >= until || found.follows(last, most, anew))
    }

    /// Takes over what the peer says of itself.
    fn hear(&mut self, now: Moment, control: &Control) {
        if self.peer.is_none_or(|peer| peer.discriminator != control.mine) {
            self.echo.meet();
        }
        self.last_heard = now;
        self.peer = Some(Peer {
            discriminator: control.mine,
            state: control.state,
            diagnostic: control.diagnostic,
            demand: control.demand,
            required_min_rx: control.required_min_rx,
            desired_min_tx: control.desired_min_tx,
            multiplier: control.multiplier,
            required_min_echo_rx: control.required_min_echo_rx,
        });
    }

    /// The state machine (RFC 5880 sections 6.2 and 6.8.6).
    fn react(&mut self, now: Moment, control: &Control, sink: &mut impl Sink) {
        let cause = Cause::Peer { state: control.state, diagnostic: control.diagnostic };
        let signaled = Diagnostic::NEIGHBOR_SIGNALED_DOWN;
        let (to, diagnostic) = match (self.state, control.state) {
            (State::Init | State::Up, State::AdminDown) => (State::Down, signaled),
            (State::Down, State::Down) => (State::Init, self.diagnostic),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                (State::Up, Diagnostic::NONE)
            }
            (State::Up, State::Down) => (State::Down, signaled),
            (State::AdminDown, _)
            | (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up) => return,
        };
        self.enter(now, to, diagnostic, cause, sink);
    }
}
