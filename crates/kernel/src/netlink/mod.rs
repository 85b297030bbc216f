//! Netlink: the socket with its batches and answers, and the families spoken over it.

pub(crate) mod generic;
mod route;
mod transport;

pub use route::{Address, AddressFlags, AddressKey, AddressSpec, Change, Link, Monitor, PROTOCOL};
pub use transport::{
    Attribute, AttributeWriter, Attributes, BATCH_BYTES_MAX, Batch, Outcome, Protocol, Requests,
};
