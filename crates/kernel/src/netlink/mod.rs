//! Links and addresses through NETLINK_ROUTE.
//!
//! Messages are those of `netlink-packet-route`; this module owns the socket, the batching and the matching of
//! answers to requests.

mod address;
pub mod create;
mod link;
mod monitor;
mod request;
mod socket;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressKey, AddressSpec, PROTOCOL};
pub use link::Link;
pub use monitor::{Change, Monitor};
pub use netlink_packet_route::address::AddressFlags;
pub use request::{BATCH_BYTES_MAX, Batch, Outcome, Requests};
