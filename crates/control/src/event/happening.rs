//! What happened: a variant for each kind, with what a program wants to know of it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_bfd::Diagnostic;
use steadfast_vrrp::{Cause, Difference, Served, State};
use steadfast_wire::vrrp::Reject;

use super::{Balancing, Changes, Ending, Fault, Network, ReloadRefusal, Severity, Trouble, Worker};
use crate::wording;

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
    /// An instance has won the election and runs `notify_master_prepare` before it serves.
    Preparing {
        /// Its name.
        instance: Arc<str>,
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
        dropped: Option<Reject>,
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
    /// `split_brain_check` has found that another router serves, or that this one is cut off.
    ServedElsewhere {
        /// Its name.
        instance: Arc<str>,
        /// How that shows.
        served: Served,
        /// MASTER, or BACKUP that would become master.
        state: State,
        /// The instance gives way.
        yields: bool,
    },
    /// What `split_brain_check` found is over.
    ServedHereAlone {
        /// Its name.
        instance: Arc<str>,
        /// How it showed last.
        served: Served,
        /// How long it lasted.
        milliseconds: u64,
    },
    /// A datagram was dropped.
    Dropped {
        /// Its name.
        instance: Arc<str>,
        /// From whom.
        source: IpAddr,
        /// Expected and found.
        reason: Reject,
    },
    /// An accepted advert shows that two routers are configured differently.
    Disagreement {
        /// Its name.
        instance: Arc<str>,
        /// From whom.
        source: IpAddr,
        /// In what.
        difference: Difference,
    },
    /// A script's run ended otherwise than the one before it.
    Script {
        /// Its name.
        script: Arc<str>,
        /// Exit status 0 in time.
        success: bool,
        /// How it ended.
        ending: Ending,
        /// The beginning of what it printed.
        output: String,
    },
    /// A notify script ended, or could not be started.
    Notify {
        /// Whose.
        owner: Arc<str>,
        /// The command.
        command: String,
        /// How it ended.
        ending: Ending,
        /// The beginning of what it printed.
        output: String,
    },
    /// A process of ours started.
    WorkerStarted {
        /// Which.
        worker: Worker,
        /// Its process id.
        pid: u32,
    },
    /// A process of ours ended when it should not.
    WorkerDied {
        /// Which.
        worker: Worker,
        /// Its process id.
        pid: u32,
        /// How.
        ending: Ending,
        /// Another takes over.
        successor: bool,
    },
    /// A process of ours does not answer: it is killed.
    WorkerHung {
        /// Which.
        worker: Worker,
    },
    /// There is no vrrp worker for longer than the peers of masters wait: what these had is removed, for others take over.
    Yielded {
        /// How many virtual routers.
        instances: usize,
        /// Workers in a row that died soon or could not be started.
        deaths: u32,
        /// Until another is started.
        milliseconds: u64,
    },
    /// Something about a process of ours that goes on.
    Worker {
        /// Which.
        worker: Worker,
        /// What.
        trouble: Trouble,
    },
    /// A bound was reached and something was left out. Told once; `steadfast status` goes on counting.
    Bound {
        /// Which.
        bound: Bound,
    },
    /// A master has heard no other router of its virtual router, ever.
    NobodyHeard {
        /// Name of the instance.
        instance: Arc<str>,
        /// Since it became master.
        milliseconds: u64,
    },
    /// A BFD session changed state.
    SessionState {
        /// Its name.
        session: Arc<str>,
        /// With whom.
        peer: IpAddr,
        /// Before.
        from: steadfast_bfd::State,
        /// After.
        to: steadfast_bfd::State,
        /// As the peer is told.
        diagnostic: Diagnostic,
        /// Why.
        cause: steadfast_bfd::Cause,
    },
    /// What those who follow a BFD session are to make of it changed. It is not the state itself: a peer that holds
    /// its session down on purpose says nothing of the path (RFC 5880 section 6.2).
    SessionPath {
        /// Its name.
        session: Arc<str>,
        /// With whom.
        peer: IpAddr,
        /// The path works.
        good: bool,
        /// Why.
        cause: steadfast_bfd::Cause,
    },
    /// A BFD session that is up goes on at other intervals.
    SessionIntervals {
        /// Its name.
        session: Arc<str>,
        /// With whom.
        peer: IpAddr,
        /// From packet to packet of ours; 0 for none.
        transmit_microseconds: u64,
        /// From packet to packet of the peer.
        receive_microseconds: u64,
        /// Silence that ends the session.
        detection_microseconds: u64,
    },
    /// Echo packets of a BFD session find losses from here on, or the peer has not returned a single one.
    SessionEcho {
        /// Name of the session.
        session: Arc<str>,
        /// With whom.
        peer: IpAddr,
        /// They come back.
        returned: bool,
        /// From one to the next.
        interval_microseconds: u64,
        /// From the first that does not come back to the end of the session.
        detection_microseconds: u64,
    },
    /// A control packet was dropped; told once per reason until the session changes state.
    SessionDropped {
        /// Name of the session.
        session: Arc<str>,
        /// Sender.
        source: IpAddr,
        /// Expected and found.
        reason: steadfast_bfd::Reject,
    },
    /// A reload is in force.
    Reloaded {
        /// What it changed.
        changes: Box<Changes>,
    },
    /// A reload was refused: nothing at all changed.
    ReloadRefused {
        /// Why.
        reason: Box<ReloadRefusal>,
    },
    /// Another version of the program runs, with everything as it was.
    Upgraded {
        /// The version before.
        from: String,
        /// The version that runs.
        to: String,
        /// From the end of the one to the last worker of the other.
        milliseconds: u64,
    },
    /// A supervisor died, and this one went on with its workers, with everything as it was.
    TookOver {
        /// From the death of the one to the last worker of the other.
        milliseconds: u64,
    },
    /// An upgrade was refused: the program that ran goes on.
    UpgradeRefused {
        /// What was to run.
        program: String,
        /// Why not.
        reason: String,
    },
    /// A time in `reload_time_file` was taken up.
    ReloadPlanned {
        /// RFC 3339.
        at: String,
    },
    /// It is gone before it came.
    ReloadCancelled {
        /// RFC 3339.
        at: String,
    },
    /// It has come.
    ReloadDue,
    /// Something in the supervisor's own work is out of order.
    Fault(Fault),
    /// It is in order again.
    FaultOver(Fault),
    /// Something about an interface, an address, a route or a socket.
    Network(Network),
    /// Something about the load balancer: a service, a server, a check.
    Balancing(Balancing),
    /// What the flight recorder had was written into a file.
    RecordSaved {
        /// Which.
        path: String,
        /// What happened, in a sentence.
        reason: String,
    },
    /// The supervisor is stopping.
    Stopping,
    /// The supervisor has stopped.
    Stopped,
}

