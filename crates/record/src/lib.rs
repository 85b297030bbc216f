//! The flight recorder: what a VRRP machine was told, kept so that the very machine can be run over it again.
//!
//! ```text
//! inputs ─▶ Recorder ─▶ machine ─▶ actions        in the worker
//!              │                     │
//!              ▼                     ▼
//!            Ring (two segments in memory that outlives the worker)
//!              │
//!              ▼
//!            Record ─▶ file ─▶ Replay ─▶ Step: what was told, what was decided       anywhere
//! ```
//!
//! A machine is a function of its inputs, so that nothing else has to be kept. Each segment begins with the machine's
//! state and can be run without the one before. Nothing in it is a secret: adverts are kept
//! [`blank`](steadfast_wire::vrrp::blank), and with them whether their proof was right.
#![forbid(unsafe_code)]

mod entry;
mod file;
mod recorder;
mod replay;
mod ring;
mod templates;

pub use entry::{Input, OwnedDatagram, Told};
pub use file::{FileError, Header, RECORD_BYTES_MAX, Record};
pub use recorder::{Budget, Recorder};
pub use replay::{Difference, Replay, ReplayError, Step};
pub use ring::{Memory, RING_SEGMENTS, Segment, began, read};
