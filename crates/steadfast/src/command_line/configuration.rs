//! Arguments of the subcommands that are about configurations and their language.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValue, TypedValueParser};
use steadfast_config::language::rows;
use steadfast_config::{Code, Severity};

use super::Where;

/// How a file is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(crate) struct Reading {
    /// The files are for another machine: take every interface, user and script they name as present
    #[arg(long)]
    pub(crate) any_machine: bool,
    /// Name that @ conditions compare with [default: the host name up to its first dot]
    #[arg(short = 'i', long, value_name = "ID")]
    pub(crate) config_id: Option<String>,
    /// Make every problem of an include an error
    #[arg(short = 'e', long)]
    pub(crate) all_config: bool,
}

/// `steadfast plan`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(
    override_usage = "steadfast plan [OPTIONS] [OLD] NEW",
    after_help = "Examples:
  steadfast plan new.conf                    against what the running daemon has in force
  steadfast plan /etc/keepalived/keepalived.conf && echo 'nothing to reload'
  steadfast plan --any-machine old.conf new.conf
  git show HEAD:node1.conf | steadfast plan --any-machine - node1.conf
  steadfast plan --json new.conf | jq '.entities[] | select(.outcome == \"restarted\") | .name'

Exit status: 0 nothing would change, 10 something would, 1 the reload would be refused or another
failure, 2 wrong usage, 3 no daemon could be asked. Errors that OLD has too refuse nothing."
)]
pub(crate) struct PlanArguments {
    /// The new configuration; before it the old one, if that is not what the daemon has in force. With
    /// both, - is standard input
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print the plan as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast show`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast show config                      what the running daemon reads
  steadfast show config new.conf             what a file means")]
pub(crate) struct ShowArguments {
    /// What to show
    #[command(subcommand)]
    pub(crate) what: Shown,
}

/// What `steadfast show` shows.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Shown {
    /// A configuration as it is understood: every include, variable and default resolved
    Config(ShowConfigArguments),
}

/// `steadfast show config`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast show config                      the file of the running daemon, as it stands there now
  steadfast show config --any-machine node2.conf
  steadfast show config --json | jq '.instances[] | {name, priority}'

Exit status: 0 shown, 1 the file has errors or another failure, 2 wrong usage, 3 no FILE and no
daemon could be asked for one. Of a file with errors it shows what a daemon would start with.")]
pub(crate) struct ShowConfigArguments {
    /// The configuration; - is standard input [default: the file that the running daemon reads]
    #[arg(value_name = "FILE", conflicts_with = Where::GROUP)]
    pub(crate) file: Option<PathBuf>,
    /// Print it as JSON; `steadfast schema` describes it
    #[arg(long)]
    pub(crate) json: bool,
    /// Show passwords and keys instead of asterisks
    #[arg(long)]
    pub(crate) secrets: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast check`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast check /etc/keepalived/keepalived.conf
  steadfast check --any-machine --format sarif nodes/*.conf > check.sarif
  steadfast check --allow SF0136 keepalived.conf
  steadfast check --deny warnings node1.conf node2.conf
  steadfast check --fix keepalived.conf
  ./generate | steadfast check --any-machine -

Exit status: 0 no error and nothing denied, 1 an error or what is denied, 2 wrong usage. For keepalived's statuses use `steadfast -t`.")]
pub(crate) struct CheckArguments {
    /// The files; several are compared as the routers of one segment; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Pass over warnings and notes of this code; may be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = Codes { silenced: true }, hide_possible_values = true)]
    pub(crate) allow: Vec<Code>,
    /// Fail on this code, or with `warnings` on every warning; may be repeated
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = denied)]
    pub(crate) deny: Vec<Denied>,
    /// Make the changes that mend what is found, and say which
    #[arg(long)]
    pub(crate) fix: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// What `steadfast check --deny` fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Every warning.
    Warnings,
    /// What has this code.
    Code(Code),
}

fn denied(text: &str) -> Result<Denied, String> {
    match text {
        "warnings" => Ok(Denied::Warnings),
        _ => text
            .parse()
            .map(Denied::Code)
            .map_err(|error: steadfast_config::code::NotACode| error.to_string()),
    }
}

/// Reads a code and offers all of them for completion; with `silenced` those that are not errors everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    pub(crate) silenced: bool,
}

impl TypedValueParser for Codes {
    type Value = Code;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let silenced = self.silenced;
        let can_be_silenced = move |text: &str| {
            let code = text.parse::<Code>().map_err(|error| error.to_string())?;
            match silenced && code.severity() == Severity::Error {
                true => Err(format!("{code} is an error and cannot be passed over")),
                false => Ok(code),
            }
        };
        // Errors of a function are told with the argument's name and value.
        TypedValueParser::parse_ref(&can_be_silenced, command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let wanted = |code: &&Code| !self.silenced || code.severity() < Severity::Error;
        Some(Box::new(Code::ALL.iter().filter(wanted).map(|code| PossibleValue::new(code.name()))))
    }
}

/// Reads any word and offers some for completion.
#[derive(Debug, Clone)]
pub(super) struct Offered(pub(super) fn() -> Vec<&'static str>);

fn keywords() -> Vec<&'static str> {
    let is_word = |name: &&str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let names: BTreeSet<&str> = rows().map(|row| row.entry.name).filter(is_word).collect();
    names.into_iter().collect()
}

impl TypedValueParser for Offered {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0().into_iter().map(PossibleValue::new)))
    }
}

/// How `steadfast check` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// With the lines, for people
    Text,
    /// A list with a document for each file
    Json,
    /// SARIF 2.1.0, for code scanning services
    Sarif,
}

/// `steadfast fmt`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast fmt /etc/keepalived/keepalived.conf
  steadfast fmt --check nodes/*.conf       name the files that are not in normal layout
  steadfast fmt - < old.conf > new.conf

Exit status: 0 done or nothing to do, 1 with --check: a file is not in normal layout, or another
failure, 2 wrong usage.")]
pub(crate) struct FmtArguments {
    /// The files; - is standard input, which goes to standard output
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Change nothing; name the files that are not in normal layout
    #[arg(long)]
    pub(crate) check: bool,
}

/// `steadfast explain`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Example:
  steadfast explain SF0101")]
pub(crate) struct ExplainArguments {
    /// The code in brackets of a message; without it, all codes are listed
    #[arg(value_parser = Codes { silenced: false }, hide_possible_values = true)]
    pub(crate) code: Option<Code>,
}

/// `steadfast keywords`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast keywords               every keyword in one line
  steadfast keywords advert_int    everything about one
  steadfast keywords vrrp_script   a block, and the keywords in it
  steadfast keywords garp_         the keywords that begin so
  steadfast keywords virtual_server/weight
  steadfast keywords | grep 'not active yet'
  steadfast keywords --markdown > reference.md")]
pub(crate) struct KeywordsArguments {
    /// The keyword, with BLOCK/ before it to mean that of a block only; or what it begins with
    #[arg(value_parser = Offered(keywords), hide_possible_values = true)]
    pub(crate) word: Option<String>,
    /// Print all of them as a Markdown document
    #[arg(long, conflicts_with = "word")]
    pub(crate) markdown: bool,
}

/// `steadfast man`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Example:
  steadfast man keepalived.conf | man -l -")]
pub(crate) struct ManArguments {
    /// The page
    #[arg(value_enum, default_value_t = Page::Steadfast)]
    pub(crate) page: Page,
}

/// A manual page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Page {
    /// steadfast(8), the commands
    Steadfast,
    /// keepalived.conf(5), the configuration
    #[value(name = "keepalived.conf")]
    Configuration,
}
