//! A worker's end of the channel to its supervisor, the same for every role.

use serde::Serialize;
use serde::de::DeserializeOwned;
use steadfast_kernel::Error;
use steadfast_kernel::channel::{Channel, Incoming};
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};

use super::lifecycle::{FromWorker, ToWorker, Trouble};

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
    /// It is gone: there is nobody to run scripts and nobody to start a successor.
    Gone,
}

/// The channel, and what is remembered of it.
pub(crate) struct Line {
    channel: Channel,
    /// By which the poller tells of it.
    token: u64,
    /// Somebody waits for room.
    wants_room: bool,
    told_lost: bool,
}

impl Line {
    pub(crate) fn new(channel: Channel, token: u64) -> Self {
        Self { channel, token, wants_room: false, told_lost: false }
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
            match self.channel.receive() {
                Ok(Incoming::Message(bytes)) => {
                    if let Ok(message) = postcard::from_bytes(&bytes) {
                        return Heard::Message(message);
                    }
                }
                Ok(Incoming::Nothing) => return Heard::Nothing,
                Ok(Incoming::Closed) | Err(_) => {
                    let _ = poller.remove(&self.channel);
                    return Heard::Gone;
                }
            }
        }
    }

    /// A supervisor that does not read loses news, and nothing else: the channel's bound is reached, and the message is
    /// dropped and counted.
    pub(crate) fn tell<News: Serialize>(&mut self, message: &FromWorker<News>) {
        if let Ok(bytes) = postcard::to_stdvec(message) {
            let _ = self.channel.send(&bytes);
        }
    }

    /// Messages that found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.channel.dropped()
    }

    /// Tells once that messages were lost, `others` before they came to the channel, as soon as there is room again.
    pub(crate) fn tell_lost<News: Serialize>(&mut self, others: u64) {
        let count = self.dropped() + others;
        if count > 0 && !self.told_lost && !self.channel.wants_to_write() {
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
        let mut line = Line::new(ours, 0);
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
}
