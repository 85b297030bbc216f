//! The only writer to Linux: netlink, sockets, processes. Desired state in, difference out.
//!
//! Nothing here decides anything: it does what it is told, in large batches, and tells exactly what the kernel
//! answered. It is the one crate that holds `unsafe` code; each block says why it is sound.

pub mod channel;
pub mod client;
pub mod datagram;
pub mod error;
pub mod file;
pub mod ipvs;
pub mod namespace;
pub mod netlink;
pub mod nftables;
pub mod process;
pub mod random;
pub mod reconcile;
pub mod rendezvous;
pub mod space;
pub mod sysctl;
pub mod testbed;
pub mod wait;

mod sockopt;

pub use error::{Attempt, Capability, Errno, Error, Result};
pub use sockopt::BufferSize;
