//! The place of a worker: the process that fills it, its life so far, and who comes after it.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use steadfast_control::event::Happening;
use steadfast_kernel::Error;
use steadfast_kernel::channel::{Channel, Incoming};
use steadfast_kernel::process::handover::Kept;
use steadfast_kernel::process::pidfile;
use steadfast_kernel::process::pulse::Pulses;
use steadfast_kernel::process::signal::Signal;
use steadfast_kernel::process::{Child, Exit};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::Moment;

use super::beats::{Beat, Beats};
use super::respawn::Respawn;
use crate::link::lifecycle::{FromWorker, Role, ToWorker, Worker};
use crate::supervisor::upgrade::left::WorkerLeft;

/// Wait before another attempt when there was not even a process.
const NO_PROCESS_WAIT: Duration = Duration::from_secs(1);

/// The poller's tokens of a slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tokens {
    /// The worker has something to tell.
    pub(crate) channel: u64,
    /// The worker ended.
    pub(crate) child: u64,
}

/// The place of one role.
#[derive(Debug)]
pub(crate) struct Slot<R: Role> {
    process: Option<Process<R>>,
    tokens: Tokens,
    pid_file: PathBuf,
    beat: Duration,
    respawn: Respawn,
    start_at: Option<Moment>,
    /// The last sign of life of the first thread of a worker that died. One that died before it gave any did nothing that
    /// others would have seen: the sign of the one before it stands.
    lived_until: Option<Moment>,
    restarts: u32,
    /// Told once its successor runs: every millisecond without one is one in which nobody does its work.
    died: Option<Happening>,
    gave_up: Option<u8>,
    /// The worker was told to leave everything to a successor.
    leaving: bool,
    /// It said that it has.
    left: bool,
}

/// A running worker.
#[derive(Debug)]
struct Process<R> {
    child: Child,
    channel: Channel,
    started_at: Moment,
    pulses: Pulses,
    beats: Beats,
    role: PhantomData<R>,
}

/// A worker that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its process.
    pub(crate) pid: u32,
    /// How.
    pub(crate) exit: Exit,
    /// It was told to, and a successor goes on.
    pub(crate) left: bool,
    /// How long it had run.
    pub(crate) ran: Duration,
}

impl<R> Process<R> {
    /// The last sign of life of the most silent thread.
    fn last_sign(&self) -> Moment {
        Moment::from_nanos(self.pulses.oldest())
    }
}

impl<R: Role> Slot<R> {
    pub(crate) fn new(tokens: Tokens, pid_file: PathBuf, beat: Duration) -> Self {
        Self {
            process: None,
            tokens,
            pid_file,
            beat,
            respawn: Respawn::default(),
            start_at: None,
            lived_until: None,
            restarts: 0,
            died: None,
            gave_up: None,
            leaving: false,
            left: false,
        }
    }

    // Who is there.

