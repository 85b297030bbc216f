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
            // Whoever was to go on with it has no successor of this worker started any more.
            ToWorker::Stop => (self.stopping, self.leaving) = (true, false),
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
            // Those that are no more, and those that go on under other keys.
            let forgotten = wishes.forgotten.iter().filter_map(|check| self.unusual.remove(check));
            let gone = forgotten.map(|known| known.key).collect();
            self.remember_checks(self.machine.check_ids(), gone);
            self.fulfil(now, wishes);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;
    use std::time::Duration;

    use steadfast_health::Resume;
    use steadfast_kernel::channel::{Channel, Incoming};
    use steadfast_kernel::process::pulse::Pulses;
    use steadfast_kernel::process::signal::Signals;
    use steadfast_kernel::space::Space;
    use steadfast_kernel::wait::poll::Poller;

    use super::*;
    use crate::check::table::Table;
    use crate::check::{CHANNEL, Job, Opened, Terms};
    use crate::link::check::seen::Surroundings;
    use crate::link::check::work::Settings;
    use crate::link::life::Lives;
    use crate::link::line::Line;
    use crate::served::{Known, Marks, Packed};

    /// A worker without services that finds these messages when it begins, run to its end: what it says last.
    fn last_word(told: &[ToWorker<Order>]) -> FromWorker<News> {
        let (mut supervisor, channel) = Channel::pair().unwrap();
        for message in told {
            supervisor.send(&postcard::to_stdvec(message).unwrap()).unwrap();
        }
        let line = Line::new(channel, None, CHANNEL);
        let opened = Opened {
            poller: Poller::open().unwrap(),
            signals: Signals::open(&[]).unwrap(),
            filter_monitor: None,
        };
        line.listen(&opened.poller).unwrap();
        let job = Job {
            packed: Packed::default(),
            known: Known::default(),
            marks: Marks::default(),
            settings: Settings::default(),
            abandoned: BTreeSet::new(),
            resume: Resume::default(),
            surroundings: Surroundings::default(),
            kept: Vec::new(),
        };
        // The table of the machine that runs the test is left alone.
        let terms = Terms {
            space: Space::own(),
            keep_table: true,
            begun_before: true,
            confined: None,
            pid_file: PathBuf::new(),
        };
        let table = Table::new(Settings::default(), true, None, None);
        let life = Lives::new(Pulses::shared(1, 0).unwrap(), Duration::from_secs(1)).of(0);
        Checker::new(job, line, opened, table, &terms).run(&life);
        let mut last = None;
        while let Ok(Incoming::Message(octets)) = supervisor.receive() {
            last = Some(postcard::from_bytes(&octets).unwrap());
        }
        last.unwrap()
    }

    #[test]
    fn a_stop_counts_though_the_worker_was_to_leave_before() {
        assert_eq!(last_word(&[ToWorker::Leave]), FromWorker::Left);
        assert_eq!(last_word(&[ToWorker::Stop]), FromWorker::Drained);
        assert_eq!(last_word(&[ToWorker::Leave, ToWorker::Stop]), FromWorker::Drained);
    }
}
