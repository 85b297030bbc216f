//! The subcommands that ask a running daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use steadfast_control::event::Severity;
use steadfast_control::places;

/// How to find the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[group(id = Where::GROUP, multiple = false)]
pub(crate) struct Where {
    /// Control socket of the daemon [default: /run/steadfast.sock]
    #[arg(long, value_name = "PATH")]
    control_socket: Option<PathBuf>,
    /// Pid file that the daemon was started with; its socket lies beside it
    #[arg(short = 'p', long = "pid", value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Network namespace that the daemon runs in
    #[arg(short = 's', long, value_name = "NAME")]
    namespace: Option<String>,
}

impl Where {
    /// The options as one: whoever gives two could mean two daemons.
    pub(crate) const GROUP: &'static str = "where";

    /// Path of the control socket. Whoever names nothing means the only daemon there is.
    pub(crate) fn socket(&self) -> PathBuf {
        if !self.is_told()
            && !places::is_listening(Path::new(places::CONTROL_SOCKET))
            && let [only] = places::living_control_sockets().as_slice()
        {
            return only.clone();
        }
        let by_namespace = || self.namespace.as_deref().map(places::pid_file_in_namespace);
        let pid_file = self.pid_file.clone().or_else(by_namespace);
        places::control_socket(self.control_socket.as_deref(), pid_file.as_deref())
    }

    /// Whether any of the options is given.
    pub(crate) fn is_told(&self) -> bool {
        self.control_socket.is_some() || self.pid_file.is_some() || self.namespace.is_some()
    }
}

/// How times are written for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct Times {
    /// Print times in UTC, as the log has them, instead of local time
    #[arg(long)]
    pub(crate) utc: bool,
}

/// `steadfast status`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast status                 every instance in one line, and its last cause
  steadfast status VI_1            everything about one instance
  steadfast status 192.0.2.10      about the instance that has this address
  steadfast status --watch         the same, drawn anew every second
  steadfast status --all           every daemon of this machine, those in network namespaces too
  steadfast status --check         one line and the exit status of a monitoring plugin
  steadfast status --json | jq '.instances[] | select(.state != \"MASTER\") | .name'

Exit status: 0 shown, 1 no such instance or another failure, 2 wrong usage, 3 no daemon could be asked.
With --check: 0 well, 1 a warning (a refused reload, adverts that are dropped), 2 critical (FAULT, two masters,
a dead worker, no daemon), 3 unknown (the daemon could not be asked).")]
pub(crate) struct StatusArguments {
    /// Show these instances, by name or address, with every detail
    #[arg(value_name = "INSTANCE|ADDRESS")]
    pub(crate) instances: Vec<String>,
    /// Print the status as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show every detail of every instance
    #[arg(short = 'v', long)]
    pub(crate) verbose: bool,
    /// Show every daemon of this machine; as root also those with a control socket of their own
    #[arg(long, conflicts_with = Where::GROUP)]
    pub(crate) all: bool,
    /// Draw it anew, every second or so often, until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "1",
          value_parser = seconds, conflicts_with_all = ["json", "check"])]
    pub(crate) watch: Option<Duration>,
    /// Print one line with performance data, and exit as a monitoring plugin does
    #[arg(long, conflicts_with_all = ["json", "verbose", "utc"])]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) times: Times,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast events`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast events                 what the daemon remembers
  steadfast events VI_1 -n 20      the last 20 about one instance, group, script or interface
  steadfast events --since 10m --severity warning
  steadfast events --since 03:00   since three o'clock, local time
  steadfast events --follow        and what happens from here on, until interrupted
  steadfast events --json | jq 'select(.event == \"instance_state\")'

Exit status: 0 shown, 1 a failure, 2 wrong usage, 3 no daemon could be asked.")]
pub(crate) struct EventsArguments {
    /// Only what concerns these instances, groups, scripts or interfaces
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only what happened since: a length of time (10m, 2h, 1d) or a time (03:00, 2026-01-31 03:00, …Z)
    #[arg(long, value_name = "TIME", value_parser = crate::clock::since)]
    pub(crate) since: Option<String>,
    /// Only what matters at least so much
    #[arg(long, value_name = "SEVERITY", value_parser = severity_parser())]
    pub(crate) severity: Option<Severity>,
    /// Of what happened before, only the last so many
    #[arg(short = 'n', long = "lines", value_name = "NUMBER")]
    pub(crate) last: Option<usize>,
    /// Go on with what happens from here on
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) times: Times,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast peers`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast peers                  every router that was heard, a line each
  steadfast peers VI_1             of one instance, with each reason for which adverts were dropped
  steadfast peers --json

Exit status: 0 shown, 1 no such instance or another failure, 2 wrong usage, 3 no daemon could be asked.")]
pub(crate) struct PeersArguments {
    /// Only for these instances, by name or address
    #[arg(value_name = "INSTANCE|ADDRESS")]
    pub(crate) instances: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast reload`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast plan NEW               what a reload would do
  steadfast reload                 do it, and say what came of it
  steadfast reload --json

Exit status: 0 the configuration is in force, 1 it was refused and the one before goes on, 2 wrong usage,
3 no daemon could be asked.")]
pub(crate) struct ReloadArguments {
    /// Print what came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast upgrade`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast upgrade                after a new version was installed in its place
  steadfast upgrade /opt/steadfast-1.2/steadfast
  steadfast upgrade --json

The daemon asks the other program first whether it can go on, with the same arguments and the
configuration in force. Then it becomes that program, in the same process: addresses stay, adverts
go on, and nothing is notified.

Exit status: 0 the other program runs, 1 it was refused and the one that ran goes on,
2 wrong usage, 3 no daemon could be asked.")]
pub(crate) struct UpgradeArguments {
    /// The program that is to run [default: where the one that runs was started]
    #[arg(value_name = "PROGRAM", value_hint = clap::ValueHint::ExecutablePath)]
    pub(crate) program: Option<PathBuf>,
    /// Print what came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// Names the severities to help and completion.
fn severity_parser() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name)).try_map(|name| name.parse::<Severity>())
}

/// A time between two drawings.
fn seconds(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected seconds from 0.1 to 3600";
    let seconds = text.parse::<f64>().map_err(|_| EXPECTED.to_owned())?;
    if !(0.1..=3600.0).contains(&seconds) {
        return Err(EXPECTED.to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| EXPECTED.to_owned())
}
