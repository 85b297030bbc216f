//! What is out of order in the supervisor's own work: in what it runs, reads, writes and sends besides the workers.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_kernel::Error;
use steadfast_wire::vrrp::Family;

use super::{Ending, Neighbour, Severity, Worker};

/// Something that does not work as the configuration has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Fault {
    /// A notification FIFO is not used.
    Fifo {
        /// Its keyword.
        keyword: Cow<'static, str>,
        /// Where it should be.
        path: String,
        /// Why.
        reason: String,
    },
    /// The program that reads a FIFO ended, or could not be started; it is not started again.
    FifoReader {
        /// Its keyword.
        keyword: Cow<'static, str>,
        /// How it ended.
        ending: Ending,
    },
    /// The mail server takes no letters.
    Mail {
        /// Which.
        server: String,
        /// Why.
        reason: String,
        /// Letters that wait.
        waiting: usize,
        /// When it is tried again.
        again_seconds: u64,
    },
    /// This machine has no room to run a check script: its last result stands.
    CheckNotRun {
        /// Its name.
        script: Arc<str>,
        /// What kept it.
        ending: Ending,
    },
    /// A program that the configuration names is never run.
    ProgramNotRun {
        /// The command.
        command: String,
        /// Why.
        reason: String,
    },
    /// `startup_script` does not end: the start went on.
    StartupScript,
    /// A file with a number cannot be followed.
    TrackFile {
        /// Its name.
        name: Arc<str>,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A file with a number could not be made.
    TrackFileNotMade {
        /// Its name.
        name: Arc<str>,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The kernel does not tell of changed files: they are read every second.
    FilesPolled {
        /// Why.
        reason: String,
    },
    /// The kernel does not tell of processes: they are counted every second.
    ProcessesPolled {
        /// Why.
        reason: String,
    },
    /// A worker cannot be started; it is tried again.
    WorkerNotStarted {
        /// Which.
        worker: Worker,
        /// The kernel's reason.
        error: Box<Error>,
    },
    /// A worker cannot be told of a reload: its successor begins with it.
    WorkerNotTold {
        /// Which.
        worker: Worker,
    },
    /// No worker is needed.
    NothingToRun {
        /// Why.
        reason: String,
    },
    /// A file that was asked for could not be written.
    NotWritten {
        /// Its keyword, if one asks for it.
        keyword: Option<Cow<'static, str>>,
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// The addresses of real servers are not known by their name; those that were known last stand.
    Name {
        /// Which.
        name: Arc<str>,
        /// Of which family: a name may be known in one and not in the other.
        family: Family,
        /// Why.
        reason: String,
        /// How many addresses stand.
        known: usize,
    },
    /// There are more names of real servers than are looked up: the last ones have no servers.
    NamesLeftOut {
        /// How many have none.
        count: usize,
        /// How many are looked up.
        bound: usize,
    },
    /// Nothing comes of `reload_time_file`.
    ReloadTime {
        /// Why, in a sentence.
        reason: String,
    },
    /// The kernel could not be asked whether addresses are left.
    AddressesLeft,
    /// Another daemon may be starting in this network namespace, and is not waited for.
    NotWaitedFor {
        /// Why.
        reason: String,
    },
    /// Another daemon speaks VRRP in this network namespace, and what it runs is not known.
    Beside {
        /// Who.
        neighbour: Neighbour,
        /// Why.
        reason: String,
    },
}

/// What a fault is about. There is one fault of each at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    /// A FIFO, by its keyword.
    Fifo(Cow<'static, str>),
    /// The reader of a FIFO, by the keyword of the FIFO's script.
    FifoReader(Cow<'static, str>),
    /// Alert mail.
    Mail,
    /// A check script.
    Check(Arc<str>),
    /// A command.
    Program(String),
    /// A file that is followed.
    TrackFile(Arc<str>),
    /// A worker.
    Worker(Worker),
    /// The name of real servers, in a family.
    Name(Arc<str>, Family),
    /// The number of such names.
    Names,
    /// `reload_time_file`
    ReloadTime,
}

impl Fault {
    /// What it is about, if it goes on until something changes; `None` if it happened and is over.
    pub fn matter(&self) -> Option<Matter> {
        Some(match self {
            Self::Fifo { keyword, .. } => Matter::Fifo(keyword.clone()),
            Self::FifoReader { keyword, .. } => Matter::FifoReader(keyword.clone()),
            Self::Mail { .. } => Matter::Mail,
            Self::CheckNotRun { script, .. } => Matter::Check(Arc::clone(script)),
            Self::ProgramNotRun { command, .. } => Matter::Program(command.clone()),
            Self::TrackFile { name, .. } => Matter::TrackFile(Arc::clone(name)),
            Self::WorkerNotStarted { worker, .. } => Matter::Worker(*worker),
            Self::Name { name, family, .. } => Matter::Name(Arc::clone(name), *family),
            Self::NamesLeftOut { .. } => Matter::Names,
            Self::ReloadTime { .. } => Matter::ReloadTime,
            Self::StartupScript
            | Self::TrackFileNotMade { .. }
            | Self::FilesPolled { .. }
            | Self::ProcessesPolled { .. }
            | Self::WorkerNotTold { .. }
            | Self::NothingToRun { .. }
            | Self::NotWritten { .. }
            | Self::AddressesLeft
            | Self::NotWaitedFor { .. }
            | Self::Beside { .. } => return None,
        })
    }

    /// The script or file that it concerns.
    pub(super) const fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::CheckNotRun { script, .. } => Some(script),
            Self::TrackFile { name, .. } | Self::TrackFileNotMade { name, .. } => Some(name),
            _ => None,
        }
    }

    /// How much it matters.
    pub(super) const fn severity(&self) -> Severity {
        match self {
            Self::StartupScript
            | Self::WorkerNotStarted { .. }
            | Self::WorkerNotTold { .. }
            | Self::AddressesLeft => Severity::Error,
            Self::ProcessesPolled { .. } => Severity::Notice,
            _ => Severity::Warning,
        }
    }
}
