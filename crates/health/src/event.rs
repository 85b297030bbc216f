//! What happened and why. The log line, the JSON, the notify call and the test assertion all come from these.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;

use crate::action::Override;
use crate::config::CheckId;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// What.
    pub happening: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A check went up or down; told for each of its servers, before what becomes of the server.
    Check {
        /// Which.
        check: CheckId,
        /// Of which server.
        server: SocketAddr,
        /// Of which service.
        service: Arc<str>,
        /// Whether it is up.
        up: bool,
        /// What was wrong, if it is down.
        reason: Option<Arc<str>>,
        /// Whether the server follows.
        server_follows: bool,
    },
    /// A check failed, and that changed nothing.
    Failure {
        /// Which.
        check: CheckId,
        /// What was wrong.
        reason: Arc<str>,
        /// The how manyth in a row.
        attempt: u32,
        /// How many do not count.
        retries: u32,
    },
    /// A check could not be made on this machine; told once for as long as it stays so for the same reason.
    Trouble {
        /// Which.
        check: CheckId,
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
        cause: Cause,
        /// Whether scripts, FIFO and mail are to be told.
        notify: bool,
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
        cause: Cause,
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
        cause: Cause,
        /// Whether scripts, FIFO and mail are to be told.
        notify: bool,
    },
    /// The checks of a service rest, or run again.
    Suspended {
        /// Which.
        service: Arc<str>,
        /// Whether they rest.
        suspended: bool,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The daemon started, or the service was added by a reload.
    Start,
    /// A check went up or down.
    Check {
        /// Which.
        check: CheckId,
        /// What was wrong, if it is down.
        reason: Option<Arc<str>>,
    },
    /// A check said something of the weight.
    Contribution {
        /// Which.
        check: CheckId,
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
