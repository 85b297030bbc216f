//! The conversations that go on: their sockets, and until when each may take.

use std::collections::BTreeMap;
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

/// Octets read at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// Reads of one conversation in a turn, so that a server that never ends its answer delays nobody.
const PIECES_OF_A_TURN: usize = 8;

/// Every conversation.
pub(super) struct Probes {
    specs: Specs,
    tls: Option<Context>,
    /// By the token of its socket.
    running: BTreeMap<u64, Conversation>,
    by_check: BTreeMap<CheckId, u64>,
    /// Those for which there was no room, in their order.
    waiting: BTreeMap<u64, (CheckId, CheckKey, u16)>,
    waiting_by_check: BTreeMap<CheckId, u64>,
    next_place: u64,
    /// How many have begun in this turn.
    begun: usize,
    deadlines: Queue<u64>,
    /// Tokens are given once: an event of a socket that was closed means nobody.
    next_token: u64,
    number: u16,
    /// Checks whose program is to be run.
    programs: Vec<(CheckId, Arc<str>)>,
}

/// A verdict.
pub(super) struct Judged {
    pub(super) check: CheckId,
    pub(super) verdict: Verdict,
}

struct Conversation {
    check: CheckId,
    spec: Arc<Spec>,
    socket: Socket,
    /// When this step has taken too long.
    step_ends: Moment,
    /// When all of it has.
    ends: Moment,
}

enum Socket {
    Stream { stream: Stream, dialogue: Box<dyn Dialogue>, connected: bool, out: Vec<u8>, watched: Interest },
    Datagram { socket: DatagramSocket, asking: Asking },
}

