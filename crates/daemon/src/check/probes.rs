//! The conversations that go on: their sockets, and until when each may take.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use steadfast_health::{CheckId, CheckKey, Contribution, Verdict};
use steadfast_kernel::Errno;
use steadfast_kernel::client::{DatagramSocket, Stream, Unreached};
use steadfast_kernel::wait::poll::{Interest, Poller, Ready};
use steadfast_probe::tls::Context;
use steadfast_probe::{Awaited, Dialogue, Failure, Found, Progress};
use steadfast_time::{Entry, Moment, Queue};

use super::spec::{Asking, Begin, Spec, Specs};

/// Conversations at the same time; further checks wait for one of them to end.
pub(super) const CONVERSATIONS_MAX: usize = 8_192;

/// Conversations that begin in one turn, and that end in one for lack of time, so that the supervisor is heard and others get
/// their answers in between.
const CONVERSATIONS_OF_A_TURN: usize = 256;

/// What tells places apart in a token.
const PLACES: u64 = 1 << 16;

/// Octets read at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// Reads of one conversation in a turn, so that a server that never ends its answer delays nobody.
const PIECES_OF_A_TURN: usize = 8;

/// What a server may still say to a check that is over; beyond it the connection is cut.
const FAREWELL_BYTES_MAX: usize = 64 * 1024;

/// Every conversation.
pub(super) struct Probes {
    specs: Specs,
    tls: Option<Context>,
    places: Vec<Place>,
    /// Places without a conversation.
    free: Vec<u32>,
    /// Those for which there was no room, in their order.
    waiting: VecDeque<(CheckId, u16)>,
    /// How many have begun in this turn.
    begun: usize,
    /// One entry for each place, or few more.
    deadlines: Queue<u32>,
    first_token: u64,
    /// Tokens are given once: an event of a socket that was closed means nobody.
    serial: u64,
    number: u16,
    /// Checks whose program is to be run.
    programs: Vec<(CheckId, Arc<str>)>,
}

/// Room for a conversation.
#[derive(Default)]
struct Place {
    conversation: Option<Conversation>,
    /// When it is looked at: no later than its conversation has taken too long.
    queued: Option<Moment>,
}

/// A verdict.
pub(super) struct Judged {
    pub(super) check: CheckId,
    pub(super) verdict: Verdict,
}

struct Conversation {
    token: u64,
    check: CheckId,
    spec: Arc<Spec>,
    socket: Socket,
    /// When this step has taken too long.
    step_ends: Moment,
    /// When all of it has.
    ends: Moment,
}

enum Socket {
    Stream {
        stream: Stream,
        dialogue: Box<dyn Dialogue>,
        connected: bool,
        out: Vec<u8>,
    },
    Datagram {
        socket: DatagramSocket,
        asking: Box<Asking>,
    },
    /// The check has its verdict; the server is let finish. So many octets of it were passed over.
    Farewell {
        stream: Stream,
        octets: usize,
    },
}

impl Probes {
    /// Tokens from `first_token` on are theirs.
    pub(super) fn new(first_token: u64, tls: Option<Context>) -> Self {
        Self {
            specs: Specs::default(),
            tls,
            places: Vec::new(),
            free: Vec::new(),
            waiting: VecDeque::new(),
            begun: 0,
            deadlines: Queue::default(),
            first_token,
            serial: 0,
            number: 0,
            programs: Vec::new(),
        }
    }

    /// How a check is made.
    pub(super) fn spec(&mut self, key: &CheckKey) -> Option<Arc<Spec>> {
        self.specs.of(key).ok()
    }

    /// Checks over TLS have this in common from now on.
    pub(super) fn set_tls(&mut self, tls: Option<Context>) {
        self.tls = tls;
    }

    /// Settings of checks may be others.
    pub(super) fn reloaded(&mut self) {
        self.specs.forget();
    }

