//! What `steadfast status` shows, as values; their JSON is what `--json` prints and what the control
//! socket carries.

mod balancing;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_vrrp::{Cause, Served, State};

pub use self::balancing::{
    Check, KernelServer, Override, Server, Service, SorryServer, Traffic, is_service_meant, numbered_service,
    unnumbered_service,
};
use crate::event::Fault;

/// The daemon at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Process id of the supervisor.
    pub pid: u32,
    /// Since when it runs, RFC 3339.
    pub since: String,
    /// The configuration file.
    pub configuration: String,
    /// Errors in what is in force: a start leaves out what has no meaning. A reload that adds none is taken.
    pub configuration_errors: u64,
    /// How often a configuration was put in force; 1 after the start.
    pub generation: u32,
    /// The last reload that was refused, if none succeeded since.
    pub refused_reload: Option<String>,
    /// What is out of order in the supervisor's own work, in the order of its kinds.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// The vrrp worker, if one runs.
    pub worker: Option<Worker>,
    /// Ordered as configured.
    pub instances: Vec<Instance>,
    /// Ordered as configured.
    pub groups: Vec<Group>,
    /// Ordered as configured.
    pub scripts: Vec<Script>,
    /// BFD sessions, ordered as configured.
    #[serde(default)]
    pub sessions: Vec<Session>,
    /// The check worker, if one runs.
    #[serde(default)]
    pub check_worker: Option<Worker>,
    /// Virtual servers, ordered by name. In the answer to [`Request::Status`](crate::request::Request::Status) they are
    /// as the supervisor knows them, without their servers.
    #[serde(default)]
    pub services: Vec<Service>,
    /// How many seconds the flight recorder reaches back, if one runs.
    #[serde(default)]
    pub flight_recorder_seconds: Option<u64>,
    /// Blocks that were accepted but do nothing in this version.
    pub not_active: Vec<String>,
    /// What the control socket turned away.
    pub control: Control,
}

/// What the bounds of the control socket turned away since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Clients that came when as many as may be were connected.
    pub clients_refused: u64,
    /// Clients that were hung up on because they did not read what they had asked for.
    pub clients_too_slow: u64,
}

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its process id.
    pub pid: u32,
    /// How often a worker died and another took over.
    pub restarts: u32,
    /// It answered in time; otherwise states are the last it told, and counters are missing.
    pub responsive: bool,
    /// Its own figures: of the vrrp worker.
    pub figures: Option<WorkerStatus>,
}

/// How a worker does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Timing thread wake-ups for a timer.
    pub wakeups: u64,
    /// Worst lateness of a timer since the start, in microseconds.
    pub lateness_max_microseconds: u64,
    /// Sum of lateness, for the mean, in microseconds.
    pub lateness_sum_microseconds: u64,
    /// Wake-ups later than a millisecond.
    pub late_over_millisecond: u64,
    /// Wake-ups later than ten milliseconds.
    pub late_over_ten_milliseconds: u64,
    /// Datagrams that no instance wanted: unknown virtual router, or not VRRP at all.
    pub datagrams_unclaimed: u64,
    /// Datagrams the kernel cut because they were longer than any advert.
    pub datagrams_truncated: u64,
    /// Adverts the kernel dropped because they were not read in time and the socket was full.
    pub datagrams_lost: u64,
    /// Messages for the supervisor that were dropped because it did not read.
    pub messages_lost: u64,
    /// Adverts the kernel refused to send.
    pub send_failures: u64,
    /// Addresses that the kernel refuses at this moment; the log has its reasons.
    pub addresses_refused: u64,
    /// Addresses put back after somebody else removed them.
    pub addresses_restored: u64,
}

impl WorkerStatus {
    /// How many addresses the kernel refuses, if any.
    pub fn refused(&self) -> Option<u64> {
        (self.addresses_refused > 0).then_some(self.addresses_refused)
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name.
    pub name: Arc<str>,
    /// Virtual router identifier.
    pub vrid: u8,
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// 2 or 3.
    pub version: u8,
    /// Name of its interface.
    pub interface: Arc<str>,
    /// Advertised addresses, then excluded ones.
    pub addresses: Vec<String>,
    /// Where it stands.
    pub state: State,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Milliseconds in this state.
    pub milliseconds_in_state: Option<u64>,
    /// Why, oldest first.
    pub causes: Vec<Cause>,
    /// The causes in words.
    pub why: String,
    /// Who is master: our own source address, or the router last heard as such.
    pub master: Option<IpAddr>,
    /// The master's priority.
    pub master_priority: Option<u8>,
    /// Configured priority.
    pub base_priority: u8,
    /// After all trackers.
    pub effective_priority: u8,
    /// Each tracker's share.
    pub trackers: Vec<Tracker>,
    /// Own interval in milliseconds.
    pub advert_interval_milliseconds: u64,
    /// Interval in force: the master's, for a version 3 backup.
    pub master_interval_milliseconds: u64,
    /// Time after which a silent master is replaced.
    pub master_down_milliseconds: u64,
    /// Last advert heard: how long ago, in milliseconds.
    pub last_advert_milliseconds_ago: Option<u64>,
    /// Last advert heard: from whom.
    pub last_advert_from: Option<IpAddr>,
    /// By name, since the start, or since they were cleared.
    pub counters: BTreeMap<String, u64>,
    /// The routers heard for it, in the order in which they were met.
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// What is to be mended between the routers.
    #[serde(default)]
    pub problems: Vec<Problem>,
}

/// A router that was heard for an instance, whether or not its adverts were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Source address of its adverts.
    pub address: IpAddr,
    /// What its last advert that could be read said.
    pub said: Option<Said>,
    /// Adverts that were taken.
    pub accepted: u64,
    /// When its last advert came, taken or not: how long ago, in milliseconds.
    pub heard_milliseconds_ago: u64,
    /// When the last one came that was taken.
    pub accepted_milliseconds_ago: Option<u64>,
    /// Why its adverts are dropped; `None` if the last one was taken.
    pub dropped: Option<String>,
    /// Everything that was dropped, an entry for each reason.
    pub drops: Vec<Drops>,
}

