//! The log: console, syslog and file, as the command line asks for.
//!
//! Only the supervisor writes it, from the event stream. Syslog is a local datagram socket that is
//! never waited for. A line that it has no room for, or the disk of a file, is counted, and the count is told with the
//! next line; no part of a line stays in a file.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixDatagram;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use steadfast_control::event::Severity;
use steadfast_kernel::file::append;

use crate::options::Options;

const SYSLOG_SOCKET: &str = "/dev/log";

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Log {
    console: bool,
    syslog: Syslog,
    facility: u8,
    file: Option<LogFile>,
    zone: TimeZone,
    least: Severity,
    identity: String,
    pid: u32,
}

impl Log {
    /// Opens what the options ask for. A sink that cannot be opened is told on standard error and
    /// left out: a daemon that cannot log keeps its addresses.
    pub(crate) fn open(options: &Options, identity: &str) -> Self {
        let file = options.log_file.as_deref().and_then(|path| match append(path) {
            Ok(file) => Some(LogFile { file, flush: options.flush_log_file, lost: 0, torn: false }),
            Err(error) => {
                eprintln!("steadfast: cannot log to {}: {error}", path.display());
                None
            }
        });
        let least = if options.log_detail > 0 { Severity::Debug } else { Severity::Info };
        Self {
            console: options.log_console || (options.foreground && !options.syslog && file.is_none()),
            syslog: Syslog::new(options.syslog),
            facility: options.syslog_facility,
            file,
            zone: if options.local_time { TimeZone::system() } else { TimeZone::UTC },
            least,
            identity: identity.to_owned(),
            pid: std::process::id(),
        }
    }

    /// The process id changes when the daemon goes into the background.
    pub(crate) fn set_pid(&mut self, pid: u32) {
        self.pid = pid;
    }

    /// Writes one line.
    pub(crate) fn write(&mut self, at: Timestamp, severity: Severity, message: &str) {
        if severity > self.least {
            return;
        }
        if self.console {
            let line = format!("{}: {message}\n", self.stamp(at));
            // One call, so that lines of others do not come in between. Nothing can be said when the console is gone.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        self.write_off_console(at, severity, message);
    }

    /// Whether lines go to standard error.
    pub(crate) fn has_console(&self) -> bool {
        self.console
    }

    /// Writes one line where the console does not get it.
    pub(crate) fn write_off_console(&mut self, at: Timestamp, severity: Severity, message: &str) {
        if severity > self.least {
            return;
        }
        let stamp = self.stamp(at);
        if let Some(file) = &mut self.file {
            file.write(&stamp, message);
        }
        self.write_syslog(severity, message);
    }

    /// RFC 3339, microseconds.
    fn stamp(&self, at: Timestamp) -> String {
        if self.zone == TimeZone::UTC {
            return format!("{at:.6}");
        }
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string()
    }

    fn write_syslog(&mut self, severity: Severity, message: &str) {
        let priority = u16::from(self.facility) * 8 + number(severity);
        let line = format!("<{priority}>{}[{}]: {message}", self.identity, self.pid);
        self.syslog.write(line);
    }
}

/// The way to the log daemon, which may begin, end and begin again while this one runs.
#[derive(Debug)]
struct Syslog {
    wanted: bool,
    socket: Option<UnixDatagram>,
    lost: u64,
}

impl Syslog {
    fn new(wanted: bool) -> Self {
        Self { wanted, socket: None, lost: 0 }
    }

    fn write(&mut self, mut line: String) {
        if !self.wanted {
            return;
        }
        if self.lost > 0 {
            line.push_str(&lost_before(self.lost));
        }
        let known = self.socket.take();
        let sent = |socket: &UnixDatagram| socket.send(line.as_bytes()).is_ok();
        match known.filter(sent).or_else(|| connect().filter(sent)) {
            Some(socket) => (self.socket, self.lost) = (Some(socket), 0),
            None => self.lost += 1,
        }
    }
}

/// A file of lines, each written whole or not at all.
#[derive(Debug)]
struct LogFile {
    file: File,
    flush: bool,
    lost: u64,
    /// It ends with a part of a line that could not be taken back.
    torn: bool,
}

impl LogFile {
    fn write(&mut self, stamp: &str, message: &str) {
        let beginning = if self.torn { "\n" } else { "" };
        let lost = if self.lost > 0 { lost_before(self.lost) } else { String::new() };
        let line = format!("{beginning}{stamp}: {message}{lost}\n");
        let before = self.file.metadata().map(|file| file.len());
        match self.file.write(line.as_bytes()) {
            Ok(written) if written == line.len() => (self.lost, self.torn) = (0, false),
            Ok(1..) => {
                // A full disk takes what fits; half a line would be read as a whole one.
                self.torn = before.and_then(|length| self.file.set_len(length)).is_err();
                self.lost += 1;
            }
            Ok(0) | Err(_) => self.lost += 1,
        }
        if self.flush {
            let _ = self.file.flush();
        }
    }
}

fn lost_before(count: u64) -> String {
    match count {
        1 => " (one line before this one was lost)".to_owned(),
        count => format!(" ({count} lines before this one were lost)"),
    }
}

fn connect() -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    socket.connect(SYSLOG_SOCKET).ok()?;
    Some(socket)
}

/// Numbers of RFC 5424 section 6.2.1.
fn number(severity: Severity) -> u16 {
    match severity {
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Notice => 5,
        Severity::Info => 6,
        Severity::Debug => 7,
    }
}
