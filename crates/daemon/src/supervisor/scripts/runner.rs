//! Runs scripts and ends those that overstay: check scripts and notify scripts alike.
//!
//! Nothing here waits. A run that exceeds its time gets SIGTERM to its process group, SIGKILL after
//! [`KILL_AFTER`], again after as long, and then every [`KILL_AGAIN`]. Output is kept up to
//! [`OUTPUT_KEPT`] bytes; a script that prints more than [`OUTPUT_READ_MAX`] loses its reader.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::event::Ending;
use steadfast_kernel::Errno;
use steadfast_kernel::process::{Account, Exit, Output, Script, ScriptEnd, ScriptSpec};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::{InstanceId, Moment};

use super::checks::CheckId;
use super::hooks::Hook;
use super::programs::Command;
use crate::supervisor::notify::fifo::Kind;
use crate::supervisor::notify::scripts::Owner;

/// From SIGTERM to SIGKILL, and to the second SIGKILL.
const KILL_AFTER: Duration = Duration::from_secs(2);
/// Between further SIGKILLs.
const KILL_AGAIN: Duration = Duration::from_secs(10);
/// Bytes of output kept for people.
pub(crate) const OUTPUT_KEPT: usize = 512;
/// Bytes of output read before the script loses its reader.
const OUTPUT_READ_MAX: usize = 64 * 1024;
/// Check scripts that run at the same time, at most.
pub(crate) const CHECKS_MAX: usize = 1_024;
/// Notify scripts likewise; further ones wait.
pub(crate) const NOTIFIES_MAX: usize = 1_024;
/// Programs of checks of servers likewise; those that find no room find out nothing.
pub(crate) const SERVER_CHECKS_MAX: usize = 1_024;

/// Descriptors that a run keeps: its process, the report of its start, its output.
const DESCRIPTORS_OF_A_RUN: usize = 3;
/// Descriptors of everything else that a supervisor has open: clients, FIFOs, watched files, channels, helpers.
const DESCRIPTORS_OF_THE_REST: usize = 512;
/// Descriptors that a supervisor needs when as many scripts of every kind run as may.
pub(crate) const DESCRIPTORS_NEEDED: usize =
    // Scripts that prepare instances are as many as notify scripts.
    (CHECKS_MAX + NOTIFIES_MAX + NOTIFIES_MAX + SERVER_CHECKS_MAX) * DESCRIPTORS_OF_A_RUN
            + DESCRIPTORS_OF_THE_REST;

/// What a run is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A check script.
    Check(CheckId),
    /// A notify script of this owner.
    Notify(Owner),
    /// The script that prepares an instance, whose preparation is known by its moment.
    Prepare(InstanceId, Moment, Arc<str>),
    /// The program of a check of a server.
    Server(steadfast_health::CheckId, Arc<str>),
    /// The script before the start or after the end.
    Hook(Hook),
    /// The reader of a FIFO, which runs as long as the daemon.
    Reader(Kind),
    /// Another program says whether it could take this one's place.
    Upgrade,
}

impl Purpose {
    /// How many runs of its kind there may be at a time. Hooks and readers are as many as the configuration names; of upgrades there
    /// is one.
    const fn bound(&self) -> usize {
        match self {
            Self::Check(_) => CHECKS_MAX,
            Self::Notify(_) | Self::Prepare(..) => NOTIFIES_MAX,
            Self::Server(..) => SERVER_CHECKS_MAX,
            Self::Hook(_) | Self::Reader(_) | Self::Upgrade => usize::MAX,
        }
    }

    /// Whether two count against the same bound.
    fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Number of a run; also its place among the poller's tokens.
pub(crate) type RunId = u64;

/// A run that is over, or counts as over because it exceeded its time.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) purpose: Purpose,
    /// The command, for people.
    pub(crate) command: String,
    /// Exit status 0 in time.
    pub(crate) success: bool,
    /// It came to run, or never could; otherwise this machine had no room for it, and its end says nothing of what it is
    /// to find out.
    pub(crate) ran: bool,
    /// How it ended.
    pub(crate) ending: Ending,
    /// The beginning of what it printed.
    pub(crate) output: String,
    /// How long it ran.
    pub(crate) duration: Duration,
    /// Its process is gone.
    pub(crate) gone: bool,
    /// It exceeded its time, or was told to end: the first news come when that happens, with the
    /// process still there, the last when it is gone.
    pub(crate) overstayed: bool,
}

/// All runs.
#[derive(Debug, Default)]
pub(crate) struct Runner {
    runs: BTreeMap<RunId, Run>,
    next: RunId,
}

#[derive(Debug)]
struct Run {
    script: Script,
    purpose: Purpose,
    command: String,
    started: Moment,
    output: Vec<u8>,
    output_read: usize,
    reading: bool,
    /// When the next step against overstaying is due.
    ends_at: Moment,
    strikes: u32,
}

