//! A worker's end of the channel to its supervisor, the same for every role.

use serde::Serialize;
use serde::de::DeserializeOwned;
use steadfast_kernel::Error;
use steadfast_kernel::channel::{Channel, Incoming};
use steadfast_kernel::rendezvous::Rendezvous;
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_time::Moment;

use super::lifecycle::{FromWorker, Lasting, ToWorker, Trouble};
use super::orphan::{ALONE_BYTES_MAX, ALONE_MAX, Orphan, greeting};

/// How long a worker that ends waits for its last words to be read, in nanoseconds.
const LAST_WORDS: u64 = 200_000_000;

/// keepalived's status for a missing permission.
const STATUS_NO_PERMISSION: i32 = 4;
/// keepalived's status for anything else that cannot work.
pub(crate) const STATUS_FATAL: i32 = 1;

/// A worker cannot begin. The reason travels before the exit status, so that the log has it.
pub(crate) fn give_up(channel: &mut Channel, error: &Error) -> i32 {
    let trouble = FromWorker::<()>::Trouble(Trouble::CannotWork { error: error.clone().into() });
    if let Ok(bytes) = postcard::to_stdvec(&trouble) {
        let _ = channel.send(&bytes);
    }
    if error.is_permission() { STATUS_NO_PERMISSION } else { STATUS_FATAL }
}

/// What came from the supervisor.
pub(crate) enum Heard<Order> {
    /// It wants something.
    Message(ToWorker<Order>),
    /// Nothing more for the moment.
    Nothing,
    /// After the one that died there is another, which is to be told what only the worker knows; nobody was there since
    /// then.
    Successor(Moment),
    /// It is gone, and none will come after it: there is nobody to run scripts and nobody to start a successor.
    Gone,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supervision {
    /// A supervisor.
    There,
    /// Nobody, since then.
    Alone { since: Moment },
    /// Somebody who has not said yet who it is.
    Called { since: Moment },
    /// Nobody, ever again.
    Over,
}

impl Supervision {
    const fn alone_since(self) -> Option<Moment> {
        match self {
            Self::Alone { since } | Self::Called { since } => Some(since),
            Self::There | Self::Over => None,
        }
    }

    const fn is_alone(self) -> bool {
        self.alone_since().is_some()
    }
}

/// The channel, and what is remembered of it.
pub(crate) struct Line {
    channel: Channel,
    /// By which the poller tells of it.
    token: u64,
    /// Where a successor of the supervisor finds this worker, if it can.
    rendezvous: Option<Rendezvous>,
    supervision: Supervision,
    /// The supervisor said that this worker is to end.
    ends: bool,
    /// What a successor of the supervisor is told late.
    kept: Vec<Vec<u8>>,
    kept_bytes: usize,
    /// What it is told never.
    forgotten: u64,
    /// Somebody waits for room.
    wants_room: bool,
    told_lost: bool,
}

impl Line {
    pub(crate) fn new(channel: Channel, rendezvous: Option<Rendezvous>, token: u64) -> Self {
        let supervision = Supervision::There;
        Self {
            channel,
            token,
            rendezvous,
            supervision,
            ends: false,
            kept: Vec::new(),
            kept_bytes: 0,
            forgotten: 0,
            wants_room: false,
            told_lost: false,
        }
    }

    /// The channel, when nothing else can be done.
    pub(crate) fn into_channel(self) -> Channel {
        self.channel
    }

    /// The poller tells when something comes.
    ///
    /// # Errors
    /// When the kernel refuses to watch another descriptor.
    pub(crate) fn listen(&self, poller: &Poller) -> Result<(), Error> {
        poller.add(&self.channel, self.token, Interest::Readable)
    }

    /// Gives back what only a message on its way needs.
    pub(crate) fn rest(&mut self) {
        self.channel.rest();
    }

    /// Sends what waits, as far as there is room.
    pub(crate) fn flush(&mut self) {
        let _ = self.channel.flush();
    }

