//! `steadfast reload`: a reload, and what came of it.

use steadfast_control::client::Client;

use crate::command_line::ReloadArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, Paint, Stream, complain, harmless};

/// Waits for the reload, and gives the exit status.
pub(crate) fn run(arguments: &ReloadArguments) -> Result<u8, Failure> {
    let report = Client::connect(&arguments.daemon.socket())?.reload()?;
    let status = if report.applied { exit::SUCCESS } else { exit::FAILURE };
    if arguments.json {
        terminal::print(serde_json::to_string_pretty(&report)? + "\n")?;
        return Ok(status);
    }
    let lines: String = report.diagnostics.iter().map(|line| harmless(line) + "\n").collect();
    terminal::print(lines)?;
    if report.applied {
        let palette = Stream::Output.palette();
        terminal::print(format!(
            "{}: {}\n",
            palette.paint(Paint::Good, "applied"),
            harmless(&report.detail)
        ))?;
    } else {
        let message = format!("refused, the running configuration goes on: {}", harmless(&report.detail));
        complain(Stream::Error.palette(), &message);
    }
    Ok(status)
}
