//! Asking who else serves (`split_brain_check`): the link for the virtual addresses, an arbiter, a port that only a master
//! serves.
//!
//! Each question is asked in [`ROUNDS`] rounds and answered before the machine stops waiting. Questions share sockets: one
//! for each interface and family, one for each arbiter and each service.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use steadfast_control::event::Sent;
use steadfast_kernel::client::{DatagramKind, DatagramSocket, Stream, Unreached, Way};
use steadfast_kernel::datagram::answers::{ANSWER_BYTES, AnswerKind, Answers};
use steadfast_kernel::wait::poll::Interest;
use steadfast_probe::ping::{MESSAGE_BYTES, Ping};
use steadfast_vrrp::{InstanceId, InterfaceId, Moment, Served};
use steadfast_wire::arp::{ArpMessage, Operation};
use steadfast_wire::ethernet::MacAddress;
use steadfast_wire::ndp::{self, NeighbourAdvertisement};
use steadfast_wire::vrrp::Family;

use super::announcing::{HARDWARE_ETHERNET, hardware};
use super::{Effects, now};
use crate::link::vrrp::Notice;
use crate::vrrp::timing::ToTiming;

/// Tokens of the sockets that answers come by begin here.
pub(super) const FIRST_ASKED: u64 = 1 << 32;

/// Rounds of a question; one lost packet is no answer.
const ROUNDS: u32 = 3;

/// Parts of the time that the machine waits; the last one is for the way of the answer to it.
const WITHIN_PARTS: u32 = ROUNDS + 1;

/// Virtual addresses that one question asks for; a router that serves one of them serves all.
const ADDRESSES_ASKED_MAX: usize = 16;

/// Arbiters and services asked at one time; further ones are not asked, and that is told.
const HOSTS_ASKED_MAX: usize = 256;

/// Answers read from a socket in one go.
const ANSWERS_READ_MAX: usize = 64;

/// Room for an answer of an arbiter.
const REPLY_BYTES: usize = MESSAGE_BYTES + 128;

/// A host that is asked, and the interface where its address means something only there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Host<Address> {
    address: Address,
    interface: Option<String>,
}

/// What answers come by.
enum Source {
    Link(u32, Family, Answers),
    Arbiter(Host<IpAddr>, DatagramSocket),
    Service(Host<SocketAddr>, Stream),
}

/// A question that is under way.
struct Question {
    asked: Moment,
    /// One round.
    part: Duration,
    rounds: u32,
    next: Moment,
    link: Vec<Asked>,
    /// Not heard from yet.
    arbiter: Option<Host<IpAddr>>,
    /// No word of it yet.
    service: Option<Host<SocketAddr>>,
}

/// An address that is asked for on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    interface: InterfaceId,
    index: u32,
    address: IpAddr,
    /// Otherwise answers are heard there only.
    asks: bool,
}

/// Questions and what answers come by.
#[derive(Default)]
pub(super) struct Asking {
    questions: BTreeMap<InstanceId, Question>,
    sources: BTreeMap<u64, Source>,
    opened: u64,
    sequence: u16,
    /// When sockets or frames were refused last.
    refused: Option<Moment>,
}

/// Refusals are told again after so long without one.
const REFUSALS_APART: Duration = Duration::from_secs(60);

impl Asking {
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        self.questions.values().map(|question| question.next).min()
    }

    fn has_link(&self, index: u32, family: Family) -> bool {
        let is =
            |source: &Source| matches!(source, Source::Link(of, kind, _) if (*of, *kind) == (index, family));
        self.sources.values().any(is)
    }

    fn hosts(&self) -> usize {
        self.sources.values().filter(|source| !matches!(source, Source::Link(..))).count()
    }

    /// Forgets sockets that no question needs.
    fn tidy(&mut self) -> Vec<Source> {
        let questions = &self.questions;
        let links: BTreeSet<(u32, Family)> = questions
            .values()
            .flat_map(|question| &question.link)
            .map(|asked| (asked.index, Family::of(asked.address)))
            .collect();
        let arbiters: BTreeSet<_> =
            questions.values().filter_map(|question| question.arbiter.as_ref()).collect();
        let services: BTreeSet<_> =
            questions.values().filter_map(|question| question.service.as_ref()).collect();
        let needed = |source: &Source| match source {
            Source::Link(index, family, _) => links.contains(&(*index, *family)),
            Source::Arbiter(host, _) => arbiters.contains(host),
            Source::Service(host, _) => services.contains(host),
        };
        let gone: Vec<u64> =
            self.sources.iter().filter(|(_, source)| !needed(source)).map(|(token, _)| *token).collect();
        gone.iter().filter_map(|token| self.sources.remove(token)).collect()
    }
}

