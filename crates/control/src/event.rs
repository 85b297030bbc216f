//! The one event stream: what `steadfast events` prints, the log carries and the control socket sends.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_vrrp::{Cause, State};

use crate::wording::{self, duration};

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

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Happening {
    /// The supervisor runs.
    Started {
        /// Version of the program.
        version: String,
        /// The configuration file.
        configuration: String,
    },
    /// An instance changed state.
    InstanceState {
        /// Its name.
        instance: Arc<str>,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Effective priority.
        priority: u8,
        /// Oldest first.
        causes: Vec<Cause>,
    },
    /// A sync group changed state.
    GroupState {
        /// Its name.
        group: Arc<str>,
        /// After.
        to: State,
        /// Oldest first.
        causes: Vec<Cause>,
    },
    /// An effective priority changed.
    PriorityChanged {
        /// Its name.
        instance: Arc<str>,
        /// Before.
        from: u8,
        /// After.
        to: u8,
        /// Oldest first.
        causes: Vec<Cause>,
    },
    /// A backup hears a new master.
    MasterChanged {
        /// Its name.
        instance: Arc<str>,
        /// Who.
        master: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// A router that gave up for good answers no longer.
    HandedOver {
        /// Its name.
        instance: Arc<str>,
        /// Who was heard as master since.
        to: Option<IpAddr>,
        /// Its priority.
        priority: Option<u8>,
        /// Since it gave up.
        milliseconds: u64,
    },
    /// A master heard a lower priority.
    LowerPriorityHeard {
        /// Its name.
        instance: Arc<str>,
        /// From whom.
        master: IpAddr,
        /// Its priority.
        priority: u8,
    },
    /// Another router claims the addresses beside this master.
    TwoMasters {
        /// Its name.
        instance: Arc<str>,
        /// The other.
        other: IpAddr,
        /// Its priority, if its adverts can be read.
        priority: Option<u8>,
        /// Why its adverts are dropped, if they are.
        dropped: Option<String>,
    },
    /// The other of two masters is silent, or this one has given way.
    OneMaster {
        /// Its name.
        instance: Arc<str>,
        /// Who was the other.
        other: IpAddr,
        /// Adverts of the other meanwhile.
        adverts: u64,
        /// How long there were two.
        milliseconds: u64,
    },
    /// A datagram was dropped.
    Dropped {
        /// Its name.
        instance: Arc<str>,
        /// From whom.
        source: IpAddr,
        /// Why.
        reason: String,
    },
    /// An accepted advert shows that two routers are configured differently.
    Disagreement {
        /// Its name.
        instance: Arc<str>,
        /// From whom.
        source: IpAddr,
        /// Expected and found.
        reason: String,
    },
    /// A script's run ended otherwise than the one before it.
    Script {
        /// Its name.
        script: Arc<str>,
        /// Exit status 0 in time.
        success: bool,
        /// How it ended.
        outcome: String,
        /// The beginning of what it printed.
        output: String,
    },
    /// A notify script failed, was killed or could not be started.
    Notify {
        /// Whose.
        owner: Arc<str>,
        /// The command.
        command: String,
        /// How it ended.
        outcome: String,
    },
    /// A process of ours started.
    WorkerStarted {
        /// Its process id.
        pid: u32,
    },
    /// A process of ours ended when it should not.
    WorkerDied {
        /// Its process id.
        pid: u32,
        /// How.
        outcome: String,
        /// Another takes over.
        successor: bool,
    },
    /// A bound was reached and something was left out. Told once; `steadfast status` goes on counting.
    Bound {
        /// In a sentence.
        detail: String,
    },
    /// A reload was asked for.
    Reload {
        /// In force, or refused.
        applied: bool,
        /// What changed, or the first problem.
        detail: String,
    },
    /// Something about an interface, an address or a socket.
    Kernel {
        /// The interface, if one is meant.
        interface: Option<Arc<str>>,
        /// The address, if one is meant.
        address: Option<IpAddr>,
        /// In a sentence.
        detail: String,
    },
    /// The timing thread woke late.
    Late {
        /// How late.
        microseconds: u64,
    },
    /// The supervisor is stopping.
    Stopping,
    /// The supervisor has stopped.
    Stopped,
}

impl Happening {
    /// The instances, groups, scripts and interfaces that it concerns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let name = match self {
            Self::InstanceState { instance, .. }
            | Self::PriorityChanged { instance, .. }
            | Self::MasterChanged { instance, .. }
            | Self::HandedOver { instance, .. }
            | Self::LowerPriorityHeard { instance, .. }
            | Self::TwoMasters { instance, .. }
            | Self::OneMaster { instance, .. }
            | Self::Dropped { instance, .. }
            | Self::Disagreement { instance, .. } => Some(instance),
            Self::GroupState { group, .. } => Some(group),
            Self::Script { script, .. } => Some(script),
            Self::Notify { owner, .. } => Some(owner),
            Self::Kernel { interface, .. } => interface.as_ref(),
            Self::Started { .. }
            | Self::WorkerStarted { .. }
            | Self::WorkerDied { .. }
            | Self::Bound { .. }
            | Self::Reload { .. }
            | Self::Late { .. }
            | Self::Stopping
            | Self::Stopped => None,
        };
        name.into_iter().map(AsRef::as_ref)
    }

    /// The event in a sentence, and how much it matters.
    pub fn describe(&self) -> (Severity, String) {
        match self {
            Self::Started { version, configuration } => {
                (Severity::Notice, format!("steadfast {version} started with {configuration}"))
            }
            Self::InstanceState { instance, to, causes, priority, .. } => {
                let severity = if *to == State::Fault { Severity::Warning } else { Severity::Notice };
                let why = wording::chain(causes);
                let message = match to {
                    State::Stop => format!("({instance}) Stopping (priority {priority}): {why}"),
                    _ => format!(
                        "({instance}) Entering {} STATE (priority {priority}): {why}",
                        wording::state(*to)
                    ),
                };
                (severity, message)
            }
            Self::GroupState { group, to, causes } => {
                let severity = if *to == State::Fault { Severity::Warning } else { Severity::Notice };
                let why = wording::chain(causes);
                (
                    severity,
                    format!("VRRP_Group({group}) Syncing instances to {} state: {why}", wording::state(*to)),
                )
            }
            Self::PriorityChanged { instance, from, to, causes } => (
                Severity::Info,
                format!(
                    "({instance}) Changing effective priority from {from} to {to}: {}",
                    wording::chain(causes)
                ),
            ),
            Self::MasterChanged { instance, master, priority } => {
                (Severity::Info, format!("({instance}) master is {master} with priority {priority}"))
            }
            Self::HandedOver { instance, to: Some(master), priority, milliseconds } => {
                let priority = priority.map_or(String::new(), |priority| format!(" (priority {priority})"));
                (
                    Severity::Notice,
                    format!("({instance}) handed over to {master}{priority} after {milliseconds} ms"),
                )
            }
            Self::HandedOver { instance, to: None, milliseconds, .. } => (
                Severity::Warning,
                format!(
                    "({instance}) handed over to nobody: no other router was heard for {milliseconds} ms"
                ),
            ),
            Self::LowerPriorityHeard { instance, master, priority } => {
                (Severity::Info, format!("({instance}) heard lower priority {priority} from {master}"))
            }
            Self::TwoMasters { instance, other, priority, dropped } => {
                let priority =
                    priority.map(|priority| format!(" with priority {priority}")).unwrap_or_default();
                let why = match dropped {
                    Some(reason) => format!("its adverts are dropped: {reason}"),
                    None => "it does not hear us, or does not give way".to_owned(),
                };
                (
                    Severity::Error,
                    format!("({instance}) two masters: {other}{priority} claims the addresses too; {why}"),
                )
            }
            Self::OneMaster { instance, other, adverts, milliseconds } => (
                Severity::Notice,
                format!(
                    "({instance}) one master again: {other} claimed the addresses too for {} with {adverts} adverts",
                    duration::milliseconds(*milliseconds)
                ),
            ),
            Self::Dropped { instance, source, reason } => {
                (Severity::Warning, format!("({instance}) dropped an advert from {source}: {reason}"))
            }
            Self::Disagreement { instance, source, reason } => {
                (Severity::Warning, format!("({instance}) {source} is configured differently: {reason}"))
            }
            Self::Script { script, success, outcome, output } => {
                let severity = if *success { Severity::Info } else { Severity::Warning };
                let tail = if output.is_empty() { String::new() } else { format!("; it printed: {output}") };
                (severity, format!("Script `{script}` {outcome}{tail}"))
            }
            Self::Notify { owner, command, outcome } => {
                (Severity::Warning, format!("({owner}) notify script {command} {outcome}"))
            }
            Self::WorkerStarted { pid } => (Severity::Info, format!("vrrp worker runs as process {pid}")),
            Self::WorkerDied { pid, outcome, successor } => (
                Severity::Error,
                match successor {
                    true => {
                        format!("vrrp worker {pid} {outcome}; starting another that goes on where it ended")
                    }
                    false => format!("vrrp worker {pid} {outcome}; no other is started (-R)"),
                },
            ),
            Self::Bound { detail } => {
                (Severity::Warning, format!("{detail}; told once, `steadfast status` goes on counting"))
            }
            Self::Reload { applied: true, detail } => (Severity::Notice, format!("reload: {detail}")),
            Self::Reload { applied: false, detail } => {
                (Severity::Error, format!("reload refused, the running configuration goes on: {detail}"))
            }
            Self::Kernel { interface: Some(interface), detail, .. } => {
                (Severity::Warning, format!("{interface}: {detail}"))
            }
            Self::Kernel { interface: None, detail, .. } => (Severity::Warning, detail.clone()),
            Self::Late { microseconds } => (
                Severity::Warning,
                format!(
                    "timers fired {} late: the machine is overloaded or was suspended",
                    duration::microseconds(*microseconds)
                ),
            ),
            Self::Stopping => (Severity::Notice, "stopping".to_owned()),
            Self::Stopped => (Severity::Notice, "stopped".to_owned()),
        }
    }
}
