//! What the supervisor wants, and what it is told.

use std::sync::Arc;

use steadfast_health::{CheckId, Contribution, Verdict};
use steadfast_time::Moment;

use super::probes::Judged;
use super::{Checker, SETTLE_AFTER, Wishes, context, moment};
use crate::link::check::change::Change;
use crate::link::check::{Found, Knows, News, Notice, Order};
use crate::link::lifecycle::{FromWorker, ToWorker, Trouble};
use crate::link::line::Heard;

/// Happenings of one message: the channel takes no longer ones, and the supervisor does other things in between.
const HAPPENINGS_OF_A_MESSAGE: usize = 512;

impl Checker {
    pub(super) fn hear_supervisor(&mut self) {
        self.line.flush();
        loop {
            match self.line.hear(&self.poller) {
                Heard::Message(message) => self.obey(message),
                Heard::Nothing => return,
                Heard::Successor(since) => self.confide(since),
                Heard::Gone => {
                    self.stopping = true;
                    return;
                }
            }
        }
    }

    /// Everything else a successor is told when this worker leaves.
    fn confide(&mut self, since: Moment) {
        self.confided = true;
        let placements = self.table.services().values();
        let entries = placements.flat_map(|placement| placement.keys.iter().copied()).collect();
        self.line.confide(since, Knows { kept: self.kept.clone(), entries });
    }

    fn obey(&mut self, message: ToWorker<Order>) {
        match message {
            ToWorker::Stop => self.stopping = true,
            ToWorker::Leave => (self.stopping, self.leaving) = (true, true),
            ToWorker::Order(Order::Keep(kept)) => self.kept = kept,
            ToWorker::Order(Order::Reload(change)) => self.reload(*change),
            ToWorker::Order(Order::Surroundings(surroundings)) => self.surrounded(moment(), *surroundings),
            ToWorker::Order(Order::Seen(seen)) => self.seen(moment(), seen),
            ToWorker::Order(Order::Services { request, named }) => self.reports.ask(request, named),
            ToWorker::Order(Order::Handle { request, handled }) => self.handle_servers(request, &handled),
            ToWorker::Order(Order::Ran { check, settings, found }) => self.ran(check, &settings, found),
        }
    }

    /// The program of a check ended.
    fn ran(&mut self, check: CheckId, settings: &Arc<str>, found: Found) {
        if self.machine.check_key(check).is_none_or(|key| key.settings != *settings) {
            return;
        }
        let verdict = match found {
            Found::Good(None) => Verdict::Good { contribution: Contribution::None },
            Found::Good(Some(weight)) => Verdict::Good { contribution: Contribution::Absolute(weight) },
            Found::Bad(reason) => Verdict::Bad { reason },
            Found::NotRun(reason) => Verdict::Trouble { reason },
        };
        self.judge(moment(), [Judged { check, verdict }]);
    }

    pub(super) fn hear_signals(&mut self) {
        while self.signals.next_pending().is_some() {
            self.stopping = true;
        }
    }

    fn reload(&mut self, change: Change) {
        let now = moment();
        let reloaded = change.reloaded();
        let before = self.settings.scheduling.clone();
        if change.settings.identity.is_some() || self.settings.identity.is_some() {
            // The files may hold something else under the same names.
            let (tls, problem) = context(change.settings.identity.as_ref());
            self.probes.set_tls(tls);
            problem.into_iter().for_each(|notice| self.notice(notice));
        }
        let concerns_services = change.concerns_services();
        let Change { added, changed, removed, settings } = change;
        self.table.set(settings.clone());
        self.settings = settings;
        self.schedule(&before);
        if concerns_services {
            self.probes.reloaded();
            let (revised, placements): (Vec<_>, Vec<_>) =
                added.into_iter().chain(changed).map(|service| (service.health, service.placement)).unzip();
            let keys = placements.iter().map(|placement| &placement.key).chain(&removed);
            let keys: Vec<_> = keys.cloned().collect();
            let mut wishes = Wishes::default();
            self.machine.revise(now, revised, &removed, &mut wishes);
            self.fulfil(now, wishes);
            // Those that go on under other keys, of which nobody has told yet.
            self.remember_checks(self.machine.check_ids());
            self.table.give_up(&placements);
            placements.iter().for_each(|placement| self.table.configure(placement, &self.machine));
            self.find_followed();
            self.look_around(now);
            removed.iter().for_each(|service| self.table.drop_service(service, &self.machine));
            self.follow_addresses(now);
            self.allow_descriptors();
            self.remember_services(&keys);
            self.settle_at = Some(now + SETTLE_AFTER);
        }
        self.table.settle(now);
        self.report();
        self.tell(&FromWorker::Reloaded(reloaded));
    }

    /// Sends what has gathered.
    pub(super) fn report(&mut self) {
        for (check, settings) in self.probes.take_programs() {
            self.news(News::Run { check, settings });
        }
        for notice in self.table.take_notices() {
            self.notice(notice);
        }
        let mut told = std::mem::take(&mut self.told).into_iter().peekable();
        while told.peek().is_some() {
            let part = told.by_ref().take(HAPPENINGS_OF_A_MESSAGE).collect();
            self.news(News::Happened(part));
        }
        self.line.tell_lost::<News>(0);
        self.line.watch_room(&self.poller);
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.news(News::Notice(notice));
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
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
