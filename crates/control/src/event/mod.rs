//! The one event stream: what `steadfast events` prints, the log carries and the control socket sends.

mod balancing;
mod ending;
mod fault;
mod happening;
mod machine;
mod neighbour;
mod network;
mod reload;
mod worker;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::balancing::{Balancing, Override, Why};
pub use self::ending::{Ending, Step};
pub use self::fault::{Fault, Matter};
pub use self::happening::{Bound, Happening};
pub use self::machine::Names;
pub use self::neighbour::{Clash, Neighbour, VirtualRouter};
pub use self::network::{Network, Placed, Sent, Suspect};
pub use self::reload::{Changed, Changes, FixedKeyword, ReloadRefusal};
pub use self::worker::{Trouble, Worker};

/// One event as the outside sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 1 since the supervisor started; a gap means that the log's bound was reached.
    pub sequence: u64,
    /// Wall clock time, RFC 3339, UTC, microseconds.
    pub time: String,
    /// How much it matters.
    pub severity: Severity,
    /// The event in a sentence.
    pub message: String,
    /// The event for programs.
    #[serde(flatten)]
    pub happening: Happening,
}

/// Severity in syslog's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something needs attention.
    Warning,
    /// A change of state.
    Notice,
    /// Everything else.
    Info,
    /// Only with `-D`.
    Debug,
}

impl Severity {
    /// From the gravest to the least.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warning, Self::Notice, Self::Info, Self::Debug];

    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(name: &str) -> Result<Self, UnknownSeverity> {
        Self::ALL.into_iter().find(|severity| severity.name() == name).ok_or(UnknownSeverity)
    }
}

/// No severity has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected error, warning, notice, info or debug")]
pub struct UnknownSeverity;

/// Which events somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Those that concern one of these instances, groups, scripts or interfaces; all if none is named.
    pub names: Vec<String>,
    /// Those that matter at least so much.
    pub severity: Option<Severity>,
    /// Those that happened since then, as [`Record::time`] is written.
    pub since: Option<String>,
    /// Of those that happened before the question, only the last so many.
    pub last: Option<usize>,
}

impl Filter {
    /// It lets everything pass.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this event is wanted, [`Filter::last`] apart.
    pub fn admits(&self, record: &Record) -> bool {
        let concerns = |name: &str| record.happening.names().any(|found| found == name);
        (self.names.is_empty() || self.names.iter().any(|name| concerns(name)))
            && self.severity.is_none_or(|least| record.severity <= least)
            && self.since.as_ref().is_none_or(|since| record.time >= *since)
    }
}

#[cfg(test)]
mod tests;
