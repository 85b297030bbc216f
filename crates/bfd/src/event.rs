//! What happened and why.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;
use steadfast_wire::bfd::{Diagnostic, Microseconds, Reject, State};

use crate::config::SessionId;

/// Why a session changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The peer said this state.
    Peer {
        /// Of its session.
        state: State,
        /// Its own reason.
        diagnostic: Diagnostic,
    },
    /// No packet came for the detection time.
    Silent {
        /// Microseconds since the last one.
        silent_us: u64,
        /// Packets that the peer may lose.
        multiplier: u8,
        /// Microseconds from packet to packet as agreed.
        interval_us: u64,
    },
    /// Echo packets do not come back (RFC 5880 section 6.8.5).
    Echo {
        /// Microseconds since the last one came back, or since they began.
        silent_us: u64,
        /// How many were sent since.
        lost: u32,
        /// Microseconds from one to the next.
        interval_us: u64,
    },
    /// Echo packets come back again, or none are sent any more.
    EchoOver,
    /// There is no socket, or there is one again.
    Socket {
        /// Why there is none.
        obstacle: Option<Arc<str>>,
    },
    /// A reload removed the session.
    Reload,
    /// The daemon stops.
    Stop,
}

impl Event {
    /// Whose.
    pub const fn session(&self) -> SessionId {
        match self {
            Self::State { session, .. }
            | Self::Path { session, .. }
            | Self::Intervals { session, .. }
            | Self::Echo { session, .. }
            | Self::Dropped { session, .. } => *session,
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A session changed its state.
    State {
        /// Which.
        session: SessionId,
        /// When.
        at: Moment,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// As told to the peer.
        diagnostic: Diagnostic,
        /// Why.
        cause: Cause,
    },
    /// What those who follow the session are to make of it changed. It is not the state itself: a peer
    /// that holds its session down on purpose says nothing of the path (RFC 5880 section 6.2).
    Path {
        /// Which.
        session: SessionId,
        /// When.
        at: Moment,
        /// It works.
        good: bool,
        /// Why.
        cause: Cause,
    },
    /// The intervals in force changed while the session was up.
    Intervals {
        /// Which.
        session: SessionId,
        /// When.
        at: Moment,
        /// How often we send.
        transmit: Microseconds,
        /// How often the peer may send.
        receive: Microseconds,
        /// Microseconds of silence that end the session.
        detection_us: u64,
    },
    /// Echo packets find losses from here on, or the peer has not returned a single one.
    Echo {
        /// Which.
        session: SessionId,
        /// When.
        at: Moment,
        /// They come back.
        returned: bool,
        /// From one to the next.
        interval: Microseconds,
        /// Microseconds from the first that does not come back to the end of the session.
        detection_us: u64,
    },
    /// A datagram was dropped; told once per reason until the session changes state, counted always.
    Dropped {
        /// For which session.
        session: SessionId,
        /// When.
        at: Moment,
        /// From whom.
        source: IpAddr,
        /// Expected and found.
        reason: Reject,
    },
}