/// What an advert says of its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Protocol version.
    pub version: u8,
    /// Priority; 0 when it gives up.
    pub priority: u8,
    /// Time between two adverts, in milliseconds.
    pub interval_milliseconds: u64,
    /// How it proves itself: `none`, `password`.
    pub authentication: String,
    /// Number of virtual addresses.
    pub addresses: usize,
    /// They are ours.
    pub addresses_match: bool,
}

/// Adverts of one router that were dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// Expected and found, in a sentence.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// When the last came: how long ago, in milliseconds.
    pub milliseconds_ago: u64,
}

/// Something between the routers that an operator has to mend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "problem")]
pub enum Problem {
    /// Another router claims the addresses too.
    TwoMasters {
        /// Who.
        other: IpAddr,
        /// Its priority, if its adverts can be read.
        priority: Option<u8>,
        /// Why its adverts are dropped, if they are.
        dropped: Option<String>,
        /// Its adverts meanwhile.
        adverts: u64,
        /// For how long.
        milliseconds: u64,
    },
    /// `split_brain_check` has found that another router serves, or that this one is cut off.
    ServedElsewhere {
        /// How that shows.
        served: Served,
        /// For how long.
        milliseconds: u64,
    },
    /// The adverts of another router of this virtual router are dropped.
    Dropping {
        /// Whose.
        peer: IpAddr,
        /// Its priority, if its adverts can be read.
        priority: Option<u8>,
        /// Why the last one was.
        reason: String,
        /// How many since the last one that was taken.
        adverts: u64,
        /// For how long.
        milliseconds: u64,
    },
}

/// A tracked object's share of a priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracker {
    /// `script` or `interface`.
    pub kind: String,
    /// Its name.
    pub name: Arc<str>,
    /// Its present result; `None` before the first.
    pub good: Option<bool>,
    /// What it adds to the priority.
    pub share: i16,
    /// It keeps the instance in FAULT.
    pub fault: bool,
}

/// A sync group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    /// Where it stands.
    pub state: State,
    /// Names of its members.
    pub members: Vec<Arc<str>>,
}

/// A BFD session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub name: Arc<str>,
    /// The peer.
    pub peer: IpAddr,
    /// Own address, if one is configured.
    pub local: Option<IpAddr>,
    /// Over several hops.
    pub multihop: bool,
    /// State of our end.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: Option<String>,
    /// Milliseconds in this state.
    pub milliseconds_in_state: Option<u64>,
    /// What trackers are told; `None` before it was up for the first time.
    pub good: Option<bool>,
    /// Why it left Up last.
    pub diagnostic: String,
    /// State of the peer's end as last heard.
    pub remote_state: Option<String>,
    /// The peer's reason.
    pub remote_diagnostic: Option<String>,
    /// Names our end.
    pub local_discriminator: Option<u32>,
    /// Names the peer's end.
    pub remote_discriminator: Option<u32>,
    /// From packet to packet of ours; `None` for none.
    pub transmit_microseconds: Option<u64>,
    /// From packet to packet of the peer.
    pub receive_microseconds: Option<u64>,
    /// Silence that ends it.
    pub detection_microseconds: Option<u64>,
    /// Echo packets, while they are sent.
    #[serde(default)]
    pub echo: Option<SessionEcho>,
    /// Why it has no socket.
    pub obstacle: Option<String>,
    /// How packets are signed.
    #[serde(default)]
    pub authentication: String,
    /// Why the last packet was dropped; `None` if it was believed.
    #[serde(default)]
    pub dropped: Option<String>,
    /// Packets that the peer may lose in a row.
    #[serde(default)]
    pub remote_multiplier: Option<u8>,
    /// By name, since the start.
    pub counters: BTreeMap<String, u64>,
}

/// The echo packets of a BFD session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEcho {
    /// The peer returns them, so that they find losses.
    pub returned: bool,
    /// From one to the next.
    pub interval_microseconds: u64,
    /// From the first that does not come back to the end of the session.
    pub detection_microseconds: u64,
    /// When one came back last; `None` before the first.
    #[serde(default)]
    pub returned_milliseconds_ago: Option<u64>,
}

/// A check script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Its name.
    pub name: Arc<str>,
    /// The command.
    pub command: String,
    /// Whether the last run succeeded; `None` before the first.
    pub success: Option<bool>,
    /// How the last run ended.
    pub outcome: Option<String>,
    /// How long the last run took.
    pub duration_milliseconds: Option<u64>,
    /// Runs ended since the start.
    pub runs: u64,
    /// Due times at which the run before was still going.
    pub skipped: u64,
    /// The beginning of what the last run printed.
    pub output: String,
    /// It runs at this moment.
    pub running: bool,
}
