//! What health checks say to servers, and what they make of the answers. No sockets and no clock: bytes in, bytes and a
//! verdict out.
//!
//! Over a stream the caller connects and then drives a [`Dialogue`]; over datagrams it sends one question and hands over
//! every datagram that comes. It also keeps the time: how long to wait for the next octet, and for everything.
//!
//! Servers are hostile: whatever they send, however slowly, nothing here grows beyond a named bound.
#![forbid(unsafe_code)]

pub mod dns;
pub mod grpc;
pub mod http;
pub mod ping;
pub mod smtp;
pub mod tls;
pub mod udp;

mod dialogue;
mod failure;
mod pattern;

pub use dialogue::{Connect, Dialogue, Found, Progress};
pub use failure::{Awaited, Failure};
pub use pattern::{MATCH_MEMORY_MAX_KIB, MATCH_STEPS_MAX, Pattern, PatternError, PatternOption};
