//! `steadfast record`: the flight recorder of a running daemon.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use steadfast_control::client::Client;

use crate::command_line::RecordCommand;
use crate::exit;
use crate::failure::Failure;
use crate::terminal;

/// Saves it, and gives the exit status.
pub(crate) fn run(command: &RecordCommand) -> Result<u8, Failure> {
    let RecordCommand::Save(arguments) = command;
    let octets = Client::connect(&arguments.daemon.socket())?.record()?;
    if arguments.file == Path::new("-") {
        terminal::print(octets)?;
        return Ok(exit::SUCCESS);
    }
    let failure = |source| Failure::File { path: arguments.file.clone(), source };
    // What exists is nobody's to write over, least of all through a link.
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&arguments.file).map_err(failure)?;
    if let Err(error) = file.write_all(&octets) {
        // A part is of no use, and would be in the way of the next attempt.
        let _ = std::fs::remove_file(&arguments.file);
        return Err(failure(error));
    }
    Ok(exit::SUCCESS)
}
