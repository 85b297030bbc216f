//! What happened and why. The log line, the JSON, the notify call and the test assertion all come
//! from these.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Priority;

use crate::config::{GroupId, InstanceId};
use steadfast_time::Moment;

/// State of a virtual router (RFC 9568 section 6.4), with keepalived's FAULT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Not started, or waiting for the first result of a script.
    Init,
    /// Listening for a master.
    Backup,
    /// Owner of the addresses.
    Master,
    /// Kept out by a fault.
    Fault,
    /// Giving up for good; still answering until the new master is heard.
    Stop,
}

/// Why something happened: the link of a chain that an operator reads from left to right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The daemon started, or the instance was added by a reload.
    Start,
    /// A worker took over where its predecessor died.
    Resume,
    /// Nothing heard for the master down interval.
    MasterSilent {
        /// Last master heard, if there was one.
        master: Option<IpAddr>,
        /// Milliseconds waited.
        waited_ms: u64,
    },
    /// The master said that it gives up (priority 0).
    MasterReleased {
        /// Who.
        master: IpAddr,
    },
    /// The preempt delay or a lower priority master: we may take over.
    Preempt {
        /// Whom from.
        master: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// A better router was heard.
    HigherPriority {
        /// Who.
        master: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// Equal priority and a higher address (RFC 9568 section 6.4.3).
    HigherAddress {
        /// Who.
        master: IpAddr,
    },
    /// The configured owner starts as master (RFC 9568 section 6.4.1).
    Owner,
    /// An interface went down, vanished, or came back.
    Interface {
        /// Its name as configured.
        name: Arc<str>,
        /// Whether it works now.
        up: bool,
    },
    /// No usable source address on the interface, or it came back.
    Source {
        /// Whether there is one now.
        present: bool,
    },
    /// It has no socket for its adverts, or has one again.
    Socket {
        /// Why it has none.
        obstacle: Option<Arc<str>>,
    },
    /// The kernel refuses its adverts, or takes them again.
    Sending {
        /// Why.
        obstacle: Option<Arc<str>>,
    },
    /// A script changed its result.
    Script {
        /// Its name.
        name: Arc<str>,
        /// The result.
        good: bool,
        /// How many results in a row.
        times: u32,
    },
    /// The effective priority changed.
    Priority {
        /// Before.
        from: Priority,
        /// After.
        to: Priority,
    },
    /// Another member of the sync group changed.
    Group {
        /// The group.
        group: Arc<str>,
        /// The member that started it.
        member: Arc<str>,
    },
    /// The configuration cannot work as it stands.
    Broken {
        /// In a sentence.
        reason: Arc<str>,
    },
    /// A reload changed or removed it.
    Reload,
    /// The daemon is stopping.
    Stop,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An instance changed state. `from` equals `to` only when a worker resumed it: nothing to notify.
    InstanceState {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Effective priority after the change.
        priority: Priority,
        /// Oldest first.
        causes: Vec<Cause>,
    },
    /// A group changed state.
    GroupState {
        /// Which.
        group: GroupId,
        /// When.
        at: Moment,
        /// After.
        to: State,
        /// Oldest first.
        causes: Vec<Cause>,
    },
    /// An effective priority changed.
    PriorityChanged {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// Before.
        from: Priority,
        /// After.
        to: Priority,
        /// Oldest first.
        causes: Vec<Cause>,
    },
    /// A backup hears a new master.
    MasterChanged {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// Who.
        master: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// A master heard an advert of lower priority.
    LowerPriorityHeard {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// From whom.
        master: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// A datagram was dropped; reported once per reason until the instance changes state, counted always.
    Dropped {
        /// For which instance.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// From whom.
        source: IpAddr,
        /// Expected and found, in a sentence.
        reason: String,
    },
    /// An accepted advert shows that the routers are not configured alike (address lists, intervals,
    /// two owners, one source address); reported like `Dropped`.
    Disagreement {
        /// For which instance.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// From whom.
        source: IpAddr,
        /// Expected and found, in a sentence.
        reason: String,
    },
}