    /// Process id of the worker, if one runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.pid())
    }

    /// A worker runs.
    pub(crate) fn is_filled(&self) -> bool {
        self.process.is_some()
    }

    /// A worker runs, or another one is to be started.
    pub(crate) fn is_taken(&self) -> bool {
        self.is_filled() || self.start_at.is_some()
    }

    /// None runs, and another is to be started.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.is_filled() && self.start_at.is_some()
    }

    /// Workers in a row that died soon or could not be started.
    pub(crate) fn deaths(&self) -> u32 {
        self.respawn.deaths()
    }

    /// How often a worker died and another took over.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// The exit status of a worker that said that another start is useless.
    pub(crate) fn gave_up(&self) -> Option<u8> {
        self.gave_up
    }

    /// Until when the first thread of a predecessor of a worker that is about to start was surely at work.
    pub(crate) fn predecessor_lived_until(&self) -> Option<Moment> {
        self.lived_until
    }

    /// Where the worker writes its process id.
    pub(crate) fn pid_file(&self) -> &PathBuf {
        &self.pid_file
    }

    // Starting.

    /// A worker shall run as soon as possible.
    pub(crate) fn start(&mut self, now: Moment) {
        if !self.is_taken() {
            self.start_at = Some(now);
        }
    }

    /// No further worker shall start.
    pub(crate) fn close(&mut self) {
        self.start_at = None;
    }

    /// When a worker is to be started.
    pub(crate) fn start_at(&self) -> Option<Moment> {
        self.start_at
    }

    /// A worker was forked.
    pub(crate) fn fill(
        &mut self,
        now: Moment,
        child: Child,
        channel: Channel,
        pulses: Pulses,
        poller: &Poller,
    ) {
        let _ = poller.add(&channel, self.tokens.channel, Interest::Readable);
        let _ = poller.add(&child, self.tokens.child, Interest::Readable);
        let beats = Beats::new(now, self.beat);
        self.process = Some(Process { child, channel, started_at: now, pulses, beats, role: PhantomData });
        self.start_at = None;
    }

    /// Goes on with a worker of the program that this process ran before.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn adopt(&mut self, now: Moment, left: WorkerLeft, poller: &Poller) -> Result<(), Error> {
        // Where nothing can be known of its end, it was at work until now: what it held is its successor's.
        self.lived_until = Some(now);
        let channel = Channel::over(left.channel.take()?);
        self.restarts = left.restarts;
        let child = Child::adopt(left.pid)?;
        self.take_in(now, child, channel, poller)
    }

    /// Goes on with a worker that is there.
    ///
    /// # Errors
    /// When there is no memory.
    pub(crate) fn take_in(
        &mut self,
        now: Moment,
        child: Child,
        channel: Channel,
        poller: &Poller,
    ) -> Result<(), Error> {
        // Its threads give their signs of life to nobody until it has a successor: for that it has the time of one
        // that hangs.
        let pulses = Pulses::shared(R::THREADS, now.as_nanos())?;
        self.lived_until = Some(now);
        self.fill(now, child, channel, pulses, poller);
        Ok(())
    }

    /// The worker for the program that comes.
    pub(crate) fn left(&self) -> Option<WorkerLeft> {
        let process = self.process.as_ref()?;
        let (pid, channel) = (process.child.pid(), Kept::of(&process.channel));
        Some(WorkerLeft { pid, channel, restarts: self.restarts })
    }

    /// Has the worker leave everything as it is to a successor, which is started when it is gone.
    pub(crate) fn leave(&mut self, poller: &Poller) {
        self.leaving = self.tell(&ToWorker::Leave, poller);
        self.left = false;
    }

    /// The worker told everything that a successor needs.
    pub(crate) fn has_left(&mut self) {
        self.left = true;
    }

    /// The worker leaves everything to a successor.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// A worker runs and has read everything, or none is wanted.
    pub(crate) fn is_calm(&self) -> bool {
        self.start_at.is_none()
            && self.process.as_ref().is_none_or(|process| process.channel.is_between_messages())
    }

    /// There could not be a process.
    pub(crate) fn not_filled(&mut self, now: Moment) {
        self.start_at = Some(now + self.respawn.after(Duration::ZERO).max(NO_PROCESS_WAIT));
    }

    // Talking.

    /// Gives an order; `false` when it cannot reach the worker.
    pub(crate) fn order(&mut self, order: R::Order, poller: &Poller) -> bool {
        self.tell(&ToWorker::Order(order), poller)
    }

    /// Sends a message; `false` when it cannot reach the worker. What the kernel does not take at once goes
    /// with the next [`Self::heard`].
    pub(crate) fn tell(&mut self, message: &ToWorker<R::Order>, poller: &Poller) -> bool {
        let Some(process) = &mut self.process else { return false };
        let sent = postcard::to_stdvec(message).is_ok_and(|bytes| process.channel.send(&bytes).is_ok());
        if process.channel.wants_to_write() {
            let _ = poller.modify(&process.channel, self.tokens.channel, Interest::Both);
        }
        sent
    }

    /// Everything that has arrived; also sends what waited for room.
    pub(crate) fn heard(&mut self, poller: &Poller) -> Vec<FromWorker<R::News>> {
        let Some(process) = &mut self.process else { return Vec::new() };
        let channel = &mut process.channel;
        let _ = channel.flush();
        let mut messages = Vec::new();
        loop {
            match channel.receive() {
                Ok(Incoming::Message(bytes)) => messages.extend(postcard::from_bytes(&bytes)),
                Ok(Incoming::Nothing) => break,
                // Its end is told by the process itself.
                Ok(Incoming::Closed) | Err(_) => {
                    let _ = poller.remove(&*channel);
                    return messages;
                }
            }
        }
        let interest = if channel.wants_to_write() { Interest::Both } else { Interest::Readable };
        let _ = poller.modify(&*channel, self.tokens.channel, interest);
        messages
    }

    // Living.

    /// When [`Self::beat`] has something to do.
    pub(crate) fn next_beat(&self) -> Option<Moment> {
        self.process.as_ref().map(|process| process.beats.wakeup())
    }

    /// Looks whether the worker lives, when it is time to. One that hangs is killed, and `true` comes back.
    #[inline]
    pub(crate) fn beat(&mut self, now: Moment) -> bool {
        let Some(process) = &mut self.process else { return false };
        let hung = process.beats.beat(now, process.last_sign()) == Beat::Hung;
        if hung {
            self.kill();
        }
        hung
    }

    /// Every thread of the worker gives signs of life, if there is one.
    pub(crate) fn is_steady(&self, now: Moment) -> bool {
        self.process.as_ref().is_none_or(|process| process.beats.is_steady(now, process.last_sign()))
    }

    /// Ends the worker for good.
    pub(crate) fn kill(&self) {
        if let Some(process) = &self.process {
            let _ = process.child.signal(Signal::KILL);
        }
    }

    /// Ends the worker for good, and waits for its end.
    pub(crate) fn end(&mut self) {
        self.kill();
        if let Some(process) = &mut self.process {
            let _ = process.child.wait();
        }
    }

    // Ending.

    /// The worker, if it has ended; the slot is empty then.
    pub(crate) fn take_ended(&mut self, now: Moment, poller: &Poller) -> Option<Ended> {
        let process = self.process.as_mut()?;
        let exit = match process.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(exit)) => exit,
            Err(_) => Exit::Status(1),
        };
        let process = self.process.take()?;
        let _ = poller.remove(&process.channel);
        let _ = poller.remove(&process.child);
        let pid = process.child.pid();
        // One that left was at work until then.
        let in_order = exit == Exit::Status(0) || (exit == Exit::Untold && self.left);
        let left = std::mem::take(&mut self.leaving) && in_order;
        let sign = Moment::from_nanos(process.pulses.first()).min(now);
        if left {
            self.lived_until = Some(now);
        } else if sign > process.started_at {
            self.lived_until = Some(sign);
        }
        // One that was killed leaves its pid file.
        if pidfile::read(&self.pid_file) == Some(pid) {
            let _ = std::fs::remove_file(&self.pid_file);
        }
        Some(Ended { pid, exit, left, ran: now.since(process.started_at) })
    }

    /// Another start is useless.
    pub(crate) fn give_up(&mut self, status: u8) {
        self.gave_up = Some(status);
        self.start_at = None;
    }

    /// A successor shall start, sooner or later; what is to be told of the death waits until then.
    pub(crate) fn succeed(&mut self, now: Moment, ended: &Ended, died: Happening) {
        self.restarts += 1;
        self.start_at = Some(now + self.respawn.after(ended.ran));
        self.died = Some(died);
    }

    /// What is to be told of a death: as soon as the successor runs, or at once when it is waited for.
    pub(crate) fn take_died(&mut self, now: Moment) -> Option<Happening> {
        self.died.take_if(|_| self.start_at.is_none_or(|at| at > now))
    }
}

