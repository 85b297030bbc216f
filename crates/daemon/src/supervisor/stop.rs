//! The end: hand-overs first, then stop scripts, then everything else.

use std::time::Duration;

use steadfast_kernel::netlink::{AddressKey, Batch, Requests};
use steadfast_kernel::process::Exit;
use steadfast_vrrp::Moment;

use super::{CHANNEL, DRAIN_MARGIN, STOP_SCRIPTS, Stopping, Supervisor, moment};
use crate::message::ToWorker;
use crate::record::{Happening, Severity};

impl Supervisor {
    /// Begins an orderly stop; a second call changes nothing.
    pub(super) fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let now = moment();
        let limit = self.longest_hand_over() + self.loaded.model.global.child_wait.duration() + DRAIN_MARGIN;
        self.stopping = Some(Stopping { worker_until: now + limit, scripts_until: None });
        self.start_worker_at = None;
        self.notifier.stopping();
        // Before the news: a new master is waited for from the moment of priority 0.
        if let Some(worker) = &mut self.worker {
            worker.tell(&ToWorker::Stop, &self.poller, CHANNEL);
        }
        self.runner.terminate(now, |purpose| matches!(purpose, super::runner::Purpose::Check(_)));
        self.tell(None, Happening::Stopping);
    }

    /// A hand-over takes at most one interval of the slowest instance (RFC 9568 section 6.1: a skew
    /// time is shorter than an interval).
    fn longest_hand_over(&self) -> Duration {
        let intervals = self.work.machine.instances.iter().map(|instance| instance.interval.duration());
        intervals.max().unwrap_or_default()
    }

    /// Everything is handed over and every stop script had its time.
    pub(super) fn is_finished(&mut self, now: Moment) -> bool {
        let Some(stopping) = &mut self.stopping else { return false };
        if let Some(worker) = &self.worker {
            if now >= stopping.worker_until {
                worker.kill();
            }
            return false;
        }
        let until = *stopping.scripts_until.get_or_insert(now + STOP_SCRIPTS);
        let idle = self.order.is_idle()
            && !self.runner.any(|purpose| matches!(purpose, super::runner::Purpose::Notify(_)));
        idle || now >= until
    }

    /// When [`Self::is_finished`] may change its mind by itself.
    pub(super) fn stop_wakeup(&self) -> Option<Moment> {
        let stopping = self.stopping.as_ref()?;
        if self.worker.is_some() { Some(stopping.worker_until) } else { stopping.scripts_until }
    }

    /// The last things.
    pub(super) fn farewell(&mut self) {
        self.runner.kill_all();
        if let Some(worker) = &mut self.worker {
            worker.kill();
            let _ = worker.child.wait();
        }
        if self.addresses_out && !self.options.keep_addresses && self.remove_addresses().is_err() {
            self.journal.line(Severity::Error, "addresses may be left: the kernel cannot be asked");
        }
        if let Some(control) = &self.control {
            control.remove();
        }
        self.pid_files.clear();
    }

    /// A worker that hung or was killed could not remove its addresses, and a host without a daemon
    /// must not go on answering for them.
    fn remove_addresses(&mut self) -> Result<(), steadfast_kernel::Error> {
        let mut requests = Requests::open()?;
        let links = requests.links()?;
        let work = &self.work;
        let index_of =
            |id| links.iter().find(|link| *link.name == *work.interface_name(id)).map(|link| link.index);
        let mut batch = Batch::default();
        for found in work.installs.iter().flat_map(|install| &install.addresses).chain(&work.static_addresses)
        {
            if let Some(interface) = index_of(found.interface) {
                let key = AddressKey { interface, address: found.address, prefix: found.prefix };
                batch.delete_address(key, found.peer);
            }
        }
        requests.send(&mut batch)?;
        Ok(())
    }

    /// keepalived's rule: a child that says that its configuration or permissions cannot work ends
    /// the daemon with the same status.
    pub(super) fn fatal_worker_status(&self) -> Option<u8> {
        self.worker_gave_up
    }

    /// Whether an exit status says that another start is useless (1 fatal, 2 configuration, 4 permission).
    pub(super) fn gives_up(exit: Exit) -> Option<u8> {
        match exit {
            Exit::Status(status @ (1 | 2 | 4)) => u8::try_from(status).ok(),
            Exit::Status(_) | Exit::Signal(_) => None,
        }
    }
}
