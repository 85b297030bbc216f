//! The workers as the supervisor sees them: a slot for each role, and what it does for whoever fills it.

mod beats;
pub(crate) mod check;
mod headings;
pub(crate) mod known;
mod respawn;
pub(crate) mod service;
pub(crate) mod slot;
pub(crate) mod suspects;
pub(crate) mod vrrp;

use std::time::Duration;

use steadfast_control::event::{Fault, Happening, Matter};
use steadfast_kernel::channel::Channel;
use steadfast_kernel::process::pulse::Pulses;
use steadfast_kernel::process::{Child, Forked, exit_now, fork_to_outlive};
use steadfast_kernel::{Error, process::limits};
use steadfast_vrrp::Moment;

use self::slot::{Place, Slot, Tokens};
use super::reload::Confirmation;
use super::reload::effective::Effective;
use super::{SETTLE_AFTER, Supervisor, moment};
use crate::link::check::Check;
use crate::link::life::Lives;
use crate::link::lifecycle::{FromWorker, Role, ToWorker, Trouble, Worker};
use crate::link::vrrp::Vrrp;
use crate::places::Places;

/// Tokens of workers among the poller's.
pub(crate) const VRRP: Tokens = Tokens { channel: 2, child: 3 };
pub(crate) const CHECK: Tokens = Tokens { channel: 8, child: 9 };

/// A slot for each role.
#[derive(Debug)]
pub(crate) struct Workers {
    pub(crate) vrrp: Slot<Vrrp>,
    pub(crate) check: Slot<Check>,
}

/// A role as the supervisor deals with it.
pub(crate) trait Post: Role + Sized {
    /// Where its worker is.
    fn slot(workers: &mut Workers) -> &mut Slot<Self>;
    /// Takes what a worker of this role has to tell.
    fn hear(supervisor: &mut Supervisor, news: Self::News);
    /// A worker was forked: it took with it what was kept for it.
    fn forked(supervisor: &mut Supervisor);
    /// A worker runs.
    fn started(supervisor: &mut Supervisor);
    /// A worker did what a reload asked for.
    fn reloaded(supervisor: &mut Supervisor);
    /// A worker handed everything over.
    fn drained(supervisor: &mut Supervisor);
    /// A worker ended: what it was asked is not answered.
    fn ended(supervisor: &mut Supervisor);
}

impl Workers {
    pub(crate) fn new(places: &Places, beat: Duration) -> Self {
        Self {
            vrrp: Slot::new(VRRP, places.vrrp_pid_file.clone(), beat),
            check: Slot::new(CHECK, places.checkers_pid_file.clone(), beat),
        }
    }

    /// Every place, whoever fills it.
    fn places(&self) -> [&dyn Place; 2] {
        [&self.vrrp, &self.check]
    }

    fn places_mut(&mut self) -> [&mut dyn Place; 2] {
        [&mut self.vrrp, &mut self.check]
    }

    /// A worker that is to be started now. VRRP first: a check that waits costs nobody an address.
    fn due(&self, now: Moment) -> Option<Worker> {
        let due = |place: &&dyn Place| place.start_at().is_some_and(|at| at <= now);
        self.places().into_iter().find(due).map(Place::worker)
    }

    /// When a worker is to be started.
    pub(crate) fn wakeup(&self) -> Option<Moment> {
        self.places().into_iter().filter_map(Place::start_at).min()
    }

    /// When a beat has something to do.
    fn next_beat(&self) -> Option<Moment> {
        [self.vrrp.next_beat(), self.check.next_beat()].into_iter().flatten().min()
    }

    /// Every worker lives, as far as is known.
    fn are_steady(&self, now: Moment) -> bool {
        self.places().into_iter().all(|place| place.is_steady(now))
    }

    /// No worker runs.
    pub(crate) fn are_gone(&self) -> bool {
        !self.places().into_iter().any(Place::is_filled)
    }

    /// Nothing is on its way to a worker, and none is about to start.
    pub(crate) fn are_calm(&self) -> bool {
        self.vrrp.is_calm() && self.check.is_calm()
    }

    /// Whether a process is one of them.
    pub(crate) fn own(&self, pid: u32) -> bool {
        self.pids().any(|own| own == pid)
    }

