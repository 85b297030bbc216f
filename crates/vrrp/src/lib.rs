//! The VRRP machine: instances, sync groups, tracking arithmetic and timers.
//!
//! Pure: no I/O, no threads, no clock. The caller owns sockets and time, feeds [`Input`]s with the
//! moment they happened, and carries out what comes back through a [`Sink`]:
//!
//! ```text
//! loop {
//!     sleep until machine.next_wakeup(), a datagram, or another input
//!     machine.handle(now, input, &mut sink)      // for each input
//!     machine.advance(now, &mut sink)            // timers that are due
//! }
//! ```
//!
//! The daemon, the simulator and the fuzzers drive this very code.
#![forbid(unsafe_code)]

pub mod action;
mod advert;
mod announce;
mod channel;
pub mod config;
mod configured;
pub mod counters;
mod detection;
pub mod event;
mod grid;
mod group;
mod hearers;
mod instance;
mod key;
mod machine;
mod names;
pub mod peers;
mod plan;
mod preparing;
mod proof;
mod receive;
mod reload;
mod repeat;
mod snapshot;
mod split_brain;
pub mod status;
mod tally;
#[cfg(test)]
mod tests;

mod track;
mod transition;
mod watch;

pub use action::{Action, Datagram, Destination, Input, Sink, Transmit};
pub use channel::SPEECH_TRIAL;
pub use config::{
    Config, EarlyChecksum, FastDetection, GroupConfig, GroupId, InstanceConfig, InstanceId, InterfaceConfig,
    InterfaceId, Prepare, PrepareFailure, Reading, ScriptConfig, ScriptId, SplitBrainCheck, TrackWatch,
    WatchConfig, WatchId, WatchKind,
};
pub use counters::{Counters, MachineCounters};
pub use detection::Watch;
pub use event::{Cause, Difference, Event, Prepared, Served, State};
pub use key::{Path, RouterKey, known_again};
pub use machine::{Machine, Told};
pub use peers::{Peer, Problem};
pub use plan::Plan;
pub use preparing::Preparing;
pub use proof::LastProof;
pub use repeat::Again;
pub use snapshot::{Piece, SnapshotError};
pub use split_brain::{FoundElsewhere, SPLIT_BRAIN_CHANCE, SPLIT_BRAIN_SETTLE, SPLIT_BRAIN_SPREAD};
pub use status::{Haste, InstanceStatus, Resume};
pub use steadfast_time::Moment;
pub use transition::HANDOVER_GRACE;
