//! The command line: keepalived's options, and the subcommands.

mod asking;
mod balancer;
mod completion;
mod configuration;
pub(crate) mod daemon;
mod getopt;
mod operating;
mod recording;
#[cfg(test)]
mod tests;
pub(crate) mod unsupported;

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser};
use clap_complete::Shell;
use steadfast_lab::demo::Scenario;

pub(crate) use asking::*;
pub(crate) use balancer::*;
pub(crate) use completion::completion;
pub(crate) use configuration::*;
pub(crate) use daemon::DaemonArguments;
pub(crate) use operating::*;
pub(crate) use recording::*;
use unsupported::Row;

/// The name that the daemon was started under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// Its own.
    Steadfast,
    /// That of what it replaces.
    Keepalived,
}

impl Name {
    /// As the user types it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Steadfast => "steadfast",
            Self::Keepalived => "keepalived",
        }
    }
}

const ABOUT: &str = "Keeps virtual IP addresses and the services behind them up: a drop-in for keepalived.";

const EXAMPLES: &str = "Examples:
  steadfast -nlD                   run in the foreground, log to the console in detail
  steadfast -t -f new.conf         check a configuration: every problem at once
  steadfast status                 who is master, since when, and why
  steadfast events --follow        what happens, as it happens
  steadfast peers                  who was heard for each virtual router, and why adverts were dropped
  steadfast reload                 put a changed configuration in force, or say why not
  steadfast upgrade                run the installed version, without moving an address
  steadfast replay FILE            why last night went as it did, from a flight record
  steadfast lab                    failovers on this machine, without touching it

Without a subcommand, or started under the name keepalived, this is the daemon, with keepalived's options.
An optional value is attached, as in -g/var/log/vrrp.log or --log-file=/var/log/vrrp.log.";

const KEEPALIVED_EXAMPLES: &str = "Examples:
  keepalived -nlD                  run in the foreground, log to the console in detail
  keepalived -t -f new.conf        check a configuration: every problem at once

Whoever is to be asked answers to `steadfast`: see `steadfast status --help`.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "steadfast",
    about = ABOUT,
    after_help = EXAMPLES,
    disable_help_flag = true,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "steadfast [OPTIONS]\n       steadfast COMMAND …",
    max_term_width = 100
)]
struct CommandLine {
    #[command(flatten)]
    daemon: DaemonArguments,
    #[command(subcommand)]
    subcommand: Option<Subcommand>,
}

/// What steadfast can do besides being the daemon.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Show who is master, since when, and why
    Status(StatusArguments),
    /// Show what happened, and with --follow what happens
    Events(EventsArguments),
    /// Show which routers were heard for each virtual router, and why adverts were dropped
    Peers(PeersArguments),
    /// Have the daemon read its configuration again, and wait until it is in force or refused
    Reload(ReloadArguments),
    /// Run another version of the program in the daemon's place, without moving an address
    Upgrade(UpgradeArguments),
    /// Save what the virtual routers were told in the last minutes
    Record(RecordArguments),
    /// Run a record again, and print each decision with its causes
    Replay(ReplayArguments),
    /// Give a real server no new connections, and let those that are go on
    Drain(TakeArguments),
    /// Use a real server again that was drained
    Undrain(GiveBackArguments),
    /// Take a real server out
    Disable(TakeArguments),
    /// Use a real server again that was disabled
    Enable(GiveBackArguments),
    /// Give a real server another weight
    Weight(WeightArguments),
    /// Print the digest of a page, for HTTP_GET and SSL_GET
    Genhash(GenhashArguments),
    /// Save and restore the table of the kernel's load balancer
    Ipvs(IpvsArguments),
    /// Read configurations and say everything that is to be said about them
    Check(CheckArguments),
    /// Show what a reload with another configuration would do, keyword by keyword
    Plan(PlanArguments),
    /// Show the configuration in effect, with every default filled in
    Show(ShowArguments),
    /// Bring configurations into normal layout; meaning and comments stay
    Fmt(FmtArguments),
    /// Explain a diagnostic
    Explain(ExplainArguments),
    /// Document the keywords of keepalived.conf
    Keywords(KeywordsArguments),
    /// See failovers on this machine, measured, in namespaces that touch nothing else
    Lab(LabArguments),
    /// Print a completion script for a shell
    Completion(CompletionArguments),
    /// Print the JSON schema of what `show config --json` prints
    #[command(after_help = "Example:
  steadfast schema > keepalived.schema.json")]
    Schema,
    /// Print a manual page
    Man(ManArguments),
}

