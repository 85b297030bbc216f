//! What a supervisor leaves to the program that takes its place, as octets with a version in front.
//!
//! What the file says and what can be looked at again is not in it: the other program reads the same configuration, which
//! is that in force, with the same arguments.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use steadfast_kernel::ipvs::ServiceKey;
use steadfast_kernel::process::handover::Kept;
use steadfast_vrrp::{GroupId, Moment, State};

use crate::link::check::Remembered;
use crate::link::inheritance::Inheritable;
use crate::link::orphan;
use crate::link::vrrp::work::Work;
use crate::served::Marks;
use crate::supervisor::control::ClientsLeft;
use crate::supervisor::journal::JournalLeft;
use crate::supervisor::names::NamesLeft;
use crate::supervisor::notify::fifo::FifoLeft;
use crate::supervisor::notify::mail::MailLeft;
use crate::supervisor::scripts::checks::CheckLeft;

/// Everything that goes on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Version of the program that leaves it.
    pub(crate) version: String,
    /// The program itself, to which the other one gives way if it cannot go on.
    pub(crate) program: Option<Kept>,
    /// What was to become of it.
    pub(crate) asked: Asked,
    /// Why the other program gave way: then this is the one that ran before.
    pub(crate) gave_way: Option<String>,
    pub(crate) started_at: Moment,
    /// The folder that relative paths of the arguments mean.
    pub(crate) folder: PathBuf,
    pub(crate) pid_files: Vec<(Kept, PathBuf)>,
    pub(crate) control: Option<ClientsLeft>,
    pub(crate) process_events: Option<Kept>,
    pub(crate) journal: JournalLeft,
    /// As JSON: what is not known any more is passed over.
    pub(crate) faults: Vec<String>,
    pub(crate) generation: u32,
    pub(crate) refused: Option<String>,
    /// A reload was asked for.
    pub(crate) reload: bool,
    /// By these clients, who wait for it.
    pub(crate) reload_for: Vec<u64>,
    pub(crate) checks: Vec<CheckLeft>,
    /// Programs that are ended: what they find out is asked for again.
    pub(crate) ended: Vec<u32>,
    pub(crate) fifos: Vec<FifoLeft>,
    pub(crate) mail: MailLeft,
    pub(crate) names: NamesLeft,
    pub(crate) routers: RoutersLeft,
    pub(crate) balancing: BalancingLeft,
}

impl Inheritable for Left {
    /// One version's supervisor hears the last words of the other's workers.
    const VERSION: u16 = orphan::VERSION;
}

/// What was asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// By whom, unless by a signal.
    pub(crate) client: Option<u64>,
    /// The program that is to run.
    pub(crate) program: PathBuf,
    /// When the one before it ended.
    pub(crate) at: Moment,
}

/// A worker that runs on until it has a successor.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct WorkerLeft {
    pub(crate) pid: u32,
    pub(crate) channel: Kept,
    pub(crate) restarts: u32,
}

/// The virtual routers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RoutersLeft {
    pub(crate) worker: Option<WorkerLeft>,
    /// For the numbers, which keep their meaning.
    pub(crate) work: Work,
    /// What a successor of the worker would get at this moment, in its own version.
    pub(crate) inheritance: Vec<u8>,
    pub(crate) groups: Vec<(GroupId, State)>,
    pub(crate) addresses_out: bool,
    pub(crate) started: bool,
}

/// The load balancer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct BalancingLeft {
    pub(crate) worker: Option<WorkerLeft>,
    pub(crate) known: Remembered,
    pub(crate) abandoned: BTreeSet<ServiceKey>,
    pub(crate) started: bool,
    pub(crate) seed: u64,
    /// Of groups whose packets are marked.
    pub(crate) marks: Marks,
    /// Where the table is, unless it is in the network namespace of the process.
    pub(crate) space: Option<Kept>,
}
