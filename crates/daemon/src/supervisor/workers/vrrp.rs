//! What the supervisor keeps for the vrrp worker, and what it does with its news.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_config::model::Global;
use steadfast_control::event::{Bound, Happening};
use steadfast_kernel::channel::Channel;
use steadfast_kernel::reconcile::links::Remembered;
use steadfast_vrrp::{Event, InstanceId, InterfaceId, Moment, State};

use super::known::{Known, session_told, watching_session};
use super::slot::Slot;
use super::suspects::Suspects;
use super::{Post, Workers};
use crate::link::check::seen::Seen;
use crate::link::inheritance::Inheritable as _;
use crate::link::life::Lives;
use crate::link::vrrp::inheritance::Inheritance;
use crate::link::vrrp::work::{Install, VirtualAddress, Work};
use crate::link::vrrp::{Leaving, News, Vrrp, Watching};
use crate::supervisor::notify::scripts as notifying;
use crate::supervisor::yielding::Awaited;
use crate::supervisor::{Supervisor, moment};
use crate::vrrp::Terms;

/// The virtual routers: what runs, and what was told of it.
#[derive(Debug)]
pub(crate) struct Routers {
    pub(crate) work: Work,
    pub(crate) known: Known,
    /// Instances that a reload removed and that still hand over, with what they hold.
    pub(crate) leaving: BTreeMap<InstanceId, Vec<VirtualAddress>>,
    /// What a reload took from instances that stay, until the worker says that it knows.
    pub(crate) dropped: Vec<VirtualAddress>,
    /// A worker began, and has not said that it gave everything up.
    pub(crate) addresses_out: bool,
    /// A worker has begun once.
    pub(crate) started: bool,
    /// Who may be behind changes that a worker hears of.
    pub(crate) suspects: Suspects,
    /// While no worker runs: which instances peers still wait for.
    pub(crate) awaited: Option<Awaited>,
}

/// What a vrrp worker is sent with.
pub(crate) struct Errand {
    work: Work,
    inheritance: Inheritance,
    terms: Terms,
    recorder: Option<(steadfast_record::Memory, steadfast_record::Budget)>,
}

impl Routers {
    pub(crate) fn new(work: Work) -> Self {
        let mut known = Known::default();
        known.configure(&work);
        Self {
            work,
            known,
            leaving: BTreeMap::new(),
            dropped: Vec::new(),
            addresses_out: false,
            started: false,
            suspects: Suspects::default(),
            awaited: None,
        }
    }

    /// Addresses that `after` has no more are taken away by who runs what is `before`, or by its successor.
    pub(crate) fn part_with(&mut self, before: &Work, after: &Work) {
        let kept: BTreeSet<_> = after.machine.instances.iter().map(|instance| instance.id).collect();
        for install in &before.installs {
            if kept.contains(&install.instance) {
                let stay: BTreeSet<_> = after.install(install.instance).into_iter().flat_map(keys).collect();
                let gone = install.addresses.iter().zip(keys(install)).filter(|(_, key)| !stay.contains(key));
                self.dropped.extend(gone.map(|(address, _)| address.clone()));
            } else {
                self.leaving.insert(install.instance, install.addresses.clone());
            }
        }
    }

    /// What no instance is to have any more is taken away, or a worker begins that does; nobody tells anything of it again.
    pub(crate) fn forget_former(&mut self) {
        for instance in std::mem::take(&mut self.leaving).into_keys() {
            self.known.forget(instance);
        }
        self.dropped.clear();
    }

    /// Takes over another configuration, once [`Self::part_with`] knows what has to be handed over for it. What is neither
    /// in it nor hands over has nothing more to tell.
    pub(crate) fn configure(&mut self, work: Work) {
        self.known.configure(&work);
        self.known.forget_others(|id| work.install(id).is_some() || self.leaving.contains_key(&id));
        self.work = work;
    }

    /// Goes on with what a worker runs whose supervisor died. The other configuration is in force already; `after` is what
    /// is run of it.
    pub(crate) fn take_over(
        &mut self,
        before: &Work,
        after: &Work,
        leaving: Vec<Leaving>,
        settings: Remembered,
    ) {
        self.part_with(before, after);
        // Instances that are removed still have something to tell.
        self.known.configure(before);
        self.known.configure(&self.work);
        for Leaving { instance, name, addresses } in leaving {
            self.known.name(instance, name);
            self.leaving.insert(instance, addresses);
        }
        self.known.keep_settings(settings);
        (self.addresses_out, self.started) = (true, true);
    }
}

/// What makes two addresses the same to the kernel.
fn keys(install: &Install) -> impl Iterator<Item = (InterfaceId, IpAddr, u8)> + '_ {
    install.addresses.iter().map(|address| (address.interface, address.address, address.prefix))
}

impl Errand {
    /// The worker's whole life; its exit status comes back.
    pub(crate) fn run(self, channel: Channel, lives: &Lives) -> i32 {
        let left = self.inheritance.to_octets();
        crate::vrrp::run(self.work, &left, channel, lives, &self.terms, self.recorder)
    }
}

