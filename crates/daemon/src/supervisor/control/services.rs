//! Virtual servers as `status` shows them: the check worker answers a part at a time, and each part goes on to whoever
//! asked before the next one comes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use steadfast_control::request::Answer;
use steadfast_control::status as report;
use steadfast_vrrp::Moment;

use super::ClientId;
use super::status::ANSWER_WITHIN;
use crate::digest::check::headings;
use crate::link::check::Order;
use crate::supervisor::{CLIENTS, Supervisor, moment};

/// Questions under way, and those that came meanwhile. A client asks once, so that there are no more than clients.
#[derive(Debug, Default)]
pub(crate) struct Inquiries {
    number: u32,
    asking: Vec<Inquiry>,
    /// Asked for and not told yet, in order.
    left: VecDeque<Arc<str>>,
    /// When the worker takes too long for the next part.
    until: Option<Moment>,
    next: Vec<Inquiry>,
}

#[derive(Debug)]
struct Inquiry {
    client: ClientId,
    services: BTreeSet<Arc<str>>,
}

impl Inquiries {
    /// When the worker takes too long.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        self.until
    }

    fn knows(&self, client: ClientId) -> bool {
        self.asking.iter().chain(&self.next).any(|inquiry| inquiry.client == client)
    }
}

impl Supervisor {
    /// A client wants to know of virtual servers: of those of these names, or of all.
    pub(crate) fn ask_services(&mut self, client: ClientId, named: &[String]) {
        if self.desk.inquiries.knows(client) {
            return;
        }
        let model = self.served_model();
        let all = headings(&model).map(|(name, _, _)| name);
        let services =
            all.filter(|key| named.is_empty() || named.iter().any(|name| **name == **key)).collect();
        self.desk.inquiries.next.push(Inquiry { client, services });
        if self.desk.inquiries.asking.is_empty() {
            self.begin_inquiry();
        }
    }

    fn begin_inquiry(&mut self) {
        let inquiries = &mut self.desk.inquiries;
        inquiries.asking = std::mem::take(&mut inquiries.next);
        let named: BTreeSet<Arc<str>> =
            inquiries.asking.iter().flat_map(|inquiry| inquiry.services.iter().cloned()).collect();
        inquiries.left = named.into_iter().collect();
        inquiries.number = inquiries.number.wrapping_add(1);
        inquiries.until = Some(moment() + ANSWER_WITHIN);
        let (request, named) = (inquiries.number, inquiries.left.iter().cloned().collect());
        let wanted = !inquiries.left.is_empty();
        if !wanted || !self.workers.check.order(Order::Services { request, named }, &self.poller) {
            self.abandon_inquiry();
        }
    }

    /// A part of an answer.
    pub(crate) fn services_told(&mut self, request: u32, services: Vec<report::Service>, last: bool) {
        let inquiries = &mut self.desk.inquiries;
        if inquiries.until.is_none() || request != inquiries.number {
            return;
        }
        inquiries.until = Some(moment() + ANSWER_WITHIN);
        for service in services {
            // What stands before it does not exist any more.
            let left = &mut self.desk.inquiries.left;
            while left.pop_front().is_some_and(|name| name != service.name) {}
            self.hand_on(service);
        }
        if last {
            self.end_inquiry();
        }
    }

    /// A worker that takes too long is not waited for.
    pub(crate) fn services_late(&mut self, now: Moment) {
        if self.desk.inquiries.until.is_some_and(|at| at <= now) {
            self.abandon_inquiry();
        }
    }

    /// The worker is gone or takes too long: what it did not tell is as it was told last.
    pub(crate) fn abandon_inquiry(&mut self) {
        if self.desk.inquiries.until.is_none() {
            return;
        }
        let left = std::mem::take(&mut self.desk.inquiries.left);
        let left: BTreeSet<_> = left.into_iter().collect();
        for service in self.balancing.last_known(moment(), &self.served_model(), &left) {
            self.hand_on(service);
        }
        self.end_inquiry();
    }

    fn hand_on(&mut self, service: report::Service) {
        let asking = self.desk.inquiries.asking.iter();
        let clients: Vec<ClientId> = asking
            .filter(|inquiry| inquiry.services.contains(&service.name))
            .map(|inquiry| inquiry.client)
            .collect();
        let Some(control) = &mut self.desk.control else { return };
        let answer = Answer::Service(Box::new(service));
        for client in clients {
            control.answer(client, &answer, &self.poller, CLIENTS);
        }
    }

    fn end_inquiry(&mut self) {
        self.desk.inquiries.until = None;
        for Inquiry { client, .. } in std::mem::take(&mut self.desk.inquiries.asking) {
            let Some(control) = &mut self.desk.control else { continue };
            control.answer(client, &Answer::End, &self.poller, CLIENTS);
            control.finish(client, &self.poller, CLIENTS);
        }
        if !self.desk.inquiries.next.is_empty() {
            self.begin_inquiry();
        }
    }
}
