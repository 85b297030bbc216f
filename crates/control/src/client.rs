//! The asking side of the control socket: one line of JSON a request, one line of JSON an answer.
//!
//! ```no_run
//! use steadfast_control::client::Client;
//!
//! let mut client = Client::connect("/run/steadfast.sock".as_ref())?;
//! println!("{} instances", client.status()?.instances.len());
//! # Ok::<(), steadfast_control::client::ClientError>(())
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::event::{Filter, Record};
use crate::operation::{Operated, Operation};
use crate::request::{Answer, PlanReport, ReloadReport, Request, UpgradeReport};
use crate::status::{Service, Status};

/// Longest request line, its newline included, that a daemon has to read.
pub const REQUEST_BYTES_MAX: usize = 4096;
/// Longest answer line, its newline included, that a client reads: the status of 4,000 instances
/// with every counter is about 12 MB.
pub const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long a client waits for an answer that the daemon owes it. The supervisor itself waits a
/// bounded time for its worker, which has to fit in here.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a client waits for a reload: scripts of a start, another reload and a large configuration may come first.
pub const RELOAD_WAIT_MAX: Duration = Duration::from_secs(120);

/// Why a question stayed without an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no such socket. Usually no daemon runs, or it was started with another pid file.
    #[error("there is no control socket {}", path.display())]
    Missing {
        /// What was tried.
        path: PathBuf,
    },
    /// The socket is there, but nobody listens: the daemon ended without cleaning up.
    #[error("no daemon listens at control socket {}", path.display())]
    NobodyListens {
        /// What was tried.
        path: PathBuf,
    },
    /// Neither root nor a member of the control group.
    #[error("control socket {} may be used by root and by the control group only", path.display())]
    NotAllowed {
        /// What was tried.
        path: PathBuf,
    },
    /// Connecting failed in another way.
    #[error("cannot connect to control socket {}: {source}", path.display())]
    Connect {
        /// What was tried.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error("the conversation with the daemon broke off: {0}")]
    Conversation(#[source] io::Error),
    /// The daemon owes an answer and is silent.
    #[error("the daemon did not answer within {} seconds", .0.as_secs())]
    Silent(Duration),
    /// The daemon hung up before its answer was complete.
    #[error("the daemon hung up before its answer was complete")]
    HungUp,
    /// A line longer than [`ANSWER_BYTES_MAX`].
    #[error("the daemon's answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// A line that is no [`Answer`]; another version of the daemon may be running.
    #[error("the daemon's answer is not understood ({source}); does it run another version of steadfast?")]
    Malformed {
        /// Where and why.
        source: serde_json::Error,
    },
    /// An answer to another question.
    #[error("the daemon answered something that was not asked: expected {expected}")]
    Unexpected {
        /// What was expected.
        expected: &'static str,
    },
    /// The daemon says why it cannot answer.
    #[error("the daemon cannot answer: {0}")]
    Declined(String),
}

/// One conversation with a daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
    /// How long it waits for an answer.
    patience: Duration,
}

