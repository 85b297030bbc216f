//! What is told of services, their servers and the checks of these.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
pub use steadfast_health::Override;

use super::Severity;

/// What happened to a service, a server or a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Balancing {
    /// A check went up or down.
    Check {
        /// What is asked of whom.
        check: String,
        /// Of which server.
        server: SocketAddr,
        /// Of which service.
        service: Arc<str>,
        /// Whether it is up.
        up: bool,
        /// What was wrong, if it is down.
        reason: Option<Arc<str>>,
    },
    /// A check failed, and that changed nothing.
    Failure {
        /// What is asked of whom.
        check: String,
        /// What was wrong.
        reason: Arc<str>,
        /// The how manyth in a row.
        attempt: u32,
        /// How many do not count.
        retries: u32,
    },
    /// A check could not be made on this machine.
    Trouble {
        /// What is asked of whom.
        check: String,
        /// What was wrong.
        reason: Arc<str>,
    },
    /// A server came up or went down.
    Server {
        /// Which.
        server: SocketAddr,
        /// Of which service.
        service: Arc<str>,
        /// Whether it is up.
        up: bool,
        /// Why.
        why: Why,
    },
    /// The weight of a server changed.
    Weight {
        /// Which.
        server: SocketAddr,
        /// Of which service.
        service: Arc<str>,
        /// Before.
        from: u32,
        /// Since.
        to: u32,
        /// Why.
        why: Why,
    },
    /// A service gained or lost its quorum.
    Quorum {
        /// Which.
        service: Arc<str>,
        /// Whether it has it.
        up: bool,
        /// This is how it starts.
        starting: bool,
        /// Live weight needed.
        quorum: u32,
        /// Margin around it.
        hysteresis: u32,
        /// Live weight.
        sum: u64,
        /// Why.
        why: Why,
    },
    /// The checks of a service rest, or run again.
    Suspended {
        /// Which.
        service: Arc<str>,
        /// Whether they rest.
        suspended: bool,
    },
    /// There is no way to the kernel's table: virtual servers wait.
    NoTable {
        /// What is missing, and how to get it.
        reason: String,
    },
    /// There is a way to the kernel's table after all.
    Table,
    /// The kernel refused a change of its table.
    Refused {
        /// What was to be done.
        change: String,
        /// The kernel's reason.
        reason: String,
    },
    /// Another program changed the kernel's table.
    Changed {
        /// How, and what is done about it.
        change: String,
    },
    /// A check cannot be made as it is configured.
    NoCheck {
        /// Why not.
        reason: String,
    },
    /// A setting of the kernel could not be made.
    Setting {
        /// Which, and why not.
        reason: String,
    },
    /// The name of real servers has addresses, or others than before.
    Resolved {
        /// Which.
        name: Arc<str>,
        /// All of them.
        addresses: Vec<IpAddr>,
    },
    /// An operator took a server into their own hands, or gave it back.
    Overridden {
        /// Which.
        server: SocketAddr,
        /// Of which service.
        service: Arc<str>,
        /// How.
        by: Override,
    },
}

/// Why something happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum Why {
    /// The daemon started, or the service was added by a reload.
    Start,
    /// A check went up or down.
    Check {
        /// What is asked of whom.
        check: String,
        /// What was wrong, if it is down.
        reason: Option<Arc<str>>,
    },
    /// A check said something of the weight.
    Contribution {
        /// What is asked of whom.
        check: String,
    },
    /// A server of the service changed.
    Server {
        /// Which.
        server: SocketAddr,
    },
    /// An operator.
    Operator,
    /// A reload changed the configuration.
    Reload,
    /// The daemon stops.
    Stop,
}

impl Balancing {
    /// The service that it concerns, if it concerns one alone.
    pub fn service(&self) -> Option<&Arc<str>> {
        match self {
            Self::Check { service, .. }
            | Self::Server { service, .. }
            | Self::Weight { service, .. }
            | Self::Quorum { service, .. }
            | Self::Suspended { service, .. }
            | Self::Overridden { service, .. } => Some(service),
            Self::Failure { .. }
            | Self::Trouble { .. }
            | Self::NoTable { .. }
            | Self::Table
            | Self::Refused { .. }
            | Self::Changed { .. }
            | Self::NoCheck { .. }
            | Self::Setting { .. }
            | Self::Resolved { .. } => None,
        }
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::NoTable { .. } | Self::Refused { .. } => Severity::Error,
            Self::Trouble { .. }
            | Self::Server { up: false, why: Why::Check { .. }, .. }
            | Self::Quorum { up: false, .. }
            | Self::Changed { .. }
            | Self::NoCheck { .. }
            | Self::Setting { .. } => Severity::Warning,
            Self::Check { up: false, .. }
            | Self::Server { .. }
            | Self::Quorum { .. }
            | Self::Suspended { .. }
            | Self::Table
            | Self::Resolved { .. }
            | Self::Overridden { .. } => Severity::Notice,
            Self::Check { .. } | Self::Failure { .. } | Self::Weight { .. } => Severity::Info,
        }
    }
}