/// A slot, whatever the role of its worker.
pub(crate) trait Place {
    /// Which worker fills it.
    fn worker(&self) -> Worker;
    /// Process id of the worker, if one runs.
    fn pid(&self) -> Option<u32>;
    /// A worker runs.
    fn is_filled(&self) -> bool;
    /// When a worker is to be started.
    fn start_at(&self) -> Option<Moment>;
    /// Every thread of the worker gives signs of life, if there is one.
    fn is_steady(&self, now: Moment) -> bool;
    /// The exit status of a worker that said that another start is useless.
    fn gave_up(&self) -> Option<u8>;
    /// No further worker shall start.
    fn close(&mut self);
    /// Gives back what only a message on its way needs.
    fn rest(&mut self);
    /// Ends the worker for good.
    fn kill(&self);
    /// Ends the worker for good, and waits for its end.
    fn end(&mut self);
}

impl<R: Role> Place for Slot<R> {
    fn worker(&self) -> Worker {
        R::WORKER
    }

    fn pid(&self) -> Option<u32> {
        self.pid()
    }

    fn is_filled(&self) -> bool {
        self.is_filled()
    }

    fn start_at(&self) -> Option<Moment> {
        self.start_at()
    }

    fn is_steady(&self, now: Moment) -> bool {
        self.is_steady(now)
    }

    fn gave_up(&self) -> Option<u8> {
        self.gave_up()
    }

    fn close(&mut self) {
        self.close();
    }

    fn rest(&mut self) {
        if let Some(process) = &mut self.process {
            process.channel.rest();
        }
    }

    fn kill(&self) {
        self.kill();
    }

    fn end(&mut self) {
        self.end();
    }
}