    /// When [`expire`](Self::expire) or [`begin_waiting`](Self::begin_waiting) may have something to do.
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        if !self.waiting.is_empty() && self.has_room() {
            return Some(Moment::ZERO);
        }
        self.deadlines.peek().map(|entry| entry.at)
    }

    fn has_room(&self) -> bool {
        !self.free.is_empty() || self.places.len() < CONVERSATIONS_MAX
    }

    /// Begins to ask. What can be told at once comes back.
    pub(super) fn begin(
        &mut self,
        now: Moment,
        check: CheckId,
        key: &CheckKey,
        step: u16,
        poller: &Poller,
    ) -> Option<Judged> {
        if !self.has_room() || self.begun >= CONVERSATIONS_OF_A_TURN {
            self.waiting.push_back((check, step));
            return None;
        }
        self.begun += 1;
        let verdict = match self.open(now, check, key, step, poller) {
            Ok(found) => found?,
            Err(verdict) => verdict,
        };
        Some(Judged { check, verdict })
    }

    fn open(
        &mut self,
        now: Moment,
        check: CheckId,
        key: &CheckKey,
        step: u16,
        poller: &Poller,
    ) -> Result<Option<Verdict>, Verdict> {
        let spec = self.specs.of(key).map_err(|reason| Verdict::Trouble { reason })?;
        self.number = self.number.wrapping_add(1);
        let number = self.number ^ noise(now, key.target);
        let begin = spec
            .begin(key.target, step, number, self.tls.as_ref())
            .map_err(|reason| Verdict::Trouble { reason: reason.as_str().into() })?;
        let way = spec.way(key.target);
        let place = self.free_place();
        let token = self.token(place);
        let socket = match begin {
            Begin::Program => {
                self.programs.push((check, Arc::clone(&key.settings)));
                return Ok(None);
            }
            Begin::Stream(dialogue) => {
                let (stream, _) = Stream::connect(&way).map_err(|unreached| verdict_of(&unreached))?;
                poller.add(&stream, token, Interest::Changes).map_err(|error| trouble(&error))?;
                Socket::Stream { stream, dialogue, connected: false, out: Vec::new() }
            }
            Begin::Datagram(kind, asking) => {
                let mut socket =
                    DatagramSocket::open(kind, &way).map_err(|unreached| verdict_of(&unreached))?;
                socket.send(&asking.question()).map_err(|unreached| verdict_of(&unreached))?;
                poller.add(&socket, token, Interest::Readable).map_err(|error| trouble(&error))?;
                Socket::Datagram { socket, asking: Box::new(asking) }
            }
        };
        self.serial += 1;
        let ends = now + spec.whole_timeout();
        let step_ends = (now + spec.step_timeout()).min(ends);
        self.fill(place, Conversation { token, check, spec, socket, step_ends, ends });
        Ok(None)
    }

    /// A place without a conversation. It is no longer free when it is filled.
    fn free_place(&mut self) -> u32 {
        if let Some(place) = self.free.last() {
            return *place;
        }
        let place = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place::default());
        self.free.push(place);
        place
    }

    fn fill(&mut self, number: u32, conversation: Conversation) {
        self.free.pop();
        let Some(place) = index(number).and_then(|index| self.places.get_mut(index)) else { return };
        let at = conversation.step_ends;
        place.conversation = Some(conversation);
        // One that is looked at before is looked at again then.
        if place.queued.is_none_or(|queued| queued > at) {
            place.queued = Some(at);
            self.deadlines.push(Entry { at, key: number });
        }
    }

    fn token(&self, place: u32) -> u64 {
        self.first_token + self.serial * PLACES + u64::from(place)
    }

    /// The place of a conversation that goes on.
    fn place_of(&self, token: u64) -> Option<u32> {
        let number = u32::try_from(token.checked_sub(self.first_token)? % PLACES).ok()?;
        let conversation = self.places.get(index(number)?)?.conversation.as_ref()?;
        (conversation.token == token).then_some(number)
    }

    /// Checks whose program is to be run.
    pub(super) fn take_programs(&mut self) -> Vec<(CheckId, Arc<str>)> {
        std::mem::take(&mut self.programs)
    }

    /// Begins what waited for room: a turn begins.
    pub(super) fn begin_waiting(
        &mut self,
        now: Moment,
        key_of: impl Fn(CheckId) -> Option<CheckKey>,
        poller: &Poller,
    ) -> Vec<Judged> {
        self.begun = 0;
        let mut judged = Vec::new();
        while self.has_room()
            && self.begun < CONVERSATIONS_OF_A_TURN
            && let Some((check, step)) = self.waiting.pop_front()
        {
            let Some(key) = key_of(check) else { continue };
            judged.extend(self.begin(now, check, &key, step, poller));
        }
        judged
    }

    /// What checks would have found concerns nobody any more.
    pub(super) fn forget(&mut self, checks: &BTreeSet<CheckId>) {
        if checks.is_empty() {
            return;
        }
        self.waiting.retain(|(check, _)| !checks.contains(check));
        for (number, place) in (0..).zip(&mut self.places) {
            let of = place.conversation.as_ref().map(|conversation| conversation.check);
            if of.is_some_and(|check| checks.contains(&check)) {
                place.conversation = None;
                self.free.push(number);
            }
        }
    }

    /// The socket of a conversation is ready.
    pub(super) fn ready(&mut self, now: Moment, ready: Ready, poller: &Poller) -> Option<Judged> {
        let number = self.place_of(ready.token)?;
        let place = self.places.get_mut(index(number)?)?;
        let conversation = place.conversation.as_mut()?;
        let verdict = conversation.go_on(now, ready, poller);
        if conversation.has_parted(ready, poller) {
            place.conversation = None;
            self.free.push(number);
            return None;
        }
        let verdict = verdict?;
        let is_good = matches!(verdict, Verdict::Good { .. });
        if is_good && conversation.spec.closes_in_order() {
            let check = conversation.check;
            place.conversation = place.conversation.take().and_then(|over| over.into_farewell(ready, poller));
            if place.conversation.is_none() {
                self.free.push(number);
            }
            return Some(Judged { check, verdict });
        }
        self.end(number, verdict)
    }

    /// Ends what has taken too long.
    pub(super) fn expire(&mut self, now: Moment) -> Vec<Judged> {
        let mut judged = Vec::new();
        while judged.len() < CONVERSATIONS_OF_A_TURN
            && let Some(entry) = self.deadlines.peek().filter(|entry| entry.at <= now)
        {
            self.deadlines.pop();
            let Some(place) = index(entry.key).and_then(|index| self.places.get_mut(index)) else { continue };
            if place.queued != Some(entry.at) {
                continue;
            }
            place.queued = None;
            let Some(conversation) = &place.conversation else { continue };
            let at = conversation.step_ends;
            if at > now {
                place.queued = Some(at);
                self.deadlines.push(Entry { at, key: entry.key });
                continue;
            }
            match conversation.socket.too_late() {
                Some(verdict) => judged.extend(self.end(entry.key, verdict)),
                None => {
                    place.conversation = None;
                    self.free.push(entry.key);
                }
            }
        }
        judged
    }

    /// With its socket the poller forgets it.
    fn end(&mut self, number: u32, verdict: Verdict) -> Option<Judged> {
        let conversation = self.places.get_mut(index(number)?)?.conversation.take()?;
        self.free.push(number);
        Some(Judged { check: conversation.check, verdict })
    }
}