    /// The next message; what cannot be understood is passed over.
    pub(crate) fn hear<Order: DeserializeOwned>(&mut self, poller: &Poller) -> Heard<Order> {
        loop {
            if let Supervision::Alone { since } = self.supervision
                && !self.let_in(since, poller)
            {
                return Heard::Nothing;
            }
            match (self.channel.receive(), self.supervision) {
                (Ok(Incoming::Message(bytes)), Supervision::Called { since }) => {
                    if bytes == greeting() {
                        self.supervision = Supervision::There;
                        return Heard::Successor(since);
                    }
                    // Of another version: it begins as if nothing had been.
                    self.supervision = Supervision::Over;
                    let _ = poller.remove(&self.channel);
                    return Heard::Gone;
                }
                (Ok(Incoming::Message(bytes)), _) => {
                    if let Ok(message) = postcard::from_bytes(&bytes) {
                        self.ends |= matches!(message, ToWorker::Stop | ToWorker::Leave);
                        return Heard::Message(message);
                    }
                }
                (Ok(Incoming::Nothing), _) => return Heard::Nothing,
                (Ok(Incoming::Closed) | Err(_), supervision) => {
                    let _ = poller.remove(&self.channel);
                    let since = match supervision {
                        Supervision::Called { since } => since,
                        _ => now(),
                    };
                    if !self.listen_for_successor(since, poller) {
                        self.supervision = Supervision::Over;
                        return Heard::Gone;
                    }
                }
            }
        }
    }

    /// Waits for whoever comes after the supervisor that died. One that has sent this worker to its end needs no successor.
    fn listen_for_successor(&mut self, since: Moment, poller: &Poller) -> bool {
        let Some(rendezvous) = self.rendezvous.as_ref().filter(|_| !self.ends) else { return false };
        self.supervision = Supervision::Alone { since };
        self.wants_room = false;
        poller.add(rendezvous, self.token, Interest::Readable).is_ok()
    }

    /// Whether somebody called and can be heard.
    fn let_in(&mut self, since: Moment, poller: &Poller) -> bool {
        let Some(rendezvous) = &self.rendezvous else { return false };
        let Some(channel) = rendezvous.accept() else { return false };
        let _ = poller.remove(rendezvous);
        self.channel = channel;
        // What the other one had no room for went with it.
        self.wants_room = false;
        self.told_lost = false;
        self.supervision = Supervision::Called { since };
        self.listen(poller).is_ok()
    }

    /// Until when this worker goes on without a supervisor, if it does.
    pub(crate) fn alone_until(&self) -> Option<Moment> {
        self.supervision.alone_since().map(|since| since + ALONE_MAX)
    }

    /// Whether nobody came after the supervisor that died; told once.
    pub(crate) fn is_forsaken(&mut self, poller: &Poller) -> bool {
        if self.alone_until().is_none_or(|until| until > now()) {
            return false;
        }
        self.supervision = Supervision::Over;
        if let Some(rendezvous) = self.rendezvous.take() {
            let _ = poller.remove(&rendezvous);
        }
        let _ = poller.remove(&self.channel);
        true
    }

    /// Tells a successor of the supervisor what only this worker knows, and then what happened meanwhile.
    pub(crate) fn confide<Knows: Serialize>(&mut self, since: Moment, knows: Knows) {
        if let Ok(bytes) = postcard::to_stdvec(&Orphan { since, knows }) {
            let _ = self.channel.send(&bytes);
        }
        self.kept_bytes = 0;
        for bytes in std::mem::take(&mut self.kept) {
            let _ = self.channel.send(&bytes);
        }
    }

    /// Keeps what happens while nobody is there, up to a bound.
    fn keep<News: Serialize + Lasting>(&mut self, message: &FromWorker<News>) {
        if !self.supervision.is_alone() || !message.lasts() {
            return;
        }
        let Ok(bytes) = postcard::to_stdvec(message) else { return };
        if self.kept_bytes + bytes.len() > ALONE_BYTES_MAX {
            self.forgotten += 1;
            return;
        }
        self.kept_bytes += bytes.len();
        self.kept.push(bytes);
    }

    /// A supervisor that does not read loses news, and nothing else: the channel's bound is reached, and the message is
    /// dropped and counted. Where there is none, one that comes asks for everything.
    pub(crate) fn tell<News: Serialize + Lasting>(&mut self, message: &FromWorker<News>) {
        if self.supervision != Supervision::There {
            return self.keep(message);
        }
        if let Ok(bytes) = postcard::to_stdvec(message) {
            let _ = self.channel.send(&bytes);
        }
    }

