//! The end: hand-overs first, then stop scripts, then everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use steadfast_control::event::{Fault, Happening};
use steadfast_kernel::netlink::{Address, AddressKey, Batch, Requests};
use steadfast_kernel::nftables;
use steadfast_kernel::reconcile::links::Settings;
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
        self.abandon_names();
        // Before the news: a new master is waited for from the moment of priority 0.
        self.stop_workers();
        self.scripts.runner.terminate(now, |purpose| {
            matches!(
                purpose,
                Purpose::Check(_) | Purpose::Server(..) | Purpose::Hook(_) | Purpose::Prepare(..)
            )
        });
        self.tell(Happening::Stopping);
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
            && self.mail.is_idle()
            && !self.scripts.runner.any(|purpose| matches!(purpose, Purpose::Notify(_) | Purpose::Hook(_)));
        if !idle && now < until {
            return false;
        }
        // Everything is told: readers of FIFOs come to their end.
        self.close_fifos();
        if self.scripts.runner.any(|purpose| matches!(purpose, Purpose::Reader(_))) && now < until {
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
        self.remove_marker();
        self.scripts.runner.kill_all();
        self.workers.end();
        self.tell(Happening::Stopped);
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
            self.fault(Fault::AddressesLeft);
        }
    }

    /// A worker that hung or was killed could not remove its addresses, and a host without a daemon
    /// must not go on answering for them. What this program did not add stays; where the kernel does not tell, what
    /// the worker said it held counts as added.
    fn remove_addresses(&mut self) -> Result<(), steadfast_kernel::Error> {
        let mut requests = Requests::open()?;
        let links = requests.links()?;
        let there = requests.addresses()?;
        let told = Address::origins_are_told(&there);
        let Routers { work, known, leaving, dropped, .. } = &self.routers;
        let index_of: BTreeMap<&str, u32> = links.iter().map(|link| (&*link.name, link.index)).collect();
        let there: BTreeMap<AddressKey, &Address> =
            there.iter().map(|address| (address.key, address)).collect();
        let mut batch = Batch::default();
        let configured = work.installs.iter().flat_map(|install| {
            let was_held = known.held_addresses(install.instance);
            install.addresses.iter().map(move |address| (address, was_held))
        });
        let former = leaving.values().flatten().chain(dropped).map(|address| (address, true));
        for (address, was_held) in configured.chain(former) {
            let Some(&interface) = index_of.get(work.interface_name(address.interface)) else { continue };
            let key = AddressKey { interface, address: address.address, prefix: address.prefix };
            let ours = |found: &&Address| found.is_ours() || (!told && was_held);
            if let Some(found) = there.get(&key).copied().filter(ours) {
                batch.delete_address(key, found.peer);
            }
        }
        let made: BTreeSet<&str> =
            work.links.iter().map(|link| work.interface_name(link.interface)).collect();
        for link in links.iter().filter(|link| link.is_made() && made.contains(link.name.as_str())) {
            batch.delete_link(link.index);
        }
        requests.send(&mut batch)?;
        Settings::restore(known.settings().clone(), &mut requests)?;
        if !work.links.is_empty() || work.installs.iter().any(|install| install.not_accepted) {
            nftables::remove(&work.filters.table)?;
        }
        Ok(())
    }
}
