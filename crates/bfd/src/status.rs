//! What can be seen from outside: snapshots for `status`, and what a successor needs to go on.

use std::num::NonZeroU8;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;
use steadfast_wire::bfd::{Diagnostic, Discriminator, Microseconds, Sequence, State};

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
    /// Why it has no socket.
    pub obstacle: Option<Arc<str>>,
    /// Packets.
    pub counters: Counters,
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
    /// Number of the last packet that was sent signed.
    pub sent_sequence: Sequence,
    /// So far.
    pub counters: Counters,
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
}
