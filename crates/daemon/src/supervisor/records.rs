//! The far end of the flight recorder: the memory that the worker writes outlives it, and goes into a file when somebody
//! asks, when something unexpected happened, and when the worker died.
//!
//! A disk may take its time: a process of its own writes the file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use steadfast_config::model::FlightRecorder;
use steadfast_control::event::{Fault, Happening};
use steadfast_control::octets::Octets;
use steadfast_control::places::CONTROL_SOCKET;
use steadfast_control::request::Answer;
use steadfast_kernel::process::{Child, Exit, Forked, SharedMemory, exit_now, fork, host_name};
use steadfast_kernel::wait::clock::ClockPair;
use steadfast_kernel::wait::poll::Interest;
use steadfast_record::{Budget, Header, Record};
use steadfast_vrrp::{Cause, Event, Moment, State};

use super::control::ClientId;
use super::{CLIENTS, RECORD, Supervisor, moment};
use crate::places::{Places, make_private_folder};

/// Files that are kept; the oldest goes first.
const RECORDS_MAX: usize = 8;
/// One of them at most in this time: what goes on happening is in the next one.
const RECORD_PAUSE: Duration = Duration::from_secs(60);
/// What follows from something unexpected is part of the record.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Where records of the daemon with the default control socket are kept; those of others lie beside theirs.
const FOLDER: &str = "/var/lib/steadfast/records";
const EXTENSION: &str = "record";

/// Memory of recorders, and records that are to be written.
#[derive(Debug)]
pub(crate) struct Records {
    folder: PathBuf,
    /// What the worker writes.
    memory: Option<SharedMemory>,
    /// That of a dead one, until it is in a file.
    left: Option<SharedMemory>,
    /// Why one is to be written, and when.
    due: Option<(Moment, String)>,
    /// When the last one was.
    last: Option<Moment>,
    writer: Option<Writer>,
}

/// A record on its way into a file.
#[derive(Debug)]
struct Writer {
    child: Child,
    path: PathBuf,
    reason: String,
}

impl Records {
    pub(crate) fn new(places: &Places) -> Self {
        let folder = if places.control_socket == Path::new(CONTROL_SOCKET) {
            PathBuf::from(FOLDER)
        } else {
            places.control_socket.with_extension("records")
        };
        Self { folder, memory: None, left: None, due: None, last: None, writer: None }
    }

    /// When something is due.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        let due = self.due.as_ref().filter(|_| self.writer.is_none());
        due.map(|(at, _)| *at)
    }

    /// A file is being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether a process writes a record.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        self.writer.as_ref().is_some_and(|writer| writer.child.pid() == pid)
    }

    /// Memory for the next worker; what the last one left stays until it is written.
    pub(crate) fn renew(&mut self, setting: FlightRecorder, instances: usize) {
        let budget = budget(setting);
        self.memory = budget.and_then(|budget| SharedMemory::new(budget.bytes(instances)).ok());
    }

    /// How far back the record of the worker that runs goes.
    pub(crate) fn reach(&self, now: Moment) -> Option<Duration> {
        steadfast_record::began(self.memory.as_ref()?).map(|began| now.since(began))
    }

    /// For the worker, in its process.
    pub(crate) fn into_memory(self, setting: FlightRecorder) -> Option<(steadfast_record::Memory, Budget)> {
        let memory: steadfast_record::Memory = Box::new(self.memory?);
        budget(setting).map(|budget| (memory, budget))
    }

    fn wanted(&mut self, at: Moment, reason: String) {
        let at = self.last.map_or(at, |last| at.max(last + RECORD_PAUSE));
        self.due.get_or_insert((at, reason));
    }

    /// Writes what is recorded; the exit status comes back.
    fn write(self, path: &Path, reason: &str) -> i32 {
        let Some(memory) = self.left.or(self.memory) else { return 0 };
        match write(path, &Self::record(&memory, reason)) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(1),
        }
    }

    /// As a file.
    fn record(memory: &SharedMemory, reason: &str) -> Vec<u8> {
        let header = Header {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            node: host_name(),
            reason: reason.to_owned(),
            clock_ahead: ClockPair::sample().ahead(),
            written: moment().as_nanos(),
        };
        Record { header, segments: steadfast_record::read(memory) }.to_octets()
    }
}

