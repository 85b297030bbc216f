//! Links and addresses through NETLINK_ROUTE. Messages are those of `netlink-packet-route`.

mod address;
mod link;
mod monitor;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressKey, AddressSpec, PROTOCOL};
pub use link::Link;
pub use monitor::{Change, Monitor};
pub use netlink_packet_route::address::AddressFlags;
