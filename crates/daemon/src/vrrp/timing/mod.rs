//! The timing thread: sockets, timers and the protocol machines, nothing else.
//!
//! It waits for nothing but the next timer, a datagram or its inbox. One wake-up reads every
//! datagram that is there, runs every timer that is due, and sends all adverts in one batch a socket.

mod coalescing;
mod echoes;
mod followed;
mod machines;
pub(super) mod sockets;
mod told;
pub(super) mod transmit;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use steadfast_bfd::{SessionId, SessionStatus};
use steadfast_control::status::WorkerStatus;
use steadfast_control::wording::send_refused;
use steadfast_kernel::datagram::{ReceiveSocket, SendFailure, SendSocket};
use steadfast_kernel::wait::clock::{self, ClockPair};
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_vrrp::status::{InstanceStatus, Resume};
use steadfast_vrrp::{
    Action, Event, Input, InstanceId, InterfaceId, Moment, Plan, ScriptId, Served, WatchId, config,
};

pub(super) use self::coalescing::Coalescing;
use self::coalescing::Gathering;
pub(super) use self::followed::Followed;
pub(super) use self::machines::Machines;
use self::sockets::{SocketKey, Sockets};
use self::transmit::Out;
use super::lane::{Inbox, Sender};
use crate::link::life::Life;
use crate::link::vrrp::Watching;

/// Snapshots made in one go: between two slices adverts go out.
const STATUS_SLICE: u32 = 32;
/// Lateness worth an event.
const LATE_EVENT: Duration = Duration::from_millis(100);
/// Lateness after which arrival times are not trusted.
const HELD_UP: Duration = Duration::from_millis(5);
/// Datagrams read in one turn, shared by the sockets that have any: then timers have their turn, however many wait.
const TURN_DATAGRAMS: usize = 1_024;
/// Differences that come of reading two clocks one after the other.
const CLOCK_CHANGE_NANOSECONDS: u64 = 10_000_000;
/// A worker that leaves does so where nothing is due for so long, or when it has just done what was due.
const LEAVING_ROOM: Duration = Duration::from_millis(100);
/// At the latest.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);
/// A full lane is tried again after this time.
const LANE_RETRY: Duration = Duration::from_millis(1);
/// The inbox among the poller's tokens; sockets are numbered from 0.
const INBOX: u64 = u64::MAX;

/// To the timing thread.
#[derive(Debug)]
pub(crate) enum ToTiming {
    /// What is known of an interface.
    Interface {
        /// Which.
        interface: InterfaceId,
        /// It works.
        up: bool,
        /// First usable IPv4 address.
        source_v4: Option<Ipv4Addr>,
        /// Link-local address.
        source_v6: Option<Ipv6Addr>,
        /// Largest datagram.
        mtu: u32,
    },
    /// Sockets for adverts were opened.
    Opened {
        /// What they are for.
        key: SocketKey,
        /// For hearing.
        receive: Box<ReceiveSocket>,
        /// For speaking.
        send: Box<SendSocket>,
    },
    /// Nobody uses these sockets any more, or their interface is gone.
    Closed(SocketKey),
    /// These instances have their sockets, or why they have none.
    Channel {
        /// Whose.
        instances: Vec<InstanceId>,
        /// Why not.
        obstacle: Option<Arc<str>>,
    },
    /// What these instances follow is missing, or is there again.
    Standing {
        /// Whose.
        instances: Vec<InstanceId>,
        /// What.
        missing: Option<Arc<str>>,
    },
    /// A configured source address came or went.
    Source(IpAddr, bool),
    /// Somebody removed an address of an instance that gives up for it.
    AddressRemoved(InstanceId, IpAddr),
    /// A script ended.
    ScriptResult(ScriptId, bool),
    /// The script that an instance waits for has ended.
    Prepared {
        /// Whose.
        instance: InstanceId,
        /// As asked.
        since: Moment,
        /// Exit status 0 in time.
        success: bool,
    },
    /// Who else serves.
    WhoServes {
        /// Whose.
        instance: InstanceId,
        /// As asked.
        asked: Moment,
        /// How that shows.
        served: Option<Served>,
    },
    /// A file or a set of processes changed.
    Watched(WatchId, config::Reading),
    /// A reload, worked out, and which sessions instances follow from then on.
    Apply(Box<Plan>, Followed, Coalescing),
    /// What a reload changes of the sessions; comes before [`Self::Apply`].
    ApplySessions(Box<steadfast_bfd::Plan>),
    /// These sessions have their socket, or why they have none.
    SessionChannel {
        /// Whose.
        sessions: Vec<SessionId>,
        /// Why not.
        obstacle: Option<Arc<str>>,
    },
    /// Everything known at the start has been said: timers may run.
    Begin,
    /// Lateness for which the process gets more priority, if there is any.
    RaiseAfter(Option<Duration>),
    /// Snapshots from this instance on.
    Status(InstanceId),
    /// Every counter to zero.
    ClearCounters,
    /// Hand over and end.
    Stop,
    /// End at a good moment, and hand nothing over: a successor goes on.
    Leave,
}

