//! What is asked and answered on the control socket: one line of JSON each.

use serde::{Deserialize, Serialize};
use steadfast_config::Plan;

use crate::event::{Filter, Record};
use crate::octets::Octets;
use crate::operation::{Operated, Operation};
use crate::status::{Service, Status};

/// A request on the control socket: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    /// Answered by one [`Answer::Status`].
    Status,
    /// Answered by one [`Answer::Service`] for each virtual server that is meant, in the order of their names, then by
    /// [`Answer::End`].
    Services {
        /// Their names; all where none is told.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        named: Vec<String>,
    },
    /// Answered by one [`Answer::Operated`] when the check worker has done it. The daemon does it with its own rights, so
    /// only who has those may ask.
    Operate {
        /// A server, as `ADDRESS:PORT` or `ADDRESS`.
        server: String,
        /// Of which virtual server: its name, address or group; of every one that has it without this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<String>,
        /// What to do.
        operation: Operation,
    },
    /// Answered by the kept events, one [`Answer::Event`] each, then [`Answer::End`] or, when
    /// following, by every further event until the client hangs up.
    Events {
        /// Stay and send what happens from now on.
        follow: bool,
        /// Which of them.
        #[serde(default, skip_serializing_if = "Filter::is_open")]
        filter: Filter,
    },
    /// Answered by one [`Answer::Plan`]: what a reload would do if this file were the configuration.
    /// The daemon reads the file with its own rights, so only who has those may ask.
    Plan {
        /// Absolute path of the file.
        path: String,
    },
    /// Answered by one [`Answer::Upgraded`] once another program runs with everything as it was, or is refused. The
    /// daemon does it with its own rights, so only root and the daemon's user may ask.
    Upgrade {
        /// The absolute path of the program; where the one that runs was, if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        program: Option<String>,
    },
    /// Answered by one [`Answer::Reloaded`] once the configuration is in force or refused. The daemon does it with its
    /// own rights, so only who has those may ask.
    Reload,
    /// Answered by one [`Answer::Record`]. Only who has the daemon's rights may ask.
    Record,
}

/// An answer on the control socket: one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer", content = "content")]
pub enum Answer {
    /// How things are.
    Status(Box<Status>),
    /// What a reload would do.
    Plan(Box<PlanReport>),
    /// What came of a reload.
    Reloaded(Box<ReloadReport>),
    /// What came of an upgrade.
    Upgraded(Box<UpgradeReport>),
    /// Something that happened.
    Event(Box<Record>),
    /// A virtual server with everything behind it.
    Service(Box<Service>),
    /// Servers are used as an operator wants it: how they are since.
    Operated(Vec<Operated>),
    /// What the flight recorder has, as the octets of a file.
    Record(Octets),
    /// Nothing more follows.
    End,
    /// The request could not be answered: why, and what to do.
    Error(String),
}

/// What a reload with another file would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanReport {
    /// Why the reload would be refused; then nothing at all would change.
    pub refused: Option<String>,
    /// What is to be said about the file, a line each.
    pub diagnostics: Vec<String>,
    /// What would change.
    pub plan: Plan,
}

/// What came of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeReport {
    /// The other program runs. Otherwise the one that ran goes on.
    pub upgraded: bool,
    /// The version that ran.
    pub from: String,
    /// The version that runs.
    pub to: String,
    /// The program that was to run.
    pub program: String,
    /// What was done, or why nothing was.
    pub detail: String,
}

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadReport {
    /// It is in force; otherwise it was refused and nothing at all changed.
    pub applied: bool,
    /// What changed, or why it was refused.
    pub detail: String,
    /// What is to be said about the file, a line each.
    pub diagnostics: Vec<String>,
}