impl Ended {
    /// The exit status that says that another start is useless (1 fatal, 2 configuration, 4 permission).
    pub(crate) fn gives_up(&self) -> Option<u8> {
        match self.exit {
            Exit::Status(status @ (1 | 2 | 4)) => u8::try_from(status).ok(),
            Exit::Status(_) | Exit::Signal(_) | Exit::Untold => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::ManuallyDrop;
    use std::process::Command;

    use steadfast_kernel::channel::{Incoming, MESSAGE_BYTES_MAX};
    use steadfast_kernel::testbed;

    use super::*;
    use crate::link::lifecycle::{Lasting, Worker};

    /// A role whose orders are as long as a test wants them.
    #[derive(Debug)]
    struct Any;

    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    enum Nothing {}

    impl Lasting for Nothing {
        fn lasts(&self) -> bool {
            false
        }
    }

    impl Role for Any {
        type Order = String;
        type News = Nothing;
        type Knows = ();
        const WORKER: Worker = Worker::Vrrp;
        const THREADS: usize = 1;
    }

    fn filled(poller: &Poller) -> (Slot<Any>, Channel) {
        let (channel, worker) = Channel::pair().unwrap();
        let child = testbed::child(&mut Command::new("true")).unwrap();
        let mut slot = Slot::new(Tokens { channel: 0, child: 1 }, PathBuf::new(), Duration::from_secs(1));
        let pulses = Pulses::shared(Any::THREADS, 0).unwrap();
        slot.fill(Moment::from_nanos(0), child, channel, pulses, poller);
        (slot, worker)
    }

    /// Otherwise one that dies at its first step again and again would keep what its peers took over long ago.
    #[test]
    fn a_worker_that_died_before_it_did_anything_was_not_at_work() {
        let poller = Poller::open().unwrap();
        let at = |seconds: u64| Moment::from_nanos(seconds * 1_000_000_000);
        let mut slot: Slot<Any> =
            Slot::new(Tokens { channel: 0, child: 1 }, PathBuf::new(), Duration::from_secs(1));
        let mut lives = |started: u64, sign: Option<u64>| {
            let child = testbed::child(&mut Command::new("true")).unwrap();
            let pulses = Pulses::shared(Any::THREADS, at(started).as_nanos()).unwrap();
            if let Some(sign) = sign {
                pulses.of(0).beat(at(sign).as_nanos());
            }
            slot.fill(at(started), child, Channel::pair().unwrap().0, pulses, &poller);
            slot.end();
            slot.take_ended(at(started + 10), &poller).unwrap();
            slot.predecessor_lived_until()
        };
        assert_eq!(lives(100, Some(103)), Some(at(103)));
        assert_eq!(lives(120, None), Some(at(103)));
        assert_eq!(lives(140, Some(141)), Some(at(141)));
    }

    #[test]
    fn an_order_that_cannot_reach_the_worker_is_not_taken_for_given() {
        let poller = Poller::open().unwrap();
        let (mut slot, mut worker) = filled(&poller);
        assert!(!slot.order("x".repeat(MESSAGE_BYTES_MAX), &poller), "longer than any message");
        assert_eq!(worker.receive().unwrap(), Incoming::Nothing);
        assert!(slot.order("reload".to_owned(), &poller));
        let Incoming::Message(bytes) = worker.receive().unwrap() else { panic!("nothing came") };
        assert_eq!(
            postcard::from_bytes::<ToWorker<String>>(&bytes),
            Ok(ToWorker::Order("reload".to_owned()))
        );
        drop(worker);
        assert!(!slot.order("reload".to_owned(), &poller), "nobody is there to read it");
        slot.end();
        slot.take_ended(Moment::from_nanos(0), &poller).unwrap();
        assert!(!slot.order("reload".to_owned(), &poller), "there is no worker");
    }

    /// Its successor would go by the last change of state otherwise, and find that others took over long ago.
    #[test]
    fn a_worker_of_whose_end_nothing_is_known_was_at_work_until_now() {
        let poller = Poller::open().unwrap();
        let (channel, _worker) = Channel::pair().unwrap();
        let channel = ManuallyDrop::new(channel);
        let mut child = testbed::child(&mut Command::new("true")).unwrap();
        let pid = child.pid();
        child.wait().unwrap();
        let mut slot =
            Slot::<Any>::new(Tokens { channel: 0, child: 1 }, PathBuf::new(), Duration::from_secs(1));
        let now = Moment::from_nanos(7);
        let left = WorkerLeft { pid, channel: Kept::of(&*channel), restarts: 3 };
        slot.adopt(now, left, &poller).unwrap_err();
        assert_eq!((slot.predecessor_lived_until(), slot.restarts()), (Some(now), 3));
    }
}
