//! What can be seen from outside: snapshots for `status`, and what a successor needs to go on.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::{AdvertInterval, Family, Priority, Version, Vrid};

use crate::config::{GroupId, InstanceId, InterfaceId, ScriptId};
use crate::counters::Counters;
use crate::event::{Cause, State};
use crate::timer::Moment;

/// A router that claims, or claimed, the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// Source address of its adverts.
    pub address: IpAddr,
    /// Priority in its last advert.
    pub priority: Priority,
}

/// An advert that passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When it arrived.
    pub at: Moment,
    /// From whom.
    pub source: IpAddr,
    /// With which priority.
    pub priority: Priority,
}

/// Kind of a tracked object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackerKind {
    /// An interface.
    Interface,
    /// A script.
    Script,
}

/// What one tracker does to an instance at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerShare {
    /// What is tracked.
    pub kind: TrackerKind,
    /// Its name as configured.
    pub name: Arc<str>,
    /// Its state; `None` before the first result.
    pub good: Option<bool>,
    /// What it adds to the priority now.
    pub share: i32,
    /// It keeps the instance in FAULT.
    pub fault: bool,
}

/// Snapshot of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Which.
    pub instance: InstanceId,
    /// As configured.
    pub name: Arc<str>,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Address family.
    pub family: Family,
    /// Protocol version.
    pub version: Version,
    /// Interface that carries the adverts.
    pub interface: InterfaceId,
    /// Its sync group.
    pub group: Option<GroupId>,
    /// State.
    pub state: State,
    /// When it was entered.
    pub since: Moment,
    /// Why, oldest first.
    pub causes: Vec<Cause>,
    /// Who is master, ourselves included.
    pub master: Option<Master>,
    /// Configured priority.
    pub base_priority: Priority,
    /// Priority after all trackers.
    pub effective_priority: Priority,
    /// Each tracker's part in it, in configured order.
    pub trackers: Vec<TrackerShare>,
    /// What keeps it in FAULT, trackers and the sync group included.
    pub faults: Vec<Cause>,
    /// Last advert that passed every check.
    pub last_advert: Option<Heard>,
    /// Own interval.
    pub interval: AdvertInterval,
    /// Interval of the master in use (learned in version 3).
    pub master_interval: Duration,
    /// When the running protocol timer ends: next advert, master down, or hand-over.
    pub deadline: Option<Moment>,
    /// End of a preempt delay that runs.
    pub preempt_at: Option<Moment>,
    /// Counters.
    pub counters: Counters,
}

/// What a worker needs to go on where its predecessor died.
///
/// Asked for with [`Machine::resume_state`](crate::Machine::resume_state) after every state change and
/// handed to [`Machine::new`](crate::Machine::new). Moments are on the same clock in both workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Whose.
    pub instance: InstanceId,
    /// State it was in.
    pub state: State,
    /// When it was entered.
    pub since: Moment,
    /// Why it was entered.
    pub causes: Vec<Cause>,
    /// Who was master.
    pub master: Option<Master>,
    /// Interval learned from the master.
    pub master_interval: Duration,
    /// Results of the scripts it tracks, so that a master need not wait for the next run.
    pub scripts: Vec<ScriptResume>,
    /// Counters as they stood.
    pub counters: Counters,
}

/// Result of a script as counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptResume {
    /// Which.
    pub script: ScriptId,
    /// Result counter, 0 to rise + fall - 1; good from rise.
    pub count: u32,
    /// Good or bad; `None` before the first result.
    pub good: Option<bool>,
    /// Equal results in a row.
    pub times: u32,
}