fn index(place: u32) -> Option<usize> {
    usize::try_from(place).ok()
}

impl Conversation {
    /// A verdict, once there is one.
    fn go_on(&mut self, now: Moment, ready: Ready, poller: &Poller) -> Option<Verdict> {
        let progress = match &mut self.socket {
            Socket::Datagram { socket, asking } => return hear(socket, asking),
            Socket::Farewell { .. } => return None,
            Socket::Stream { stream, dialogue, connected, out } => {
                let mut moved = false;
                if !*connected {
                    if ready.closed
                        && let Err(unreached) = stream.connected()
                    {
                        return Some(verdict_of(&unreached));
                    }
                    if !ready.writable {
                        return None;
                    }
                    *connected = true;
                    moved = true;
                    if let Progress::Done(result) = dialogue.connected(out) {
                        let _ = speak(stream, out);
                        return Some(verdict(result));
                    }
                }
                // Nobody has answered yet what is said only now.
                let asks = moved && !out.is_empty() && !ready.readable;
                let progress = if asks {
                    speak(stream, out).map(|()| Some(Progress::Wait))
                } else {
                    speak_and_hear(stream, dialogue.as_mut(), out, &mut moved)
                };
                if let Ok(None) = progress {
                    // What is there already is no change: it is told again.
                    let _ = poller.modify(&*stream, ready.token, Interest::Changes);
                }
                if moved {
                    // The entry in the queue stays where it is: it is looked at again when it comes up.
                    self.step_ends = (now + self.spec.step_timeout()).min(self.ends);
                }
                progress
            }
        };
        match progress {
            Ok(None | Some(Progress::Wait)) => None,
            Ok(Some(Progress::Done(result))) => Some(verdict(result)),
            Err(errno) => Some(Verdict::Bad { reason: errno.to_string().as_str().into() }),
        }
    }
}