impl Effects {
    /// Begins a question; an earlier one of the same instance counts for nothing.
    pub(super) fn ask_who_serves(&mut self, instance: InstanceId, asked: Moment, only_arbiter: bool) {
        let Some(config) = self.config_of(instance) else { return };
        let Some(check) = config.split_brain_check.clone() else { return };
        let local = |address: IpAddr| match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                Some(self.work.interface_name(config.interface).to_owned())
            }
            _ => None,
        };
        let arbiter = check.arbiter.map(|address| Host { address, interface: local(address) });
        let service = check.service.filter(|_| !only_arbiter);
        let service = service.map(|address| Host { address, interface: local(address.ip()) });
        let link = if check.link && !only_arbiter { self.asked_for(instance) } else { Vec::new() };
        let part = check.within / WITHIN_PARTS;
        let question = Question { asked, part, rounds: 0, next: now(), link, arbiter, service };
        self.asking.questions.insert(instance, question);
        self.ask_round(instance);
        self.answer_if_over(instance);
    }

    /// The addresses of an instance, on the interfaces that the other routers are on. A frame from a MAC address that several
    /// routers have would lead the switch astray, so that nothing is asked from interfaces that are made; but answers to all
    /// nodes from such an address are heard on them alone (IPv6).
    fn asked_for(&self, instance: InstanceId) -> Vec<Asked> {
        let addresses = self.work.install(instance).map(|install| install.addresses.as_slice());
        let mut asked = Vec::new();
        for address in addresses.unwrap_or_default().iter().take(ADDRESSES_ASKED_MAX) {
            let made = self.work.made(address.interface);
            let below = made.map_or(address.interface, |made| made.lower);
            let also = made.filter(|_| address.address.is_ipv6()).map(|made| (made.interface, false));
            for (interface, asks) in [(below, true)].into_iter().chain(also) {
                let Some(link) = self.site.interfaces.of(interface) else { continue };
                if !link.no_arp && link.hardware_type == HARDWARE_ETHERNET {
                    asked.push(Asked { interface, index: link.index, address: address.address, asks });
                }
            }
        }
        asked
    }

    /// What answers will come by. Where nothing can be had, nothing is asked: the other ways count.
    fn open_sources(&mut self, instance: InstanceId) {
        let Some(question) = self.asking.questions.get(&instance) else { return };
        let (arbiter, service) = (question.arbiter.clone(), question.service.clone());
        let places = question.link.iter();
        let links: BTreeSet<(InterfaceId, u32, Family)> =
            places.map(|asked| (asked.interface, asked.index, Family::of(asked.address))).collect();
        for (interface, index, family) in links {
            if self.asking.has_link(index, family) {
                continue;
            }
            let kind = if family == Family::V4 { AnswerKind::Arp } else { AnswerKind::Neighbour };
            match Answers::open(index, kind) {
                Ok(answers) => self.listen(Source::Link(index, family, answers)),
                Err(error) => self.question_refused(interface, error.errno),
            }
        }
        let config = self.config_of(instance);
        let Some(interface) = config.map(|config| config.interface) else { return };
        if let Some(host) = arbiter
            && !self.open_arbiter(&host, interface)
            && let Some(question) = self.asking.questions.get_mut(&instance)
        {
            question.arbiter = None;
        }
        if let Some(host) = service
            && !self.open_service(&host, interface)
            && let Some(question) = self.asking.questions.get_mut(&instance)
        {
            question.service = None;
        }
    }

    /// Whether an answer may come.
    fn open_arbiter(&mut self, host: &Host<IpAddr>, interface: InterfaceId) -> bool {
        let known = |source: &Source| matches!(source, Source::Arbiter(of, _) if of == host);
        if self.asking.sources.values().any(known) {
            return true;
        }
        if !self.has_room(interface) {
            return false;
        }
        let way = Way { interface: host.interface.clone(), ..Way::to(SocketAddr::new(host.address, 0)) };
        match DatagramSocket::open(DatagramKind::Echo, &way) {
            Ok(socket) => self.listen(Source::Arbiter(host.clone(), socket)),
            // No way there: it does not answer.
            Err(Unreached::Far(_)) => {}
            Err(Unreached::Near(error)) => {
                self.question_refused(interface, error.errno);
                return false;
            }
        }
        true
    }

    /// Whether an answer may come. What this host has itself is served here.
    fn open_service(&mut self, host: &Host<SocketAddr>, interface: InterfaceId) -> bool {
        let known = |source: &Source| matches!(source, Source::Service(of, _) if of == host);
        if self.asking.sources.values().any(known) {
            return true;
        }
        if !self.has_room(interface) {
            return false;
        }
        match Stream::connect(&Way { interface: host.interface.clone(), ..Way::to(host.address) }) {
            Ok((stream, _)) if stream.is_to_oneself() => {
                stream.reset();
                false
            }
            Ok((stream, _)) => {
                self.listen(Source::Service(host.clone(), stream));
                true
            }
            Err(Unreached::Far(_)) => false,
            Err(Unreached::Near(error)) => {
                self.question_refused(interface, error.errno);
                false
            }
        }
    }

    fn has_room(&mut self, interface: InterfaceId) -> bool {
        let room = self.asking.hosts() < HOSTS_ASKED_MAX;
        if !room {
            self.question_refused(interface, steadfast_kernel::Errno::MFILE);
        }
        room
    }

    fn listen(&mut self, source: Source) {
        let token = FIRST_ASKED + self.asking.opened;
        self.asking.opened += 1;
        let added = match &source {
            Source::Link(_, _, answers) => self.poller.add(answers, token, Interest::Readable),
            Source::Arbiter(_, socket) => self.poller.add(socket, token, Interest::Readable),
            Source::Service(_, stream) => self.poller.add(stream, token, Interest::Writable),
        };
        // One that cannot be waited for is as one that nothing comes by.
        if added.is_ok() {
            self.asking.sources.insert(token, source);
        }
    }

    /// Asks once more in every way that has not been answered.
    fn ask_round(&mut self, instance: InstanceId) {
        self.open_sources(instance);
        let Some(question) = self.asking.questions.get_mut(&instance) else { return };
        question.rounds += 1;
        question.next = question.asked + question.part * question.rounds;
        for Asked { interface, index, address, .. } in question.link.iter().filter(|asked| asked.asks) {
            let link = self.site.interfaces.of(*interface);
            let Some(own) = link.and_then(|link| hardware(&link.hardware_address)) else { continue };
            let tag = u64::from(interface.0);
            match address {
                IpAddr::V4(address) => {
                    let frame = ArpMessage::probe(*address, own).frame(MacAddress::BROADCAST);
                    self.site.announcer.push(*index, &frame, tag);
                }
                IpAddr::V6(address) => {
                    self.site.announcer.push(*index, &ndp::probe_frame(*address, own), tag);
                }
            }
        }
        let asks_link = !question.link.is_empty();
        let asks = |host: &Host<IpAddr>| question.arbiter.as_ref() == Some(host);
        let sequence = self.asking.sequence.wrapping_add(1);
        self.asking.sequence = sequence;
        for source in self.asking.sources.values_mut() {
            if let Source::Arbiter(host, socket) = source
                && asks(host)
            {
                // What the way says is no answer, and the next round asks again.
                let _ = socket.send(&Ping::new(Family::of(host.address), sequence).bytes());
            }
        }
        if asks_link {
            self.send_questions();
        }
    }

    fn send_questions(&mut self) {
        self.site.announcer.flush();
        let refused = self.site.announcer.failures().first().map(|failure| (failure.tag, failure.errno));
        if let Some((tag, errno)) = refused
            && let Ok(interface) = u32::try_from(tag)
        {
            self.question_refused(InterfaceId(interface), errno);
        }
    }

    fn question_refused(&mut self, interface: InterfaceId, errno: steadfast_kernel::Errno) {
        let now = now();
        let last = self.asking.refused.replace(now);
        if last.is_none_or(|last| now.since(last) > REFUSALS_APART) {
            self.notice(Notice::Send { interface, sent: Sent::Questions, errno });
        }
    }

    /// What came by one of the sockets.
    pub(super) fn hear_answers(&mut self, token: u64) {
        match self.asking.sources.get_mut(&token) {
            Some(Source::Link(index, family, answers)) => {
                let (index, heard) = (*index, heard_on_link(*family, answers));
                for (address, hardware) in heard {
                    self.heard_from_link(index, address, hardware);
                }
            }
            Some(Source::Arbiter(host, socket)) => match reply(host.address, socket) {
                Reply::Answers => {
                    let host = host.clone();
                    self.settle_hosts(|question| {
                        let answered = question.arbiter.as_ref() == Some(&host);
                        question.arbiter.take_if(|_| answered);
                        answered
                    });
                }
                // What the way said stays with the socket; the next round opens another.
                Reply::Broken => self.drop_source(token),
                Reply::None => {}
            },
            Some(Source::Service(host, stream)) => {
                let (host, connected) = (host.clone(), stream.connected());
                let served = Served::Service { address: host.address.ip(), port: host.address.port() };
                if connected.is_ok() && !stream.is_to_oneself() {
                    self.answer_all(served, |question| question.service.as_ref() == Some(&host));
                } else {
                    self.settle_hosts(|question| {
                        let refused = question.service.as_ref() == Some(&host);
                        question.service.take_if(|_| refused);
                        refused
                    });
                }
            }
            None => {}
        }
        self.close_sources();
    }

    fn heard_from_link(&mut self, index: u32, address: IpAddr, hardware: MacAddress) {
        let served = Served::Link { address, hardware: hardware.0 };
        self.answer_all(served, |question| {
            question.link.iter().any(|asked| (asked.index, asked.address) == (index, address))
        });
    }

    fn answer_all(&mut self, served: Served, concerns: impl Fn(&Question) -> bool) {
        let concerned: Vec<InstanceId> = self
            .asking
            .questions
            .iter()
            .filter(|(_, question)| concerns(question))
            .map(|(id, _)| *id)
            .collect();
        for instance in concerned {
            self.answer(instance, Some(served));
        }
    }

    /// Takes note of what a host said; questions with nothing left to ask are answered.
    fn settle_hosts(&mut self, mut note: impl FnMut(&mut Question) -> bool) {
        let noted: Vec<InstanceId> = self
            .asking
            .questions
            .iter_mut()
            .filter_map(|(id, question)| note(question).then_some(*id))
            .collect();
        for instance in noted {
            self.answer_if_over(instance);
        }
    }

    /// The link and silent hosts are asked until the end.
    fn answer_if_over(&mut self, instance: InstanceId) {
        let Some(question) = self.asking.questions.get(&instance) else { return };
        if question.link.is_empty() && question.arbiter.is_none() && question.service.is_none() {
            self.answer(instance, None);
        }
    }

    fn answer(&mut self, instance: InstanceId, served: Option<Served>) {
        if let Some(Question { asked, .. }) = self.asking.questions.remove(&instance) {
            self.lanes.to_timing.push(ToTiming::WhoServes { instance, asked, served });
        }
    }

    /// Asks again what is due, and answers what nobody has answered.
    pub(super) fn go_on_asking(&mut self) {
        let now = now();
        let due = |question: &Question| question.next <= now;
        let due: Vec<InstanceId> =
            self.asking.questions.iter().filter(|(_, question)| due(question)).map(|(id, _)| *id).collect();
        if due.is_empty() {
            return;
        }
        for instance in due {
            let Some(question) = self.asking.questions.get(&instance) else { continue };
            if question.rounds < ROUNDS {
                self.ask_round(instance);
            } else {
                let silent =
                    question.arbiter.as_ref().map(|host| Served::NoArbiter { arbiter: host.address });
                self.answer(instance, silent);
            }
        }
        self.close_sources();
    }

    fn close_sources(&mut self) {
        for source in self.asking.tidy() {
            self.close(source);
        }
    }

    fn drop_source(&mut self, token: u64) {
        if let Some(source) = self.asking.sources.remove(&token) {
            self.close(source);
        }
    }

    fn close(&self, source: Source) {
        let _ = match &source {
            Source::Link(_, _, answers) => self.poller.remove(answers),
            Source::Arbiter(_, socket) => self.poller.remove(socket),
            Source::Service(_, stream) => self.poller.remove(stream),
        };
        if let Source::Service(_, stream) = source {
            stream.reset();
        }
    }
}

