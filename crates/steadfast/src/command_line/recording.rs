//! The subcommands of the flight recorder.

use std::path::PathBuf;

use clap::Args;

use super::{Times, Where};

/// `steadfast record`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Example:
  steadfast record save night.record")]
pub(crate) struct RecordArguments {
    /// What to do with it
    #[command(subcommand)]
    pub(crate) command: RecordCommand,
}

/// What there is to do with the flight recorder.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum RecordCommand {
    /// Write what the virtual routers were told in the last minutes into a file
    Save(SaveArguments),
}

/// `steadfast record save`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast record save night.record
  ssh lb1 steadfast record save - | steadfast replay -

The file has addresses and names of the configuration, and no passwords or keys. A daemon writes one by itself when a
mastership changes unexpectedly and when a worker dies; the event tells where.

Exit status: 0 written, 1 a failure, 2 wrong usage, 3 no daemon could be asked.")]
pub(crate) struct SaveArguments {
    /// A file that does not exist yet; - is standard output
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast replay`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast replay night.record                    every decision, what led to it, and when
  steadfast replay night.record --instance VI_1    of one instance or group
  steadfast replay night.record --since 03:00 --utc
  steadfast replay night.record --verbose          every input, those that changed nothing too
  steadfast replay night.record --json | jq 'select(.events != [])'

The virtual routers of this program go through what those of the daemon were told, on any machine; nothing is sent. What
they decide is compared with what was decided at the time.

Exit status: 0 the same was decided, 1 something else, or the file cannot be read, 2 wrong usage.")]
pub(crate) struct ReplayArguments {
    /// A file of `steadfast record save`, or one that the daemon wrote; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Only what concerns these instances and groups
    #[arg(long = "instance", value_name = "NAME")]
    pub(crate) instances: Vec<String>,
    /// Only what happened since: a length of time (10m, 2h, 1d) or a time (03:00, 2026-01-31 03:00, …Z)
    #[arg(long, value_name = "TIME", value_parser = crate::clock::since)]
    pub(crate) since: Option<String>,
    /// Print every input, also when nothing came of it
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) times: Times,
}
