//! What can be seen from outside: snapshots for `status`, and what a successor needs to go on.

use std::num::NonZeroU8;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;
use steadfast_wire::bfd::{Algorithm, Diagnostic, Discriminator, Microseconds, Reject, Sequence, State};

use crate::config::{Path, SessionId};
use crate::counters::Counters;

/// Snapshot of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// Which.
    pub session: SessionId,
    /// As configured.
    pub name: Arc<str>,
    /// Between whom.
    pub path: Path,
    /// State of our end.
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// What those who follow it are told; `None` before it was up for the first time.
    pub good: Option<bool>,
    /// Why it left Up last.
    pub diagnostic: Diagnostic,
    /// State of the peer's end, as last heard.
    pub remote_state: State,
    /// The peer's reason.
    pub remote_diagnostic: Diagnostic,
    /// Names our end.
    pub local_discriminator: Discriminator,
    /// Names the peer's end, while it is heard.
    pub remote_discriminator: Option<Discriminator>,
    /// How often we send; `None` for not at all.
    pub transmit: Option<Microseconds>,
    /// How often the peer may send.
    pub receive: Microseconds,
    /// Microseconds of silence that end the session; `None` before the peer is heard.
    pub detection_us: Option<u64>,
    /// Packets that the peer may lose in a row.
    pub remote_multiplier: Option<NonZeroU8>,
    /// Echo packets, while they are sent.
    pub echo: Option<EchoStatus>,
    /// Why it has no socket.
    pub obstacle: Option<Arc<str>>,
    /// How packets are signed.
    pub authentication: Option<Algorithm>,
    /// Why the last packet was dropped; `None` if it was believed.
    pub dropped: Option<Reject>,
    /// Packets.
    pub counters: Counters,
}

/// The echo function of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoStatus {
    /// They come back, so that they find losses.
    pub returned: bool,
    /// From one to the next.
    pub interval: Microseconds,
    /// Microseconds from the first that does not come back to the end of the session.
    pub detection_us: u64,
    /// When this worker had one back last; `None` before the first.
    pub returned_at: Option<Moment>,
}

/// What a successor of this worker needs to go on with a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Which.
    pub session: SessionId,
    /// It is good only over the same path.
    pub path: Path,
    /// Names our end.
    pub local_discriminator: Discriminator,
    /// State of our end.
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// What those who follow it were told.
    pub good: Option<bool>,
    /// As told to the peer.
    pub diagnostic: Diagnostic,
    /// What the peer said.
    pub peer: Option<Peer>,
    /// How far its echo function had come.
    pub echo: EchoKnown,
    /// Number of the last packet that was sent signed.
    pub sent_sequence: Sequence,
    /// So far.
    pub counters: Counters,
}

/// What is known of the echo packets of a session beyond the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoKnown {
    /// The peer has returned one, so that none means something.
    pub proven: bool,
    /// They find losses, and the peer was asked for slow control packets.
    pub active: bool,
    /// They did not come back, and have not since.
    pub failed: bool,
}

/// What the peer said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Names its end.
    pub discriminator: Discriminator,
    /// State of its end.
    pub state: State,
    /// Its reason.
    pub diagnostic: Diagnostic,
    /// It wants no periodic packets.
    pub demand: bool,
    /// How often it can receive.
    pub required_min_rx: Microseconds,
    /// How often it would like to send.
    pub desired_min_tx: Microseconds,
    /// Packets lost in a row that end the session.
    pub multiplier: NonZeroU8,
    /// How often it can return echo packets; zero for not at all.
    pub required_min_echo_rx: Microseconds,
}
