//! How processes end: workers, and the programs of the configuration.

use serde::{Deserialize, Serialize};
use steadfast_kernel::Error;
use steadfast_kernel::error::{self, Errno};
use steadfast_kernel::process::{Exit, ScriptEnd, Stage};

/// How a process ended, or why there was none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By itself.
    Exited {
        /// Its exit status.
        status: i32,
    },
    /// By a signal.
    Signalled {
        /// Its number.
        signal: i32,
    },
    /// It was another process's child, to which alone its end is told.
    Untold,
    /// It exceeded its time and was told to end.
    TimedOut {
        /// How long it ran.
        milliseconds: u64,
    },
    /// The process did not come to run its program.
    NotRun {
        /// What failed.
        step: Step,
        /// The kernel's answer.
        #[serde(with = "error::number")]
        errno: Errno,
    },
    /// No process could be had.
    NotStarted {
        /// What failed.
        error: Box<Error>,
    },
    /// Its end could not have been seen, so it was ended.
    NotWatched {
        /// What failed.
        error: Box<Error>,
    },
    /// As many of its kind as may be run already.
    NoRoom {
        /// So many.
        running: usize,
    },
}

impl Ending {
    /// Exit status 0.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Exited { status: 0 })
    }
}

impl From<Exit> for Ending {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Status(status) => Self::Exited { status },
            Exit::Signal(signal) => Self::Signalled { signal: signal.number() },
            Exit::Untold => Self::Untold,
        }
    }
}

impl From<ScriptEnd> for Ending {
    fn from(end: ScriptEnd) -> Self {
        match end {
            ScriptEnd::Exited(exit) => exit.into(),
            ScriptEnd::NotStarted { stage, errno } => Self::NotRun { step: stage.into(), errno },
        }
    }
}

/// Steps between the fork and the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Standard descriptors.
    Descriptors,
    /// Supplementary groups, group and user.
    Account,
    /// Executing the file.
    Execute,
}

impl From<Stage> for Step {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Descriptors => Self::Descriptors,
            Stage::Account => Self::Account,
            Stage::Execute => Self::Execute,
        }
    }
}
