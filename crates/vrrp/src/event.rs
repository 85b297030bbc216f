//! What happened and why. The log line, the JSON, the notify call and the test assertion all come
//! from these.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::{Priority, Reject};

use crate::config::{GroupId, InstanceId};
use steadfast_time::Moment;

/// State of a virtual router (RFC 9568 sections 6.3 and 6.4), with keepalived's FAULT.
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
    /// Nothing heard for the master down interval.
    MasterSilent {
        /// Last master heard, if there was one.
        master: Option<IpAddr>,
        /// Milliseconds waited.
        waited_ms: u64,
    },
    /// The BFD session that watches over the master has heard nothing for its detection time.
    MasterDead {
        /// Who.
        master: IpAddr,
        /// Microseconds since its last packet.
        silent_us: u64,
    },
    /// What another router said meanwhile was dropped.
    Dropped {
        /// Whose adverts.
        peer: IpAddr,
        /// Why the last one was.
        reason: Reject,
        /// How many since the last one that was taken.
        adverts: u64,
        /// Milliseconds since the first of them.
        span_ms: u64,
    },
    /// This router was held up, or the whole node was, for longer than backups wait.
    HeldUp {
        /// Milliseconds since its last advert.
        silent_ms: u64,
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
    /// No usable source address, or it came back.
    Source {
        /// The configured one; `None` where the interface's own serves.
        address: Option<IpAddr>,
        /// Whether there is one now.
        present: bool,
    },
    /// It has no socket for its adverts, or has one again.
    Socket {
        /// Why it has none.
        obstacle: Option<Arc<str>>,
    },
    /// Something static that it follows is not there, or is there again.
    Standing {
        /// What is missing.
        missing: Option<Arc<str>>,
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
    /// The number in a file changed.
    File {
        /// Its name.
        name: Arc<str>,
        /// The number.
        value: i32,
    },
    /// Processes are as many as they should be, or are not.
    Process {
        /// Name of the set.
        name: Arc<str>,
        /// Whether they are.
        good: bool,
    },
    /// A BFD session came up or went down.
    Session {
        /// Its name.
        name: Arc<str>,
        /// Whether it is up.
        up: bool,
    },
    /// The effective priority changed.
    Priority {
        /// Before.
        from: Priority,
        /// After.
        to: Priority,
    },
    /// `notify_master_prepare` is waited for.
    Preparing,
    /// The wait is over.
    Prepared {
        /// How it ended.
        outcome: Prepared,
        /// Milliseconds since the election was won.
        after_ms: u64,
    },
    /// What failed to prepare tries again.
    PrepareAgain,
    /// Another member of the sync group changed.
    Group {
        /// The group.
        group: Arc<str>,
        /// The member that started it.
        member: Arc<str>,
    },
    /// Somebody removed an address of the master.
    AddressRemoved {
        /// Which.
        address: IpAddr,
    },
    /// Another router serves although its adverts are not heard, or this one is cut off.
    ServedElsewhere {
        /// How that shows.
        served: Served,
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

impl Cause {
    /// Something that is tracked changed.
    pub(crate) const fn is_of_tracker(&self) -> bool {
        matches!(
            self,
            Self::Script { .. }
                | Self::Interface { .. }
                | Self::File { .. }
                | Self::Process { .. }
                | Self::Session { .. }
        )
    }
}

/// How it shows, by other ways than adverts, that an instance should not serve here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// Somebody on the link answers for a virtual address.
    Link {
        /// Which.
        address: IpAddr,
        /// Hardware address of who answers.
        hardware: [u8; 6],
    },
    /// A port that only a master serves takes connections.
    Service {
        /// Where.
        address: IpAddr,
        /// Its number.
        port: u16,
    },
    /// The arbiter does not answer: this router is cut off.
    NoArbiter {
        /// Who that is.
        arbiter: IpAddr,
    },
}

/// How `notify_master_prepare` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prepared {
    /// With exit status 0.
    Done,
    /// Otherwise.
    Failed,
    /// Not in time.
    TimedOut,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An instance changed state.
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
    /// An instance has won the election and prepares itself before it serves; [`Event::InstanceState`] follows.
    Preparing {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// Effective priority.
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
    /// A router that gave up for good answers no longer.
    HandedOver {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// Who was heard as master since, and its priority.
        to: Option<(IpAddr, Priority)>,
        /// Milliseconds since it gave up.
        after_ms: u64,
    },
    /// A master heard an advert of lower priority: told for every one as long as they keep to their
    /// interval, so that each can be notified.
    LowerPriorityHeard {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// From whom.
        master: IpAddr,
        /// Its priority.
        priority: Priority,
        /// How many adverts it has sent since this router is master; above one there is nothing new.
        times: u64,
    },
    /// Another router goes on claiming the addresses beside this master: two masters.
    TwoMasters {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// The other.
        other: IpAddr,
        /// Its priority, if its adverts can be read.
        priority: Option<Priority>,
        /// Why its adverts are dropped, if they are.
        dropped: Option<Reject>,
    },
    /// The other of two masters is silent, or this one has given way.
    OneMaster {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// Who was the other.
        other: IpAddr,
        /// Its adverts since then.
        adverts: u64,
        /// When the first of them came.
        since: Moment,
    },
    /// `split_brain_check` has found that another router serves, or that this one is cut off.
    ServedElsewhere {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// How that shows.
        served: Served,
        /// MASTER, or BACKUP that would become master.
        state: State,
        /// The instance gives way.
        yields: bool,
    },
    /// What `split_brain_check` found is over.
    ServedHereAlone {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// How it showed last.
        served: Served,
        /// When it was found first.
        since: Moment,
    },
    /// A master has heard no other router of its virtual router, ever: told once.
    NobodyHeard {
        /// Which.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// Since when it is master.
        since: Moment,
    },
    /// A datagram was dropped; reported once per reason until the instance changes state, counted always.
    Dropped {
        /// For which instance.
        instance: InstanceId,
        /// When.
        at: Moment,
        /// From whom.
        source: IpAddr,
        /// Expected and found.
        reason: Reject,
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
        /// In what.
        difference: Difference,
    },
}

impl Event {
    /// Nothing that an earlier event has not told: to be notified and counted, not to be logged again.
    pub const fn is_repetition(&self) -> bool {
        matches!(self, Self::LowerPriorityHeard { times: 2.., .. })
    }
}

/// In what routers of one virtual router are not configured alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// It serves our addresses and others.
    AddressList {
        /// How many are ours.
        expected: usize,
        /// How many were received.
        found: usize,
    },
    /// Version 3 lets intervals differ.
    Interval {
        /// Ours.
        expected: Duration,
        /// As received.
        found: Duration,
    },
    /// Two routers of priority 255.
    TwoOwners,
    /// Two routers with one address.
    OwnAddress,
    /// An advert of IPv6 does not begin with a link-local address (RFC 9568 section 5.2.9, erratum 8300).
    FirstAddress {
        /// What it begins with.
        found: Ipv6Addr,
    },
    /// It has the checksum of early versions in unicast adverts.
    EarlyChecksum,
}
