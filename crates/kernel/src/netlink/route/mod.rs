//! Links and addresses through NETLINK_ROUTE. Messages are those of `netlink-packet-route`.

mod address;
mod link;
mod monitor;
mod routes;
mod rules;
mod virtual_link;
mod withdrawals;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressKey, AddressSpec, PROTOCOL};
pub use link::{Link, Sharing};
pub use monitor::{Change, Monitor};
pub use netlink_packet_route::address::AddressFlags;
pub use routes::{Encapsulation, Hop, Insertion, Metric, Prefix, RoutePlace, RouteSpec, Tunnel};
pub use rules::{Action, RulePlace, RuleSpec};
pub use virtual_link::{Ipv4Setting, LinkKind, LinkSpec, MARK};
pub use withdrawals::{Withdrawal, Withdrawals};
