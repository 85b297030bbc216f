//! Going into the background, and telling the process that stays in the foreground how it went.

use std::io::Write as _;
use std::os::fd::OwnedFd;

use rustix::pipe::PipeFlags;

use super::{exit_now, null_standard_descriptors, thread_count};
use crate::error::{Attempt, Errno, Error, Result, last_errno};

/// Bytes of a report: as many as a pipe takes in one piece (pipe(7), PIPE_BUF).
const REPORT_BYTES_MAX: usize = 4_096;
/// Exit status of the foreground when the daemon ends without a word.
const STATUS_NO_REPORT: u8 = 1;

/// The process that was started, which waits for the daemon's report and ends with what it says.
#[derive(Debug)]
pub struct Foreground {
    pipe: OwnedFd,
}

impl Foreground {
    /// Ends the foreground with this status, after it wrote the text to standard error. A foreground that was killed
    /// meanwhile is no error.
    pub fn report(self, status: u8, text: &str) {
        let mut report = vec![status];
        report.extend(text.bytes());
        report.truncate(REPORT_BYTES_MAX);
        let _ = rustix::io::write(&self.pipe, &report);
    }
}

/// Goes into the background: the caller continues as a child of process 1 (or of a subreaper) in a session of its
/// own without terminal, its standard descriptors on /dev/null and its directory the root. The original process stays
/// until [`Foreground::report`], or until the daemon is gone.
///
/// # Errors
/// EDEADLK when the process has more than one thread; what fork or /dev/null answer.
pub fn daemonise() -> Result<Foreground> {
    if thread_count() != 1 {
        return Err(Error::new("go into the background", Errno::DEADLK));
    }
    let (hears, tells) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).attempt("go into the background")?;
    if is_parent()? {
        drop(tells);
        wait_for_report(&hears);
    }
    drop(hears);
    rustix::process::setsid().attempt("start a session")?;
    // A session leader could get a controlling terminal by opening one; its child cannot.
    if is_parent()? {
        exit_now(0);
    }
    rustix::process::chdir(c"/").attempt("change to the root directory")?;
    null_standard_descriptors()?;
    Ok(Foreground { pipe: tells })
}

/// Forks; the child goes on with false.
fn is_parent() -> Result<bool> {
    // SAFETY: the process has a single thread.
    match unsafe { libc::fork() } {
        0 => Ok(false),
        -1 => Err(Error::new("go into the background", last_errno())),
        _ => Ok(true),
    }
}

fn wait_for_report(hears: &OwnedFd) -> ! {
    let mut report = [0_u8; REPORT_BYTES_MAX];
    let length = loop {
        match rustix::io::read(hears, &mut report) {
            Err(Errno::INTR) => {}
            read => break read.unwrap_or(0),
        }
    };
    match report.get(..length) {
        Some([status, text @ ..]) => {
            let _ = std::io::stderr().write_all(text);
            exit_now(i32::from(*status))
        }
        _ => {
            let _ = std::io::stderr().write_all(b"the daemon ended before it was ready; its log says why\n");
            exit_now(i32::from(STATUS_NO_REPORT))
        }
    }
}
