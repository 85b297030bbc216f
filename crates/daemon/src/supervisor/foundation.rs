//! What a supervisor stands on, be it begun anew or left by the program that this process ran before.

use std::collections::BTreeMap;
use std::path::PathBuf;

use steadfast_config::load::Loaded;
use steadfast_kernel::process::pidfile::PidFile;
use steadfast_kernel::process::signal::Signals;
use steadfast_kernel::process::{Foreground, ProcessEvents};
use steadfast_kernel::space::Space;
use steadfast_kernel::wait::poll::Poller;
use steadfast_vrrp::{InstanceId, Moment};

use super::control::{Control, Desk};
use super::faults::Faults;
use super::journal::Journal;
use super::names::Names;
use super::notify::fifo::Fifos;
use super::notify::mail::{Mail, Subjects};
use super::records::Records;
use super::reload::Reloads;
use super::reload::effective::Effective;
use super::scripts::Scripts;
use super::scripts::programs::Programs;
use super::upgrade::Upgrade;
use super::watches::Watches;
use super::watches::processes::Processes;
use super::workers::Workers;
use super::workers::check::BalancingKept;
use super::workers::service::Service;
use super::workers::vrrp::Routers;
use super::{SETTLE_AFTER, Supervisor};
use crate::digest::vrrp::digest;
use crate::digest::watches::Orders;
use crate::link::vrrp::work::{VirtualAddress, Work};
use crate::options::Options;
use crate::places::Places;

/// What is held before anything is built on it.
pub(super) struct Foundation {
    pub(super) options: Options,
    pub(super) loaded: Loaded,
    pub(super) journal: Journal,
    pub(super) poller: Poller,
    pub(super) signals: Signals,
    pub(super) pid_files: Vec<PidFile>,
    pub(super) control: Option<Control>,
    pub(super) process_events: Option<ProcessEvents>,
    /// What has been told already.
    pub(super) faults: Faults,
    /// Names and what is known of them.
    pub(super) names: Names,
    /// The work before, whose numbers stay.
    pub(super) work: Work,
    /// Instances that it has no more and that still hand over.
    pub(super) leaving: BTreeMap<InstanceId, Vec<VirtualAddress>>,
    /// Where the table of IPVS is.
    pub(super) space: Space,
    /// The folder that the daemon was started in.
    pub(super) folder: PathBuf,
    /// Who waits for the daemon to be ready.
    pub(super) foreground: Option<Foreground>,
}

impl Foundation {
    /// A supervisor in which everything has its place and nothing runs, and what it is to watch.
    pub(super) fn build(self, places: &Places, now: Moment) -> (Supervisor, Orders) {
        let Self { options, mut names, .. } = self;
        let (effective, mut model) = Effective::of(self.loaded, &options, None);
        names.configure(now, &model);
        let work = digest(&model, &self.work, &self.leaving, &options);
        let balancing = BalancingKept::new(&model, &effective.packed, names.used(), self.space);
        let mut faults = Vec::new();
        let mut programs = Programs::resolve(&model, &work, &options, &mut faults);
        let orders = Orders::of(&model, &work);
        names.expand(&mut model, &mut programs);
        let mail = Mail::new(Subjects::of(&model, &work));
        // A worker forked while it is there would keep its copy for good.
        drop(model);
        let service = Service::open(now, self.foreground);
        let workers = Workers::new(places, service.beat());
        let mut supervisor = Supervisor {
            options,
            started_at: now,
            poller: self.poller,
            signals: self.signals,
            service,
            pid_files: self.pid_files,
            journal: self.journal,
            desk: Desk::new(self.control),
            faults: self.faults,
            loaded: effective,
            reloads: Reloads::new(),
            scripts: Scripts::new(programs),
            fifos: Fifos::default(),
            mail,
            names,
            records: Records::new(places),
            watches: Watches::new(Processes::new(self.process_events)),
            workers,
            routers: Routers::new(work),
            turn: None,
            balancing,
            stopping: None,
            upgrade: Upgrade::of(self.folder),
            settle_at: Some(now + SETTLE_AFTER),
        };
        faults.into_iter().for_each(|fault| supervisor.fault(fault));
        (supervisor, orders)
    }
}
