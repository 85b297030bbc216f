//! The machine: what the caller drives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_time::{Entry, Moment, Queue, Random};
use steadfast_wire::bfd::{Diagnostic, Discriminator, State};

use crate::action::{Input, Sink};
use crate::beat::Beat;
use crate::config::{Config, Hops, SessionConfig, SessionId};
use crate::counters::Counters;
use crate::event::Cause;
use crate::plan::Plan;
use crate::session::Session;
use crate::status::{Resume, SessionStatus};

/// All sessions of one worker.
#[derive(Debug)]
pub struct Machine {
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) by_discriminator: BTreeMap<Discriminator, SessionId>,
    /// Which sessions packets may be of that name none.
    pub(crate) by_address: BTreeSet<(Hops, IpAddr, SessionId)>,
    queue: Queue<SessionId>,
    random: Random,
    pub(crate) beat: Beat,
    /// Packets that belong to no session.
    pub(crate) strangers: Counters,
    stopping: bool,
}

impl Machine {
    /// Every session Down, and those that a dead predecessor ran as they were. `seed` must differ from
    /// start to start: discriminators that others cannot guess come from it.
    pub fn new(now: Moment, config: &Config, seed: u64, resume: Vec<Resume>) -> Self {
        let mut random = Random::new(seed);
        let beat = Beat::new(&mut random);
        let mut machine = Self {
            sessions: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            by_address: BTreeSet::new(),
            queue: Queue::default(),
            random,
            beat,
            strangers: Counters::default(),
            stopping: false,
        };
        let mut resume: BTreeMap<SessionId, Resume> =
            resume.into_iter().map(|resume| (resume.session, resume)).collect();
        for session in &config.sessions {
            let known = resume.remove(&session.id).filter(|known| known.path == session.path);
            machine.begin(now, Arc::clone(session), known);
        }
        machine
    }

    /// Something happened at `now`. For a datagram `now` is its arrival.
    pub fn handle(&mut self, now: Moment, input: Input<'_>, sink: &mut impl Sink) {
        match input {
            Input::Datagram(datagram) => self.receive(now, &datagram, sink),
            Input::Channel { session, obstacle } => self.channel(now, session, obstacle, sink),
            Input::Echo(echo) => self.echo_returned(now, echo, sink),
            Input::EchoWay(session) => self.echo_way(now, session, sink),
            Input::Stop => self.stop(now, sink),
        }
    }

    /// Takes over what a reload changed; everything else is left untouched.
    pub fn apply(&mut self, now: Moment, plan: &Plan, sink: &mut impl Sink) {
        if self.stopping {
            return;
        }
        for id in &plan.removed {
            self.end(now, *id, sink);
        }
        for config in &plan.set {
            self.set(now, Arc::clone(config), sink);
        }
    }

    /// Begins a session, or gives one other settings; over another path it is another session.
    pub fn set(&mut self, now: Moment, config: Arc<SessionConfig>, sink: &mut impl Sink) {
        let id = config.id;
        let beat = self.beat;
        match self.sessions.get_mut(&id) {
            Some(session) if session.config.path == config.path && session.config.broken == config.broken => {
                let wish = if session.state == State::Up { config.desired_min_tx } else { config.idle() };
                let differs = session.config.multiplier != config.multiplier;
                if session.config.key != config.key {
                    session.judge_drops_anew();
                }
                session.config = config;
                session.ask(wish, session.required_wish());
                session.tune_echo(now, beat, sink);
                if session.is_polling() || differs {
                    session.send_periodic(now, beat, sink);
                } else {
                    session.reschedule(now, beat);
                }
                self.arm(id);
            }
            Some(_) => {
                self.end(now, id, sink);
                self.begin(now, config, None);
            }
            None => self.begin(now, config, None),
        }
    }

    /// Goes on with a session that a dead predecessor ran over the same path.
    pub fn take_over(&mut self, now: Moment, config: Arc<SessionConfig>, resume: Resume) {
        self.forget(config.id);
        let known = Some(resume).filter(|resume| resume.path == config.path);
        self.begin(now, config, known);
    }

