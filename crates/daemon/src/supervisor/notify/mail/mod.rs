//! Alert mail: letters wait in the supervisor, and a process of its own takes them to the mail server, so that a name
//! service or a server that hangs delays nothing.

mod balancing;
mod delivery;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{PipeReader, Read as _, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use steadfast_config::model::{Global, Model};
use steadfast_control::event::{Bound, Fault, Happening, Matter};
use steadfast_kernel::process::signal::Signal;
use steadfast_kernel::process::{Child, Forked, exit_now, fork, host_name};
use steadfast_kernel::wait::poll::Interest;
use steadfast_vrrp::{Cause, Event, GroupId, InstanceId, Moment, State};

use self::delivery::clean;
use super::scripts::Owner;
use crate::link::vrrp::work::Work;
use crate::supervisor::{MAIL, Supervisor, moment};

/// Letters that wait; beyond it the oldest is left out.
pub(crate) const LETTERS_MAX: usize = 256;
/// Letters of one conversation with the server.
const CONVERSATION_MAX: usize = 32;
/// Steps of a conversation, each of which may take `smtp_connect_timeout`, before it is ended from outside.
const STEPS_MAX: u32 = 10;
/// A server that did not take a letter is tried again after this long, doubled each time.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// And not less often than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Where a line of the header is folded (RFC 5322 section 2.1.1: 78 characters).
const LINE_BYTES: usize = 76;
/// What a delivery has to say for itself, bytes.
const REPORT_BYTES_MAX: u64 = 4_096;

/// One letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) at: Timestamp,
    /// Behind the name of the router.
    pub(crate) subject: String,
    /// Between the arrows.
    pub(crate) body: String,
}

/// Where letters go and whom they are from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Relay {
    server: String,
    port: u16,
    helo: String,
    from: String,
    to: Vec<String>,
    timeout: Duration,
    router: String,
}

/// Who is written of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subjects {
    instances: BTreeSet<InstanceId>,
    groups: BTreeSet<GroupId>,
    balancing: balancing::Subjects,
    /// Services and servers that are no more, until the worker has told of their ends.
    former: balancing::Subjects,
}

/// Letters on their way.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) subjects: Subjects,
    waiting: VecDeque<Letter>,
    under_way: Option<Delivery>,
    /// What was written last of each: a state is told once.
    told: BTreeMap<Owner, Cow<'static, str>>,
    /// Failures in a row, and when to try again.
    failures: u32,
    again_at: Option<Moment>,
    bound_told: bool,
}

#[derive(Debug)]
struct Delivery {
    child: Child,
    report: PipeReader,
    until: Moment,
}

/// Letters as they are left to another program: when they were written, in microseconds since 1970, subject and body.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct MailLeft {
    waiting: Vec<(i64, String, String)>,
    told: Vec<(Owner, String)>,
    failures: u32,
    again_at: Option<Moment>,
}

impl Letter {
    /// The whole text: header and body.
    fn text(&self, relay: &Relay) -> String {
        let date = self.at.to_zoned(TimeZone::system());
        let date = jiff::fmt::rfc2822::to_string(&date).unwrap_or_default();
        let to: Vec<String> = relay.to.iter().map(|recipient| clean(recipient)).collect();
        format!(
            "Date: {date}\r\nFrom: {}\r\nSubject: [{}] {}\r\nX-Mailer: Keepalived\r\nTo: {}\r\n\r\n=> {} <=",
            clean(&relay.from),
            clean(&relay.router),
            clean(&self.subject),
            folded(&to),
            clean(&self.body),
        )
    }
}

impl Relay {
    /// `None` where nothing is to be sent: without a server or without anybody to write to.
    fn of(global: &Global) -> Option<Self> {
        let mail = &global.mail;
        let server = mail.server.as_ref()?.to_string();
        if mail.to.is_empty() {
            return None;
        }
        let host = host_name();
        let text = |given: &Option<steadfast_config::value::Text>, otherwise: String| {
            given.as_ref().map_or(otherwise, ToString::to_string)
        };
        Some(Self {
            server,
            port: mail.port,
            helo: text(&mail.helo_name, host.clone()),
            from: text(&mail.from, format!("root@{host}")),
            to: mail.to.iter().map(ToString::to_string).collect(),
            timeout: mail.timeout.duration().max(Duration::from_secs(1)),
            router: text(&global.router_id, host),
        })
    }
}

impl Subjects {
    /// Those with `smtp_alert`.
    pub(crate) fn of(model: &Model, work: &Work) -> Self {
        let alerting = |on: bool, name: &str| on.then(|| name.to_owned());
        let instances: BTreeSet<String> = model
            .instances
            .iter()
            .filter_map(|instance| alerting(instance.smtp_alert, &instance.name))
            .collect();
        let groups: BTreeSet<String> =
            model.groups.iter().filter_map(|group| alerting(group.smtp_alert, &group.name)).collect();
        let machine = &work.machine;
        Self {
            instances: machine
                .instances
                .iter()
                .filter(|i| instances.contains(&*i.name))
                .map(|i| i.id)
                .collect(),
            balancing: balancing::Subjects::of(model),
            former: balancing::Subjects::default(),
            groups: machine.groups.iter().filter(|g| groups.contains(&*g.name)).map(|g| g.id).collect(),
        }
    }

