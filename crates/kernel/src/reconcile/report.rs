//! What came about, in the same shape for every kind.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::ipvs::{ServerKey, ServiceKey};
use crate::netlink::{AddressKey, RouteSpec, RuleSpec};

/// Something that came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// To what.
    pub thing: Thing,
    /// What.
    pub fate: Fate,
}

/// Something that a reconciler keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// An interface, by its name.
    Link(Arc<str>),
    /// The packet filters of a table.
    Filters(Arc<str>),
    /// An address.
    Address(AddressKey),
    /// A route.
    Route(Arc<RouteSpec<u32>>),
    /// A rule.
    Rule(Arc<RuleSpec>),
    /// A service of IPVS.
    Service(ServiceKey),
    /// A server of such a service.
    Server(ServiceKey, ServerKey),
}

/// What came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is there as it is wished.
    Installed,
    /// It is as it is wished, after the kernel had refused it.
    Accepted,
    /// Somebody else had made it, otherwise than it is wished; it is set right.
    TakenOver,
    /// It is not there any more, as it is wished.
    Gone,
    /// The kernel refused it, for the first time since it was there or was wished; it is tried again.
    Refused(Box<Error>),
    /// Somebody took it away; it is put back.
    TakenAway,
    /// What somebody had taken away is there again.
    PutBack,
    /// Somebody changed it; it is set right.
    Changed,
    /// Somebody made it where nobody else should; it is deleted.
    Intruded,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(name) => write!(f, "the interface {name}"),
            Self::Filters(table) => write!(f, "the packet filters of table {table}"),
            Self::Address(key) => key.fmt(f),
            Self::Route(route) => route.fmt(f),
            Self::Rule(rule) => rule.fmt(f),
            Self::Service(service) => write!(f, "the service {service}"),
            Self::Server(service, server) => write!(f, "the server {server} of the service {service}"),
        }
    }
}

impl Thing {
    pub(super) const fn came(self, fate: Fate) -> Report {
        Report { thing: self, fate }
    }
}
