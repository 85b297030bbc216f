//! What the supervisor wants, and what it is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use steadfast_control::status::WorkerStatus;
use steadfast_vrrp::{InstanceId, Moment};

use super::Effects;
use crate::link::lifecycle::{FromWorker, ToWorker, Trouble};
use crate::link::line::Heard;
use crate::link::vrrp::Living;
use crate::link::vrrp::change::Change;
use crate::link::vrrp::{Knows, Leaving, News, Notice, Order};
use crate::vrrp::timing::{Coalescing, Followed, ToTiming};

impl Effects {
    pub(super) fn hear_supervisor(&mut self) {
        self.line.flush();
        loop {
            match self.line.hear(&self.poller) {
                Heard::Message(message) => self.obey(message),
                Heard::Nothing => return,
                Heard::Successor(since) => self.confide(since),
                Heard::Gone => return self.stop(),
            }
        }
    }

    /// Everything else a successor is told when this worker leaves.
    fn confide(&mut self, since: Moment) {
        let (daemon_started_at, work) = (self.daemon_started_at, self.work.clone());
        let settings = self.site.settings.remembered().clone();
        let holdings = &self.site.kinds.addresses.holdings;
        let leaving = self.endpoints.leaving().map(|(config, addresses)| Leaving {
            instance: config.id,
            name: Arc::clone(&config.name),
            addresses: if holdings.holds(config.id) { addresses.to_vec() } else { Vec::new() },
        });
        let leaving = leaving.collect();
        self.line.confide(since, Knows { daemon_started_at, work, leaving, settings });
    }

    fn obey(&mut self, message: ToWorker<Order>) {
        match message {
            ToWorker::Stop => self.stop(),
            ToWorker::Leave => self.leave(),
            ToWorker::Order(order) => self.carry_out(order),
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Reload { change, living } => self.reload(*change, &living),
            Order::ScriptResult { script, success } => {
                self.lanes.to_timing.push(ToTiming::ScriptResult(script, success));
            }
            Order::Watched { watch, reading } => {
                self.lanes.to_timing.push(ToTiming::Watched(watch, reading));
            }
            Order::Prepared { instance, since, success } => {
                self.lanes.to_timing.push(ToTiming::Prepared { instance, since, success });
            }
            Order::Status { request } => {
                self.status_request = Some(request);
                self.lanes.to_timing.push(ToTiming::Status(InstanceId(0)));
            }
            Order::ClearCounters => self.lanes.to_timing.push(ToTiming::ClearCounters),
        }
    }

    pub(super) fn hear_signals(&mut self) {
        while self.signals.next_pending().is_some() {
            self.stop();
        }
    }

    pub(super) fn stop(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.lanes.to_timing.push(ToTiming::Stop);
            self.lanes.to_timing.flush();
        }
    }

    /// Ends when the timing thread has, and leaves everything in the kernel as it is.
    fn leave(&mut self) {
        self.lanes.to_timing.push(ToTiming::Leave);
        self.lanes.to_timing.flush();
    }

    pub(super) fn reload(&mut self, change: Change, living: &[Living]) {
        let before = self.work.settings.clone();
        let links_before = self.work.links.clone();
        let removed: BTreeSet<InstanceId> = change.plan.removed().iter().copied().collect();
        for instance in self.work.machine.instances.iter().filter(|instance| removed.contains(&instance.id)) {
            let addresses = self.work.install(instance.id).map(|install| install.addresses.clone());
            self.endpoints.leave(instance, addresses.unwrap_or_default());
        }
        self.work.follow(&change);
        let coalescing = Coalescing::of(&self.work.machine, &self.work.sessions);
        let reloaded = change.reloaded();
        let changed: BTreeSet<InstanceId> = change.installs.iter().map(|install| install.instance).collect();
        self.schedule(&before);
        self.allow_descriptors();
        self.site.interfaces.configure(&self.work);
        self.polling.ask_all();
        self.style_filters(false);
        self.make_links(&links_before);
        let found = self.read_everything().unwrap_or_default();
        self.tell_interfaces();
        let closed = self.open_needed_endpoints();
        // Lists that changed while their instance itself did not: excluded addresses, labels, prefixes.
        for instance in self.site.kinds.addresses.holdings.holders() {
            if changed.contains(&instance) {
                self.hold(instance);
            }
        }
        self.hold_static_addresses();
        self.hold_static_ways();
        if !self.parting.is_empty() {
            self.hold_links();
        }
        self.watch_ways();
        // As at a start: a new instance, or one with other addresses, begins without those that are there.
        if !changed.is_empty() {
            self.clean_leftovers(&found, Some(&changed), living);
        }
        // First: an instance that comes with the plan has its source address from the beginning.
        self.tell_sources();
        // Sessions first: instances may follow them.
        let brings_sessions = !change.sessions.is_empty();
        if brings_sessions {
            self.lanes.to_timing.push(ToTiming::ApplySessions(Box::new(change.sessions)));
        }
        let followed = Followed::of(&self.work);
        self.lanes.to_timing.push(ToTiming::Apply(Box::new(change.plan), followed, coalescing));
        // Instances and sessions that end say so first.
        self.close_endpoints(closed);
        if brings_sessions {
            // Sessions that the plan brings can hear only then that they have no socket.
            self.endpoints.forget_sessions_told();
            self.open_endpoints();
        }
        self.tell(&FromWorker::Reloaded(reloaded));
    }

    pub(super) fn status(
        &mut self,
        instances: Vec<steadfast_vrrp::InstanceStatus>,
        next: Option<InstanceId>,
        figures: WorkerStatus,
    ) {
        let Some(request) = self.status_request else { return };
        self.report();
        self.news(News::Instances { request, instances });
        match next {
            Some(next) => self.lanes.to_timing.push(ToTiming::Status(next)),
            None => {
                self.status_request = None;
                let refused = self.site.kinds.addresses.reconciler.refused();
                let worker = WorkerStatus {
                    addresses_restored: self.restored,
                    addresses_refused: u64::try_from(refused).unwrap_or(u64::MAX),
                    messages_lost: self.line.dropped() + self.news_lost,
                    ..figures
                };
                self.news(News::Worker { request, worker });
            }
        }
    }

    /// Sends what has gathered. A successor's needs go before the news: who hears of a new state may
    /// kill this process at once.
    pub(super) fn report(&mut self) {
        if !self.states.is_empty() {
            let states = std::mem::take(&mut self.states);
            self.news(News::Resume(states));
        }
        if !self.happened.is_empty() {
            let happened = std::mem::take(&mut self.happened);
            self.news(News::Happened(happened));
        }
        self.tell_messages_lost();
        self.line.watch_room(&self.poller);
    }

    /// As soon as there is room again.
    pub(super) fn tell_messages_lost(&mut self) {
        self.line.tell_lost::<News>(self.news_lost);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.news(News::Notice(notice));
    }

    pub(in crate::vrrp) fn trouble(&mut self, trouble: Trouble) {
        self.tell(&FromWorker::Trouble(trouble));
    }

    pub(super) fn news(&mut self, news: News) {
        self.tell(&FromWorker::News(news));
    }

    pub(super) fn tell(&mut self, message: &FromWorker<News>) {
        self.line.tell(message);
    }

    pub(super) fn flush_before_exit(&mut self) {
        self.line.flush_before_exit(&self.poller);
    }
}