/// Tokens of runs: the process of run `n` is `base + 2n`, its output `base + 2n + 1`.
const PROCESS: u64 = 0;
const OUTPUT: u64 = 1;

impl Runner {
    /// Starts a command. `limit` is how long it may run; `None` for ever.
    ///
    /// # Errors
    /// How it ended when it cannot be started or too many run already.
    pub(crate) fn start(
        &mut self,
        now: Moment,
        command: &Command,
        purpose: Purpose,
        limit: Option<Duration>,
        poller: &Poller,
        token_base: u64,
    ) -> Result<RunId, Ending> {
        let bound = purpose.bound();
        if self.room(&purpose) == 0 {
            return Err(Ending::NoRoom { running: bound });
        }
        let spec = ScriptSpec {
            path: command.program.clone(),
            arguments: command.arguments.iter().map(OsString::from).collect(),
            account: Account {
                uid: command.account.uid,
                gid: command.account.gid,
                groups: command.account.groups.clone(),
            },
            // A reader prints as long as the daemon runs, to nobody.
            output: if matches!(purpose, Purpose::Reader(_)) { Output::Null } else { Output::Captured },
            environment: Vec::new(),
        };
        let script = Script::spawn(&spec).map_err(|error| Ending::NotStarted { error: error.into() })?;
        let id = self.next;
        self.next += 1;
        let token = token_base + 2 * id;
        let added =
            poller.add(&script, token + PROCESS, Interest::Readable).and_then(|()| match script.output() {
                Some(output) => poller.add(output, token + OUTPUT, Interest::Readable),
                None => Ok(()),
            });
        if let Err(error) = added {
            let _ = script.kill_group();
            return Err(Ending::NotWatched { error: error.into() });
        }
        let ends_at = limit.map_or(Moment::NEVER, |limit| now + limit);
        self.runs.insert(id, Run { reading: true, ends_at, ..Run::unread(now, script, command, purpose) });
        Ok(id)
    }

    /// Goes on with a run that the program began which this process ran before, and that may run for ever.
    pub(crate) fn adopt(
        &mut self,
        now: Moment,
        script: Script,
        command: &Command,
        purpose: Purpose,
        poller: &Poller,
        token_base: u64,
    ) {
        let id = self.next;
        self.next += 1;
        let _ = poller.add(&script, token_base + 2 * id + PROCESS, Interest::Readable);
        self.runs.insert(id, Run::unread(now, script, command, purpose));
    }

    /// The process of the first run with this purpose.
    pub(crate) fn process_of(&self, purpose: &Purpose) -> Option<u32> {
        self.runs.values().find(|run| run.purpose == *purpose).map(|run| run.script.pid())
    }

    /// The processes of runs of a kind.
    pub(crate) fn processes(&self, which: impl Fn(&Purpose) -> bool) -> Vec<u32> {
        let runs = self.runs.values().filter(|run| which(&run.purpose));
        runs.map(|run| run.script.pid()).collect()
    }

    /// The command of the first run of a kind that goes on.
    pub(crate) fn first(&self, which: impl Fn(&Purpose) -> bool) -> Option<&str> {
        self.runs.values().find(|run| which(&run.purpose)).map(|run| run.command.as_str())
    }

    /// How many runs for this kind of purpose may start now.
    pub(crate) fn room(&self, purpose: &Purpose) -> usize {
        let bound = purpose.bound();
        if self.runs.len() < bound.saturating_sub(self.runs.len()) {
            // Nothing has to be counted while there are few of any kind.
            return bound - self.runs.len();
        }
        bound.saturating_sub(self.runs.values().filter(|run| run.purpose.is_like(purpose)).count())
    }

    /// Something of a run is ready: `offset` is the token less the base given at its start.
    pub(crate) fn ready(&mut self, now: Moment, offset: u64, poller: &Poller) -> Option<Ended> {
        let id = offset / 2;
        let run = self.runs.get_mut(&id)?;
        if offset % 2 == OUTPUT {
            run.read(poller);
            return None;
        }
        let end = match run.script.try_wait() {
            Ok(Some(end)) => end,
            Ok(None) => return None,
            Err(_) => ScriptEnd::Exited(Exit::Status(1)),
        };
        run.read(poller);
        run.stop_reading(poller);
        let _ = poller.remove(&run.script);
        // What it left behind in its process group has lost its purpose when it overstayed.
        if run.strikes > 0 {
            let _ = run.script.kill_group();
        }
        let run = self.runs.remove(&id)?;
        Some(run.ended(now, end))
    }

