//! The only writer to Linux: netlink, sockets, processes. Desired state in, difference out.
//!
//! Nothing here decides anything: it does what it is told, in large batches, and tells exactly what the kernel
//! answered. It is the one crate that holds `unsafe` code; each block says why it is sound.

pub mod error;
pub mod namespace;
pub mod netlink;

mod sockopt;

#[cfg(test)]
mod fresh_namespace;

pub use error::{Attempt, Capability, Errno, Error, Result};