impl Probes {
    /// Tokens from `first_token` on are theirs.
    pub(super) fn new(first_token: u64, tls: Option<Context>) -> Self {
        Self {
            specs: Specs::default(),
            tls,
            running: BTreeMap::new(),
            by_check: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_by_check: BTreeMap::new(),
            next_place: 0,
            begun: 0,
            deadlines: Queue::default(),
            next_token: first_token,
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
        if !self.waiting.is_empty() && self.running.len() < CONVERSATIONS_MAX {
            return Some(Moment::ZERO);
        }
        self.deadlines.peek().map(|entry| entry.at)
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
        if self.running.len() >= CONVERSATIONS_MAX || self.begun >= CONVERSATIONS_OF_A_TURN {
            self.waiting.insert(self.next_place, (check, key.clone(), step));
            self.waiting_by_check.insert(check, self.next_place);
            self.next_place += 1;
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
        let token = self.next_token;
        let socket = match begin {
            Begin::Program => {
                self.programs.push((check, Arc::clone(&key.settings)));
                return Ok(None);
            }
            Begin::Stream(dialogue) => {
                let (stream, _) = Stream::connect(&way).map_err(|unreached| verdict_of(&unreached))?;
                poller.add(&stream, token, Interest::Writable).map_err(|error| trouble(&error))?;
                let watched = Interest::Writable;
                Socket::Stream { stream, dialogue, connected: false, out: Vec::new(), watched }
            }
            Begin::Datagram(kind, asking) => {
                let mut socket =
                    DatagramSocket::open(kind, &way).map_err(|unreached| verdict_of(&unreached))?;
                socket.send(&asking.question()).map_err(|unreached| verdict_of(&unreached))?;
                poller.add(&socket, token, Interest::Readable).map_err(|error| trouble(&error))?;
                Socket::Datagram { socket, asking }
            }
        };
        self.next_token += 1;
        let ends = now + spec.whole_timeout();
        let step_ends = (now + spec.step_timeout()).min(ends);
        self.deadlines.push(Entry { at: step_ends, key: token });
        self.running.insert(token, Conversation { check, spec, socket, step_ends, ends });
        self.by_check.insert(check, token);
        Ok(None)
    }

    /// Checks whose program is to be run.
    pub(super) fn take_programs(&mut self) -> Vec<(CheckId, Arc<str>)> {
        std::mem::take(&mut self.programs)
    }

    /// Begins what waited for room: a turn begins.
    pub(super) fn begin_waiting(&mut self, now: Moment, poller: &Poller) -> Vec<Judged> {
        self.begun = 0;
        let mut judged = Vec::new();
        while self.running.len() < CONVERSATIONS_MAX
            && self.begun < CONVERSATIONS_OF_A_TURN
            && let Some((_, (check, key, step))) = self.waiting.pop_first()
        {
            self.waiting_by_check.remove(&check);
            judged.extend(self.begin(now, check, &key, step, poller));
        }
        judged
    }

    /// What a check would have found concerns nobody any more.
    pub(super) fn forget(&mut self, check: CheckId, poller: &Poller) {
        if let Some(place) = self.waiting_by_check.remove(&check) {
            self.waiting.remove(&place);
        }
        if let Some(token) = self.by_check.remove(&check)
            && let Some(conversation) = self.running.remove(&token)
        {
            conversation.socket.leave(poller);
        }
    }

    /// The socket of a conversation is ready.
    pub(super) fn ready(&mut self, now: Moment, ready: Ready, poller: &Poller) -> Option<Judged> {
        let conversation = self.running.get_mut(&ready.token)?;
        match conversation.go_on(now, ready, poller) {
            Some(verdict) => self.end(ready.token, verdict, poller),
            None => None,
        }
    }

    /// Ends what has taken too long.
    pub(super) fn expire(&mut self, now: Moment, poller: &Poller) -> Vec<Judged> {
        let mut judged = Vec::new();
        while judged.len() < CONVERSATIONS_OF_A_TURN
            && let Some(entry) = self.deadlines.peek().filter(|entry| entry.at <= now)
        {
            self.deadlines.pop();
            let Some(conversation) = self.running.get(&entry.key) else { continue };
            if conversation.step_ends > now {
                self.deadlines.push(Entry { at: conversation.step_ends, key: entry.key });
                continue;
            }
            let verdict = conversation.socket.too_late();
            judged.extend(self.end(entry.key, verdict, poller));
        }
        judged
    }

    fn end(&mut self, token: u64, verdict: Verdict, poller: &Poller) -> Option<Judged> {
        let conversation = self.running.remove(&token)?;
        self.by_check.remove(&conversation.check);
        let check = conversation.check;
        conversation.socket.leave(poller);
        Some(Judged { check, verdict })
    }
}

impl Conversation {
    /// A verdict, once there is one.
    fn go_on(&mut self, now: Moment, ready: Ready, poller: &Poller) -> Option<Verdict> {
        let progress = match &mut self.socket {
            Socket::Datagram { socket, asking } => return hear(socket, asking),
            Socket::Stream { stream, dialogue, connected, out, watched } => {
                let mut moved = false;
                if !*connected {
                    if let Err(unreached) = stream.connected() {
                        return Some(verdict_of(&unreached));
                    }
                    if !ready.writable {
                        return None;
                    }
                    *connected = true;
                    moved = true;
                    if let Progress::Done(result) = dialogue.connected(out) {
                        let _ = stream.write(out);
                        return Some(verdict(result));
                    }
                }
                // Nobody has answered yet what is said only now.
                let asks = moved && !out.is_empty();
                let progress = if asks {
                    speak(stream, out).map(|()| Progress::Wait)
                } else {
                    speak_and_hear(stream, dialogue.as_mut(), out, &mut moved)
                };
                let interest = if out.is_empty() { Interest::Readable } else { Interest::Both };
                if std::mem::replace(watched, interest) != interest {
                    let _ = poller.modify(&*stream, ready.token, interest);
                }
                if moved {
                    // The entry in the queue stays where it is: it is looked at again when it comes up.
                    self.step_ends = (now + self.spec.step_timeout()).min(self.ends);
                }
                progress
            }
        };
        match progress {
            Ok(Progress::Wait) => None,
            Ok(Progress::Done(result)) => Some(verdict(result)),
            Err(errno) => Some(Verdict::Bad { reason: errno.to_string().as_str().into() }),
        }
    }
}

impl Socket {
    /// What it means that the time is over.
    fn too_late(&self) -> Verdict {
        match self {
            Self::Datagram { asking, .. } => verdict(asking.silence().map(|()| Found::default())),
            Self::Stream { connected: false, .. } => verdict(Err(Failure::TimedOut(Awaited::Connection))),
            Self::Stream { dialogue, .. } => verdict(Err(Failure::TimedOut(dialogue.awaited()))),
        }
    }

    fn leave(self, poller: &Poller) {
        let _ = match &self {
            Self::Stream { stream, .. } => poller.remove(stream),
            Self::Datagram { socket, .. } => poller.remove(socket),
        };
    }
}

/// Sends what is to be said and takes what came.
fn speak_and_hear(
    stream: &mut Stream,
    dialogue: &mut dyn Dialogue,
    out: &mut Vec<u8>,
    moved: &mut bool,
) -> Result<Progress, Errno> {
    let mut buffer = [0; PIECE_BYTES];
    for _ in 0..PIECES_OF_A_TURN {
        speak(stream, out)?;
        let progress = match stream.read(&mut buffer) {
            Ok(0) => Progress::Done(dialogue.closed()),
            Ok(length) => {
                *moved = true;
                dialogue.received(buffer.get(..length).unwrap_or_default(), out)
            }
            Err(Errno::AGAIN) => return Ok(Progress::Wait),
            Err(errno) => return Err(errno),
        };
        if let Progress::Done(_) = progress {
            // A farewell that the connection does not take is not missed.
            let _ = speak(stream, out);
            return Ok(progress);
        }
    }
    Ok(Progress::Wait)
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
        let settings = crate::digest::check::settings_text(&server.checkers[0]);
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
        assert_eq!(probes.next_wakeup(), Some(Moment::ZERO));
        // The first of those that wait is not wanted any more.
        probes.forget(CheckId(u32::try_from(CONVERSATIONS_OF_A_TURN).unwrap()), &poller);
        assert_eq!(probes.waiting.len(), count - CONVERSATIONS_OF_A_TURN - 1);
        let _ = probes.begin_waiting(now, &poller);
        assert_eq!(probes.waiting.len(), 9);
        let _ = probes.begin_waiting(now, &poller);
        assert!(probes.waiting.is_empty() && probes.waiting_by_check.is_empty());
        assert!(probes.next_wakeup().is_none_or(|at| at > now));
    }
}