    /// The processes that run.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.places().into_iter().filter_map(Place::pid)
    }

    /// No further worker shall start.
    pub(crate) fn close(&mut self) {
        self.places_mut().into_iter().for_each(Place::close);
    }

    /// Gives back what only messages on their way need.
    pub(crate) fn rest(&mut self) {
        self.places_mut().into_iter().for_each(Place::rest);
    }

    /// Ends all of them for good.
    pub(crate) fn kill(&self) {
        self.places().into_iter().for_each(Place::kill);
    }

    /// Ends all of them for good, and waits for their ends.
    pub(crate) fn end(&mut self) {
        self.places_mut().into_iter().for_each(Place::end);
    }

    /// The exit status of the worker that said that another start is useless.
    pub(crate) fn gave_up(&self) -> Option<u8> {
        self.places().into_iter().find_map(Place::gave_up)
    }
}

impl Supervisor {
    // Starting.

    /// Starts every worker that is due. In a worker this never returns.
    pub(super) fn start_workers(mut self) -> Self {
        let mut now = moment();
        while let Some(worker) = self.workers.due(now) {
            self = self.start_worker(now, worker);
            now = moment();
        }
        self
    }

    fn start_worker(mut self, now: Moment, worker: Worker) -> Self {
        if worker == Worker::Vrrp {
            let instances = self.routers.work.machine.instances.len();
            self.records.renew(self.loaded.global.flight_recorder, instances);
        }
        match self.fork_worker(now, worker) {
            Ok((Forked::Child, (ours, theirs), pulses)) => {
                drop(ours);
                let lives = Lives::new(pulses, self.service.beat());
                exit_now(self.become_worker(worker, theirs, &lives))
            }
            Ok((Forked::Parent(child), (ours, _), pulses)) => match worker {
                Worker::Vrrp => self.filled::<Vrrp>(now, child, ours, pulses),
                Worker::Check => self.filled::<Check>(now, child, ours, pulses),
            },
            Err(error) => match worker {
                Worker::Vrrp => self.not_filled::<Vrrp>(now, &error),
                Worker::Check => self.not_filled::<Check>(now, &error),
            },
        }
    }

    /// The process, both ends of its channel, and what its threads give signs of life by.
    fn fork_worker(
        &self,
        now: Moment,
        worker: Worker,
    ) -> Result<(Forked, (Channel, Channel), Pulses), Error> {
        let threads = match worker {
            Worker::Vrrp => Vrrp::THREADS,
            Worker::Check => Check::THREADS,
        };
        let pulses = Pulses::shared(threads, now.as_nanos())?;
        let channels = Channel::pair()?;
        Ok((fork_to_outlive(process_name(&self.loaded, worker))?, channels, pulses))
    }

    /// In the child: everything that its work does not need goes, descriptors and memory, or the pages would
    /// be kept twice, clients would never see their connections end, and scripts would keep their readers.
    fn become_worker(self, worker: Worker, channel: Channel, lives: &Lives) -> i32 {
        match worker {
            Worker::Vrrp => {
                let errand = self.into_vrrp_errand();
                limits::trim_allocator();
                errand.run(channel, lives)
            }
            Worker::Check => {
                let errand = self.into_check_errand();
                limits::trim_allocator();
                errand.run(channel, lives)
            }
        }
    }

    fn filled<R: Post>(mut self, now: Moment, child: Child, channel: Channel, pulses: Pulses) -> Self {
        let pid = child.pid();
        let slot = R::slot(&mut self.workers);
        slot.fill(now, child, channel, pulses, &self.poller);
        let died = slot.take_died(now);
        R::forked(&mut self);
        died.into_iter().for_each(|died| self.tell(died));
        self.forget_faults(|matter| *matter == Matter::Worker(R::WORKER));
        self.tell(Happening::WorkerStarted { worker: R::WORKER, pid });
        if self.stopping.is_some() {
            R::slot(&mut self.workers).tell(&ToWorker::Stop, &self.poller);
        }
        self
    }

    fn not_filled<R: Post>(mut self, now: Moment, error: &Error) -> Self {
        let slot = R::slot(&mut self.workers);
        slot.not_filled(now);
        let died = slot.take_died(now);
        died.into_iter().for_each(|died| self.tell(died));
        self.fault(Fault::WorkerNotStarted { worker: R::WORKER, error: Box::new(error.clone()) });
        self
    }

    // Living.

    /// A worker has something to tell.
    pub(super) fn hear_worker<R: Post>(&mut self) {
        for message in R::slot(&mut self.workers).heard(&self.poller) {
            self.take_message::<R>(message);
        }
    }