/// A bound that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A BFD session that nobody configured comes up and goes down all the time: most of that is left out.
    SessionTurns {
        /// Its name.
        session: Arc<str>,
        /// With whom.
        peer: IpAddr,
    },
    /// The kernel dropped adverts because a socket was full.
    AdvertsLost {
        /// How many so far.
        count: u64,
    },
    /// As many notify scripts run as may.
    NotifyScripts {
        /// So many.
        running: usize,
    },
    /// As many transitions of an instance or group wait for their notify scripts as may; older ones are forgotten.
    NotifiesForgotten {
        /// Whose.
        owner: Arc<str>,
        /// So many.
        waiting: usize,
    },
    /// The time for scripts at a stop is over.
    StopScripts {
        /// So many have not ended, or not begun.
        lost: usize,
    },
    /// As many lines wait for the reader of a notification FIFO as may.
    FifoLines {
        /// Its keyword.
        keyword: Cow<'static, str>,
        /// So many.
        waiting: usize,
    },
    /// As many clients are connected to the control socket as may be.
    Clients {
        /// So many.
        connected: usize,
    },
    /// Letters that wait for the mail server.
    Letters {
        /// How many wait.
        waiting: usize,
    },
    /// A client of the control socket does not read what it asked for.
    SlowClient,
    /// The state of all instances does not fit a segment of the flight recorder.
    FlightRecorder,
}

