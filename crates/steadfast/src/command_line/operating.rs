//! The subcommands that change how servers are used while the daemon runs.

use std::time::Duration;

use clap::Args;

use super::Where;

/// Which servers, and how to tell what was done.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Servers {
    /// The server: its address and port, or its address alone for all its ports
    #[arg(value_name = "SERVER")]
    pub(crate) server: String,
    /// Only in this virtual server, by name, address or group [default: every one that has it]
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// Print the servers as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) daemon: Where,
}

/// `steadfast drain`, `steadfast disable`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast drain 10.0.0.1:80                  no new connections, in every virtual server that has it
  steadfast drain 10.0.0.1 --service web       only in one: by name, address or group
  steadfast drain 10.0.0.1:80 --wait=600       and wait, ten minutes at most, until no connection is left
  steadfast disable 10.0.0.1:80                out of the virtual server at once

It stands over reloads and over the death of the check worker; `steadfast undrain` or `steadfast enable` ends it, and a
start of the daemon. `steadfast status` shows it.

Exit status: 0 done, 1 there is no such server, it was not done, or connections were left after the wait, 2 wrong usage,
3 no daemon could be asked.")]
pub(crate) struct TakeArguments {
    #[command(flatten)]
    pub(crate) servers: Servers,
    /// Wait until no connection is left, so many seconds at most
    #[arg(long, value_name = "SECONDS", value_parser = wait)]
    pub(crate) wait: Option<Duration>,
}

/// `steadfast undrain`, `steadfast enable`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast undrain 10.0.0.1:80                after `steadfast drain`
  steadfast enable 10.0.0.1:80                 after `steadfast disable`

The server is used as it is configured and checked again.

Exit status: 0 done, 1 there is no such server or nothing to undo, 2 wrong usage, 3 no daemon could be asked.")]
pub(crate) struct GiveBackArguments {
    #[command(flatten)]
    pub(crate) servers: Servers,
}

/// `steadfast weight`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "Examples:
  steadfast weight 10.0.0.1:80 5               in place of the configured weight and of what checks add to it
  steadfast weight 10.0.0.1:80 configured      the end of that

Exit status: 0 done, 1 there is no such server or nothing to undo, 2 wrong usage, 3 no daemon could be asked.")]
pub(crate) struct WeightArguments {
    #[command(flatten)]
    pub(crate) servers: Servers,
    /// The weight, or the word `configured`
    #[arg(value_name = "WEIGHT|configured", value_parser = weight)]
    pub(crate) weight: Weight,
}

/// A weight as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight(pub(crate) Option<u32>);

fn weight(text: &str) -> Result<Weight, String> {
    if text == "configured" {
        return Ok(Weight(None));
    }
    let number = text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
    number
        .map(|number| Weight(Some(number)))
        .ok_or_else(|| "expected a weight from 0 to 2147483647, or 'configured'".to_owned())
}

fn wait(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| "expected seconds from 1 to 86400".to_owned())
}
