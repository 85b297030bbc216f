//! The event stream: numbers events, keeps the last ones, writes the log.

pub(crate) mod log;

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steadfast_control::event::{Happening, Record, Severity};

use self::log::Log;

/// Events kept for `steadfast events`.
pub(crate) const KEPT_MAX: usize = 1_000;

/// The stream.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Log,
    kept: VecDeque<Kept>,
    sequence: u64,
}

/// An event without what can be made from it: a thousand of them are kept.
#[derive(Debug)]
struct Kept {
    sequence: u64,
    at: Timestamp,
    happening: Happening,
}

/// The stream as it is left to another program.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct JournalLeft {
    sequence: u64,
    /// Number, microseconds since 1970, and the event as JSON.
    kept: Vec<(u64, i64, String)>,
}

impl Kept {
    fn record(&self) -> Record {
        Record {
            sequence: self.sequence,
            time: written(self.at),
            severity: self.happening.severity(),
            message: self.happening.message(),
            happening: self.happening.clone(),
        }
    }
}

impl Journal {
    pub(crate) fn new(log: Log) -> Self {
        Self { log, kept: VecDeque::new(), sequence: 0 }
    }

    /// For the program that comes.
    pub(crate) fn left(&self) -> JournalLeft {
        let told = |kept: &Kept| {
            let happening = serde_json::to_string(&kept.happening).ok()?;
            Some((kept.sequence, kept.at.as_microsecond(), happening))
        };
        JournalLeft { sequence: self.sequence, kept: self.kept.iter().filter_map(told).collect() }
    }

    /// Goes on with what another program left. What is not known any more is passed over.
    pub(crate) fn adopt(&mut self, left: JournalLeft) {
        self.sequence = left.sequence;
        self.kept = left
            .kept
            .into_iter()
            .filter_map(|(sequence, at, happening)| {
                let at = Timestamp::from_microsecond(at).ok()?;
                Some(Kept { sequence, at, happening: serde_json::from_str(&happening).ok()? })
            })
            .collect();
    }

    pub(crate) fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Takes an event: logs it and keeps it. What followers are to be told comes back.
    pub(crate) fn add(&mut self, happening: Happening) -> Record {
        let (severity, message) = (happening.severity(), happening.message());
        self.sequence += 1;
        let (sequence, at) = (self.sequence, Timestamp::now());
        let time = written(at);
        self.log.write(at, severity, &message);
        if self.kept.len() >= KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { sequence, at, happening: happening.clone() });
        Record { sequence, time, severity, message, happening }
    }

    /// A line for the log alone.
    pub(crate) fn line(&mut self, severity: Severity, message: &str) {
        self.log.write(Timestamp::now(), severity, message);
    }

    /// Likewise, where the console has the same in full.
    pub(crate) fn line_off_console(&mut self, severity: Severity, message: &str) {
        self.log.write_off_console(Timestamp::now(), severity, message);
    }

    /// Oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Record> + '_ {
        self.kept.iter().map(Kept::record)
    }
}

/// Wall clock, RFC 3339, UTC, microseconds.
pub(crate) fn now() -> String {
    written(Timestamp::now())
}

fn written(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Wall clock so long ago.
pub(crate) fn ago(span: std::time::Duration) -> String {
    let then = Timestamp::now().checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{then:.6}")
}