    /// Messages that found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.channel.dropped()
    }

    /// Tells once that messages were lost, `others` before they came to the channel, as soon as there is room again.
    pub(crate) fn tell_lost<News: Serialize + Lasting>(&mut self, others: u64) {
        let count = self.dropped() + self.forgotten + others;
        let heard = self.supervision == Supervision::There && !self.channel.wants_to_write();
        if count > 0 && !self.told_lost && heard {
            self.told_lost = true;
            self.tell(&FromWorker::<News>::Trouble(Trouble::MessagesLost { count }));
        }
    }

    /// The poller tells of room too, for as long as something waits for it.
    pub(crate) fn watch_room(&mut self, poller: &Poller) {
        let wants_room = self.channel.wants_to_write();
        if wants_room != self.wants_room {
            self.wants_room = wants_room;
            let interest = if wants_room { Interest::Both } else { Interest::Readable };
            let _ = poller.modify(&self.channel, self.token, interest);
        }
    }

    pub(crate) fn flush_before_exit(&mut self, poller: &Poller) {
        let until = clock::monotonic() + LAST_WORDS;
        let mut events = Events::default();
        while self.channel.wants_to_write() && clock::monotonic() < until {
            let _ = poller.modify(&self.channel, self.token, Interest::Both);
            let _ = poller.wait(&mut events, Some(until));
            if self.channel.flush().is_err() {
                return;
            }
        }
    }
}

