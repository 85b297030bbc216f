//! Whoever asks through the control socket, and what is still owed to them.

use std::path::Path;

use steadfast_control::event::{Bound, Filter, Happening, Record};
use steadfast_control::request::{Answer, Request};
use steadfast_control::status as report;
use steadfast_kernel::wait::poll::Poller;
use steadfast_vrrp::Moment;

use super::operations::Operations;
use super::services::Inquiries;
use super::status::{Asked, Purpose};
use super::{CLIENTS_MAX, Control};
use crate::supervisor::{CLIENTS, Supervisor};

/// The control socket, if there is one, and the questions that are open.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) control: Option<Control>,
    pub(crate) asked: Asked,
    pub(crate) inquiries: Inquiries,
    pub(crate) operations: Operations,
    told_turned_away: report::Control,
    /// Dumps written so far, so that each has a name of its own while it is written.
    pub(crate) dumps: u64,
}

impl Desk {
    /// A client waits for what a worker was asked, or has to read what it was told before it is told the rest.
    pub(crate) fn is_asking(&self) -> bool {
        let asks = [self.asked.wakeup(), self.operations.wakeup()].iter().any(Option::is_some);
        asks || self.inquiries.are_under_way()
    }

    pub(crate) fn new(control: Option<Control>) -> Self {
        Self {
            control,
            asked: Asked::default(),
            inquiries: Inquiries::default(),
            operations: Operations::default(),
            told_turned_away: report::Control::default(),
            dumps: 0,
        }
    }

    /// Takes everyone who knocks.
    pub(crate) fn accept(&mut self, poller: &Poller) {
        if let Some(control) = &mut self.control {
            control.accept(poller, CLIENTS);
        }
    }

    /// Tells an event to everyone who follows.
    pub(crate) fn publish(&mut self, record: &Record, poller: &Poller) {
        if let Some(control) = &mut self.control {
            control.publish(record, poller, CLIENTS);
        }
    }

    /// When a client takes too long to read.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        self.control.as_ref().and_then(Control::wakeup)
    }

    /// Clients that take too long to read are not waited for.
    pub(crate) fn cut_off_late(&mut self, now: Moment, poller: &Poller) {
        if let Some(control) = &mut self.control {
            control.cut_off_late(now, poller);
        }
    }

    /// Takes the socket away.
    pub(crate) fn close(&self) {
        if let Some(control) = &self.control {
            control.remove();
        }
    }

    /// What the socket turned away so far.
    pub(crate) fn turned_away(&self) -> report::Control {
        self.control.as_ref().map(Control::turned_away).unwrap_or_default()
    }
}

impl Supervisor {
    /// A client has something to ask, or reads on.
    pub(crate) fn hear_client(&mut self, client: u64) {
        let Some(control) = &mut self.desk.control else { return };
        for request in control.ready(client, &self.poller, CLIENTS) {
            match request {
                Request::Plan { path } => self.send_plan(client, Path::new(&path)),
                Request::Status => self.ask_workers(Purpose::Client(client)),
                Request::Services { named } => self.ask_services(client, &named),
                Request::Operate { server, service, operation } => {
                    self.operate(client, &server, service.as_deref(), operation);
                }
                Request::Events { follow, filter } => self.send_events(client, follow, filter),
                Request::Reload => self.reload_for(client),
                Request::Upgrade { program } => self.upgrade_for(client, program.as_deref()),
                Request::Record => self.send_record(client),
            }
        }
    }

    fn send_events(&mut self, client: u64, follow: bool, filter: Filter) {
        let Some(control) = &mut self.desk.control else { return };
        let mut wanted: Vec<Record> = self.journal.kept().filter(|record| filter.admits(record)).collect();
        let skipped = filter.last.map_or(0, |last| wanted.len().saturating_sub(last));
        for record in wanted.drain(skipped..) {
            control.answer(client, &Answer::Event(Box::new(record)), &self.poller, CLIENTS);
        }
        if follow {
            control.follow(client, filter);
        } else {
            control.answer(client, &Answer::End, &self.poller, CLIENTS);
            control.finish(client, &self.poller, CLIENTS);
        }
    }

    /// Each bound of the control socket is told when it is reached for the first time.
    pub(crate) fn tell_turned_away(&mut self) {
        let after = self.desk.turned_away();
        let before = std::mem::replace(&mut self.desk.told_turned_away, after);
        if before.clients_refused == 0 && after.clients_refused > 0 {
            self.tell(Happening::Bound { bound: Bound::Clients { connected: CLIENTS_MAX } });
        }
        if before.clients_too_slow == 0 && after.clients_too_slow > 0 {
            self.tell(Happening::Bound { bound: Bound::SlowClient });
        }
    }
}
