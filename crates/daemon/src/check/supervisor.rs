//! What the supervisor wants, and what it is told.

use std::sync::Arc;

use steadfast_health::{CheckId, Contribution, Verdict};
use steadfast_kernel::channel::Incoming;
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest};

use super::probes::Judged;
use super::{CHANNEL, Checker, Wishes, config, moment};
use crate::link::check::change::Change;
use crate::link::check::{Found, News, Notice, Order};
use crate::link::lifecycle::{FromWorker, ToWorker, Trouble};

/// Happenings of one message: the channel takes no longer ones, and the supervisor does other things in between.
const HAPPENINGS_OF_A_MESSAGE: usize = 512;

impl Checker {
    pub(super) fn hear_supervisor(&mut self) {
        let _ = self.channel.flush();
        loop {
            match self.channel.receive() {
                Ok(Incoming::Message(bytes)) => match postcard::from_bytes(&bytes) {
                    Ok(message) => self.obey(message),
                    Err(_) => continue,
                },
                Ok(Incoming::Nothing) => return,
                // Without a supervisor there is nobody to run scripts and nobody to start a successor.
                Ok(Incoming::Closed) | Err(_) => {
                    let _ = self.poller.remove(&self.channel);
                    self.stopping = true;
                    return;
                }
            }
        }
    }

    fn obey(&mut self, message: ToWorker<Order>) {
        match message {
            ToWorker::Ping => self.tell(&FromWorker::Pong),
            ToWorker::Stop => self.stopping = true,
            ToWorker::Order(Order::Reload(change)) => self.reload(*change),
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
        let before = self.work.settings.scheduling.clone();
        let concerns_services = change.concerns_services();
        for service in change.added.iter().chain(&change.changed) {
            self.table.configure(service);
        }
        let removed: Vec<Arc<str>> = change.removed.clone();
        self.work.follow(change);
        self.table.set(self.work.settings.clone());
        self.schedule(&before);
        if concerns_services {
            self.probes.reloaded();
            let mut wishes = Wishes::default();
            self.machine.reload(now, config(&self.work), &mut wishes);
            self.fulfil(now, wishes);
            removed.iter().for_each(|service| self.table.drop_service(service));
            self.allow_descriptors();
            self.remember_services();
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
        let wants_room = self.channel.wants_to_write();
        if wants_room != self.wants_room {
            self.wants_room = wants_room;
            let interest = if wants_room { Interest::Both } else { Interest::Readable };
            let _ = self.poller.modify(&self.channel, CHANNEL, interest);
        }
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

    /// A supervisor that does not read loses news, never servers: the channel's bound is reached and the message is
    /// dropped.
    pub(super) fn tell(&mut self, message: &FromWorker<News>) {
        if let Ok(bytes) = postcard::to_stdvec(message) {
            let _ = self.channel.send(&bytes);
        }
    }

    pub(super) fn flush_before_exit(&mut self) {
        let until = clock::monotonic() + 200_000_000;
        let mut events = Events::default();
        while self.channel.wants_to_write() && clock::monotonic() < until {
            let _ = self.poller.modify(&self.channel, CHANNEL, Interest::Both);
            let _ = self.poller.wait(&mut events, Some(until));
            if self.channel.flush().is_err() {
                return;
            }
        }
    }
}