/// `steadfast lab`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast lab                                    every scenario, in less than a minute
  steadfast lab --scenario hang --advert-interval 10ms
  steadfast lab --keep                             stay up afterwards, to look around

Two routers and a client are made of network namespaces on a switch of their own. As root, or
without where the kernel lets users make namespaces.

Exit status: 0 every outage held its limit, 1 one did not or the lab could not be set up, 2 wrong
usage.")]
pub(crate) struct LabArguments {
    /// What to go through, in this order; may be repeated [default: all]
    #[arg(long = "scenario", value_name = "NAME", value_delimiter = ',', value_parser = scenario_parser())]
    pub(crate) scenarios: Vec<Scenario>,
    /// Time between two adverts: seconds, or with a unit as 10ms
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = crate::lab::interval)]
    pub(crate) advert_interval: Duration,
    /// Print the report as JSON; what happens goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
    /// Stay up after the last scenario, and print how to look around
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Names the scenarios to help and completion.
fn scenario_parser() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new(Scenario::ALL.map(Scenario::name)).try_map(|name| name.parse::<Scenario>())
}

/// `steadfast completion`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Example:
  steadfast completion bash > /usr/share/bash-completion/completions/steadfast")]
pub(crate) struct CompletionArguments {
    /// The shell
    pub(crate) shell: Shell,
}

/// The daemon's command line, as typed.
#[derive(Debug)]
pub(crate) struct DaemonLine {
    /// What was asked for.
    pub(crate) arguments: DaemonArguments,
    /// Options among it that steadfast does not act upon.
    pub(crate) unsupported: Vec<Row>,
    /// Words that are no options; keepalived mentions them and goes on.
    pub(crate) surplus: Vec<String>,
}

/// The whole command line in clap's terms.
pub(crate) fn command_line() -> clap::Command {
    // Only the daemon's help goes to standard error, but switching clap's own off reaches the subcommands too.
    CommandLine::command().mut_subcommands(with_help)
}

fn with_help(command: clap::Command) -> clap::Command {
    let help = clap::Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Print this help");
    command.arg(help).mut_subcommands(with_help)
}

/// The daemon's face in clap's terms.
pub(crate) fn daemon_command(name: Name) -> clap::Command {
    let command = match name {
        Name::Steadfast => command_line(),
        Name::Keepalived => DaemonArguments::augment_args(
            clap::Command::new("keepalived")
                .about("steadfast in the place of keepalived.")
                .after_help(KEEPALIVED_EXAMPLES)
                .disable_help_flag(true)
                .disable_version_flag(true)
                .max_term_width(100),
        ),
    };
    command.args_override_self(true)
}

const SURPLUS: &str = "surplus";

/// Reads the daemon's options as getopt would.
pub(crate) fn parse_daemon(name: Name, arguments: &[OsString]) -> Result<DaemonLine, clap::Error> {
    // Words can only be options or left over here, never a subcommand.
    let command = DaemonArguments::augment_args(
        clap::Command::new(name.text())
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args_override_self(true)
            .arg(clap::Arg::new(SURPLUS).num_args(0..).hide(true)),
    );
    let mut words = vec![OsString::from(name.text())];
    words.extend(getopt::rewrite(&command, arguments.get(1..).unwrap_or_default()));
    let matches = command.try_get_matches_from(words)?;
    Ok(DaemonLine {
        arguments: DaemonArguments::from_arg_matches(&matches)?,
        unsupported: unsupported::given(&matches),
        surplus: matches.get_many(SURPLUS).into_iter().flatten().cloned().collect(),
    })
}

/// Reads a command line that begins with a subcommand.
pub(crate) fn parse_client(arguments: &[OsString]) -> Result<Subcommand, clap::Error> {
    let parsed = CommandLine::from_arg_matches(&command_line().try_get_matches_from(arguments)?)?;
    parsed.subcommand.ok_or_else(|| {
        command_line().error(clap::error::ErrorKind::MissingSubcommand, "a subcommand is expected first")
    })
}

/// What somebody typed who started the program as genhash, as a subcommand.
pub(crate) fn genhash_words(arguments: &[OsString]) -> Vec<OsString> {
    const NAME: &str = "genhash";
    let command = command_line().find_subcommand(NAME).cloned().unwrap_or_default();
    let words = getopt::rewrite(&command, arguments.get(1..).unwrap_or_default());
    [OsString::from("steadfast"), OsString::from(NAME)].into_iter().chain(words).collect()
}

/// Whether this word is a subcommand, for advice to those who typed it too late.
pub(crate) fn is_subcommand(word: &str) -> bool {
    command_line().find_subcommand(word).is_some()
}
