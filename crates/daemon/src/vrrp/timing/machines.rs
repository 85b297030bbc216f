//! The protocol machines that the timing thread drives, all by the same verbs.
//!
//! ```text
//! datagram ─▶ hear ───┐
//! timer ────▶ advance ├─▶ Out: datagrams of the turn, actions, what a successor needs
//! errno ────▶ refused ┘
//! ```
//!
//! Which machine a datagram is for is known by its socket ([`SocketKey::protocol`]), and whose a refused datagram was by
//! its [`tag`](Protocol::tag); both are a match on [`Protocol`], so that another machine costs the others nothing.

use std::collections::BTreeMap;

use steadfast_bfd::{Machine as SessionMachine, SessionId, SessionStatus};
use steadfast_detection::Detection;
use steadfast_kernel::datagram;
use steadfast_record::Recorder;
use steadfast_vrrp::{Datagram, Input, InstanceId, Machine, Moment, Plan, Reading, WatchId};
use steadfast_wire::vrrp::{Carrier, IpProtocol};

use super::echoes;
use super::followed::Followed;
use super::sockets::{Place, SocketKey};
use super::transmit::Out;

/// A protocol machine as this thread sees it. Everything else that it is told is between it and who configures it.
pub(super) trait Driven {
    /// A datagram came in by one of its sockets; `arrival` never goes back.
    fn hear(&mut self, arrival: Moment, key: SocketKey, datagram: &datagram::Datagram<'_>, out: &mut Out);
    /// The kernel refused datagrams that one of its parts asked for in this turn.
    fn refused(&mut self, now: Moment, refusal: Refusal<'_>, out: &mut Out);
    /// Runs every timer that is due.
    fn advance(&mut self, now: Moment, out: &mut Out);
    /// When there is work next; after `advance(now)` always later than `now`.
    fn next_wakeup(&self) -> Option<Moment>;
    /// Hands everything over and ends.
    fn stop(&mut self, now: Moment, out: &mut Out);
    /// After [`Driven::stop`]: that is done.
    fn is_drained(&self) -> bool;
}

/// Datagrams that the kernel did not take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// The number of who sent them: of an instance, of a session.
    pub(super) sender: u32,
    /// How many.
    pub(super) datagrams: u32,
    /// The kernel's reason.
    pub(super) reason: &'a str,
}

/// What is spoken over a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// IP protocol 112, or 51 with an authentication header.
    Vrrp,
    /// UDP, ports 3784 and 4784.
    Bfd,
}

/// Tags of sessions are marked by this bit.
const SESSION_TAG: u64 = 1 << 32;

impl Protocol {
    /// What a datagram of `sender` is known by when it is refused.
    pub(super) fn tag(self, sender: u32) -> u64 {
        match self {
            Self::Vrrp => sender.into(),
            Self::Bfd => u64::from(sender) | SESSION_TAG,
        }
    }

    /// Whose tag it is.
    fn of_tag(tag: u64) -> Option<(Self, u32)> {
        let protocol = if tag & SESSION_TAG == 0 { Self::Vrrp } else { Self::Bfd };
        u32::try_from(tag & !SESSION_TAG).ok().map(|sender| (protocol, sender))
    }
}

/// The machines of one worker.
pub(crate) struct Machines {
    /// The virtual routers.
    pub(crate) routers: Recorder,
    /// The sessions of BFD.
    pub(crate) sessions: SessionMachine,
    /// Which of these the virtual routers follow.
    pub(crate) followed: Followed,
    /// Sessions that watch over masters.
    pub(crate) detection: Detection,
}

impl Machines {
    pub(super) fn hear(
        &mut self,
        arrival: Moment,
        key: SocketKey,
        datagram: &datagram::Datagram<'_>,
        out: &mut Out,
    ) {
        match key.protocol() {
            Protocol::Vrrp => self.routers.hear(arrival, key, datagram, out),
            Protocol::Bfd if matches!(key.place, Place::Echoes { .. }) => {
                echoes::hear(arrival, datagram, &mut self.sessions, out);
            }
            Protocol::Bfd => {
                if let Some(datagram) = control_packet(key, datagram) {
                    self.detection.knock(arrival, &datagram, &mut self.sessions, out);
                }
                self.sessions.hear(arrival, key, datagram, out);
            }
        }
        self.settle(arrival, out);
    }

    /// Everything known at the start, or new addresses of an interface, or a reload: masters may be watched over from other
    /// addresses than before.
    pub(super) fn survey(&mut self, now: Moment, out: &mut Out) {
        if self.detection.is_needed() || self.routers.wants_detection() {
            self.detection.configure(now, &self.routers, &mut self.sessions, out);
        }
    }

    /// Something that only the virtual routers hear.
    pub(super) fn tell_routers(&mut self, now: Moment, input: Input<'_>, out: &mut Out) {
        self.routers.handle(now, input, out);
        self.settle(now, out);
    }

    /// Takes over a reload, when the sessions have theirs.
    pub(super) fn apply(&mut self, now: Moment, mut plan: Plan, followed: Followed, out: &mut Out) {
        self.followed = followed;
        let readings: BTreeMap<WatchId, Reading> = self.followed.readings(&self.sessions).collect();
        out.take_judged();
        // Who begins to follow a session that is up has it up from the beginning.
        plan.read_watches(|watch| readings.get(&watch).copied());
        self.routers.apply(now, plan, out);
        // A session of another path under the same name began anew.
        for (watch, reading) in readings {
            self.routers.handle(now, Input::Watched { watch, reading }, out);
        }
        self.survey(now, out);
        self.settle(now, out);
    }