    /// The servers are others.
    pub(crate) fn follow_servers(&mut self, model: &Model) {
        let before = std::mem::replace(&mut self.balancing, balancing::Subjects::of(model));
        self.former = before.without(model);
    }

    /// Those that a reload removed and that have something to tell still are written of.
    pub(crate) fn keep(&mut self, before: Self, model: &Model, leaving: impl Fn(&InstanceId) -> bool) {
        self.instances.extend(before.instances.into_iter().filter(leaving));
        self.former = before.balancing.without(model);
    }

    /// All is told of services and servers that are no more.
    pub(crate) fn forget_former(&mut self) {
        self.former = balancing::Subjects::default();
    }
}

impl Mail {
    /// Nothing is under way.
    pub(crate) fn new(subjects: Subjects) -> Self {
        Self { subjects, ..Self::default() }
    }

    /// For the program that comes.
    pub(crate) fn left(&self) -> MailLeft {
        let letter =
            |letter: &Letter| (letter.at.as_microsecond(), letter.subject.clone(), letter.body.clone());
        MailLeft {
            waiting: self.waiting.iter().map(letter).collect(),
            told: self.told.iter().map(|(owner, state)| (owner.clone(), state.to_string())).collect(),
            failures: self.failures,
            again_at: self.again_at,
        }
    }

    /// Goes on with what another program left.
    pub(crate) fn adopt(&mut self, left: MailLeft) {
        let letter =
            |(at, subject, body)| Some(Letter { at: Timestamp::from_microsecond(at).ok()?, subject, body });
        self.waiting = left.waiting.into_iter().filter_map(letter).collect();
        self.told = left.told.into_iter().map(|(owner, state)| (owner, state.into())).collect();
        (self.failures, self.again_at) = (left.failures, left.again_at);
    }

    /// A delivery is under way.
    pub(crate) fn is_delivering(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether a process is a delivery.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        self.under_way.as_ref().is_some_and(|delivery| delivery.child.pid() == pid)
    }

    /// When something is due.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        match &self.under_way {
            Some(delivery) => Some(delivery.until),
            None if self.waiting.is_empty() => None,
            None => Some(self.again_at.unwrap_or(Moment::ZERO)),
        }
    }

    /// Everything is delivered, or the server does not take it.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_none() && (self.waiting.is_empty() || self.failures > 0)
    }

    fn is_due(&self, now: Moment) -> bool {
        self.under_way.is_none() && !self.waiting.is_empty() && self.again_at.is_none_or(|at| at <= now)
    }
}

impl Supervisor {
    /// Writes of an event where that is wanted. A state is written of once.
    pub(crate) fn mail_event(&mut self, event: &Event) {
        let subjects = &self.mail.subjects;
        let (owner, state) = match event {
            Event::InstanceState { instance, from, to, causes, .. } => {
                let removed = causes.contains(&Cause::Reload) && *to == State::Stop;
                let deleted = self.scripts.programs.tells_deleted.contains(instance);
                if !subjects.instances.contains(instance) || (removed && !deleted && *from == State::Fault) {
                    return;
                }
                let state = match (removed, deleted) {
                    (true, true) => "Deleted",
                    (true, false) => "Entering FAULT state",
                    (false, _) => entering(*to),
                };
                (Owner::Instance(self.routers.known.instance(*instance)), state)
            }
            Event::GroupState { group, to, .. } if subjects.groups.contains(group) => {
                let Some(name) = self.routers.known.group(*group) else { return };
                (Owner::Group(name), entering(*to))
            }
            _ => return,
        };
        let is_fault = state == entering(State::Fault);
        if state.is_empty() || (is_fault && self.loaded.global.mail.no_faults) {
            return;
        }
        if self.mail.told.insert(owner.clone(), state.into()).is_some_and(|told| told == state) {
            return;
        }
        let (kind, body) = match &owner {
            Owner::Instance(_) if state == entering(State::Master) => {
                ("Instance", "VRRP Instance is now owning VRRP VIPs".to_owned())
            }
            Owner::Instance(_) => ("Instance", "VRRP Instance is no longer owning VRRP VIPs".to_owned()),
            Owner::Group(_) => {
                let word = state.split_whitespace().nth(1).unwrap_or("STOP");
                ("Group", format!("All VRRP group instances are now in {word} state"))
            }
            // Events of VRRP speak of none.
            Owner::Service(_) => return,
        };
        let subject = format!("VRRP {kind} {} - {state}", owner.name());
        self.post(Letter { at: Timestamp::now(), subject, body });
    }

