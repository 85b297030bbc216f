//! The only writer to Linux: netlink, sockets, processes. Desired state in, difference out.
//!
//! Nothing here decides anything: it does what it is told, in large batches, and tells exactly what the kernel
//! answered. It is the one crate that holds `unsafe` code; each block says why it is sound.

pub mod addresses;
pub mod announce;
pub mod channel;
pub mod clock;
pub mod error;
pub mod file;
pub mod limits;
pub mod memory;
pub mod namespace;
pub mod netlink;
pub mod notify;
pub mod pidfile;
pub mod poll;
pub mod process;
pub mod signal;
pub mod sysctl;
pub mod user;
pub mod vrrp_socket;
pub mod wake;
pub mod watch;

mod sockopt;

#[cfg(test)]
mod fresh_namespace;

pub use error::{Attempt, Capability, Errno, Error, Result};