/// From the timing thread.
#[derive(Debug)]
pub(crate) enum FromTiming {
    /// The machine wants something done.
    Act(Action),
    /// What a successor needs.
    Resume(Box<Resume>),
    /// A session has something to tell.
    Session(steadfast_bfd::Event),
    /// A session that watches over a master has begun, or has ended.
    Watching(Box<Watching>),
    /// What a successor needs of a session.
    SessionResume(Box<steadfast_bfd::Resume>),
    /// Snapshots of all sessions; comes before the last of the instances.
    Sessions(Vec<SessionStatus>),
    /// A slice of snapshots, and where the next one begins.
    Status {
        /// Ordered by number.
        instances: Vec<InstanceStatus>,
        /// Where to go on; `None` at the end.
        next: Option<InstanceId>,
        /// The thread's own figures.
        figures: Box<WorkerStatus>,
    },
    /// Sockets that were handed over cannot be waited for.
    Unusable(SocketKey, steadfast_kernel::Error),
    /// A socket refused to send; told once until it works again.
    SendFailed(InterfaceId, steadfast_kernel::Errno),
    /// An advert for a virtual router that is not configured; told once for each.
    UnknownVrid(InterfaceId, IpAddr, u8),
    /// A timer was very late.
    Late(Duration),
    /// The state of the virtual routers does not fit the flight recorder; told once.
    RecordShort,
    /// A timer was later than asked for.
    Overslept,
    /// What was lost so far; told when it is more than before, once a beat at most.
    Lost {
        /// Datagrams that the kernel dropped because a socket was full.
        datagrams: u64,
        /// News that the effects thread did not take.
        news: u64,
    },
    /// Every hand-over is done.
    Drained,
    /// A successor knows everything.
    Left,
}

impl FromTiming {
    /// What nothing depends on: who does not take it loses it.
    pub(crate) fn is_news(&self) -> bool {
        match self {
            Self::Act(Action::Event(event)) => {
                !matches!(event, Event::InstanceState { .. } | Event::GroupState { .. })
            }
            Self::Session(event) => !matches!(event, steadfast_bfd::Event::State { .. }),
            Self::RecordShort
            | Self::SendFailed(..)
            | Self::UnknownVrid(..)
            | Self::Watching(_)
            | Self::Late(_)
            | Self::Overslept => true,
            _ => false,
        }
    }
}

/// The thread: what it waits for, and what it drives.
pub(crate) struct Timing {
    inbox: Inbox<ToTiming>,
    only_inbox: Poller,
    engine: Engine,
    life: Life,
    /// When to look for what was lost.
    look_at: Moment,
    /// What was told of that: datagrams and news.
    lost_told: (u64, u64),
}

/// What the thread drives.
struct Engine {
    machines: Machines,
    instances: Vec<InstanceId>,
    sockets: Sockets,
    /// Sockets that go at the end of the turn.
    closing: Vec<SocketKey>,
    everything: Poller,
    out: Out,
    gathering: Gathering,
    /// Lateness for which the process gets more priority.
    raise_after: Option<Duration>,
    /// Datagrams came within the last window.
    busy: bool,
    /// They came to every socket: none need be asked whether there are more.
    all_busy: bool,
    /// The turn's share was used up: more datagrams wait already.
    more: bool,
    begun: bool,
    stopping: bool,
    /// A successor goes on after the next good moment to end, and not later than this.
    leaves_by: Option<Moment>,
    told_record_short: bool,
    /// What the machine was last told of the clock.
    clock_told: Option<u64>,
    /// The machine's time never goes back.
    latest: Moment,
    figures: WorkerStatus,
}