fn budget(setting: FlightRecorder) -> Option<Budget> {
    match setting {
        FlightRecorder::Proportional => Some(Budget::Proportional),
        FlightRecorder::Off => None,
        FlightRecorder::Kibibytes(kibibytes) => {
            Some(Budget::Fixed(usize::try_from(kibibytes).ok()?.saturating_mul(1024)))
        }
    }
}

impl Supervisor {
    /// A client wants to have it.
    pub(crate) fn send_record(&mut self, client: ClientId) {
        let Some(control) = &mut self.desk.control else { return };
        let answer = if !control.is_trusted(client) {
            Answer::Error("only root, or the daemon's own user, may have the flight record".to_owned())
        } else if let Some(memory) = &self.records.memory {
            Answer::Record(Octets(Records::record(memory, "somebody asked for it")))
        } else {
            Answer::Error(
                "no flight recorder runs: there is no vrrp worker, or `flight_recorder off`".to_owned(),
            )
        };
        control.answer(client, &answer, &self.poller, CLIENTS);
    }

    /// An event of the machine: one that nobody planned is worth a record.
    pub(crate) fn record_unexpected(&mut self, event: &Event) {
        if self.stopping.is_none() && is_unexpected(event) && self.records.memory.is_some() {
            let reason = self.routers.known.told(event).message();
            self.records.wanted(moment() + AFTERMATH, reason);
        }
    }

    /// The worker died: what it left is to be kept before its successor has memory of its own.
    pub(crate) fn record_death(&mut self, reason: String) {
        if let Some(memory) = self.records.memory.take() {
            let again = self.records.left.replace(memory).is_some();
            if !again {
                self.records.due = None;
            }
            self.records.wanted(moment(), reason);
        }
    }

    /// Writes what is due, in a process of its own.
    pub(super) fn start_record(mut self) -> Self {
        let now = moment();
        if self.records.writer.is_some() || self.records.due.as_ref().is_none_or(|(at, _)| *at > now) {
            return self;
        }
        let Some((_, reason)) = self.records.due.take() else { return self };
        if self.records.left.is_none() && self.records.memory.is_none() {
            return self;
        }
        self.records.last = Some(now);
        let path =
            self.records.folder.join(format!("{}.{EXTENSION}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ")));
        match fork("record writer") {
            Ok(Forked::Child) => exit_now(self.into_records().write(&path, &reason)),
            Ok(Forked::Parent(child)) => {
                let _ = self.poller.add(&child, RECORD, Interest::Readable);
                self.records.left = None;
                self.records.writer = Some(Writer { child, path, reason });
            }
            Err(error) => self.record_not_written(&path, error.to_string()),
        }
        self
    }

    /// In the child: everything that is not needed goes, or clients would not see their connections end, and workers would
    /// not see the end of their supervisor.
    fn into_records(self) -> Records {
        self.records
    }

    /// It is written, or is not.
    pub(super) fn record_written(&mut self) {
        let Some(mut writer) = self.records.writer.take() else { return };
        let exit = match writer.child.try_wait() {
            Ok(None) => {
                self.records.writer = Some(writer);
                return;
            }
            Ok(Some(exit)) => exit,
            Err(_) => Exit::Status(1),
        };
        let _ = self.poller.remove(&writer.child);
        match exit {
            Exit::Status(0) => {
                let path = writer.path.display().to_string();
                self.tell(Happening::RecordSaved { path, reason: writer.reason });
            }
            Exit::Status(errno) => {
                self.record_not_written(&writer.path, std::io::Error::from_raw_os_error(errno).to_string());
            }
            Exit::Signal(_) | Exit::Untold => {
                self.record_not_written(&writer.path, "its writer was killed".to_owned())
            }
        }
    }

    fn record_not_written(&mut self, path: &Path, reason: String) {
        let keyword = Some("flight_recorder".into());
        self.fault(Fault::NotWritten { keyword, path: path.display().to_string(), reason });
    }
}

