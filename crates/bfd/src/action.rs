//! What goes into the machine and what it asks for.

use std::net::IpAddr;

use steadfast_wire::bfd::Echo;

use crate::config::{Hops, InterfaceId, SessionConfig, SessionId};
use crate::event::Event;

/// Something the outside tells the machine. Timers are not inputs: see `Machine::advance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// A datagram at one of the two ports.
    Datagram(Datagram<'a>),
    /// The socket of a session is open, or cannot be had: without one it is AdminDown. Without a word a
    /// session has its socket.
    Channel {
        /// Whose.
        session: SessionId,
        /// Why there is none.
        obstacle: Option<&'a str>,
    },
    /// An echo packet of ours came back.
    Echo(Echo),
    /// It is known from which interface and by which router echo packets of a session go round
    /// ([`Machine::echoes_by`](crate::Machine::echoes_by)). Before that there are none.
    EchoWay(SessionId),
    /// The daemon stops: every peer is told that its session ends on purpose.
    Stop,
}

/// A received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Where it came in, if the caller knows.
    pub interface: Option<InterfaceId>,
    /// By which port.
    pub hops: Hops,
    /// Sender.
    pub source: IpAddr,
    /// To which address of ours.
    pub destination: IpAddr,
    /// TTL or hop limit; `None` if the kernel did not tell.
    pub hop_limit: Option<u8>,
    /// What it carries.
    pub message: &'a [u8],
}

/// A packet to send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Whose, with its path and hop limit.
    pub session: &'a SessionConfig,
    /// The packet.
    pub message: &'a [u8],
}

/// Takes what the machine asks for, in order. All calls must be quick: they run between packets.
pub trait Sink {
    /// Queue a packet.
    fn transmit(&mut self, packet: Transmit<'_>);
    /// Queue an echo packet, which the peer is to send back as it is (RFC 5880 section 6.4).
    fn transmit_echo(&mut self, packet: Transmit<'_>);
    /// A session, as it is configured, has something to tell.
    fn tell(&mut self, session: &SessionConfig, event: Event);
    /// What a successor would need to know of this session has changed: time to ask for
    /// [`resume_state`](crate::Machine::resume_state).
    fn remember(&mut self, session: SessionId);
}
