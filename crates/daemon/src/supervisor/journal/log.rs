//! The log: console, syslog and file, as the command line asks for.
//!
//! Only the supervisor writes it, from the event stream. Syslog is a local datagram socket that is
//! never waited for: a line it has no room for is counted and the count is told with the next line.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixDatagram;

use steadfast_control::event::Severity;
use steadfast_kernel::file::append;

use crate::options::Options;

const SYSLOG_SOCKET: &str = "/dev/log";

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Log {
    console: bool,
    syslog: Option<UnixDatagram>,
    facility: u8,
    file: Option<File>,
    flush: bool,
    least: Severity,
    identity: String,
    pid: u32,
    lost: u64,
}

impl Log {
    /// Opens what the options ask for. A sink that cannot be opened is told on standard error and
    /// left out: a daemon that cannot log keeps its addresses.
    pub(crate) fn open(options: &Options, identity: &str) -> Self {
        let syslog = options.syslog.then(connect).flatten();
        let file = options.log_file.as_deref().and_then(|path| match append(path) {
            Ok(file) => Some(file),
            Err(error) => {
                eprintln!("steadfast: cannot log to {}: {error}", path.display());
                None
            }
        });
        let least = if options.log_detail > 0 { Severity::Debug } else { Severity::Info };
        Self {
            console: options.log_console || (options.foreground && !options.syslog && file.is_none()),
            syslog,
            facility: options.syslog_facility,
            file,
            flush: options.flush_log_file,
            least,
            identity: identity.to_owned(),
            pid: std::process::id(),
            lost: 0,
        }
    }

    /// The process id changes when the daemon goes into the background.
    pub(crate) fn set_pid(&mut self, pid: u32) {
        self.pid = pid;
    }

    /// Writes one line. `time` is RFC 3339.
    pub(crate) fn write(&mut self, time: &str, severity: Severity, message: &str) {
        if severity > self.least {
            return;
        }
        if self.console {
            let _ = writeln!(std::io::stderr(), "{time}: {message}");
        }
        self.write_off_console(time, severity, message);
    }

    /// Whether lines go to standard error.
    pub(crate) fn has_console(&self) -> bool {
        self.console
    }

    /// Writes one line where the console does not get it.
    pub(crate) fn write_off_console(&mut self, time: &str, severity: Severity, message: &str) {
        if severity > self.least {
            return;
        }
        if let Some(file) = &mut self.file {
            let _ = writeln!(file, "{time}: {message}");
            if self.flush {
                let _ = file.flush();
            }
        }
        self.write_syslog(severity, message);
    }

    fn write_syslog(&mut self, severity: Severity, message: &str) {
        let Some(socket) = &self.syslog else { return };
        let priority = u16::from(self.facility) * 8 + number(severity);
        let mut line = format!("<{priority}>{}[{}]: {message}", self.identity, self.pid);
        if self.lost > 0 {
            line.push_str(&format!(" ({} lines before this one were lost)", self.lost));
        }
        match socket.send(line.as_bytes()) {
            Ok(_) => self.lost = 0,
            Err(_) => {
                self.lost += 1;
                // The log daemon may have been started again since.
                self.syslog = connect().or(self.syslog.take());
            }
        }
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
