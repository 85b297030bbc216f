//! What happens, on a terminal or line by line.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::ping::{Ping, Pinger};
use crate::watch::{Change, Watch};

/// Time between two pictures.
const REFRESH: Duration = Duration::from_millis(80);

/// The pings of one character, and how many characters there are at most.
const BUCKET: Duration = Duration::from_millis(50);
const BUCKETS_MAX: u32 = 80;

/// Columns of the picture left of the pings.
const MARGIN: u16 = 32;

/// Where the terminal does not tell its width.
const COLUMNS: u16 = 80;

/// Events that stay on the picture.
const EVENTS_SHOWN: usize = 14;

/// Shows who owns the addresses and what the client's pings see.
pub(super) struct View {
    out: Box<dyn Write>,
    redrawn: bool,
    lines_up: usize,
    last: Option<Instant>,
    changes_seen: usize,
    events: Vec<String>,
    started: Instant,
}

impl View {
    /// A picture that is drawn again and again.
    pub(super) fn redrawn(out: Box<dyn Write>) -> Self {
        Self::new(out, true)
    }

    /// A line for each event.
    pub(super) fn lines(out: Box<dyn Write>) -> Self {
        Self::new(out, false)
    }

    fn new(out: Box<dyn Write>, redrawn: bool) -> Self {
        Self {
            out,
            redrawn,
            lines_up: 0,
            last: None,
            changes_seen: 0,
            events: Vec::new(),
            started: Instant::now(),
        }
    }

    /// Tells of something that happens now.
    pub(super) fn tell(&mut self, text: &str) {
        self.tell_at(Instant::now(), text);
    }

    /// Shows the present, if it is time to.
    pub(super) fn refresh(&mut self, watch: &Watch, pingers: &[(IpAddr, Pinger)]) {
        let changes = watch.changes();
        for change in changes.get(self.changes_seen..).unwrap_or_default() {
            self.tell_at(change.at, &described(change));
        }
        self.changes_seen = changes.len();
        if !self.redrawn || self.last.is_some_and(|last| last.elapsed() < REFRESH) {
            return;
        }
        self.last = Some(Instant::now());
        let picture = self.picture(watch, pingers);
        self.draw(&picture);
    }

    /// Leaves the last picture where it is.
    pub(super) fn end(&mut self) {
        self.lines_up = 0;
    }

    fn tell_at(&mut self, at: Instant, text: &str) {
        let line = format!("{:>8.3} s  {text}", at.saturating_duration_since(self.started).as_secs_f64());
        if self.redrawn {
            self.events.push(line);
        } else {
            // A reader that has gone away does not end the demonstration.
            let _ = writeln!(self.out, "{line}");
        }
    }

    fn picture(&self, watch: &Watch, pingers: &[(IpAddr, Pinger)]) -> String {
        let columns = columns();
        let buckets = u32::from(columns.saturating_sub(MARGIN + 1)).min(BUCKETS_MAX);
        let mut text = String::new();
        for (address, pinger) in pingers {
            let owners = watch.owners(*address).join(" and ");
            let owners = if owners.is_empty() { "nobody" } else { &owners };
            let _ = writeln!(text, "{:<10} {owners:<20} {}", address.to_string(), strip(pinger, buckets));
        }
        let _ = writeln!(text, "{:<31} pings, 50 ms each: █ answered ▒ partly · lost\n", "");
        let first = self.events.len().saturating_sub(EVENTS_SHOWN);
        for event in self.events.get(first..).unwrap_or_default() {
            let _ = writeln!(text, "{event}");
        }
        // A line that the terminal folds would make the picture higher than it counts.
        text.lines().flat_map(|line| line.chars().take(columns.into()).chain(['\n'])).collect()
    }

    fn draw(&mut self, picture: &str) {
        let up = match self.lines_up {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        let _ = write!(self.out, "{up}\x1b[J{picture}");
        let _ = self.out.flush();
        self.lines_up = picture.lines().count();
    }
}

fn described(change: &Change) -> String {
    let Change { address, owners, .. } = change;
    match owners.as_slice() {
        [] => format!("{address} belongs to nobody"),
        [owner] => format!("{address} belongs to {owner}"),
        owners => format!("{address} is on {}", owners.join(" and ")),
    }
}

/// Of the terminal.
fn columns() -> u16 {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col,
        _ => COLUMNS,
    }
}

/// The last pings but the very last, which may still be on their way.
fn strip(pinger: &Pinger, buckets: u32) -> String {
    let now = Instant::now();
    let Some(begin) = now.checked_sub(BUCKET * (buckets + 1)) else { return String::new() };
    let pings = pinger.pings_since(begin);
    (0..buckets).map(|bucket| character(&pings, begin + BUCKET * bucket)).collect()
}

fn character(pings: &[Ping], begin: Instant) -> char {
    let first = pings.partition_point(|ping| ping.sent < begin);
    let last = pings.partition_point(|ping| ping.sent < begin + BUCKET);
    let pings = pings.get(first..last).unwrap_or_default();
    match pings.iter().filter(|ping| ping.answered.is_some()).count() {
        _ if pings.is_empty() => ' ',
        0 => '·',
        answered if answered == pings.len() => '█',
        _ => '▒',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_sums_its_pings_up() {
        let begin = Instant::now();
        let pings = |answers: &[bool]| -> Vec<Ping> {
            answers
                .iter()
                .map(|is| Ping { sent: begin, answered: is.then_some(begin), hop_limit: None })
                .collect()
        };
        assert_eq!(character(&pings(&[true, true]), begin), '█');
        assert_eq!(character(&pings(&[true, false]), begin), '▒');
        assert_eq!(character(&pings(&[false, false]), begin), '·');
        assert_eq!(character(&pings(&[]), begin), ' ');
        assert_eq!(character(&pings(&[true]), begin + BUCKET), ' ');
    }
}