/// Instances are held back for so long after the daemon's start, and for so long after the boot of the machine, with
/// which this clock began. A successor that comes later listens at once.
fn held_back_until(global: &Global, started: Moment) -> Moment {
    (started + global.startup_delay.duration()).max(Moment::ZERO + global.delay_after_boot.duration())
}

impl Supervisor {
    /// Leaves everything behind that the worker does not need.
    pub(super) fn into_vrrp_errand(self) -> Errand {
        let Routers { mut work, known, leaving, dropped, .. } = self.routers;
        self.watches.fill(&mut work);
        let mut work = self.options.run_of(&work).into_owned();
        let held_back = held_back_until(&self.loaded.global, self.started_at);
        work.machine.startup_delay = held_back.since(moment());
        let settings = known.settings().clone();
        let (mut routers, sessions) = known.into_resume();
        if let Some(alive) = self.workers.vrrp.predecessor_lived_until() {
            routers.iter_mut().for_each(|router| router.lived_until(alive));
        }
        let abandoned = leaving.into_values().flatten().chain(dropped).collect();
        let inheritance = Inheritance { routers, sessions, abandoned, settings };
        let pid_file = self.workers.vrrp.pid_file().clone();
        let terms = Terms {
            daemon_started_at: self.started_at,
            keep_addresses: self.options.keep_addresses,
            confined: self.options.confinement(),
            pid_file,
        };
        let recorder = self.records.into_memory(self.loaded.global.flight_recorder);
        Errand { work, inheritance, terms, recorder }
    }

    /// An event of the machine: told, and passed on to who is to be notified.
    pub(crate) fn happened(&mut self, event: &Event) {
        let transition = notifying::transition(&self.scripts.programs, event);
        if let Event::InstanceState { instance, to, .. } = event {
            let name = self.routers.known.instance(*instance);
            self.scripts.preparations.remove(instance);
            self.seen(Seen::Instance(name, *to == State::Master));
        }
        let happening = self.routers.known.told(event);
        self.record_unexpected(event);
        self.tell_fifos(event);
        self.mail_event(event);
        if !event.is_repetition() {
            self.tell(happening);
        }
        if let Some(transition) = transition {
            self.notify(transition);
        }
    }
}

impl Post for Vrrp {
    fn slot(workers: &mut Workers) -> &mut Slot<Self> {
        &mut workers.vrrp
    }

    fn hear(supervisor: &mut Supervisor, news: News) {
        let routers = &mut supervisor.routers;
        match news {
            News::Happened(events) => events.iter().for_each(|event| supervisor.happened(event)),
            News::Removed(instance) => {
                routers.leaving.remove(&instance);
                routers.known.forget(instance);
                supervisor.scripts.preparations.remove(&instance);
                let programs = &mut supervisor.scripts.programs.instances;
                programs.retain(|id, _| *id != instance || routers.work.install(*id).is_some());
            }
            News::Prepare { instance, since } => supervisor.prepare(instance, since),
            News::Resume(states) => states.iter().for_each(|state| routers.known.keep(state)),
            News::Session(event) => {
                if let Some(happening) = routers.known.session_told(event) {
                    if let Happening::SessionPath { session, good, .. } = &happening {
                        supervisor.seen(Seen::Session(Arc::clone(session), *good));
                    }
                    supervisor.tell(happening);
                }
            }
            News::Watching(watching) => {
                let Watching { interface, peer, event, is_last } = *watching;
                let name = watching_session(routers.work.interface_name(interface));
                supervisor.tell(session_told(Arc::clone(&name), peer, event));
                if is_last {
                    supervisor.tell(Happening::Bound { bound: Bound::SessionTurns { session: name, peer } });
                }
            }
            News::SessionResume(state) => routers.known.keep_session(*state),
            News::Sessions { request, sessions } => supervisor.desk.asked.sessions(request, sessions),
            News::Settings(settings) => routers.known.keep_settings(*settings),
            News::Notice(notice) => {
                let happening = routers.known.noticed(notice, &mut routers.suspects, moment());
                supervisor.tell(happening);
            }
            News::Instances { request, instances } => supervisor.desk.asked.instances(request, instances),
            News::Worker { request, worker } => {
                let done = supervisor.desk.asked.finished(request, worker);
                supervisor.answer_asked(done);
            }
        }
    }

    fn forked(supervisor: &mut Supervisor) {
        supervisor.routers.forget_former();
        supervisor.routers.awaited = None;
    }

    fn started(supervisor: &mut Supervisor) {
        supervisor.routers.addresses_out = true;
        supervisor.turn = None;
        supervisor.routers.started = true;
    }

    fn reloaded(supervisor: &mut Supervisor) {
        supervisor.routers.dropped.clear();
    }

    fn drained(supervisor: &mut Supervisor) {
        supervisor.routers.addresses_out = false;
    }

    fn ended(supervisor: &mut Supervisor) {
        let unanswered = supervisor.desk.asked.abandon();
        supervisor.answer_asked(unanswered);
    }
}