    /// When [`Self::overdue`] has work next.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        self.runs.values().map(|run| run.ends_at).filter(|at| *at != Moment::NEVER).min()
    }

    /// Steps against runs that exceed their time; tells the first time of each.
    pub(crate) fn overdue(&mut self, now: Moment) -> Vec<Ended> {
        let mut told = Vec::new();
        for run in self.runs.values_mut().filter(|run| run.ends_at <= now) {
            run.strikes += 1;
            if run.strikes == 1 {
                let _ = run.script.terminate_group();
                told.push(run.timed_out(now));
            } else {
                let _ = run.script.kill_group();
            }
            run.ends_at = now + if run.strikes <= 2 { KILL_AFTER } else { KILL_AGAIN };
        }
        told
    }

    /// Ends every run of a kind, politely first; what does not listen is killed later by [`Self::overdue`].
    pub(crate) fn terminate(&mut self, now: Moment, which: impl Fn(&Purpose) -> bool) {
        for run in self.runs.values_mut().filter(|run| which(&run.purpose) && run.strikes == 0) {
            let _ = run.script.terminate_group();
            run.strikes = 1;
            run.ends_at = now + KILL_AFTER;
        }
    }

    /// Ends every run at once.
    pub(crate) fn kill_all(&mut self) {
        for run in self.runs.values() {
            let _ = run.script.kill_group();
        }
    }

    /// Whether a process belongs to a run.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        self.runs.values().any(|run| run.script.pid() == pid)
    }

    /// How many runs with this purpose go on.
    pub(crate) fn count(&self, which: impl Fn(&Purpose) -> bool) -> usize {
        self.runs.values().filter(|run| which(&run.purpose)).count()
    }

    /// When the last of those that go on with this purpose began.
    pub(crate) fn last_started(&self, which: impl Fn(&Purpose) -> bool) -> Option<Moment> {
        self.runs.values().filter(|run| which(&run.purpose)).map(|run| run.started).max()
    }

    /// Whether a run with this purpose goes on.
    pub(crate) fn any(&self, which: impl Fn(&Purpose) -> bool) -> bool {
        self.runs.values().any(|run| which(&run.purpose))
    }
}

impl Ended {
    /// A run that never began.
    pub(crate) fn not_started(purpose: Purpose, command: String, ending: Ending) -> Self {
        let (output, duration) = (String::new(), Duration::ZERO);
        let (success, ran) = (false, false);
        Self { purpose, command, success, ran, ending, output, duration, gone: true, overstayed: false }
    }
}

impl Run {
    /// One that may run for ever and whose output nobody reads.
    fn unread(now: Moment, script: Script, command: &Command, purpose: Purpose) -> Self {
        Self {
            script,
            purpose,
            command: command.text.clone(),
            started: now,
            output: Vec::new(),
            output_read: 0,
            reading: false,
            ends_at: Moment::NEVER,
            strikes: 0,
        }
    }

    fn read(&mut self, poller: &Poller) {
        let mut buffer = [0_u8; 4_096];
        while self.reading {
            match self.script.read_output(&mut buffer) {
                Ok(Some(0)) | Err(_) => self.stop_reading(poller),
                Ok(Some(count)) => {
                    let room = OUTPUT_KEPT.saturating_sub(self.output.len());
                    self.output.extend(buffer.iter().take(count.min(room)));
                    self.output_read += count;
                    if self.output_read > OUTPUT_READ_MAX {
                        self.stop_reading(poller);
                    }
                }
                Ok(None) => return,
            }
        }
    }

    fn stop_reading(&mut self, poller: &Poller) {
        if std::mem::take(&mut self.reading) {
            if let Some(output) = self.script.output() {
                let _ = poller.remove(output);
            }
            self.script.close_output();
        }
    }

    fn ended(self, now: Moment, end: ScriptEnd) -> Ended {
        let success = end == ScriptEnd::Exited(Exit::Status(0)) && self.strikes == 0;
        let ending = Ending::from(end);
        Ended {
            success,
            ran: !lacks_room(&ending),
            ending,
            output: printable(&self.output),
            duration: now.since(self.started),
            purpose: self.purpose,
            command: self.command,
            gone: true,
            overstayed: self.strikes > 0,
        }
    }

    fn timed_out(&self, now: Moment) -> Ended {
        let duration = now.since(self.started);
        Ended {
            purpose: self.purpose.clone(),
            command: self.command.clone(),
            success: false,
            ran: true,
            ending: Ending::TimedOut {
                milliseconds: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            },
            output: printable(&self.output),
            duration,
            gone: false,
            overstayed: true,
        }
    }
}

/// Whether descriptors, processes or memory ran out before it could run, or as many of its kind run as may: it can later.
pub(crate) fn lacks_room(ending: &Ending) -> bool {
    let errno = match ending {
        Ending::NoRoom { .. } => return true,
        Ending::NotStarted { error } | Ending::NotWatched { error } => error.errno,
        Ending::NotRun { errno, .. } => *errno,
        Ending::Exited { .. } | Ending::Signalled { .. } | Ending::Untold | Ending::TimedOut { .. } => {
            return false;
        }
    };
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::NOBUFS].contains(&errno)
}

/// Output for one line: control characters become blanks.
fn printable(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