fn now() -> Moment {
    Moment::from_nanos(clock::monotonic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::check::{News, Notice};

    /// Everything that the supervisor hears, and that the worker still had for it.
    fn heard(line: &mut Line, supervisor: &mut Channel) -> Vec<FromWorker<News>> {
        let mut heard = Vec::new();
        loop {
            line.flush();
            match supervisor.receive().unwrap() {
                Incoming::Message(bytes) => heard.push(postcard::from_bytes(&bytes).unwrap()),
                Incoming::Nothing if line.channel.wants_to_write() => {}
                Incoming::Nothing => return heard,
                Incoming::Closed => panic!("the worker is there"),
            }
        }
    }

    #[test]
    fn what_a_check_worker_could_not_tell_is_told_once_when_there_is_room_again() {
        let (ours, mut supervisor) = Channel::pair().unwrap();
        let mut line = Line::new(ours, None, 0);
        let long = FromWorker::News(News::Notice(Notice::Check { reason: "x".repeat(60 << 20) }));
        let mut sent = 0;
        while line.dropped() == 0 {
            line.tell(&long);
            sent += 1;
        }
        line.tell(&long);
        line.tell_lost::<News>(0);
        let first = heard(&mut line, &mut supervisor);
        assert_eq!(first.len(), sent - 1, "what found room arrives");
        assert!(first.iter().all(|message| *message == long), "and nothing before it");
        line.tell_lost::<News>(0);
        line.tell_lost::<News>(0);
        let lost = FromWorker::Trouble(Trouble::MessagesLost { count: 2 });
        assert_eq!(heard(&mut line, &mut supervisor), [lost]);
    }

    /// Everything that arrives at this end.
    fn all(supervisor: &mut Channel) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Incoming::Message(bytes) = supervisor.receive().unwrap() {
            all.push(bytes);
        }
        all
    }

    #[test]
    fn a_worker_whose_supervisor_died_waits_for_another_and_tells_it_what_happened() {
        let (ours, supervisor) = Channel::pair().unwrap();
        let (poller, own) = (Poller::open().unwrap(), std::process::id());
        let mut line = Line::new(ours, Some(Rendezvous::open().unwrap()), 7);
        line.listen(&poller).unwrap();
        let hear = |line: &mut Line| line.hear::<crate::link::check::Order>(&poller);
        assert!(matches!(hear(&mut line), Heard::Nothing) && line.alone_until().is_none());
        drop(supervisor);
        let before = now();
        assert!(matches!(hear(&mut line), Heard::Nothing));
        assert!(line.alone_until().unwrap() >= before + ALONE_MAX && !line.is_forsaken(&poller));
        let happened = FromWorker::News(News::Notice(Notice::Table));
        line.tell(&happened);
        line.tell(&FromWorker::News(News::Resume(Box::default())));
        line.tell(&FromWorker::News(News::Notice(Notice::Check { reason: "x".repeat(ALONE_BYTES_MAX) })));

        // Who calls and says nothing is no successor.
        let caller = steadfast_kernel::rendezvous::call(own).unwrap().unwrap();
        assert!(matches!(hear(&mut line), Heard::Nothing));
        drop(caller);
        assert!(matches!(hear(&mut line), Heard::Nothing) && line.alone_until().is_some());
        let mut successor = steadfast_kernel::rendezvous::call(own).unwrap().unwrap();
        successor.send(&greeting()).unwrap();
        let Heard::Successor(since) = hear(&mut line) else { panic!("nobody is there") };
        line.confide(since, 42_u8);
        let [first, second] = all(&mut successor).try_into().unwrap();
        let orphan: Orphan<u8> = postcard::from_bytes(&first).unwrap();
        assert!(orphan.since >= before && orphan.knows == 42);
        assert_eq!(postcard::from_bytes::<FromWorker<News>>(&second), Ok(happened));
        line.tell_lost::<News>(0);
        let lost = FromWorker::<News>::Trouble(Trouble::MessagesLost { count: 1 });
        let [third] = all(&mut successor).try_into().unwrap();
        assert_eq!(postcard::from_bytes(&third), Ok(lost));

        // Of another version.
        drop(successor);
        assert!(matches!(hear(&mut line), Heard::Nothing) && line.alone_until().is_some());
        let mut other = steadfast_kernel::rendezvous::call(own).unwrap().unwrap();
        other.send(&(crate::link::orphan::VERSION + 1).to_be_bytes()).unwrap();
        assert!(matches!(hear(&mut line), Heard::Gone) && line.alone_until().is_none());
    }

    #[test]
    fn a_successor_hears_all_of_what_is_more_than_fits_at_once() {
        const LONG: usize = 8 << 20;
        let (ours, supervisor) = Channel::pair().unwrap();
        let (poller, own) = (Poller::open().unwrap(), std::process::id());
        let mut line = Line::new(ours, Some(Rendezvous::open().unwrap()), 7);
        line.listen(&poller).unwrap();
        let hear = |line: &mut Line| line.hear::<crate::link::check::Order>(&poller);
        // What the one that died did not read is none of the other one's business.
        let long = FromWorker::News(News::Notice(Notice::Check { reason: "x".repeat(LONG) }));
        line.tell(&long);
        line.tell(&long);
        line.watch_room(&poller);
        drop(supervisor);
        assert!(matches!(hear(&mut line), Heard::Nothing) && line.alone_until().is_some());
        line.watch_room(&poller);
        let mut successor = steadfast_kernel::rendezvous::call(own).unwrap().unwrap();
        successor.send(&greeting()).unwrap();
        let Heard::Successor(since) = hear(&mut line) else { panic!("nobody is there") };
        line.confide(since, "y".repeat(LONG));
        line.watch_room(&poller);
        let mut events = Events::default();
        let heard = loop {
            match successor.receive().unwrap() {
                Incoming::Message(bytes) => break bytes,
                _ => {
                    let until = clock::monotonic() + 10_000_000_000;
                    let _ = poller.wait(&mut events, Some(until));
                    assert!(clock::monotonic() < until, "nobody tells of room");
                    line.flush();
                }
            }
        };
        assert_eq!(postcard::from_bytes::<Orphan<String>>(&heard).unwrap().knows.len(), LONG);
    }

    #[test]
    fn a_worker_that_was_to_end_waits_for_nobody() {
        let (ours, mut supervisor) = Channel::pair().unwrap();
        let poller = Poller::open().unwrap();
        let mut line = Line::new(ours, Rendezvous::open().ok(), 7);
        let stop = ToWorker::<crate::link::check::Order>::Stop;
        supervisor.send(&postcard::to_stdvec(&stop).unwrap()).unwrap();
        drop(supervisor);
        let mut hear = || line.hear::<crate::link::check::Order>(&poller);
        assert!(matches!(hear(), Heard::Message(ToWorker::Stop)));
        assert!(matches!(hear(), Heard::Gone));
    }
}