impl Timing {
    /// Takes the machine and both lanes.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn new(
        machines: Machines,
        coalescing: Coalescing,
        inbox: Inbox<ToTiming>,
        lane: Sender<FromTiming>,
        life: Life,
    ) -> Result<Self, steadfast_kernel::Error> {
        let everything = Poller::open()?;
        let only_inbox = Poller::open()?;
        everything.add(inbox.waker(), INBOX, Interest::Readable)?;
        only_inbox.add(inbox.waker(), INBOX, Interest::Readable)?;
        let engine = Engine {
            instances: machines.routers.instances().collect(),
            machines,
            sockets: Sockets::default(),
            closing: Vec::new(),
            everything,
            out: Out::new(lane),
            gathering: Gathering::new(coalescing),
            raise_after: None,
            busy: false,
            all_busy: false,
            more: false,
            begun: false,
            stopping: false,
            leaves_by: None,
            told_record_short: false,
            clock_told: None,
            latest: now(),
            figures: WorkerStatus::default(),
        };
        Ok(Self { inbox, only_inbox, engine, life, look_at: now(), lost_told: (0, 0) })
    }

    /// Runs until every hand-over after [`ToTiming::Stop`] is done.
    pub(crate) fn run(mut self) {
        let mut events = Events::default();
        loop {
            let due = self.engine.next_wakeup();
            self.wait(&mut events, due);
            self.engine.tell_the_time();
            self.take_in(&mut events, due);
            self.engine.run_timers(due);
            self.tell_lost();
            self.engine.send();
            self.engine.keep_recording();
            if self.engine.is_drained() {
                return self.end(FromTiming::Drained, &mut events);
            }
            if self.engine.may_leave(due) {
                self.engine.remember_everything();
                return self.end(FromTiming::Left, &mut events);
            }
        }
    }

    /// Takes the inbox and the datagrams that wait at all sockets, a page of events at a time, up to the share of a turn.
    fn take_in(&mut self, events: &mut Events, due: Option<Moment>) {
        let engine = &mut self.engine;
        let mut reading = Reading::begin(due);
        loop {
            if events.iter().any(|ready| ready.token == INBOX) {
                self.inbox.drain(|message| engine.take(message));
            }
            if engine.all_busy {
                engine.receive(engine.sockets.tokens(), &mut reading);
                break;
            }
            engine.receive(
                events.iter().map(|ready| ready.token).filter(|token| *token != INBOX),
                &mut reading,
            );
            if !events.is_full() || reading.left == 0 {
                break;
            }
            let _ = engine.everything.wait(events, Some(0));
        }
        engine.more = reading.more;
        let read = TURN_DATAGRAMS - reading.left;
        engine.gathering.gathered(read);
        engine.busy = read > 0 && engine.gathering.is_allowed();
        engine.all_busy = engine.busy && !engine.more && reading.heard == engine.sockets.len();
    }

    /// The last word must arrive: without it the other thread would wait for ever.
    fn end(mut self, last: FromTiming, events: &mut Events) {
        self.engine.out.tell(last);
        self.engine.out.flush_lane();
        while self.engine.out.is_behind() {
            let _ = self.only_inbox.wait(events, Some((now() + LANE_RETRY).as_nanos()));
            self.inbox.drain(drop);
            self.engine.out.flush_lane();
        }
    }

    /// Waits for something to do, or until a sign of life is wanted. In a busy time only timers, the inbox and the end of
    /// the window end the wait; what is ready is then asked for without waiting.
    fn wait(&mut self, events: &mut Events, due: Option<Moment>) {
        let engine = &self.engine;
        let now = now();
        // Before the first turn there is no sign of life: its supervisor takes one for a sign that adverts were sent.
        let sign = if engine.begun { self.life.beat(now) } else { now + self.life.every() };
        // A full lane is tried again soon even if nothing else happens.
        let retry = engine.out.is_behind().then(|| now + LANE_RETRY);
        let deadline = [due, retry].into_iter().flatten().fold(sign, Moment::min);
        if engine.more {
            let _ = engine.everything.wait(events, Some(0));
        } else if engine.busy {
            let until = deadline.min(now + engine.gathering.window());
            let _ = self.only_inbox.wait(events, Some(until.as_nanos()));
            if !engine.all_busy {
                let _ = engine.everything.wait(events, Some(0));
            }
        } else {
            let _ = engine.everything.wait(events, Some(deadline.as_nanos()));
        }
    }

    /// A socket that is full loses datagrams, and a lane that is not emptied loses news.
    fn tell_lost(&mut self) {
        let engine = &mut self.engine;
        let now = engine.latest;
        if now < self.look_at {
            return;
        }
        self.look_at = now + self.life.every();
        let lost = (engine.sockets.lost(), engine.out.news_lost());
        if lost != self.lost_told {
            self.lost_told = lost;
            engine.out.tell(FromTiming::Lost { datagrams: lost.0, news: lost.1 });
        }
    }
}

