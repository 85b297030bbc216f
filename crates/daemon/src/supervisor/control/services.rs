//! Virtual servers as `status` shows them: the check worker is asked for a piece at a time and answers it in parts; each
//! part goes on to whoever asked before the next one comes, and the next piece is asked for when that has been read.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::request::Answer;
use steadfast_control::status as report;
use steadfast_vrrp::Moment;

use super::ClientId;
use super::status::ANSWER_WITHIN;
use crate::link::check::Order;
use crate::supervisor::{CLIENTS, SETTLE_AFTER, Supervisor, moment};

/// With so many services the memory of an answer is worth giving back.
const MANY_SERVICES: usize = 64;

/// With so many servers a piece of an answer is long enough. The next piece is asked for when everyone has room for it, so
/// that no more than a piece waits for anybody.
const SERVERS_OF_A_PIECE: u32 = 512;

/// How long in all others wait for those who asked to make room for the next pieces: half of what a client waits.
const ROOM_WITHIN: Duration = Duration::from_secs(5);

/// Questions under way, and those that came meanwhile. A client asks once, so that there are no more than clients.
#[derive(Debug, Default)]
pub(crate) struct Inquiries {
    number: u32,
    asking: Vec<Inquiry>,
    /// Not asked for yet, in order.
    left: VecDeque<Arc<str>>,
    /// Asked for and not told yet, in order.
    piece: VecDeque<Arc<str>>,
    /// What is left to be told without the worker, which has not answered in time.
    known: VecDeque<report::Service>,
    awaited: Awaited,
    /// What is left of the time that others wait.
    patience: Duration,
    next: Vec<Inquiry>,
}

/// What the answer under way waits for, and until when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Awaited {
    /// There is none.
    #[default]
    Nothing,
    /// The worker, to tell of a piece.
    Piece(Moment),
    /// Those who ask, to read what they were told. That ends only while others wait.
    Room(Moment),
}

#[derive(Debug)]
struct Inquiry {
    client: ClientId,
    services: BTreeSet<Arc<str>>,
}

impl Inquiries {
    /// When somebody takes too long.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        match self.awaited {
            Awaited::Piece(until) => Some(until),
            Awaited::Room(until) if self.others_wait() => Some(until),
            Awaited::Room(_) | Awaited::Nothing => None,
        }
    }

    /// Somebody is owed more of an answer.
    pub(crate) fn are_under_way(&self) -> bool {
        self.awaited != Awaited::Nothing
    }

    /// Whoever does not read keeps others waiting.
    fn others_wait(&self) -> bool {
        self.asking.len() > 1 || !self.next.is_empty()
    }

    fn knows(&self, client: ClientId) -> bool {
        self.asking.iter().chain(&self.next).any(|inquiry| inquiry.client == client)
    }

    fn awaits_piece(&self) -> bool {
        matches!(self.awaited, Awaited::Piece(_))
    }
}

impl Supervisor {
    /// A client wants to know of virtual servers: of those of these names, or of all.
    pub(crate) fn ask_services(&mut self, client: ClientId, named: &[String]) {
        if self.desk.inquiries.knows(client) {
            return;
        }
        let meant = |key: &&Arc<str>| named.is_empty() || named.iter().any(|name| **name == ***key);
        let services = self.balancing.names().filter(meant).cloned().collect();
        let inquiries = &mut self.desk.inquiries;
        if let Awaited::Room(until) = &mut inquiries.awaited
            && inquiries.asking.len() == 1
            && inquiries.next.is_empty()
        {
            *until = moment() + inquiries.patience;
        }
        inquiries.next.push(Inquiry { client, services });
        if inquiries.asking.is_empty() {
            self.begin_inquiry();
        }
    }

    fn begin_inquiry(&mut self) {
        let inquiries = &mut self.desk.inquiries;
        inquiries.asking = std::mem::take(&mut inquiries.next);
        let named: BTreeSet<Arc<str>> =
            inquiries.asking.iter().flat_map(|inquiry| inquiry.services.iter().cloned()).collect();
        inquiries.left = named.into_iter().collect();
        inquiries.patience = ROOM_WITHIN;
        self.go_on_with_inquiry();
    }

    /// Asks for the next piece, unless there is somebody who has to read first.
    fn go_on_with_inquiry(&mut self) {
        loop {
            self.forget_who_left();
            let inquiries = &mut self.desk.inquiries;
            if inquiries.left.is_empty() && inquiries.known.is_empty() {
                return self.end_inquiry();
            }
            if !self.have_room() {
                let inquiries = &mut self.desk.inquiries;
                inquiries.awaited = Awaited::Room(moment() + inquiries.patience);
                return;
            }
            if !self.desk.inquiries.known.is_empty() {
                self.tell_known();
            } else if self.ask_for_piece() {
                return;
            } else {
                self.know_the_rest();
            }
        }
    }