/// A mastership that ends, or begins, although nobody had it so.
fn is_unexpected(event: &Event) -> bool {
    let any = |causes: &[Cause], origin| causes.iter().any(|cause| origin_of(cause) == origin);
    match event {
        Event::InstanceState { from: State::Master, to: State::Backup | State::Fault, causes, .. } => {
            !any(causes, Origin::Planned)
        }
        Event::InstanceState { to: State::Master, causes, .. } => {
            !any(causes, Origin::Planned) && any(causes, Origin::MasterLost)
        }
        Event::TwoMasters { .. } | Event::ServedElsewhere { .. } => true,
        _ => false,
    }
}

/// Where a change comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Somebody wanted it so.
    Planned,
    /// A master that was there is heard no more.
    MasterLost,
    /// Anything else: a master that loses its place by it did not mean to.
    Else,
}

fn origin_of(cause: &Cause) -> Origin {
    match cause {
        Cause::Reload | Cause::Stop => Origin::Planned,
        Cause::MasterSilent { master: Some(_), .. } | Cause::MasterDead { .. } | Cause::Dropped { .. } => {
            Origin::MasterLost
        }
        Cause::Start
        | Cause::MasterSilent { master: None, .. }
        | Cause::HeldUp { .. }
        | Cause::MasterReleased { .. }
        | Cause::Preempt { .. }
        | Cause::HigherPriority { .. }
        | Cause::HigherAddress { .. }
        | Cause::Owner
        | Cause::Interface { .. }
        | Cause::Source { .. }
        | Cause::Socket { .. }
        | Cause::Standing { .. }
        | Cause::Sending { .. }
        | Cause::Script { .. }
        | Cause::File { .. }
        | Cause::Process { .. }
        | Cause::Session { .. }
        | Cause::Priority { .. }
        | Cause::Preparing
        | Cause::Prepared { .. }
        | Cause::PrepareAgain
        | Cause::Group { .. }
        | Cause::AddressRemoved { .. }
        | Cause::ServedElsewhere { .. }
        | Cause::Broken { .. } => Origin::Else,
    }
}

/// Writes a file that nobody else may read, and removes the oldest ones. A name that exists, be it a planted link, is not
/// written through.
fn write(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    make_private_folder(folder)?;
    make_room(folder)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = file.write_all(octets);
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

/// Names tell the age.
fn make_room(folder: &Path) -> std::io::Result<()> {
    let mut records: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .collect();
    records.sort();
    let surplus = (records.len() + 1).saturating_sub(RECORDS_MAX);
    records.into_iter().take(surplus).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn so_many_records_are_kept_and_none_is_written_through_a_link() {
        let folder = std::env::temp_dir().join(format!("steadfast-records-{}", std::process::id()));
        let name = |number: usize| folder.join(format!("2026010{number}T000000Z.record"));
        for number in 0..=RECORDS_MAX {
            write(&name(number), b"octets").unwrap();
        }
        let left = fs::read_dir(&folder).unwrap().count();
        assert_eq!((left, name(0).exists(), name(1).exists()), (RECORDS_MAX, false, true));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&name(1))), (0o700, 0o600));
        let victim = folder.join("victim");
        fs::write(&victim, "untouched").unwrap();
        let planted = folder.join("20260201T000000Z.record");
        std::os::unix::fs::symlink(&victim, &planted).unwrap();
        assert!(write(&planted, b"octets").is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        fs::remove_dir_all(&folder).unwrap();
    }
}