impl Engine {
    fn next_wakeup(&self) -> Option<Moment> {
        if self.begun { self.machines.next_wakeup() } else { None }
    }

    /// When the adverts are out, the recorder has its turn.
    fn keep_recording(&mut self) {
        self.machines.routers.turn();
        if self.machines.routers.is_short() && !std::mem::replace(&mut self.told_record_short, true) {
            self.out.tell(FromTiming::RecordShort);
        }
    }

    fn is_drained(&self) -> bool {
        self.stopping && self.machines.is_drained()
    }

    /// Whether this is a moment for a successor to take over: the turn did what was `due`, or nothing is due for long
    /// enough. At a stop the hand-over comes first.
    fn may_leave(&self, due: Option<Moment>) -> bool {
        let Some(by) = self.leaves_by.filter(|_| !self.stopping) else { return false };
        let now = now();
        let room = self.next_wakeup().is_none_or(|next| next.since(now) >= LEAVING_ROOM);
        room || now >= by || due.is_some_and(|due| due <= now)
    }

    /// A moment for the machine, which must not see time go back.
    fn at(&mut self, moment: Moment) -> Moment {
        self.latest = self.latest.max(moment);
        self.latest
    }

    /// What the machine signs with. Only a clock that was set changes it: both clocks are slewed alike.
    fn tell_the_time(&mut self) {
        let ahead = ClockPair::sample().ahead();
        let near = |told: u64| told.abs_diff(ahead) < CLOCK_CHANGE_NANOSECONDS;
        if self.clock_told.is_none_or(|told| !near(told)) {
            self.clock_told = Some(ahead);
            let at = self.at(now());
            self.machines.routers.handle(at, Input::Clock { ahead }, &mut self.out);
        }
    }

