//! One step: a command with a time limit, a log, and a line on the terminal.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::failures::{Listener, Words};
use crate::leftovers::Marker;
use crate::tally::{Failure, Tally};

/// Lines that are shown of a step that failed; the log has all.
const SHOWN_LINES: usize = 120;

/// Without a terminal, a sign of life this often.
const HEARTBEAT: Duration = Duration::from_secs(60);

const TICK: Duration = Duration::from_millis(200);

/// How long the end of the output may come after the end of the command.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A command to run as one step.
pub(crate) struct Step {
    /// As shown.
    pub(crate) name: &'static str,
    /// What to run.
    pub(crate) command: Command,
    /// When it is killed.
    pub(crate) limit: Duration,
}

/// What came of a step.
pub(crate) struct Outcome {
    /// What its output counted.
    pub(crate) tally: Tally,
    /// Whether the command itself ended well.
    pub(crate) succeeded: bool,
    /// What its failed tests said; the end of its output, if it failed without any.
    pub(crate) failed: Vec<Words>,
}

impl Outcome {
    /// Takes back failures that a second run has not confirmed, each with how long the machine stalled in the first.
    pub(crate) fn take_back(&mut self, doubted: &[(Failure, Duration)]) {
        self.succeeded = true;
        self.failed.clear();
        self.tally.failed -= doubted.len();
        self.tally.passed += doubted.len();
        let told = doubted.iter().map(|(failure, stall)| {
            format!("{} {}: the machine stalled for {} ms", failure.binary, failure.test, stall.as_millis())
        });
        self.tally.ran_again.extend(told);
    }
}

impl Step {
    /// Runs it, shows how it goes, and keeps its output in `log`.
    pub(crate) fn run(mut self, marker: &Marker, log: &Path) -> Result<Outcome> {
        let started = Instant::now();
        let (output, input) = io::pipe()?;
        self.command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
        self.command.env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1");
        marker.put_on(&mut self.command);
        let words = format!("{:?}", self.command);
        let child = self.command.spawn().with_context(|| format!("starting {words}"))?;
        // The command holds the ends of the pipe that are to be closed.
        drop(self.command);
        let mut watching = Watching {
            name: self.name,
            started,
            tally: Tally::default(),
            listener: Listener::default(),
            last: VecDeque::new(),
        };
        let status = watching.follow(child, read_lines(output), self.limit, marker, log)?;
        let succeeded = status.is_some_and(|status| status.success()) && watching.tally.failed == 0;
        watching.conclude(succeeded, status, self.limit, log);
        let mut failed = watching.listener.failed();
        if !succeeded && failed.is_empty() {
            failed.push(Words::of_step("the end of its output", &watching.last));
        }
        Ok(Outcome { tally: watching.tally, succeeded, failed })
    }
}

/// Says how a step without a command went.
pub(crate) fn say(name: &str, started: Instant, result: &str) {
    clear_line();
    println!("{name:<24} {:>7.1} s  {result}", started.elapsed().as_secs_f64());
}

struct Watching {
    name: &'static str,
    started: Instant,
    tally: Tally,
    listener: Listener,
    last: VecDeque<String>,
}

impl Watching {
    /// None if the limit ended it.
    fn follow(
        &mut self,
        mut child: Child,
        lines: Receiver<String>,
        limit: Duration,
        marker: &Marker,
        log: &Path,
    ) -> Result<Option<ExitStatus>> {
        let mut log = File::create(log)?;
        let mut ended: Option<(Instant, ExitStatus)> = None;
        let mut beat = Instant::now();
        loop {
            match lines.recv_timeout(TICK) {
                Ok(line) => {
                    writeln!(log, "{line}")?;
                    self.take(line);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Some(child.wait()?)),
            }
            if ended.is_none() {
                ended = child.try_wait()?.map(|status| (Instant::now(), status));
            }
            if let Some((at, status)) = ended
                && at.elapsed() > DRAIN_LIMIT
            {
                // Something that outlived the command holds its output open; leftovers are looked
                // for at the end.
                return Ok(Some(status));
            }
            if self.started.elapsed() > limit {
                marker.kill_all()?;
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            if !io::stdout().is_terminal() && beat.elapsed() > HEARTBEAT {
                beat = Instant::now();
                println!("{:<24} {:>7.1} s  goes on", self.name, self.started.elapsed().as_secs_f64());
            }
        }
    }

    fn take(&mut self, line: String) {
        self.tally.read(&line);
        self.listener.hear(&line);
        if io::stdout().is_terminal() {
            clear_line();
            let shown: String = line.trim().chars().take(60).collect();
            print!("{:<24} {:>7.1} s  {shown}", self.name, self.started.elapsed().as_secs_f64());
            let _ = io::stdout().flush();
        }
        if self.last.len() == SHOWN_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn conclude(&self, succeeded: bool, status: Option<ExitStatus>, limit: Duration, log: &Path) {
        let Tally { passed, failed, .. } = &self.tally;
        let counts =
            if self.tally.ran() > 0 { format!(": {passed} passed, {failed} failed") } else { String::new() };
        let how = match status {
            _ if succeeded => "ok".to_owned(),
            Some(status) => format!("FAILED, {status}"),
            None => format!("FAILED, killed after {} s", limit.as_secs()),
        };
        if !succeeded {
            clear_line();
            println!("--- the end of {} ---", log.display());
            for line in &self.last {
                println!("{line}");
            }
            println!("---");
        }
        say(self.name, self.started, &format!("{how}{counts}"));
    }
}

fn read_lines(output: PipeReader) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    receiver
}

fn clear_line() {
    if io::stdout().is_terminal() {
        print!("\r\x1b[K");
    }
}

/// A file for a step's output.
pub(crate) fn log_path(folder: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    Ok(folder.join(format!("{}.log", name.replace(' ', "-"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Outcome {
        let test = format!("{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(format!("steadfast-xtask-{test}"));
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let marker = Marker::of(&test);
        let log = log_path(&folder, &format!("{limit:?}")).unwrap();
        let outcome = Step { name: "test", command, limit }.run(&marker, &log).unwrap();
        fs::remove_dir_all(folder).unwrap();
        outcome
    }

    #[test]
    fn a_step_that_hangs_is_killed_with_its_children() {
        let started = Instant::now();
        let outcome = run("sleep 1000 & sleep 1000", Duration::from_millis(300));
        assert!(!outcome.succeeded);
        assert!(started.elapsed() < DRAIN_LIMIT, "{:?}", started.elapsed());
    }

    #[test]
    fn a_step_fails_with_what_it_counts() {
        let limit = Duration::from_secs(20);
        assert!(run("echo 'test result: ok. 2 passed; 0 failed'", limit).succeeded);
        let outcome = run("echo 'test result: FAILED. 2 passed; 1 failed'", limit);
        assert!(!outcome.succeeded);
        assert_eq!((outcome.tally.passed, outcome.tally.failed), (2, 1));
        assert_eq!(outcome.failed.len(), 1, "its end is told where no test is named: {:?}", outcome.failed);
        assert!(!run("exit 3", limit).succeeded);
    }
}
