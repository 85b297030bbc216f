//! Netlink: the socket with its batches and answers, and the families spoken over it.

mod ethtool;
pub(crate) mod generic;
mod route;
mod transport;

pub use ethtool::Drivers;
pub use route::{
    Action, Address, AddressFlags, AddressKey, AddressSpec, Change, Encapsulation, Hop, Insertion,
    Ipv4Setting, Link, LinkKind, LinkSpec, MARK, Metric, Monitor, PROTOCOL, Prefix, RoutePlace, RouteSpec,
    RulePlace, RuleSpec, Sharing, Tunnel, Withdrawal, Withdrawals,
};
pub use transport::{
    Attribute, AttributeWriter, Attributes, BATCH_BYTES_MAX, Batch, Outcome, Protocol, Requests,
};
pub(crate) use transport::{Frames, Socket};
