//! The supervisor's dealings with what instances follow besides scripts: files that hold a number, processes that are
//! counted. It watches them on behalf of the workers, and a worker begins with what is known.

pub(crate) mod files;
pub(crate) mod processes;

use std::sync::Arc;

use steadfast_control::event::{Fault, Matter};
use steadfast_vrrp::{Moment, Reading, WatchConfig, WatchId, WatchKind};

use self::files::Files;
use self::processes::Processes;
use super::{Supervisor, moment};
use crate::digest::watches::Orders;
use crate::link::check::seen::Seen;
use crate::link::vrrp::Order;
use crate::link::vrrp::work::Work;

/// Everything that is watched.
#[derive(Debug)]
pub(crate) struct Watches {
    pub(crate) files: Files,
    pub(crate) processes: Processes,
}

/// What came of looking.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What is not as it was.
    pub(crate) readings: Vec<(WatchId, Reading)>,
    /// What is out of order.
    pub(crate) faults: Vec<Fault>,
    /// Files that are in order again.
    pub(crate) mended: Vec<Arc<str>>,
}

impl Watches {
    pub(crate) fn new(processes: Processes) -> Self {
        Self { files: Files::default(), processes }
    }

    /// Puts what was read last into what a worker is sent with. Sessions are its own.
    pub(crate) fn fill(&self, work: &mut Work) {
        let watched_here = |watch: &&mut Arc<WatchConfig>| watch.kind != WatchKind::Session;
        for watch in work.machine.watches.iter_mut().filter(watched_here) {
            let reading = self.files.reading(watch.id).or_else(|| self.processes.reading(watch.id));
            if watch.reading != reading {
                Arc::make_mut(watch).reading = reading;
            }
        }
    }

    /// The last number of the file of that `track_file`.
    pub(crate) fn number(&self, name: &str) -> Option<i32> {
        self.files.number(name)
    }

    /// When something is due.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        [self.files.wakeup(), self.processes.wakeup()].into_iter().flatten().min()
    }
}

impl Supervisor {
    /// Takes over what a configuration follows; what stays is not read anew.
    pub(crate) fn configure_watches(&mut self, orders: Orders, at_start: bool) {
        let Orders { files, processes } = orders;
        let mut findings = Findings::default();
        self.watches.files.configure(files, at_start, moment(), &self.poller, &mut findings);
        self.watches.processes.configure(processes, moment(), &self.poller, &mut findings);
        self.found(findings);
    }

    /// Something happened in a folder with a file that is followed.
    pub(crate) fn hear_files(&mut self) {
        let mut findings = Findings::default();
        self.watches.files.ready(moment(), &mut findings);
        self.found(findings);
    }

    /// The kernel tells of processes.
    pub(crate) fn hear_processes(&mut self) {
        let mut findings = Findings::default();
        self.watches.processes.ready(moment(), &self.poller, &mut findings);
        self.found(findings);
    }

    /// Does what is due.
    pub(crate) fn watch(&mut self, now: Moment) {
        let mut findings = Findings::default();
        self.watches.files.due(now, &mut findings);
        self.watches.processes.due(now, &self.poller, &mut findings);
        self.found(findings);
    }

    fn found(&mut self, findings: Findings) {
        findings.faults.into_iter().for_each(|fault| self.fault(fault));
        for name in findings.mended {
            self.fault_over(&Matter::TrackFile(name));
        }
        for (watch, reading) in findings.readings {
            if let (Some(name), Reading::Value(number)) = (self.watches.files.name(watch), reading) {
                self.seen(Seen::File(name, number));
            }
            self.workers.vrrp.order(Order::Watched { watch, reading }, &self.poller);
        }
    }
}
