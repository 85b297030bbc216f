//! A child that a test with threads can have, too.

use std::process::Command;

use crate::error::{Errno, Error, Result};
use crate::process::Child;

/// Runs another program as a child. It is to be waited for.
///
/// # Errors
/// When the program cannot be run.
pub fn child(command: &mut Command) -> Result<Child> {
    let attempted = format!("run {}", command.get_program().display());
    let process = command
        .spawn()
        .map_err(|error| Error::new(attempted.clone(), Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let pid = libc::pid_t::try_from(process.id()).map_err(|_| Error::new(attempted.clone(), Errno::SRCH))?;
    Child::of(pid, attempted)
}