    /// These sessions have their socket, or why they have none.
    pub(super) fn session_channel(
        &mut self,
        now: Moment,
        sessions: &[SessionId],
        obstacle: Option<&str>,
        out: &mut Out,
    ) {
        for &session in sessions {
            self.sessions.handle(now, steadfast_bfd::Input::Channel { session, obstacle }, out);
        }
        self.settle(now, out);
    }

    /// Tells the virtual routers what became of the sessions that they follow, and who watches over masters whom they follow.
    fn settle(&mut self, now: Moment, out: &mut Out) {
        let (judged, followers) = (out.take_judged(), out.take_followers());
        if judged.is_empty() && followers.is_empty() {
            return;
        }
        for event in &judged {
            if let steadfast_bfd::Event::Path { session, good, .. } = event
                && let Some(watch) = self.followed.watch(*session)
            {
                self.routers.handle(now, Input::Watched { watch, reading: Reading::Good(*good) }, out);
            }
        }
        let (routers, sessions) = (&mut self.routers, &mut self.sessions);
        self.detection.settle(now, &judged, followers, routers, sessions, out);
    }

    /// Sessions worth showing: those that somebody configured, and those that watch over somebody.
    pub(super) fn sessions_shown(&self) -> Vec<SessionStatus> {
        let shown = |status: &SessionStatus| self.detection.is_alive(status.session, &self.sessions);
        self.sessions.status().filter(shown).collect()
    }

    /// `tag` is that of the datagrams.
    pub(super) fn refused(&mut self, now: Moment, tag: u64, datagrams: u32, reason: &str, out: &mut Out) {
        match Protocol::of_tag(tag) {
            Some((Protocol::Vrrp, sender)) => {
                self.routers.refused(now, Refusal { sender, datagrams, reason }, out);
            }
            Some((Protocol::Bfd, sender)) => {
                self.sessions.refused(now, Refusal { sender, datagrams, reason }, out);
            }
            None => {}
        }
    }

    pub(super) fn advance(&mut self, now: Moment, out: &mut Out) {
        // Sessions first: routers may follow what becomes of them.
        Driven::advance(&mut self.sessions, now, out);
        self.settle(now, out);
        Driven::advance(&mut self.routers, now, out);
        self.settle(now, out);
    }

    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        [Driven::next_wakeup(&self.routers), Driven::next_wakeup(&self.sessions)].into_iter().flatten().min()
    }

    pub(super) fn stop(&mut self, now: Moment, out: &mut Out) {
        self.routers.stop(now, out);
        self.sessions.stop(now, out);
    }

    pub(super) fn is_drained(&self) -> bool {
        Driven::is_drained(&self.routers) && Driven::is_drained(&self.sessions)
    }
}

impl Driven for Recorder {
    fn hear(&mut self, arrival: Moment, key: SocketKey, datagram: &datagram::Datagram<'_>, out: &mut Out) {
        let unknown = self.counters().unknown_vrid;
        let datagram = Datagram {
            interface: key.interface,
            source: datagram.source,
            destination: datagram.destination,
            hop_limit: datagram.hop_limit,
            carrier: match key.ip_protocol {
                IpProtocol::Vrrp => Carrier::Ip,
                IpProtocol::AuthenticationHeader => {
                    Carrier::AuthenticationHeader { identification: datagram.identification }
                }
            },
            message: datagram.message,
        };
        self.handle(arrival, Input::Datagram(datagram), out);
        if self.counters().unknown_vrid != unknown {
            out.unknown_vrid(&datagram);
        }
    }

    fn refused(&mut self, now: Moment, refusal: Refusal<'_>, out: &mut Out) {
        let Refusal { sender, datagrams, reason } = refusal;
        self.handle(now, Input::Refused { instance: InstanceId(sender), datagrams, reason }, out);
    }

    fn advance(&mut self, now: Moment, out: &mut Out) {
        Self::advance(self, now, out);
    }

    fn next_wakeup(&self) -> Option<Moment> {
        Machine::next_wakeup(self)
    }

    fn stop(&mut self, now: Moment, out: &mut Out) {
        self.handle(now, Input::Stop, out);
    }

    fn is_drained(&self) -> bool {
        Machine::is_drained(self)
    }
}

/// A datagram as the machine of sessions takes it.
fn control_packet<'a>(
    key: SocketKey,
    datagram: &datagram::Datagram<'a>,
) -> Option<steadfast_bfd::Datagram<'a>> {
    let Place::Sessions { hops, .. } = key.place else { return None };
    Some(steadfast_bfd::Datagram {
        interface: key.bound_to().map(|interface| steadfast_bfd::InterfaceId(interface.0)),
        hops,
        source: datagram.source,
        destination: datagram.destination,
        hop_limit: datagram.hop_limit,
        message: datagram.message,
    })
}

impl Driven for SessionMachine {
    fn hear(&mut self, arrival: Moment, key: SocketKey, datagram: &datagram::Datagram<'_>, out: &mut Out) {
        if let Some(datagram) = control_packet(key, datagram) {
            self.handle(arrival, steadfast_bfd::Input::Datagram(datagram), out);
        }
    }

    /// Counted by [`Out`]. The peer misses the packet and says so.
    fn refused(&mut self, _now: Moment, _refusal: Refusal<'_>, _out: &mut Out) {}

    fn advance(&mut self, now: Moment, out: &mut Out) {
        Self::advance(self, now, out);
    }

    fn next_wakeup(&self) -> Option<Moment> {
        Self::next_wakeup(self)
    }

    fn stop(&mut self, now: Moment, out: &mut Out) {
        self.handle(now, steadfast_bfd::Input::Stop, out);
    }

    /// Each peer was told; there is nothing to wait for.
    fn is_drained(&self) -> bool {
        true
    }
}
