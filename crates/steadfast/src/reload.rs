//! `steadfast reload`: a reload, and what came of it.

use steadfast_control::client::Client;

use crate::command_line::ReloadArguments;
use crate::exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::terminal::{self, Paint, Stream, complain, harmless};

/// Waits for the reload, and gives the exit status.
pub(crate) fn run(arguments: &ReloadArguments) -> Result<u8, Failure> {
    let mut client = Client::connect(&arguments.daemon.socket())?;
    let progress = Progress::of("waiting until the daemon has read its configuration and put it in force");
    let report = client.reload();
    drop(progress);
    let report = report?;
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
