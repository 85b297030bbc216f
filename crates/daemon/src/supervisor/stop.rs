//! The end: hand-overs first, then stop scripts, then everything else.

use std::time::Duration;

use steadfast_control::event::{Happening, Severity};
use steadfast_kernel::netlink::{AddressKey, Batch, Requests};
use steadfast_vrrp::Moment;

use super::scripts::hooks::{Hook, Shutdown};
use super::scripts::runner::Purpose;
use super::workers::vrrp::Routers;
use super::{Supervisor, moment};
use crate::places;

/// How long stop scripts may take; keepalived gives them as long.
const STOP_SCRIPTS: Duration = Duration::from_secs(1);
/// How long a worker may take for its hand-overs beyond the configured `child_wait_time`.
const DRAIN_MARGIN: Duration = Duration::from_secs(1);

/// A stop under way.
pub(super) struct Stopping {
    /// Workers are killed when this is reached.
    workers_until: Moment,
    /// Scripts are killed when this is reached; set once the workers are gone.
    scripts_until: Option<Moment>,
    /// The script after everything else.
    pub(super) shutdown: Shutdown,
}

impl Supervisor {
    /// Begins an orderly stop; a second call changes nothing.
    pub(super) fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let now = moment();
        let limit = self.longest_hand_over() + self.loaded.global.child_wait.duration() + DRAIN_MARGIN;
        self.stopping =
            Some(Stopping { workers_until: now + limit, scripts_until: None, shutdown: Shutdown::Ahead });
        self.scripts.starting = None;
        self.service.stopping();
        // Before the news: a new master is waited for from the moment of priority 0.
        self.stop_workers();
        self.scripts.runner.terminate(now, |purpose| matches!(purpose, Purpose::Check(_) | Purpose::Hook(_)));
        self.tell(None, Happening::Stopping);
    }

    /// A hand-over takes at most one interval of the slowest instance (RFC 9568 section 6.1: a skew
    /// time is shorter than an interval).
    fn longest_hand_over(&self) -> Duration {
        let intervals =
            self.routers.work.machine.instances.iter().map(|instance| instance.interval.duration());
        intervals.max().unwrap_or_default()
    }

    /// Everything is handed over, every stop script had its time, and so had the shutdown script.
    pub(super) fn is_finished(&mut self, now: Moment) -> bool {
        let Some(stopping) = &mut self.stopping else { return false };
        if !self.workers.are_gone() {
            if now >= stopping.workers_until {
                self.workers.kill();
            }
            return false;
        }
        // Before any script: none may run for as long as two hosts answer for an address.
        self.remove_leftovers();
        let Some(stopping) = &mut self.stopping else { return false };
        match stopping.shutdown {
            Shutdown::Over => return true,
            Shutdown::Until(until) => return now >= until,
            Shutdown::Ahead => {}
        }
        let until = *stopping.scripts_until.get_or_insert(now + STOP_SCRIPTS);
        let idle = self.scripts.order.is_idle()
            && !self.scripts.runner.any(|purpose| matches!(purpose, Purpose::Notify(_) | Purpose::Hook(_)));
        if !idle && now < until {
            return false;
        }
        let shutdown = self.run_hook(now, Hook::Shutdown).map_or(Shutdown::Over, Shutdown::Until);
        if let Some(stopping) = &mut self.stopping {
            stopping.shutdown = shutdown;
        }
        shutdown == Shutdown::Over
    }

    /// When [`Self::is_finished`] may change its mind by itself.
    pub(super) fn stop_wakeup(&self) -> Option<Moment> {
        let stopping = self.stopping.as_ref()?;
        match stopping.shutdown {
            Shutdown::Until(until) => Some(until),
            _ if !self.workers.are_gone() => Some(stopping.workers_until),
            _ => stopping.scripts_until,
        }
    }

    /// The last things.
    pub(super) fn farewell(&mut self) {
        self.reload_over();
        self.scripts.runner.kill_all();
        self.workers.end();
        self.desk.close();
        for file in std::mem::take(&mut self.pid_files) {
            let path = file.path().to_owned();
            drop(file);
            places::remove_folder(&path);
        }
    }

    fn remove_leftovers(&mut self) {
        if self.options.keep_addresses || !std::mem::take(&mut self.routers.addresses_out) {
            return;
        }
        if self.remove_addresses().is_err() {
            self.journal.line(Severity::Error, "addresses may be left: the kernel cannot be asked");
        }
    }

    /// A worker that hung or was killed could not remove its addresses, and a host without a daemon
    /// must not go on answering for them.
    fn remove_addresses(&mut self) -> Result<(), steadfast_kernel::Error> {
        let mut requests = Requests::open()?;
        let links = requests.links()?;
        let Routers { work, leaving, dropped, .. } = &self.routers;
        let index_of =
            |id| links.iter().find(|link| *link.name == *work.interface_name(id)).map(|link| link.index);
        let mut batch = Batch::default();
        let configured = work.installs.iter().flat_map(|install| &install.addresses);
        let former = leaving.values().flatten().chain(dropped);
        for found in configured.chain(former) {
            if let Some(interface) = index_of(found.interface) {
                let key = AddressKey { interface, address: found.address, prefix: found.prefix };
                batch.delete_address(key, found.peer);
            }
        }
        requests.send(&mut batch)?;
        Ok(())
    }
}
