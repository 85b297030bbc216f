//! Asking daemons for their status, with patience.

use steadfast_control::client::{Client, ClientError};
use steadfast_control::daemons::{self, Daemon};
use steadfast_control::status::Status;

use crate::command_line::Where;
use crate::failure::Failure;
use crate::progress::Progress;

/// The status of one daemon.
pub(crate) fn one(daemon: &Where) -> Answer {
    let _progress = Progress::of("asking the daemon");
    Client::connect(&daemon.socket())?.status()
}

/// What came of asking a daemon.
pub(crate) type Answer = Result<Status, ClientError>;

/// Every daemon of this machine, in order, with what it answers.
pub(crate) fn every() -> Result<Vec<(Daemon, Answer)>, Failure> {
    let progress = Progress::of("looking for the daemons of this machine");
    let found = daemons::running();
    if found.is_empty() {
        return Err(Failure::NoDaemon);
    }
    let all = found.len();
    let asked = found.into_iter().enumerate().map(|(before, daemon)| {
        progress.at(format!("asking {}, {} of {all}", daemon.socket.display(), before + 1));
        let answer = Client::connect(&daemon.reachable).and_then(|mut client| client.status());
        (daemon, answer)
    });
    Ok(asked.collect())
}