impl Conversation {
    /// The check is over, and says so to the server; None when that has ended the connection itself.
    fn into_farewell(self, ready: Ready, poller: &Poller) -> Option<Self> {
        let Socket::Stream { stream, .. } = self.socket else { return None };
        stream.finish().ok()?;
        // What is there already is no change: it is told again.
        poller.modify(&stream, ready.token, Interest::Changes).ok()?;
        Some(Self { socket: Socket::Farewell { stream, octets: 0 }, ..self })
    }

    /// Whether nothing is left of a connection to which farewell was said: the server has finished as well, or says more
    /// than anybody listens to.
    fn has_parted(&mut self, ready: Ready, poller: &Poller) -> bool {
        let Socket::Farewell { stream, octets } = &mut self.socket else { return false };
        let mut buffer = [0; PIECE_BYTES];
        for _ in 0..PIECES_OF_A_TURN {
            match stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(length) => *octets += length,
                Err(errno) => return errno != Errno::AGAIN,
            }
            if *octets > FAREWELL_BYTES_MAX {
                return true;
            }
        }
        poller.modify(&*stream, ready.token, Interest::Changes).is_err()
    }
}

impl Socket {
    /// What it means that the time is over; nothing where the check has its verdict.
    fn too_late(&self) -> Option<Verdict> {
        Some(match self {
            Self::Datagram { asking, .. } => verdict(asking.silence().map(|()| Found::default())),
            Self::Stream { connected: false, .. } => verdict(Err(Failure::TimedOut(Awaited::Connection))),
            Self::Stream { dialogue, .. } => verdict(Err(Failure::TimedOut(dialogue.awaited()))),
            Self::Farewell { .. } => return None,
        })
    }
}

/// Sends what is to be said and takes what came. Nothing comes back when there may be more than a turn takes.
fn speak_and_hear(
    stream: &mut Stream,
    dialogue: &mut dyn Dialogue,
    out: &mut Vec<u8>,
    moved: &mut bool,
) -> Result<Option<Progress>, Errno> {
    let mut buffer = [0; PIECE_BYTES];
    for _ in 0..PIECES_OF_A_TURN {
        speak(stream, out)?;
        let progress = match stream.read(&mut buffer) {
            Ok(0) => Progress::Done(dialogue.closed()),
            Ok(length) => {
                *moved = true;
                dialogue.received(buffer.get(..length).unwrap_or_default(), out)
            }
            Err(Errno::AGAIN) => return Ok(Some(Progress::Wait)),
            Err(errno) => return Err(errno),
        };
        if let Progress::Done(_) = progress {
            // A farewell that the connection does not take is not missed.
            let _ = speak(stream, out);
            return Ok(Some(progress));
        }
    }
    Ok(None)
}