    fn take(&mut self, message: ToTiming) {
        let at = self.at(now());
        match message {
            ToTiming::Interface { interface, up, source_v4, source_v6, mtu } => {
                let input = Input::Interface { interface, up, source_v4, source_v6, mtu };
                self.machines.tell_routers(at, input, &mut self.out);
                if self.begun {
                    self.machines.survey(at, &mut self.out);
                }
            }
            ToTiming::Channel { instances, obstacle } => {
                let input = Input::Channel { instances: &instances, obstacle: obstacle.as_deref() };
                self.machines.tell_routers(at, input, &mut self.out);
            }
            ToTiming::Standing { instances, missing } => {
                let input = Input::Standing { instances: &instances, missing: missing.as_deref() };
                self.machines.routers.handle(at, input, &mut self.out);
            }
            ToTiming::Source(address, present) => {
                self.machines.tell_routers(at, Input::SourcePresent { address, present }, &mut self.out);
            }
            ToTiming::AddressRemoved(instance, address) => {
                self.machines.tell_routers(at, Input::AddressRemoved { instance, address }, &mut self.out);
            }
            ToTiming::ScriptResult(script, success) => {
                self.machines.tell_routers(at, Input::ScriptResult { script, success }, &mut self.out);
            }
            ToTiming::Prepared { instance, since, success } => {
                let input = Input::Prepared { instance, since, success };
                self.machines.routers.handle(at, input, &mut self.out);
            }
            ToTiming::WhoServes { instance, asked, served } => {
                let input = Input::WhoServes { instance, asked, served };
                self.machines.tell_routers(at, input, &mut self.out);
            }
            ToTiming::Watched(watch, reading) => {
                self.machines.tell_routers(at, Input::Watched { watch, reading }, &mut self.out);
            }
            ToTiming::Opened { key, receive, send } => {
                let interface = send.endpoint().interface();
                self.closing.retain(|closing| *closing != key);
                match self.sockets.open(key, *receive, *send, &self.everything) {
                    Ok(index) => self.out.route(key, index, interface),
                    Err(error) => {
                        self.out.unroute(key);
                        self.out.tell(FromTiming::Unusable(key, error));
                    }
                }
            }
            ToTiming::Closed(key) => self.closing.push(key),
            ToTiming::Apply(plan, followed, coalescing) => {
                self.gathering.configure(coalescing);
                self.machines.apply(at, *plan, followed, &mut self.out);
                self.instances = self.machines.routers.instances().collect();
            }
            ToTiming::ApplySessions(plan) => {
                let sessions = &mut self.machines.sessions;
                sessions.apply(at, &plan, &mut self.out);
                self.out.keep_ways(|session| sessions.state(session).is_some());
            }
            ToTiming::SessionChannel { sessions, obstacle } => {
                self.machines.session_channel(at, &sessions, obstacle.as_deref(), &mut self.out);
            }
            ToTiming::Begin => {
                self.begun = true;
                self.machines.survey(at, &mut self.out);
            }
            ToTiming::RaiseAfter(lateness) => self.raise_after = lateness,
            ToTiming::Status(from) => self.snapshots(from),
            ToTiming::ClearCounters => {
                self.machines.routers.clear_counters(at);
                self.figures = WorkerStatus::default();
            }
            ToTiming::Stop => {
                self.stopping = true;
                self.machines.stop(at, &mut self.out);
            }
            ToTiming::Leave => self.leaves_by = Some(at + LEAVES_WITHIN),
        }
    }

    /// Datagrams count from their arrival, unless this thread was held up: what was heard last may
    /// then be old because the rest did not fit the socket, and is no proof of silence since.
    fn receive(&mut self, tokens: impl Iterator<Item = u64> + Clone, reading: &mut Reading) {
        let share = (reading.left / tokens.clone().count().max(1)).max(1);
        for token in tokens {
            let (machines, out, latest, begun) =
                (&mut self.machines, &mut self.out, &mut self.latest, self.begun);
            let read = self.sockets.receive(token, share, |arrival, key, datagram| {
                *latest = (*latest).max(if reading.held_up { reading.at } else { arrival });
                if begun {
                    machines.hear(*latest, key, datagram, out);
                }
            });
            reading.heard += usize::from(read > 0);
            reading.more |= read >= share;
            reading.left = reading.left.saturating_sub(read);
        }
    }

    fn run_timers(&mut self, due: Option<Moment>) {
        if !self.begun {
            return;
        }
        let at = self.at(now());
        if let Some(due) = due.filter(|due| *due <= at) {
            self.measure(at.since(due));
        }
        self.machines.advance(at, &mut self.out);
    }

    fn measure(&mut self, late: Duration) {
        let microseconds = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.figures.wakeups += 1;
        self.figures.lateness_sum_microseconds += microseconds;
        self.figures.lateness_max_microseconds = self.figures.lateness_max_microseconds.max(microseconds);
        self.figures.late_over_millisecond += u64::from(late > Duration::from_millis(1));
        self.figures.late_over_ten_milliseconds += u64::from(late > Duration::from_millis(10));
        if late > LATE_EVENT {
            self.out.tell(FromTiming::Late(late));
        }
        if self.raise_after.is_some_and(|limit| late >= limit) {
            self.out.tell(FromTiming::Overslept);
        }
    }

