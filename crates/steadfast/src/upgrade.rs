//! `steadfast upgrade`: another program in the daemon's place, and what came of it.

use steadfast_control::client::Client;

use crate::command_line::UpgradeArguments;
use crate::exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::terminal::{self, Paint, Stream, complain, harmless};

/// Waits for the upgrade, and gives the exit status.
pub(crate) fn run(arguments: &UpgradeArguments) -> Result<u8, Failure> {
    // What was typed means the folder it was typed in, and not the daemon's.
    let program = arguments.program.as_deref().map(std::path::absolute).transpose()?;
    let program = program.map(|program| program.display().to_string());
    let mut client = Client::connect(&arguments.daemon.socket())?;
    let progress = Progress::of("waiting until the other program runs in the daemon's place");
    let report = client.upgrade(program.as_deref());
    drop(progress);
    let report = report?;
    let status = if report.upgraded { exit::SUCCESS } else { exit::FAILURE };
    if arguments.json {
        terminal::print(serde_json::to_string_pretty(&report)? + "\n")?;
        return Ok(status);
    }
    if report.upgraded {
        let done = Stream::Output.palette().paint(Paint::Good, "done");
        terminal::print(format!("{done}: {}\n", harmless(&report.detail)))?;
    } else {
        let (program, reason) = (harmless(&report.program), harmless(&report.detail));
        let message =
            format!("refused, the daemon goes on with version {}: {program}: {reason}", report.from);
        complain(Stream::Error.palette(), &message);
    }
    Ok(status)
}
