//! A daemon on a host.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::FallocateFlags;
use rustix::process::Signal;

use crate::host::{Host, kinship, send, send_to_all};
use crate::program::Program;
use crate::wait;

/// Lines of a log that are shown when a test fails.
const LOG_TAIL_LINES: usize = 80;

/// A running daemon, with its files in /run/NAME of its host. Dropping it kills its processes, and
/// shows the end of its log if the thread is panicking.
#[derive(Debug)]
pub struct Daemon {
    host: Arc<Host>,
    child: Child,
    folder: String,
}

impl Daemon {
    /// Starts a keepalived or its replacement in the foreground on a configuration, with every
    /// pid file below the host's /run/NAME.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(host: &Arc<Host>, program: &Program, configuration: &str) -> Result<Self> {
        Self::spawn(host, program.name(), Self::command(host, program, configuration)?)
    }

    /// What [`Daemon::start`] runs, to add arguments or environment before [`Daemon::spawn`].
    ///
    /// # Errors
    /// When the configuration cannot be written.
    pub fn command(host: &Host, program: &Program, configuration: &str) -> Result<Command> {
        let folder = folder(program.name());
        host.write(&format!("{folder}/conf"), configuration)?;
        let mut command = Command::new(program.path());
        command.args(["-n", "-l", "-D"]);
        if let Program::Keepalived(_) = program {
            // Where nobody takes the system's log, its lines go to the machine's console, which may be a serial port that
            // takes 2 ms for each, and holds up everything else that it does.
            command.arg("--no-syslog");
        }
        for (option, file) in
            [("-f", "conf"), ("-p", "k.pid"), ("-r", "v.pid"), ("-c", "c.pid"), ("-b", "b.pid")]
        {
            command.arg(option).arg(format!("{folder}/{file}"));
        }
        Ok(command)
    }

    /// Starts any program as a daemon whose log is /run/NAME/log.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(host: &Arc<Host>, name: &str, mut command: Command) -> Result<Self> {
        let folder = folder(name);
        fs::create_dir_all(host.outside(&folder))?;
        let log =
            fs::OpenOptions::new().append(true).create(true).open(host.outside(&format!("{folder}/log")))?;
        command.env("RUST_BACKTRACE", "1").stdout(log.try_clone()?).stderr(log);
        let child = host.spawn(&mut command)?;
        Ok(Self { host: Arc::clone(host), child, folder })
    }

    /// Where it runs.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The host's folder with the configuration (`conf`), the log and the pid files.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Everything it wrote to standard output and standard error.
    pub fn log(&self) -> String {
        self.host.read(&format!("{}/log", self.folder)).unwrap_or_else(|error| format!("{error:#}"))
    }

    /// The whole lines that it wrote behind the octet `from`, which becomes the end of the last. What lies before it has no room in
    /// the log any more: a long run with many words would fill the host's memory.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn take_log(&self, from: &mut u64) -> Result<String> {
        let path = self.host.outside(&format!("{}/log", self.folder));
        let mut file = fs::File::options().read(true).write(true).open(path)?;
        file.seek(SeekFrom::Start(*from))?;
        let mut octets = Vec::new();
        file.read_to_end(&mut octets)?;
        let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |last| last + 1);
        octets.truncate(whole);
        *from += u64::try_from(whole)?;
        if *from > 0 {
            rustix::fs::fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, *from)?;
        }
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// Whether it wrote a sentence to its log within `limit`. What a process does can be seen before what it tells of it,
    /// which takes its way through others.
    #[must_use]
    pub fn logged(&self, sentence: &str, limit: Duration) -> bool {
        wait::until(limit, || self.log().contains(sentence))
    }

    /// Replaces the configuration file; [`Daemon::signal`] with SIGHUP has it read.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn configure(&self, configuration: &str) -> Result<()> {
        self.host.write(&format!("{}/conf", self.folder), configuration)
    }

    /// Sends a signal to the process that was started.
    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Sends a signal to every process of the daemon, as if at one moment.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn signal_all(&self, signal: Signal) -> Result<()> {
        send_to_all(|| self.processes(), signal)
    }

    /// Stops every process of the daemon for so long, as a machine does that has no time for them.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn hold_up(&self, time: Duration) -> Result<()> {
        self.signal_all(Signal::STOP)?;
        std::thread::sleep(time);
        self.signal_all(Signal::CONT)
    }

    /// Its processes, the first started one among them: its process group and all their
    /// descendants.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let others: Vec<_> =
            self.host.processes()?.into_iter().filter_map(|pid| Some((pid, kinship(pid)?))).collect();
        let mut own = BTreeSet::from([self.pid()]);
        loop {
            let before = own.len();
            for (pid, kin) in &others {
                if kin.group == self.pid() || own.contains(&kin.parent) {
                    own.insert(*pid);
                }
            }
            if own.len() == before {
                return Ok(own.into_iter().collect());
            }
        }
    }

    /// The vrrp process: the one whose pid file is given by `-r`, or else the supervisor's first
    /// child that runs the same program. None while there is none.
    pub fn vrrp_worker(&self) -> Option<u32> {
        let processes = self.host.processes().ok()?;
        match self.host.read(&format!("{}/v.pid", self.folder)) {
            Ok(written) => {
                let inside: u32 = written.trim().parse().ok()?;
                processes.into_iter().find(|pid| pid_inside(*pid) == Some(inside))
            }
            Err(_) => {
                let program = |pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
                let own = program(self.pid())?;
                processes.into_iter().find(|pid| {
                    kinship(*pid).is_some_and(|kin| kin.parent == self.pid())
                        && program(*pid).as_ref() == Some(&own)
                })
            }
        }
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait::value(limit, || self.child.try_wait().ok().flatten())
            .with_context(|| format!("{} still runs after {limit:?}:\n{}", self.folder, self.log_tail()))
    }

    /// Ends it as a service manager does.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait(limit)
    }

    /// The last lines of the log, for messages.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines.get(lines.len().saturating_sub(LOG_TAIL_LINES)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} on {} ---\n{}", self.folder, self.host.name(), self.log_tail());
        }
        // Stopped processes first learn of their end when they are continued.
        let _ = self.signal_all(Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process's number in the innermost process tree.
fn pid_inside(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().last()?.parse().ok()
}

fn folder(name: &str) -> String {
    format!("/run/{name}")
}