    /// Ends a session: the peer is told that it was on purpose (RFC 5880 section 6.8.16).
    pub fn end(&mut self, now: Moment, id: SessionId, sink: &mut impl Sink) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.hold_down(now, Cause::Reload, sink);
        }
        self.forget(id);
    }

    /// Runs every timer that is due at `now`.
    pub fn advance(&mut self, now: Moment, sink: &mut impl Sink) {
        while let Some(entry) = self.queue.peek() {
            let Some(session) = self.sessions.get_mut(&entry.key) else {
                self.queue.pop();
                continue;
            };
            if session.queued == entry.at && entry.at > now {
                break;
            }
            self.queue.pop();
            if session.queued != entry.at {
                continue;
            }
            session.queued = Moment::NEVER;
            if session.detect_at <= now {
                session.silent(now, self.beat, sink);
            }
            if session.transmit_due(now) {
                session.send_periodic(now, self.beat, sink);
            }
            if session.echo.at <= now {
                session.echo_due(now, self.beat, sink);
            }
            self.arm(entry.key);
        }
    }

    /// When [`Machine::advance`] has work next. It may be earlier than the next deadline, never later.
    pub fn next_wakeup(&self) -> Option<Moment> {
        self.queue.peek().map(|entry| entry.at)
    }

    /// Snapshot of every session, in order of their numbers.
    pub fn status(&self) -> impl Iterator<Item = SessionStatus> + '_ {
        self.sessions.values().map(Session::status)
    }

    /// What trackers make of a session; `None` before it was up for the first time.
    pub fn is_good(&self, id: SessionId) -> Option<bool> {
        self.sessions.get(&id)?.good
    }

    /// State of a session.
    pub fn state(&self, id: SessionId) -> Option<State> {
        self.sessions.get(&id).map(|session| session.state)
    }

    /// Sessions with this router on the same link.
    pub fn with_remote(&self, remote: IpAddr) -> impl Iterator<Item = SessionId> + '_ {
        let (first, last) = (SessionId(0), SessionId(u32::MAX));
        self.by_address.range((Hops::Single, remote, first)..=(Hops::Single, remote, last)).map(|key| key.2)
    }

    /// What a successor needs to go on with a session.
    pub fn resume_state(&self, id: SessionId) -> Option<Resume> {
        self.sessions.get(&id).map(Session::resume_state)
    }

    /// Packets that belong to no session.
    pub const fn strangers(&self) -> Counters {
        self.strangers
    }

    fn begin(&mut self, now: Moment, config: Arc<SessionConfig>, resume: Option<Resume>) {
        let (id, path) = (config.id, config.path);
        let local = self.free_discriminator();
        let mut session = Session::new(now, config, local, &mut self.random);
        if let Some(resume) = resume
            && session.config.broken.is_none()
            && !self.by_discriminator.contains_key(&resume.local_discriminator)
        {
            session.take_over(now, resume);
        }
        session.reschedule(now, self.beat);
        self.by_discriminator.insert(session.local, id);
        self.by_address.insert((path.hops, path.remote, id));
        self.sessions.insert(id, session);
        self.arm(id);
    }

    /// A number that names no session, and that others cannot guess (RFC 5880 section 6.8.1).
    fn free_discriminator(&mut self) -> Discriminator {
        loop {
            let number = u32::try_from(self.random.below(1 << 32)).unwrap_or_default();
            if let Some(free) = Discriminator::new(number)
                && !self.by_discriminator.contains_key(&free)
            {
                return free;
            }
        }
    }

    fn forget(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.remove(&id) {
            let path = session.config.path;
            self.by_discriminator.remove(&session.local);
            self.by_address.remove(&(path.hops, path.remote, id));
        }
    }

    /// Without a socket a session is AdminDown, with one it begins anew.
    fn channel(&mut self, now: Moment, id: SessionId, obstacle: Option<&str>, sink: &mut impl Sink) {
        let beat = self.beat;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let obstacle = session.config.broken.clone().or(obstacle.map(Arc::from));
        if session.obstacle == obstacle || self.stopping {
            return;
        }
        let cause = Cause::Socket { obstacle: obstacle.clone() };
        session.obstacle = obstacle;
        if session.obstacle.is_some() {
            session.forget_peer();
            session.enter(now, State::AdminDown, Diagnostic::PATH_DOWN, cause, sink);
        } else {
            session.enter(now, State::Down, session.diagnostic, cause, sink);
        }
        session.reschedule(now, beat);
        self.arm(id);
    }

    fn stop(&mut self, now: Moment, sink: &mut impl Sink) {
        self.stopping = true;
        for session in self.sessions.values_mut() {
            session.hold_down(now, Cause::Stop, sink);
        }
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        ids.into_iter().for_each(|id| self.arm(id));
    }

    /// Sees to it that the session is woken in time. Deadlines that moved later need nothing.
    pub(crate) fn arm(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let at = session.next_deadline();
        if at < session.queued {
            session.queued = at;
            self.queue.push(Entry { at, key: id });
        }
    }
}

impl Session {
    /// No packet came for a detection time (RFC 5880 section 6.8.4). The peer's numbers are forgotten in every
    /// state, so that a peer which starts anew finds a session that knows nothing of its former life.
    fn silent(&mut self, now: Moment, beat: Beat, sink: &mut impl Sink) {
        let cause = self.silence(now);
        if matches!(self.state, State::Init | State::Up) {
            self.enter(now, State::Down, Diagnostic::DETECTION_TIME_EXPIRED, cause, sink);
            // Before the peer is forgotten: a passive end says nothing afterwards (RFC 5880 section 6.8.7), and a peer that
            // still hears it would take that for its death.
            self.send_periodic(now, beat, sink);
        }
        self.forget_peer();
        self.reschedule(now, beat);
    }

    /// Ends on purpose, and says so in one packet.
    fn hold_down(&mut self, now: Moment, cause: Cause, sink: &mut impl Sink) {
        if self.state == State::AdminDown {
            return;
        }
        let heard = self.peer.is_some();
        self.enter(now, State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN, cause, sink);
        self.detect_at = Moment::NEVER;
        if heard || !self.config.passive {
            self.send(now, false, sink);
        }
    }
}