impl Client {
    /// Connects to the control socket at `path`; [`crate::places::control_socket`] finds it.
    ///
    /// # Errors
    /// [`ClientError::Missing`], [`ClientError::NobodyListens`], [`ClientError::NotAllowed`] or
    /// [`ClientError::Connect`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|source| {
            let path = path.to_owned();
            match source.kind() {
                io::ErrorKind::NotFound => ClientError::Missing { path },
                io::ErrorKind::ConnectionRefused => ClientError::NobodyListens { path },
                io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path },
                _ => ClientError::Connect { path, source },
            }
        })?;
        let mut client = Self { stream: BufReader::new(stream), line: Vec::new(), patience: ANSWER_WAIT_MAX };
        client.wait_for_answers(Some(ANSWER_WAIT_MAX))?;
        client
            .stream
            .get_ref()
            .set_write_timeout(Some(ANSWER_WAIT_MAX))
            .map_err(ClientError::Conversation)?;
        Ok(client)
    }

    /// How things are.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting.
    pub fn status(&mut self) -> Result<Status, ClientError> {
        self.ask(&Request::Status)?;
        match self.answer()? {
            Answer::Status(status) => Ok(*status),
            Answer::Error(reason) => Err(ClientError::Declined(reason)),
            _ => Err(ClientError::Unexpected { expected: "a status" }),
        }
    }

    /// Virtual servers with everything behind them: those of these names, or all. Names that fit no request are left to
    /// the caller to pick out.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting.
    pub fn services(&mut self, named: &[String]) -> Result<Vec<Service>, ClientError> {
        /// What stands around the names, and around each.
        const AROUND_BYTES: usize = 64;
        let bytes: usize = named.iter().map(|name| name.len() * 2 + AROUND_BYTES).sum();
        let named = if bytes + AROUND_BYTES > REQUEST_BYTES_MAX { Vec::new() } else { named.to_vec() };
        self.ask(&Request::Services { named })?;
        let mut services = Vec::new();
        loop {
            match self.answer()? {
                Answer::Service(service) => services.push(*service),
                Answer::End => return Ok(services),
                Answer::Error(reason) => return Err(ClientError::Declined(reason)),
                _ => return Err(ClientError::Unexpected { expected: "a virtual server" }),
            }
        }
    }

    /// Has a server used otherwise: of one virtual server, or of every one that has it.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting; [`ClientError::Declined`] for who has not the daemon's rights, and
    /// for what there is not.
    pub fn operate(
        &mut self,
        server: &str,
        service: Option<&str>,
        operation: Operation,
    ) -> Result<Vec<Operated>, ClientError> {
        let (server, service) = (server.to_owned(), service.map(str::to_owned));
        self.ask(&Request::Operate { server, service, operation })?;
        match self.answer()? {
            Answer::Operated(servers) => Ok(servers),
            Answer::Error(reason) => Err(ClientError::Declined(reason)),
            _ => Err(ClientError::Unexpected { expected: "what was done" }),
        }
    }

    /// What a reload would do if the file of this absolute path, as the daemon sees it, were the
    /// configuration.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting; [`ClientError::Declined`] for who has not the
    /// daemon's rights.
    pub fn plan(&mut self, path: &str) -> Result<PlanReport, ClientError> {
        self.ask(&Request::Plan { path: path.to_owned() })?;
        match self.answer()? {
            Answer::Plan(report) => Ok(*report),
            Answer::Error(reason) => Err(ClientError::Declined(reason)),
            _ => Err(ClientError::Unexpected { expected: "a plan" }),
        }
    }

    /// Reads the configuration again, and waits until it is in force or refused.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting; [`ClientError::Declined`] for who has not the
    /// daemon's rights.
    pub fn reload(&mut self) -> Result<ReloadReport, ClientError> {
        self.wait_for_answers(Some(RELOAD_WAIT_MAX))?;
        self.ask(&Request::Reload)?;
        let answer = self.answer();
        self.wait_for_answers(Some(ANSWER_WAIT_MAX))?;
        match answer? {
            Answer::Reloaded(report) => Ok(*report),
            Answer::Error(reason) => Err(ClientError::Declined(reason)),
            _ => Err(ClientError::Unexpected { expected: "the end of a reload" }),
        }
    }

    /// Has another program run in the place of the daemon, with everything as it was: that at this absolute path, or at
    /// that of the daemon itself. Waits until it runs or is refused.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting; [`ClientError::Declined`] for who has not the
    /// daemon's rights.
    pub fn upgrade(&mut self, program: Option<&str>) -> Result<UpgradeReport, ClientError> {
        self.wait_for_answers(Some(RELOAD_WAIT_MAX))?;
        self.ask(&Request::Upgrade { program: program.map(str::to_owned) })?;
        let answer = self.answer();
        self.wait_for_answers(Some(ANSWER_WAIT_MAX))?;
        match answer? {
            Answer::Upgraded(report) => Ok(*report),
            Answer::Error(reason) => Err(ClientError::Declined(reason)),
            _ => Err(ClientError::Unexpected { expected: "the end of an upgrade" }),
        }
    }

    /// What the flight recorder has, as a file.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting; [`ClientError::Declined`] for who has not the
    /// daemon's rights, and where no recorder runs.
    pub fn record(&mut self) -> Result<Vec<u8>, ClientError> {
        self.ask(&Request::Record)?;
        match self.answer()? {
            Answer::Record(octets) => Ok(octets.0),
            Answer::Error(reason) => Err(ClientError::Declined(reason)),
            _ => Err(ClientError::Unexpected { expected: "a record" }),
        }
    }

    /// The events that the daemon keeps and, with `follow`, those that are still to come: then the
    /// iterator ends only when the daemon does.
    ///
    /// # Errors
    /// Any [`ClientError`] but those of connecting.
    pub fn events(mut self, follow: bool, filter: Filter) -> Result<Events, ClientError> {
        self.ask(&Request::Events { follow, filter })?;
        if follow {
            // Nothing may happen for days.
            self.wait_for_answers(None)?;
        }
        Ok(Events { client: self, follow, over: false })
    }

    fn wait_for_answers(&mut self, limit: Option<Duration>) -> Result<(), ClientError> {
        self.patience = limit.unwrap_or(Duration::MAX);
        self.stream.get_ref().set_read_timeout(limit).map_err(ClientError::Conversation)
    }

    fn ask(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|source| ClientError::Malformed { source })?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(|error| conversation(error, ANSWER_WAIT_MAX))
    }

    fn answer(&mut self) -> Result<Answer, ClientError> {
        self.line.clear();
        let patience = self.patience;
        (&mut self.stream)
            .take(ANSWER_BYTES_MAX)
            .read_until(b'\n', &mut self.line)
            .map_err(|error| conversation(error, patience))?;
        if self.line.last() != Some(&b'\n') {
            let full = u64::try_from(self.line.len()).is_ok_and(|length| length == ANSWER_BYTES_MAX);
            return Err(if full { ClientError::TooLong } else { ClientError::HungUp });
        }
        serde_json::from_slice(&self.line).map_err(|source| ClientError::Malformed { source })
    }
}

/// See [`Client::events`].
#[derive(Debug)]
pub struct Events {
    client: Client,
    follow: bool,
    over: bool,
}

impl Iterator for Events {
    type Item = Result<Record, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let result = match self.client.answer() {
            Ok(Answer::Event(record)) => return Some(Ok(*record)),
            Ok(Answer::End) => None,
            // A follower hears of the daemon's end by nothing else.
            Err(ClientError::HungUp) if self.follow && self.client.line.is_empty() => None,
            Ok(Answer::Error(reason)) => Some(Err(ClientError::Declined(reason))),
            Ok(_) => Some(Err(ClientError::Unexpected { expected: "an event" })),
            Err(error) => Some(Err(error)),
        };
        self.over = true;
        result
    }
}

fn conversation(error: io::Error, patience: Duration) -> ClientError {
    match error.kind() {
        // What a receive timeout is called depends on the system.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent(patience),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => {
            ClientError::HungUp
        }
        _ => ClientError::Conversation(error),
    }
}

#[cfg(test)]
mod tests;
