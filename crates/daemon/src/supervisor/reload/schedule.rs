//! Reloads at a time that a file holds (`reload_time_file`).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use steadfast_config::model::ReloadSettings;
use steadfast_control::event::{Fault, Happening};
use steadfast_kernel::file;
use steadfast_kernel::file::watch::{Change, Watch};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::Moment;

use super::time::ReloadTime;

/// Bytes of the file that are read.
const BYTES_MAX: u32 = 128;
/// Longest sleep: the wall clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The file and what it says.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    path: Option<PathBuf>,
    repeat: bool,
    watch: Option<Watch>,
    due: Option<Due>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Due {
    time: ReloadTime,
    at: Timestamp,
    look_at: Moment,
}

impl Schedule {
    /// Takes over the settings of a configuration.
    pub(crate) fn configure(
        &mut self,
        settings: &ReloadSettings,
        now: Moment,
        poller: &Poller,
        token: u64,
    ) -> Vec<Happening> {
        self.repeat = settings.repeat;
        let path = settings.time_file.as_deref().map(PathBuf::from);
        if path == self.path && self.watch.is_some() == path.is_some() {
            return Vec::new();
        }
        self.stop_watching(poller);
        self.path = path;
        let mut lines = Vec::new();
        if let Some(path) = &self.path {
            let watched = Watch::path(path).and_then(|watch| {
                poller.add(&watch, token, Interest::Readable)?;
                Ok(watch)
            });
            match watched {
                Ok(watch) => self.watch = Some(watch),
                Err(error) => lines.push(failed(format!(
                    "no reload by reload_time_file until the next one is asked for: {error}"
                ))),
            }
        }
        lines.extend(self.look(now));
        lines
    }

    /// The watch has something to tell.
    pub(crate) fn ready(&mut self, now: Moment, poller: &Poller) -> Option<Happening> {
        match self.watch.as_mut()?.take() {
            Change::Nothing => None,
            Change::File => self.look(now),
            Change::FolderGone => {
                self.stop_watching(poller);
                self.due = None;
                Some(failed(
                    "the folder of reload_time_file is gone: no reload by it until the next one is asked for"
                        .to_owned(),
                ))
            }
        }
    }

    /// When [`Self::take_due`] has something to look at.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        self.due.map(|due| due.look_at)
    }

    /// Whether the time has come. The file goes, unless its time comes again.
    pub(crate) fn take_due(&mut self, now: Moment) -> (bool, Option<Happening>) {
        let Some(due) = self.due.filter(|due| due.look_at <= now) else { return (false, None) };
        let clock = Timestamp::now();
        if clock < due.at {
            self.due = Some(Due { look_at: look_at(now, clock, due.at), ..due });
            return (false, None);
        }
        if self.repeat && !due.time.is_of_one_day() {
            let (next, line) = next(due.time, now, clock);
            self.due = next;
            return (true, Some(line));
        }
        self.due = None;
        let kept = self.path.as_deref().and_then(|path| match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Some(failed(format!("cannot remove {}: {error}", path.display())))
            }
            _ => None,
        });
        (true, kept)
    }

    /// Reads the file again.
    fn look(&mut self, now: Moment) -> Option<Happening> {
        let path = self.path.as_deref()?;
        let before = self.due.take();
        match read(path) {
            Ok(None) => before.map(|due| Happening::ReloadCancelled { at: due.at.to_string() }),
            Ok(Some(time)) => {
                let (due, line) = next(time, now, Timestamp::now());
                self.due = due;
                let same = before.zip(due).is_some_and(|(before, due)| before.at == due.at);
                (!same).then_some(line)
            }
            Err(reason) => Some(failed(format!("{}: {reason}", path.display()))),
        }
    }

    fn stop_watching(&mut self, poller: &Poller) {
        if let Some(watch) = self.watch.take() {
            let _ = poller.remove(&watch);
        }
        self.due = None;
    }
}

fn failed(reason: String) -> Happening {
    Happening::Fault(Fault::ReloadTime { reason })
}

/// The time in the file; `None` without a file.
fn read(path: &Path) -> Result<Option<ReloadTime>, String> {
    let contents = match file::beginning(path, BYTES_MAX) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let text = String::from_utf8_lossy(&contents);
    ReloadTime::of_file(&text).map_err(|error| error.to_string())
}

fn next(time: ReloadTime, now: Moment, clock: Timestamp) -> (Option<Due>, Happening) {
    match time.next(clock, &TimeZone::system()) {
        Some(at) => (
            Some(Due { time, at, look_at: look_at(now, clock, at) }),
            Happening::ReloadPlanned { at: at.to_string() },
        ),
        None => (None, failed("the time in reload_time_file is past: no reload comes of it".to_owned())),
    }
}

fn look_at(now: Moment, clock: Timestamp, at: Timestamp) -> Moment {
    // Rounded up: a look just before the time would be followed by another one.
    let left = Duration::try_from(at.duration_since(clock)).unwrap_or_default();
    now + left.saturating_add(Duration::from_millis(1)).min(LOOK_EVERY)
}
