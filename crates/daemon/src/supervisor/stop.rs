//! The end: hand-overs first, then stop scripts, then everything else.

use std::time::Duration;

use steadfast_control::event::{Bound, Fault, Happening};
use steadfast_vrrp::Moment;

use super::leftovers::Extent;
use super::scripts::hooks::{Hook, Shutdown};
use super::scripts::runner::Purpose;
use super::{Supervisor, moment};
use crate::places;

/// How long a stop script may take. Keepalived gives as long to all of them together, so that on a busy machine, or behind
/// a slow one, some never run.
const STOP_SCRIPTS: Duration = Duration::from_secs(3);
/// How long all of them may take.
const STOP_SCRIPTS_TOGETHER: Duration = Duration::from_secs(10);
/// How long readers of FIFOs may take to their end.
const READERS: Duration = Duration::from_secs(1);
/// How long a worker may take for its hand-overs beyond the configured `child_wait_time`.
const DRAIN_MARGIN: Duration = Duration::from_secs(1);

/// A stop under way.
pub(super) struct Stopping {
    /// Workers are killed when this is reached.
    workers_until: Moment,
    /// The workers are gone since then.
    alone_since: Option<Moment>,
    /// Scripts are killed when this is reached, if nothing happens before.
    scripts_until: Option<Moment>,
    /// Everything is told, and readers of FIFOs are waited for no longer.
    readers_until: Option<Moment>,
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
        self.stopping = Some(Stopping {
            workers_until: now + limit,
            alone_since: None,
            scripts_until: None,
            readers_until: None,
            shutdown: Shutdown::Ahead,
        });
        self.scripts.starting = None;
        self.service.stopping();
        self.end_names();
        // Before the news: a new master is waited for from the moment of priority 0.
        self.stop_workers();
        self.end_table();
        self.scripts.runner.terminate(now, |purpose| {
            matches!(
                purpose,
                Purpose::Check(_) | Purpose::Server(..) | Purpose::Hook(_) | Purpose::Prepare(..)
            )
        });
        self.tell(Happening::Stopping);
    }

    /// At a stop, another check worker takes the place of one that did not say that it took its entries of the load balancer away: it
    /// takes them away, and whoever is told of that is told. There is one at most.
    pub(super) fn end_table(&mut self) {
        let Some(stopping) = &mut self.stopping else { return };
        if self.workers.check.is_filled() || self.options.keep_ipvs || !self.balancing.table_out {
            return;
        }
        self.balancing.table_out = false;
        let now = moment();
        let until = now + self.loaded.global.child_wait.duration() + DRAIN_MARGIN;
        stopping.workers_until = stopping.workers_until.max(until);
        self.workers.check.start(now);
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
        if now >= stopping.workers_until {
            self.workers.close();
            self.workers.kill();
        }
        // Before any script, and whatever the load balancer takes: none may run for as long as two hosts answer for an address.
        if !self.workers.vrrp.is_filled() {
            self.remove_leftovers();
        }
        if !self.workers.are_gone() || self.workers.wakeup().is_some() {
            return false;
        }
        let Some(stopping) = &mut self.stopping else { return false };
        match stopping.shutdown {
            Shutdown::Over => return true,
            Shutdown::Until(until) => return now >= until,
            Shutdown::Ahead => {}
        }
        let since = *stopping.alone_since.get_or_insert(now);
        if self.tells_still(now, since) {
            return false;
        }
        // Everything is told: readers of FIFOs come to their end.
        self.close_fifos();
        let Some(stopping) = &mut self.stopping else { return false };
        let until = *stopping.readers_until.get_or_insert(now + READERS);
        if self.scripts.runner.any(|purpose| matches!(purpose, Purpose::Reader(_))) && now < until {
            return false;
        }
        let shutdown = self.run_hook(now, Hook::Shutdown).map_or(Shutdown::Over, Shutdown::Until);
        if let Some(stopping) = &mut self.stopping {
            stopping.shutdown = shutdown;
        }
        shutdown == Shutdown::Over
    }

    /// Whether somebody is still being told, and may take longer. The workers are gone `since` then. Scripts of one owner run
    /// one after another, and one that waits has not had its time: what cannot be run in the end is told.
    fn tells_still(&mut self, now: Moment, since: Moment) -> bool {
        let runs = |purpose: &Purpose| matches!(purpose, Purpose::Notify(_) | Purpose::Hook(_));
        let waiting = self.scripts.order.waiting();
        let running = self.scripts.runner.count(runs);
        if waiting == 0 && running == 0 && self.scripts.order.is_idle() && self.mail.is_idle() {
            return false;
        }
        let together = since + STOP_SCRIPTS_TOGETHER;
        let last = self.scripts.runner.last_started(runs).map_or(since, |started| started.max(since));
        let until = if waiting > 0 { together } else { together.min(last + STOP_SCRIPTS) };
        let Some(stopping) = &mut self.stopping else { return false };
        if stopping.readers_until.is_some() {
            return false;
        }
        stopping.scripts_until = Some(until);
        if now >= until && waiting + running > 0 {
            self.tell(Happening::Bound { bound: Bound::StopScripts { lost: waiting + running } });
        }
        now < until
    }

    /// When [`Self::is_finished`] may change its mind by itself.
    pub(super) fn stop_wakeup(&self) -> Option<Moment> {
        let stopping = self.stopping.as_ref()?;
        match stopping.shutdown {
            Shutdown::Until(until) => Some(until),
            _ if !self.workers.are_gone() => Some(stopping.workers_until),
            _ => stopping.readers_until.or(stopping.scripts_until),
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

    /// A worker that hung or was killed could not remove its addresses, and a host without a daemon must not go on answering
    /// for them.
    fn remove_leftovers(&mut self) {
        if self.options.keep_addresses || !std::mem::take(&mut self.routers.addresses_out) {
            return;
        }
        if self.routers.remove_leftovers(&Extent::Everything).is_err() {
            self.fault(Fault::AddressesLeft);
        }
    }
}
