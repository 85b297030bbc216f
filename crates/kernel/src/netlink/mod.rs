//! Links and addresses through NETLINK_ROUTE.
//!
//! Messages are those of `netlink-packet-route`; this module owns the socket, the batching and the matching of
//! answers to requests.

pub mod create;
mod request;
mod socket;

pub use request::{BATCH_BYTES_MAX, Batch, Outcome, Requests};