    /// Adverts first: the other thread may take its time with the rest.
    fn send(&mut self) {
        self.send_all();
        // Not before what was said last has left.
        for key in std::mem::take(&mut self.closing) {
            self.out.unroute(key);
            self.sockets.close(key, &self.everything);
        }
        self.remember();
        self.out.flush_lane();
    }

    fn send_all(&mut self) {
        loop {
            let at = self.at(now());
            let refused = self.out.send(&self.sockets, at);
            if refused.is_empty() {
                break;
            }
            // An instance that gives up for it sends once more, and then no more.
            self.hear_refusals(at, &refused);
        }
    }

    fn hear_refusals(&mut self, at: Moment, refused: &[SendFailure]) {
        for of_one_reason in refused.chunk_by(|one, other| one.errno == other.errno) {
            let Some(reason) = of_one_reason.first().map(|failure| send_refused(failure.errno)) else {
                continue;
            };
            for of_one in of_one_reason.chunk_by(|one, other| one.tag == other.tag) {
                let Some(tag) = of_one.first().map(|failure| failure.tag) else { continue };
                let datagrams = u32::try_from(of_one.len()).unwrap_or(u32::MAX);
                self.machines.refused(at, tag, datagrams, &reason, &mut self.out);
            }
        }
    }

    fn remember(&mut self) {
        if self.out.take_speakers_changed() {
            self.gathering.keep_to(self.machines.routers.haste());
        }
        for instance in self.out.take_changed() {
            if let Some(state) = self.machines.routers.resume_state(instance) {
                self.out.tell(FromTiming::Resume(Box::new(state)));
            }
        }
        for session in self.out.take_changed_sessions() {
            if let Some(state) = self.machines.sessions.resume_state(session) {
                self.out.tell(FromTiming::SessionResume(Box::new(state)));
            }
        }
    }

    /// What a successor needs of everything at this moment: of counters it has what was kept at the last change otherwise.
    fn remember_everything(&mut self) {
        for instance in &self.instances {
            if let Some(state) = self.machines.routers.resume_state(*instance) {
                self.out.tell(FromTiming::Resume(Box::new(state)));
            }
        }
        let sessions: Vec<SessionId> = self.machines.sessions.status().map(|status| status.session).collect();
        for session in sessions {
            if let Some(state) = self.machines.sessions.resume_state(session) {
                self.out.tell(FromTiming::SessionResume(Box::new(state)));
            }
        }
    }

    fn snapshots(&mut self, from: InstanceId) {
        // A successor must not know less than who asks.
        self.remember();
        let start = self.instances.partition_point(|id| *id < from);
        let mut ids = self.instances.iter().skip(start);
        let slice: Vec<InstanceId> = ids.by_ref().take(STATUS_SLICE as usize).copied().collect();
        let instances = slice.iter().filter_map(|id| self.machines.routers.status(*id)).collect();
        let mut figures = self.figures.clone();
        let counters = self.machines.routers.counters();
        figures.datagrams_unclaimed = counters.unknown_vrid + counters.malformed;
        figures.datagrams_truncated = self.sockets.unusable();
        figures.datagrams_lost = self.sockets.lost();
        figures.send_failures = self.out.failures();
        let next = ids.next().copied();
        if next.is_none() {
            self.out.tell(FromTiming::Sessions(self.machines.sessions_shown()));
        }
        self.out.tell(FromTiming::Status { instances, next, figures: Box::new(figures) });
    }
}

/// The taking in of one turn.
struct Reading {
    at: Moment,
    held_up: bool,
    /// Datagrams of the turn's share.
    left: usize,
    /// Sockets that had any.
    heard: usize,
    /// A socket had more than its part of the share.
    more: bool,
}

impl Reading {
    fn begin(due: Option<Moment>) -> Self {
        let at = now();
        let held_up = due.is_some_and(|due| at.since(due) > HELD_UP);
        Self { at, held_up, left: TURN_DATAGRAMS, heard: 0, more: false }
    }
}

fn now() -> Moment {
    Moment::from_nanos(clock::monotonic())
}

#[cfg(test)]
mod tests;