fn speak(stream: &mut Stream, out: &mut Vec<u8>) -> Result<(), Errno> {
    while !out.is_empty() {
        match stream.write(out) {
            Ok(length) => drop(out.drain(..length.min(out.len()))),
            Err(Errno::AGAIN) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn hear(socket: &mut DatagramSocket, asking: &Asking) -> Option<Verdict> {
    let mut buffer = [0; PIECE_BYTES];
    for _ in 0..PIECES_OF_A_TURN {
        match socket.receive(&mut buffer) {
            Ok(Some(length)) => {
                let datagram = buffer.get(..length).unwrap_or_default();
                if let Some(found) = asking.judge(datagram) {
                    return Some(verdict(found.map(|()| Found::default())));
                }
            }
            Ok(None) => return None,
            Err(unreached) => return Some(verdict_of(&unreached)),
        }
    }
    None
}

fn verdict(result: Result<Found, Failure>) -> Verdict {
    match result {
        Ok(_) => Verdict::Good { contribution: Contribution::None },
        Err(failure) => Verdict::Bad { reason: failure.to_string().as_str().into() },
    }
}

fn verdict_of(unreached: &Unreached) -> Verdict {
    let reason: Arc<str> = unreached.to_string().as_str().into();
    match unreached {
        Unreached::Far(_) => Verdict::Bad { reason },
        Unreached::Near(_) => Verdict::Trouble { reason },
    }
}

fn trouble(error: &steadfast_kernel::Error) -> Verdict {
    Verdict::Trouble { reason: error.to_string().as_str().into() }
}

/// Numbers of questions that a stranger does not guess from the one before (RFC 5452 section 4.3).
fn noise(now: Moment, target: SocketAddr) -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    thread_local! {
        static SECRET: RandomState = RandomState::new();
    }
    let hash = SECRET.with(|secret| secret.hash_one((now.as_nanos(), target)));
    u16::try_from(hash & 0xffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};

    use super::*;

    /// The key of a check of a port at which nobody listens.
    fn key() -> CheckKey {
        let text = "virtual_server 192.0.2.1 80 {\n real_server 127.0.0.1 1 {\n TCP_CHECK {\n }\n }\n}\n";
        let source = Memory::new().file("k.conf", text);
        let model = load(&source, "/k.conf".as_ref(), &AnyMachine, &LoadOptions::default()).model;
        let server = &model.virtual_servers[0].real_servers[0];
        let settings = crate::digest::texts::settings_text(&server.checkers[0]);
        CheckKey { target: "127.0.0.1:1".parse().unwrap(), settings: settings.as_str().into() }
    }

    #[test]
    fn a_turn_begins_so_many_and_the_others_wait_for_theirs() {
        let poller = Poller::open().unwrap();
        let mut probes = Probes::new(1, None);
        let (key, now) = (key(), Moment::ZERO);
        let count = CONVERSATIONS_OF_A_TURN * 2 + 10;
        for number in 0..u32::try_from(count).unwrap() {
            let _ = probes.begin(now, CheckId(number), &key, 0, &poller);
        }
        assert_eq!(probes.waiting.len(), count - CONVERSATIONS_OF_A_TURN);
        let key_of = |_| Some(key.clone());
        assert_eq!(probes.next_wakeup(), Some(Moment::ZERO));
        // The first of those that wait is not wanted any more.
        probes.forget(&BTreeSet::from([CheckId(u32::try_from(CONVERSATIONS_OF_A_TURN).unwrap())]));
        assert_eq!(probes.waiting.len(), count - CONVERSATIONS_OF_A_TURN - 1);
        let _ = probes.begin_waiting(now, key_of, &poller);
        assert_eq!(probes.waiting.len(), 9);
        let _ = probes.begin_waiting(now, key_of, &poller);
        assert!(probes.waiting.is_empty());
        assert!(probes.next_wakeup().is_none_or(|at| at > now));
    }
}
