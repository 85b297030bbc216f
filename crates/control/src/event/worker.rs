//! The workers, and what can happen to any of them.

use serde::{Deserialize, Serialize};
use steadfast_kernel::Error;

/// The workers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worker {
    /// Virtual routers.
    Vrrp,
    /// Health checks and the load balancer.
    Check,
}

impl Worker {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Vrrp, Self::Check];
}

/// What can happen to any worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It cannot do its work and ends.
    CannotWork {
        /// What failed.
        error: Box<Error>,
    },
    /// The machine does not allow the wanted scheduling, locked memory or descriptors; the worker does without.
    Scheduling {
        /// What failed.
        error: Box<Error>,
    },
    /// The kernel does not let it give up rights that it does not need; it works with them.
    Unconfined {
        /// What failed.
        error: Box<Error>,
    },
    /// Netlink itself failed.
    Netlink {
        /// What failed.
        error: Box<Error>,
    },
    /// The kernel dropped netlink messages; everything was read again.
    Overrun,
    /// The supervisor did not read, and the channel's bound was reached.
    MessagesLost {
        /// How many so far.
        count: u64,
    },
    /// What its predecessor left cannot be read: it started as at a fresh start.
    NotInherited {
        /// Why.
        reason: String,
    },
    /// It woke late.
    Late {
        /// How late.
        microseconds: u64,
    },
}