    /// A daemon is ready when every worker is.
    fn ready_if_all_run(&mut self) {
        let waits =
            [(self.wants_vrrp(), self.routers.started), (self.wants_checks(), self.balancing.started)];
        if waits.into_iter().all(|(wanted, started)| started || !wanted) {
            self.service.ready(&self.summary());
        }
    }

    fn take_message<R: Post>(&mut self, message: FromWorker<R::News>) {
        self.settle_at = Some(moment() + SETTLE_AFTER);
        match message {
            FromWorker::Started => {
                R::started(self);
                if self.stopping.is_some() {
                    return;
                }
                self.ready_if_all_run();
                self.reload_confirmed(R::WORKER, Confirmation::Started);
                // A worker that leaves may still have to say that it started.
                if !R::slot(&mut self.workers).is_leaving() {
                    self.succeeded(R::WORKER);
                }
            }
            FromWorker::Reloaded(_) => {
                R::reloaded(self);
                self.service.ready(&self.summary());
                self.reload_confirmed(R::WORKER, Confirmation::Reloaded);
            }
            FromWorker::Trouble(trouble) => {
                if let Trouble::CannotWork { error } = &trouble {
                    self.service.failing(&error.to_string());
                }
                self.tell(Happening::Worker { worker: R::WORKER, trouble });
            }
            FromWorker::Drained => R::drained(self),
            // Its end tells it, where its end is told.
            FromWorker::Left => R::slot(&mut self.workers).has_left(),
            FromWorker::News(news) => R::hear(self, news),
        }
    }

    /// When [`Self::beat`] has something to do.
    #[inline]
    pub(super) fn next_beat(&self) -> Option<Moment> {
        [self.workers.next_beat(), self.service.wakeup()].into_iter().flatten().min()
    }

    /// Looks whether every worker lives, when it is time to, and says so to the service manager. Whether one was found that
    /// does not comes back.
    #[inline]
    pub(super) fn beat(&mut self, now: Moment) -> bool {
        let hung = [self.beat_one::<Vrrp>(now), self.beat_one::<Check>(now)].contains(&true);
        if self.service.wakeup().is_some_and(|at| at <= now) {
            self.service.live(now, self.workers.are_steady(now));
        }
        hung
    }

    fn beat_one<R: Post>(&mut self, now: Moment) -> bool {
        let hung = R::slot(&mut self.workers).beat(now);
        if hung {
            self.tell(Happening::WorkerHung { worker: R::WORKER });
        }
        hung
    }

    // Ending.

    /// Tells every worker to hand over and end.
    pub(super) fn stop_workers(&mut self) {
        self.workers.close();
        self.workers.vrrp.tell(&ToWorker::Stop, &self.poller);
        self.workers.check.tell(&ToWorker::Stop, &self.poller);
    }

    /// A worker ended.
    pub(super) fn worker_ended<R: Post>(&mut self) {
        self.hear_worker::<R>();
        let now = moment();
        let Some(ended) = R::slot(&mut self.workers).take_ended(now, &self.poller) else { return };
        R::ended(self);
        if self.stopping.is_some() {
            return;
        }
        if ended.left {
            return R::slot(&mut self.workers).start(now);
        }
        if let Some(status) = ended.gives_up() {
            R::slot(&mut self.workers).give_up(status);
            return self.stop();
        }
        let successor = !self.options.dont_respawn;
        let ending = ended.exit.into();
        let died = Happening::WorkerDied { worker: R::WORKER, pid: ended.pid, ending, successor };
        if R::WORKER == Worker::Vrrp {
            self.record_death(died.message());
        }
        let slot = R::slot(&mut self.workers);
        slot.succeed(now, &ended, died);
        if !successor {
            slot.close();
        }
        if let Some(died) = slot.take_died(now) {
            self.tell(died);
        }
        if !successor {
            self.stop();
        }
        self.reload_awaits_successor(R::WORKER);
    }
}

/// Name of a worker in process lists: as configured, or keepalived's. The one of the virtual routers runs sessions, too,
/// and is called like them where there is nothing else.
fn process_name(loaded: &Effective, worker: Worker) -> &str {
    let global = &loaded.global;
    let of_sessions = global.bfd_process.name.as_deref().filter(|_| loaded.wants_bfd && !loaded.wants_vrrp);
    match worker {
        Worker::Vrrp => global.vrrp_process.name.as_deref().or(of_sessions).unwrap_or("keepalived_vrrp"),
        Worker::Check => global.checker_process.name.as_deref().unwrap_or("keepalived_healthcheckers"),
    }
}