    /// Asks the worker, if there is one.
    fn ask_for_piece(&mut self) -> bool {
        let inquiries = &mut self.desk.inquiries;
        let mut servers = 0;
        while servers < SERVERS_OF_A_PIECE
            && let Some(service) = inquiries.left.pop_front()
        {
            servers = servers.saturating_add(self.balancing.servers_of(&service).max(1));
            inquiries.piece.push_back(service);
        }
        inquiries.number = inquiries.number.wrapping_add(1);
        let (request, named) = (inquiries.number, inquiries.piece.iter().cloned().collect());
        inquiries.awaited = Awaited::Piece(moment() + ANSWER_WITHIN);
        self.workers.check.order(Order::Services { request, named }, &self.poller)
    }

    /// Who hung up is told nothing more; where nobody is left nothing is to be told.
    fn forget_who_left(&mut self) {
        let Some(control) = &self.desk.control else { return };
        let inquiries = &mut self.desk.inquiries;
        inquiries.asking.retain(|inquiry| control.is_connected(inquiry.client));
        if inquiries.asking.is_empty() {
            inquiries.left.clear();
            inquiries.known.clear();
        }
    }

    fn have_room(&self) -> bool {
        let Some(control) = &self.desk.control else { return true };
        self.desk.inquiries.asking.iter().all(|inquiry| control.has_room(inquiry.client))
    }

    /// A part of an answer.
    pub(crate) fn services_told(&mut self, request: u32, services: Vec<report::Service>, last: bool) {
        let inquiries = &mut self.desk.inquiries;
        if !inquiries.awaits_piece() || request != inquiries.number {
            return;
        }
        inquiries.awaited = Awaited::Piece(moment() + ANSWER_WITHIN);
        for service in services {
            // What stands before it does not exist any more.
            let piece = &mut self.desk.inquiries.piece;
            while piece.pop_front().is_some_and(|name| name != service.name) {}
            self.hand_on(service);
        }
        if last {
            self.go_on_with_inquiry();
        }
    }

    /// A worker that takes too long is not waited for, nor is a client that does not read.
    pub(crate) fn services_late(&mut self, now: Moment) {
        match self.desk.inquiries.awaited {
            Awaited::Piece(until) if until <= now => self.abandon_inquiry(),
            Awaited::Room(until) => {
                if until <= now
                    && self.desk.inquiries.others_wait()
                    && let Some(control) = &mut self.desk.control
                {
                    let asking = self.desk.inquiries.asking.iter().map(|inquiry| inquiry.client);
                    asking.for_each(|client| control.cut_off_without_room(client, &self.poller));
                }
                self.forget_who_left();
                if self.have_room() {
                    let inquiries = &mut self.desk.inquiries;
                    if inquiries.others_wait() {
                        inquiries.patience = until.since(now);
                    }
                    self.go_on_with_inquiry();
                }
            }
            _ => {}
        }
    }

    /// The worker is gone or takes too long: what it did not tell is as it was told last.
    pub(crate) fn abandon_inquiry(&mut self) {
        if self.desk.inquiries.awaits_piece() {
            self.know_the_rest();
            self.go_on_with_inquiry();
        }
    }

    /// What the worker did not tell is as it told of it last.
    fn know_the_rest(&mut self) {
        let inquiries = &mut self.desk.inquiries;
        let rest =
            std::mem::take(&mut inquiries.piece).into_iter().chain(std::mem::take(&mut inquiries.left));
        let rest: BTreeSet<_> = rest.collect();
        self.desk.inquiries.known = self.balancing.last_known(moment(), self.served(), &rest).into();
    }

    /// A piece of that.
    fn tell_known(&mut self) {
        let mut servers = 0;
        while servers < SERVERS_OF_A_PIECE
            && let Some(service) = self.desk.inquiries.known.pop_front()
        {
            servers = servers.saturating_add(u32::try_from(service.servers.len()).unwrap_or(u32::MAX).max(1));
            self.hand_on(service);
        }
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
        self.desk.inquiries.awaited = Awaited::Nothing;
        self.desk.inquiries.piece.clear();
        self.desk.inquiries.known = VecDeque::new();
        // What an answer needed is as large as the answer.
        if self.balancing.count() >= MANY_SERVICES {
            self.settle_at = Some(moment() + SETTLE_AFTER);
        }
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