    /// Has a letter delivered when there is a server to take it.
    pub(crate) fn post(&mut self, letter: Letter) {
        if Relay::of(&self.loaded.global).is_none() {
            return;
        }
        self.mail.waiting.push_back(letter);
        if self.mail.waiting.len() <= LETTERS_MAX {
            return;
        }
        // Those under way stand first, and are counted as they arrive.
        let oldest = if self.mail.under_way.is_some() { CONVERSATION_MAX } else { 0 };
        self.mail.waiting.remove(oldest);
        if !std::mem::replace(&mut self.mail.bound_told, true) {
            self.tell(Happening::Bound { bound: Bound::Letters { waiting: LETTERS_MAX } });
        }
    }

    /// Starts a delivery that is due. In the process that delivers this never returns.
    pub(crate) fn start_mail(mut self) -> Self {
        let now = moment();
        if !self.mail.is_due(now) {
            return self;
        }
        let Some(relay) = Relay::of(&self.loaded.global) else {
            self.mail.waiting.clear();
            return self;
        };
        let started = std::io::pipe().map_err(|error| error.to_string()).and_then(|(report, said)| {
            fork("steadfast_mail").map(|forked| (forked, report, said)).map_err(|error| error.to_string())
        });
        match started {
            Ok((Forked::Child, report, mut said)) => {
                let count = self.mail.waiting.len().min(CONVERSATION_MAX);
                let letters: Vec<Letter> = self.mail.waiting.drain(..count).collect();
                self.confine_helper();
                // Connections of clients and workers must not stay open because of a mail server that hangs.
                drop((self, report));
                let result = delivery::deliver(&relay, &letters, || drop(said.write_all(b"\n")));
                if let Err(reason) = &result {
                    let _ = said.write_all(reason.as_bytes());
                }
                exit_now(i32::from(result.is_err()))
            }
            Ok((Forked::Parent(child), report, _)) => {
                let _ = self.poller.add(&child, MAIL, Interest::Readable);
                let until = now + relay.timeout * STEPS_MAX;
                self.mail.under_way = Some(Delivery { child, report, until });
            }
            Err(reason) => self.mail_failed(now, &reason),
        }
        self
    }

    /// A delivery ended.
    pub(crate) fn mail_ended(&mut self) {
        let Some(Delivery { mut child, mut report, .. }) = self.mail.under_way.take() else { return };
        if !matches!(child.try_wait(), Ok(None)) {
            let _ = self.poller.remove(&child);
            let mut said = Vec::new();
            let _ = report.by_ref().take(REPORT_BYTES_MAX).read_to_end(&mut said);
            let taken = said.iter().take_while(|byte| **byte == b'\n').count();
            self.mail.waiting.drain(..taken.min(self.mail.waiting.len()));
            let reason = String::from_utf8_lossy(said.get(taken..).unwrap_or_default()).into_owned();
            let succeeded = matches!(child.try_wait(), Ok(Some(steadfast_kernel::process::Exit::Status(0))));
            if !succeeded {
                let reason = if reason.is_empty() { "it took too long".to_owned() } else { reason };
                return self.mail_failed(moment(), &reason);
            }
            self.mail.again_at = None;
            self.mail.bound_told = false;
            if std::mem::take(&mut self.mail.failures) > 0 {
                self.fault_over(&Matter::Mail);
            }
        } else {
            let until = moment() + RETRY_AFTER;
            self.mail.under_way = Some(Delivery { child, report, until });
        }
    }

    /// Ends a delivery that takes too long.
    pub(crate) fn mail_overdue(&mut self, now: Moment) {
        if let Some(delivery) = self.mail.under_way.as_mut().filter(|delivery| delivery.until <= now) {
            delivery.until = now + RETRY_AFTER;
            let _ = delivery.child.signal(Signal::KILL);
        }
    }

    fn mail_failed(&mut self, now: Moment, reason: &str) {
        let wait = RETRY_AFTER.saturating_mul(1 << self.mail.failures.min(16)).min(RETRY_AFTER_MAX);
        self.mail.failures = self.mail.failures.saturating_add(1);
        self.mail.again_at = Some(now + wait);
        if self.mail.failures == 1 {
            self.fault(Fault::Mail {
                server: self.loaded.global.mail.server.as_deref().unwrap_or_default().to_owned(),
                reason: reason.to_owned(),
                waiting: self.mail.waiting.len(),
                again_seconds: wait.as_secs(),
            });
        }
    }
}

/// Recipients, a new line begun before one that would make the line long.
fn folded(recipients: &[String]) -> String {
    let (mut text, mut line) = (String::new(), "To: ".len());
    for recipient in recipients {
        if !text.is_empty() {
            let long = line + recipient.len() > LINE_BYTES;
            text.push_str(if long { ",\r\n " } else { ", " });
            line = if long { 1 } else { line + 2 };
        }
        text.push_str(recipient);
        line += recipient.len();
    }
    text
}

/// keepalived's words; nothing for what is not told.
const fn entering(state: State) -> &'static str {
    match state {
        State::Init => "",
        State::Backup => "Entering BACKUP state",
        State::Master => "Entering MASTER state",
        State::Fault => "Entering FAULT state",
        State::Stop => "Stopping",
    }
}
