//! The BFD machine: sessions of bidirectional forwarding detection (RFC 5880) over one hop (RFC 5881) and
//! over several (RFC 5883), in asynchronous mode, with the echo function where it is one hop.
//!
//! Pure: no I/O, no threads, no clock, no chance but from the seed that it is given. The caller owns sockets
//! and time, feeds [`Input`]s with the moment they happened, and carries out what comes back through a
//! [`Sink`], as with the VRRP machine:
//!
//! ```text
//! loop {
//!     sleep until machine.next_wakeup(), a datagram, or another input
//!     machine.handle(now, input, &mut sink)      // for each input
//!     machine.advance(now, &mut sink)            // timers that are due
//! }
//! ```
#![forbid(unsafe_code)]

mod action;
mod beat;
mod config;
mod counters;
mod echo;
mod event;
mod machine;
mod plan;
mod receive;
mod session;
mod status;
#[cfg(test)]
mod tests;

pub use action::{Datagram, Input, Sink, Transmit};
pub use config::{Config, Hops, InterfaceId, Path, SessionConfig, SessionId};
pub use counters::Counters;
pub use event::{Cause, Event};
pub use machine::Machine;
pub use plan::Plan;
pub use status::{EchoKnown, EchoStatus, Resume, SessionStatus};
pub use steadfast_time::Moment;
pub use steadfast_wire::bfd::{Algorithm, Diagnostic, Discriminator, Echo, Key, Microseconds, Reject, State};
