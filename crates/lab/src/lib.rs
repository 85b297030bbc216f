//! Hosts made of network namespaces, for the demonstration and the end-to-end tests.
//!
//! A [`Segment`] is a switch; each [`Host`] on it has a network, a process tree and a /run of its
//! own. Real daemons run there ([`Daemon`], [`frr::Router`]), a [`ping::Pinger`] measures what a
//! client notices, and a [`capture::Capture`] keeps what was on the wire. Everything vanishes with
//! the process that made it, in whatever way that ends.
#![forbid(unsafe_code)]

pub mod capture;
pub mod chaos;
pub mod daemon;
pub mod demo;
pub mod frr;
pub mod host;
mod instance;
pub mod permission;
pub mod ping;
pub mod program;
pub mod segment;
pub mod soak;
pub mod stalls;
pub mod wait;
pub mod watch;

pub use daemon::Daemon;
pub use host::Host;
pub use permission::left_out;
pub use program::Program;
pub use rustix::process::Signal;
pub use segment::Segment;