fn heard_on_link(family: Family, answers: &Answers) -> Vec<(IpAddr, MacAddress)> {
    let mut heard = Vec::new();
    let mut buffer = [0; ANSWER_BYTES];
    for _ in 0..ANSWERS_READ_MAX {
        let Some(frame) = answers.receive(&mut buffer) else { break };
        let answer = match family {
            Family::V4 => ArpMessage::parse_frame(frame)
                .filter(|(_, message)| message.operation == Operation::Reply)
                .map(|(_, message)| (message.sender_address.into(), message.sender_hardware)),
            Family::V6 => NeighbourAdvertisement::parse_frame(frame).map(|(ethernet, _, advertisement)| {
                (advertisement.target.into(), advertisement.hardware.unwrap_or(ethernet.source))
            }),
        };
        heard.extend(answer);
    }
    heard
}

/// What an arbiter says.
enum Reply {
    Answers,
    /// The way there says that it is none.
    Broken,
    None,
}

/// Whoever answers one of the rounds late answers.
fn reply(address: IpAddr, socket: &mut DatagramSocket) -> Reply {
    let mut buffer = [0; REPLY_BYTES];
    for _ in 0..ANSWERS_READ_MAX {
        match socket.receive(&mut buffer) {
            Ok(Some(length)) => {
                let message = buffer.get(..length).unwrap_or_default();
                if Ping::is_reply(Family::of(address), message) {
                    return Reply::Answers;
                }
            }
            Ok(None) => return Reply::None,
            Err(_) => return Reply::Broken,
        }
    }
    Reply::None
}