impl Happening {
    /// The instances, groups, scripts and interfaces that it concerns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let name = match self {
            Self::InstanceState { instance, .. }
            | Self::Preparing { instance, .. }
            | Self::PriorityChanged { instance, .. }
            | Self::MasterChanged { instance, .. }
            | Self::HandedOver { instance, .. }
            | Self::LowerPriorityHeard { instance, .. }
            | Self::TwoMasters { instance, .. }
            | Self::NobodyHeard { instance, .. }
            | Self::OneMaster { instance, .. }
            | Self::ServedElsewhere { instance, .. }
            | Self::ServedHereAlone { instance, .. }
            | Self::Dropped { instance, .. }
            | Self::Disagreement { instance, .. } => Some(instance),
            Self::GroupState { group, .. } => Some(group),
            Self::SessionState { session, .. }
            | Self::SessionPath { session, .. }
            | Self::SessionIntervals { session, .. }
            | Self::SessionEcho { session, .. }
            | Self::SessionDropped { session, .. } => Some(session),
            Self::Script { script, .. } => Some(script),
            Self::Notify { owner, .. } | Self::Bound { bound: Bound::NotifiesForgotten { owner, .. } } => {
                Some(owner)
            }
            Self::Fault(fault) | Self::FaultOver(fault) => fault.name(),
            Self::Balancing(told) => told.service(),
            Self::Started { .. }
            | Self::WorkerStarted { .. }
            | Self::WorkerDied { .. }
            | Self::WorkerHung { .. }
            | Self::Yielded { .. }
            | Self::Worker { .. }
            | Self::Bound { .. }
            | Self::Reloaded { .. }
            | Self::ReloadRefused { .. }
            | Self::Upgraded { .. }
            | Self::TookOver { .. }
            | Self::UpgradeRefused { .. }
            | Self::ReloadPlanned { .. }
            | Self::ReloadCancelled { .. }
            | Self::ReloadDue
            | Self::RecordSaved { .. }
            | Self::Network(_)
            | Self::Stopping
            | Self::Stopped => None,
        };
        let network = if let Self::Network(network) = self { Some(network) } else { None };
        let interfaces = network.into_iter().flat_map(Network::interfaces);
        name.into_iter().chain(interfaces).map(AsRef::as_ref)
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Network(network) => network.severity(),
            Self::Balancing(told) => told.severity(),
            Self::Fault(fault) => fault.severity(),
            Self::Notify { ending, .. } if ending.is_success() => Severity::Debug,
            Self::TwoMasters { .. }
            | Self::ServedElsewhere { .. }
            | Self::WorkerDied { .. }
            | Self::WorkerHung { .. }
            | Self::Yielded { .. }
            | Self::Worker { trouble: Trouble::CannotWork { .. } | Trouble::Netlink { .. }, .. }
            | Self::ReloadRefused { .. }
            | Self::UpgradeRefused { .. } => Severity::Error,
            Self::SessionState { from: steadfast_bfd::State::Up, .. }
            | Self::SessionDropped { .. }
            | Self::SessionEcho { returned: false, .. }
            | Self::InstanceState { to: State::Fault, .. }
            | Self::GroupState { to: State::Fault, .. }
            | Self::HandedOver { to: None, .. }
            | Self::NobodyHeard { .. }
            | Self::Dropped { .. }
            | Self::Disagreement { .. }
            | Self::Script { success: false, .. }
            | Self::Notify { .. }
            | Self::Worker { .. }
            | Self::Bound { .. } => Severity::Warning,
            Self::Started { .. }
            | Self::InstanceState { .. }
            | Self::Preparing { .. }
            | Self::GroupState { .. }
            | Self::HandedOver { .. }
            | Self::OneMaster { .. }
            | Self::ServedHereAlone { .. }
            | Self::SessionState { to: steadfast_bfd::State::Up | steadfast_bfd::State::AdminDown, .. }
            | Self::Reloaded { .. }
            | Self::Upgraded { .. }
            | Self::TookOver { .. }
            | Self::ReloadDue
            | Self::FaultOver(_)
            | Self::RecordSaved { .. }
            | Self::Stopping
            | Self::Stopped => Severity::Notice,
            Self::PriorityChanged { .. }
            | Self::MasterChanged { .. }
            | Self::LowerPriorityHeard { .. }
            | Self::SessionState { .. }
            | Self::SessionPath { .. }
            | Self::SessionIntervals { .. }
            | Self::SessionEcho { .. }
            | Self::Script { .. }
            | Self::ReloadPlanned { .. }
            | Self::ReloadCancelled { .. }
            | Self::WorkerStarted { .. } => Severity::Info,
        }
    }

    /// The event in a sentence.
    pub fn message(&self) -> String {
        wording::happening(self)
    }
}
