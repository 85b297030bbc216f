//! Netlink: the socket with its batches and answers, and the families spoken over it.

mod route;
mod transport;

pub use route::{Address, AddressFlags, AddressKey, AddressSpec, Change, Link, Monitor, PROTOCOL};
pub use transport::{BATCH_BYTES_MAX, Batch, Outcome, Requests};
