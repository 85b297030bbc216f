//! What goes into the machine and what it asks for.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{CheckId, ServerId, ServiceId};
use crate::event::Event;

/// Something the outside tells the machine. Timers are not inputs: see [`Machine::advance`](crate::Machine::advance).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// What a probe found, or what came unasked.
    Verdict {
        /// Of which check.
        check: CheckId,
        /// What.
        verdict: Verdict,
    },
    /// Whether the address of a service with `ha_suspend` is here.
    Present {
        /// Which.
        service: ServiceId,
        /// Whether it is here.
        present: bool,
    },
    /// An operator takes a server into their own hands, or gives it back.
    Override {
        /// Which.
        server: ServerId,
        /// How.
        by: Override,
    },
    /// The daemon stops.
    Stop,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The target is well.
    Good {
        /// What it adds to the weights of its servers.
        contribution: Contribution,
    },
    /// It is not.
    Bad {
        /// What was wrong.
        reason: Arc<str>,
    },
    /// This machine could not ask: nothing is known.
    Trouble {
        /// What was wrong here.
        reason: Arc<str>,
    },
}

/// What a check says of the weight of its servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contribution {
    /// Nothing.
    #[default]
    None,
    /// This is to be added to the configured weight.
    Added(i64),
    /// This takes the place of the configured weight.
    Absolute(u32),
}

/// How an operator uses a server in spite of checks and configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// As configured and checked.
    #[default]
    None,
    /// Weight 0: no new connections, those that are go on.
    Drain,
    /// Taken out.
    Disable,
    /// With this weight while it is alive.
    Weight(u32),
}

/// An entry of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// A server.
    Server(SocketAddr),
    /// The sorry server.
    Sorry,
}

/// Takes what the machine asks for. Services are named by their key, servers by their address: those that a reload takes
/// away have no number any more when they are told of.
pub trait Sink {
    /// Ask page `step` of a check, from 0, and tell its verdict. It is asked for again only after that.
    fn probe(&mut self, check: CheckId, step: u16);

    /// A check is no more: its probe, if one runs, concerns nobody.
    fn forget(&mut self, check: CheckId);

    /// The service shall have the entry with this weight, or not at all. Of those asked for together the entries that
    /// come are first.
    fn want(&mut self, service: &Arc<str>, target: Target, weight: Option<u32>);

    /// The service is no more, nor any of its entries.
    fn drop_service(&mut self, service: &Arc<str>);

    /// Something happened. Events about one change come in the order in which keepalived notifies.
    fn event(&mut self, event: Event);
}
