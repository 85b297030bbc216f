//! The effects thread: netlink, gratuitous ARP and neighbour advertisements, and the channel to the
//! supervisor. Whatever may wait for the kernel waits here and never in the timing thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use steadfast_kernel::Error;
use steadfast_kernel::addresses::{Observed, Reconciler};
use steadfast_kernel::announce::Announcer;
use steadfast_kernel::channel::{Channel, Incoming};
use steadfast_kernel::clock;
use steadfast_kernel::netlink::{Address, AddressKey, Change, Monitor, Requests};
use steadfast_kernel::poll::{Events, Interest, Poller};
use steadfast_kernel::signal::Signals;
use steadfast_vrrp::status::Resume;
use steadfast_vrrp::{Action, Event, InstanceId, InterfaceId, Moment, Plan, State};
use steadfast_wire::vrrp::Family;

use super::endpoints::Endpoints;
use super::holdings::{Holdings, Wish};
use super::interfaces::Interfaces;
use super::lane::{Inbox, Sender};
use super::pacing::Pacer;
use super::timing::{Coalescing, FromTiming, ToTiming};
use crate::message::{FromWorker, Notice, ReloadSummary, ToWorker, WorkerStatus};
use crate::work::Work;

const INBOX: u64 = 0;
const CHANNEL: u64 = 1;
const MONITOR: u64 = 2;
const SIGNALS: u64 = 3;
/// Quiet time after which memory is given back.
const SETTLE_AFTER: Duration = Duration::from_secs(1);
/// What came from the timing thread in one go when it counts as a burst.
const BURST_MESSAGES: usize = 64;
/// Address changes after which the rest of a burst waits until these are written and announced: the
/// clients of the first instance do not wait for the addresses of the last.
const SLICE_CHANGES: usize = 256;

/// The thread's state.
pub(super) struct Effects {
    pub(super) work: Work,
    pub(super) interfaces: Interfaces,
    pub(super) pacer: Pacer,
    pub(super) announcer: Announcer,
    keep_addresses: bool,
    requests: Requests,
    monitor: Monitor,
    reconciler: Reconciler,
    holdings: Holdings,
    endpoints: Endpoints,
    sources_present: BTreeMap<InstanceId, bool>,
    lanes: Lanes,
    /// What came from the timing thread and was not acted on yet.
    unheard: VecDeque<FromTiming>,
    /// Address changes asked for since the last were written.
    changes: usize,
    channel: Channel,
    channel_wants_room: bool,
    poller: Poller,
    signals: Signals,
    news: Vec<Event>,
    states: Vec<Resume>,
    status_request: Option<u32>,
    /// Addresses that somebody else removed and that are to be put back.
    taken_away: BTreeSet<AddressKey>,
    /// Addresses that the kernel refused and that were told.
    refused: BTreeSet<AddressKey>,
    restored: u64,
    /// When to give back memory that a burst of events needed.
    settle_at: Option<Moment>,
    stopping: bool,
    drained: bool,
}

/// To and from the timing thread.
pub(super) struct Lanes {
    pub(super) to_timing: Sender<ToTiming>,
    pub(super) from_timing: Inbox<FromTiming>,
}

/// Sockets that speak with the kernel.
pub(super) struct Kernel {
    poller: Poller,
    requests: Requests,
    monitor: Monitor,
    announcer: Announcer,
}

impl Kernel {
    /// Opens them.
    ///
    /// # Errors
    /// When the kernel refuses: usually a missing capability.
    pub(super) fn open() -> Result<Self, Error> {
        let mut requests = Requests::open()?;
        // A master that cannot add its addresses is worse than none.
        requests.check_permission()?;
        Ok(Self {
            poller: Poller::open()?,
            monitor: Monitor::open()?,
            requests,
            announcer: Announcer::open()?,
        })
    }
}

impl Effects {
    pub(super) fn new(
        work: Work,
        lanes: Lanes,
        kernel: Kernel,
        channel: Channel,
        signals: Signals,
        keep_addresses: bool,
    ) -> Self {
        Self {
            work,
            interfaces: Interfaces::default(),
            pacer: Pacer::default(),
            announcer: kernel.announcer,
            keep_addresses,
            requests: kernel.requests,
            monitor: kernel.monitor,
            reconciler: Reconciler::default(),
            holdings: Holdings::default(),
            endpoints: Endpoints::default(),
            sources_present: BTreeMap::new(),
            lanes,
            unheard: VecDeque::new(),
            changes: 0,
            channel,
            channel_wants_room: false,
            poller: kernel.poller,
            signals,
            news: Vec::new(),
            states: Vec::new(),
            status_request: None,
            taken_away: BTreeSet::new(),
            refused: BTreeSet::new(),
            restored: 0,
            settle_at: Some(now() + SETTLE_AFTER),
            stopping: false,
            drained: false,
        }
    }

    /// The channel, when nothing else can be done.
    pub(super) fn into_channel(self) -> Channel {
        self.channel
    }

    /// Learns what is there, cleans up what an earlier run left, opens sockets, and lets the timers run.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(super) fn begin(&mut self, resume: &[Resume]) -> Result<(), Error> {
        self.poller.add(self.lanes.from_timing.waker(), INBOX, Interest::Readable)?;
        self.poller.add(&self.channel, CHANNEL, Interest::Readable)?;
        self.poller.add(&self.monitor, MONITOR, Interest::Readable)?;
        self.poller.add(&self.signals, SIGNALS, Interest::Readable)?;
        self.interfaces.configure(&self.work);
        let found = self.read_everything()?;
        self.tell_interfaces();
        self.tell_sources();
        for state in resume.iter().filter(|state| matches!(state.state, State::Master | State::Stop)) {
            self.hold(state.instance);
            // Others may have taken over while there was no worker; clients shall find their way back.
            self.request_announcements(state.instance, None, 1);
        }
        let wishes = self.holdings.hold_static(&self.work, index_of(&self.interfaces));
        self.wish(wishes);
        self.clean_leftovers(&found);
        self.reconcile();
        self.lanes.to_timing.push(ToTiming::Begin);
        self.lanes.to_timing.flush();
        self.tell(&FromWorker::Started);
        Ok(())
    }

    /// Runs until everything is handed over.
    pub(super) fn run(mut self) {
        let mut events = Events::default();
        while !self.drained {
            let deadline = self.next_wakeup().map(Moment::as_nanos);
            let _ = self.poller.wait(&mut events, deadline);
            for ready in events.iter().collect::<Vec<_>>() {
                match ready.token {
                    INBOX => self.hear_timing(),
                    CHANNEL => self.hear_supervisor(),
                    MONITOR => self.hear_kernel(),
                    SIGNALS => self.hear_signals(),
                    _ => {}
                }
            }
            self.act_on_slice();
            self.reconcile();
            self.announce();
            self.report();
            self.settle();
            self.lanes.to_timing.flush();
        }
        self.report();
        self.tell(&FromWorker::Drained);
        self.flush_before_exit();
    }

    fn next_wakeup(&self) -> Option<Moment> {
        if !self.unheard.is_empty() {
            return Some(now());
        }
        let retry = self.lanes.to_timing.is_behind().then(|| now() + Duration::from_millis(1));
        [
            self.pacer.next_wakeup(),
            self.reconciler.next_wakeup().map(Moment::from_nanos),
            retry,
            self.settle_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What an earlier run left of the configured addresses goes, unless a resumed master holds it.
    /// Other addresses with our protocol number stay: another daemon may own them.
    fn clean_leftovers(&mut self, found: &[Address]) {
        let mut not_held = self.holdings.not_held(&self.work, index_of(&self.interfaces));
        let abandoned = std::mem::take(&mut self.work.abandoned);
        not_held.extend(self.holdings.specs_of(&abandoned, index_of(&self.interfaces)));
        let not_held: BTreeSet<AddressKey> = not_held.into_iter().map(|spec| spec.key).collect();
        let leftovers: Vec<&Address> =
            found.iter().filter(|address| not_held.contains(&address.key)).collect();
        for address in &leftovers {
            self.reconciler.discard(address);
        }
        if !leftovers.is_empty() {
            self.notice(Notice::Leftovers { count: u32::try_from(leftovers.len()).unwrap_or(u32::MAX) });
        }
    }

    fn settle(&mut self) {
        if self.settle_at.is_some_and(|at| at <= now()) {
            self.settle_at = None;
            self.unheard.shrink_to_fit();
            steadfast_kernel::memory::settle();
        }
    }

    // The timing thread.

    fn hear_timing(&mut self) {
        let unheard = &mut self.unheard;
        self.lanes.from_timing.drain(|message| unheard.push_back(message));
        if self.unheard.len() >= BURST_MESSAGES {
            self.settle_at = Some(now() + SETTLE_AFTER);
        }
    }

    /// Acts on what the timing thread said, up to [`SLICE_CHANGES`].
    fn act_on_slice(&mut self) {
        while self.changes < SLICE_CHANGES
            && let Some(message) = self.unheard.pop_front()
        {
            self.act_on(message);
        }
    }

    fn act_on(&mut self, message: FromTiming) {
        match message {
            FromTiming::Act(action) => self.act(action),
            FromTiming::Resume(state) => self.states.push(*state),
            FromTiming::Status { instances, next, figures } => self.status(instances, next, *figures),
            FromTiming::SendFailed(interface, error) => {
                self.notice(Notice::Send { interface, reason: error.to_string() });
            }
            FromTiming::Late(late) => {
                let microseconds = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
                self.notice(Notice::Late { microseconds });
            }
            FromTiming::UnknownVrid(interface, source, vrid) if self.work.settings.log_unknown_vrids => {
                self.notice(Notice::UnknownVrid { interface, source, vrid });
            }
            FromTiming::UnknownVrid(..) => {}
            FromTiming::Pong => self.tell(&FromWorker::Pong),
            FromTiming::Drained => self.finish(),
        }
    }

    /// Every instance has handed over; the static addresses go last.
    fn finish(&mut self) {
        if !self.keep_addresses {
            let wishes = self.holdings.give_up_static();
            self.wish(wishes);
        }
        self.drained = true;
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Addresses { instance, wanted: true } => self.hold(instance),
            Action::Addresses { instance, wanted: false } => {
                self.pacer.cancel(instance);
                if !(self.stopping && self.keep_addresses) {
                    let wishes = self.holdings.give_up(instance);
                    self.wish(wishes);
                }
            }
            Action::Announce { instance, repeat } => {
                // Queued only: the addresses of the slice are written before anything is announced.
                self.request_announcements(instance, None, repeat);
            }
            Action::CancelAnnounce { instance } => self.pacer.cancel(instance),
            Action::AnnounceSource { instance } => self.announce_source(instance),
            Action::Removed { instance } => self.tell(&FromWorker::Removed(instance)),
            Action::Event(event) => self.news.push(event),
        }
    }

    /// An instance holds its addresses. Those that a reload added to a list that was held before are
    /// announced at once; for a new master the machine asks for announcements itself.
    fn hold(&mut self, instance: InstanceId) {
        let held_before = self.holdings.holds(instance);
        let (wishes, gained) = self.holdings.hold(instance, &self.work, index_of(&self.interfaces));
        self.wish(wishes);
        if held_before && !gained.is_empty() {
            self.reconcile();
            let repeat = self.announce_repeat(instance);
            self.request_announcements(instance, Some(&gained), repeat);
        }
    }

    fn announce_repeat(&self, instance: InstanceId) -> u32 {
        let instances = &self.work.machine.instances;
        let at = instances.binary_search_by_key(&instance, |config| config.id).ok();
        at.and_then(|at| instances.get(at)).map_or(1, |config| config.announce.master_repeat)
    }

    fn request_announcements(&mut self, instance: InstanceId, only: Option<&[u32]>, repeat: u32) {
        let Some(install) = self.work.install(instance) else { return };
        let mut queues: BTreeMap<(InterfaceId, Family), Vec<u32>> = BTreeMap::new();
        for (position, address) in (0_u32..).zip(&install.addresses) {
            if only.is_none_or(|only| only.contains(&position)) {
                queues.entry((address.interface, Family::of(address.address))).or_default().push(position);
            }
        }
        for ((interface, family), positions) in queues {
            self.pacer.request(instance, interface, family, positions, repeat);
        }
    }

    // The kernel.

    fn wish(&mut self, wishes: Vec<Wish>) {
        self.changes += wishes.len();
        for wish in wishes {
            match wish {
                Wish::Have(spec) => self.reconciler.want(spec),
                Wish::Lack(key) => self.reconciler.unwant(key),
            }
        }
    }

    fn reconcile(&mut self) {
        self.changes = 0;
        match self.reconciler.apply(&mut self.requests, clock::monotonic()) {
            Ok(applied) => {
                if applied.must_load {
                    let _ = self.read_everything();
                }
                for failure in applied.failures {
                    self.refused(failure.operation.key(), &failure.error);
                }
            }
            Err(error) => self.notice(Notice::Netlink { reason: error.to_string() }),
        }
        let back: Vec<AddressKey> =
            self.taken_away.iter().filter(|key| self.reconciler.is_served(**key)).copied().collect();
        for key in back {
            self.taken_away.remove(&key);
            self.restored += 1;
            self.announce_restored(key);
        }
    }

    /// Told once; the reconciler goes on trying.
    fn refused(&mut self, key: AddressKey, error: &Error) {
        if self.refused.insert(key)
            && let Some(interface) = self.interfaces.configured(key.interface)
        {
            self.notice(Notice::Address { interface, address: key.address, reason: error.to_string() });
        }
    }

    fn announce_restored(&mut self, key: AddressKey) {
        let Some(interface) = self.interfaces.configured(key.interface) else { return };
        self.notice(Notice::AddressRestored { interface, address: key.address });
        for instance in self.holdings.holders_of(key) {
            let Some(install) = self.work.install(instance) else { continue };
            let position =
                install.addresses.iter().position(|a| a.interface == interface && a.address == key.address);
            if let Some(position) = position.and_then(|position| u32::try_from(position).ok()) {
                self.request_announcements(instance, Some(&[position]), 1);
            }
        }
    }

    fn hear_kernel(&mut self) {
        let mut changes = Vec::new();
        loop {
            match self.monitor.read(&mut changes) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    changes.push(Change::Overrun);
                    break;
                }
            }
        }
        let mut sources_changed = false;
        for change in changes {
            if let Observed::Removed { key, .. } = self.reconciler.observe(&change, clock::monotonic()) {
                self.taken_away.insert(key);
            }
            match change {
                Change::Link(link) => self.interfaces.link(link),
                Change::LinkGone(link) => self.interfaces.link_gone(link.index),
                Change::AddressAdded { address, .. } => {
                    self.tell_address(address.key, true);
                    sources_changed |= !address.is_ours();
                    self.interfaces.address_added(address);
                }
                Change::AddressRemoved { address, .. } => {
                    self.tell_address(address.key, false);
                    sources_changed |= !address.is_ours();
                    self.interfaces.address_removed(&address);
                }
                Change::Overrun => {
                    self.notice(Notice::Overrun);
                    sources_changed = true;
                    let _ = self.read_everything();
                }
            }
        }
        self.tell_interfaces();
        if sources_changed {
            self.tell_sources();
        }
    }

    fn tell_address(&mut self, key: AddressKey, added: bool) {
        if self.work.settings.log_addresses {
            let interface = self.interfaces.name(key.interface).unwrap_or("?").into();
            self.notice(Notice::AddressSeen { interface, address: key.address, added });
        }
    }

    fn read_everything(&mut self) -> Result<Vec<Address>, Error> {
        let links = self.requests.links()?;
        let addresses = self.requests.addresses()?;
        self.reconciler.load(&addresses);
        self.interfaces.refill(links, &addresses);
        Ok(addresses)
    }

    /// Passes on what changed of configured interfaces: to the machine, to the sockets, and to the
    /// addresses of masters when an interface came back under another index.
    fn tell_interfaces(&mut self) {
        let changes = self.interfaces.changes();
        if changes.is_empty() {
            return;
        }
        let mut moved = false;
        for (interface, before, after) in changes {
            moved |= before.index != after.index;
            if after.index.is_none() {
                self.notice(Notice::InterfaceMissing { interface });
            }
            self.lanes.to_timing.push(ToTiming::Interface {
                interface,
                up: after.up,
                source_v4: after.source_v4,
                source_v6: after.source_v6,
                mtu: after.mtu,
            });
        }
        self.open_endpoints();
        if moved {
            for instance in self.holdings.holders() {
                self.hold(instance);
            }
            let wishes = self.holdings.hold_static(&self.work, index_of(&self.interfaces));
            self.wish(wishes);
        }
    }

    fn open_endpoints(&mut self) {
        let (opened, problems) = self.endpoints.update(&self.work, &self.interfaces);
        for message in opened {
            self.lanes.to_timing.push(message);
        }
        for (interface, reason) in problems {
            self.notice(Notice::Socket { interface, reason });
        }
    }

    fn tell_sources(&mut self) {
        let mut told = BTreeMap::new();
        for instance in &self.work.machine.instances {
            if let Some(source) = instance.source {
                told.insert(instance.id, self.interfaces.has_address(source));
            }
        }
        for (instance, present) in &told {
            if self.sources_present.get(instance) != Some(present) {
                self.lanes.to_timing.push(ToTiming::Source(*instance, *present));
            }
        }
        self.sources_present = told;
    }

    fn announce_source(&mut self, instance: InstanceId) {
        let instances = &self.work.machine.instances;
        let Some(config) = instances.iter().find(|config| config.id == instance) else { return };
        let state = self.interfaces.last(config.interface);
        let own = match config.family {
            Family::V4 => state.source_v4.map(IpAddr::V4),
            Family::V6 => state.source_v6.map(IpAddr::V6),
        };
        if let Some(source) = config.source.or(own) {
            self.announce_address(config.interface, source);
        }
    }

    // The supervisor.

    fn hear_supervisor(&mut self) {
        let _ = self.channel.flush();
        loop {
            match self.channel.receive() {
                Ok(Incoming::Message(bytes)) => match postcard::from_bytes(&bytes) {
                    Ok(message) => self.obey(message),
                    Err(_) => continue,
                },
                Ok(Incoming::Nothing) => return,
                // Without a supervisor there is nobody to run scripts and nobody to start a successor.
                Ok(Incoming::Closed) | Err(_) => {
                    let _ = self.poller.remove(&self.channel);
                    return self.stop();
                }
            }
        }
    }

    fn obey(&mut self, message: ToWorker) {
        match message {
            ToWorker::Reload(work) => self.reload(*work),
            ToWorker::ScriptResult { script, success } => {
                self.lanes.to_timing.push(ToTiming::ScriptResult(script, success));
            }
            ToWorker::Status { request } => {
                self.status_request = Some(request);
                self.lanes.to_timing.push(ToTiming::Status(InstanceId(0)));
            }
            ToWorker::Ping => self.lanes.to_timing.push(ToTiming::Ping),
            ToWorker::ClearCounters => self.lanes.to_timing.push(ToTiming::ClearCounters),
            ToWorker::Stop => self.stop(),
        }
    }

    fn hear_signals(&mut self) {
        while self.signals.next_pending().is_some() {
            self.stop();
        }
    }

    fn stop(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.lanes.to_timing.push(ToTiming::Stop);
            self.lanes.to_timing.flush();
        }
    }

    fn reload(&mut self, work: Work) {
        let plan = Plan::between(&self.work.machine, &work.machine);
        let coalescing = Coalescing::of(&work.machine);
        let summary = ReloadSummary::of(&plan);
        let before = std::mem::replace(&mut self.work, work);
        self.interfaces.configure(&self.work);
        let _ = self.read_everything();
        self.tell_interfaces();
        self.open_endpoints();
        // Lists that changed while their instance itself did not: excluded addresses, labels, prefixes.
        for instance in self.holdings.holders() {
            if before.install(instance) != self.work.install(instance)
                && self.work.install(instance).is_some()
            {
                self.hold(instance);
            }
        }
        let wishes = self.holdings.hold_static(&self.work, index_of(&self.interfaces));
        self.wish(wishes);
        self.lanes.to_timing.push(ToTiming::Apply(Box::new(plan), coalescing));
        self.tell_sources();
        self.tell(&FromWorker::Reloaded(summary));
    }

    fn status(
        &mut self,
        instances: Vec<steadfast_vrrp::InstanceStatus>,
        next: Option<InstanceId>,
        figures: WorkerStatus,
    ) {
        let Some(request) = self.status_request else { return };
        self.report();
        self.tell(&FromWorker::Instances { request, instances });
        match next {
            Some(next) => self.lanes.to_timing.push(ToTiming::Status(next)),
            None => {
                self.status_request = None;
                let worker = WorkerStatus { addresses_restored: self.restored, ..figures };
                self.tell(&FromWorker::Worker { request, worker });
            }
        }
    }

    /// Sends what has gathered. A successor's needs go before the news: who hears of a new state may
    /// kill this process at once.
    fn report(&mut self) {
        if !self.states.is_empty() {
            let states = std::mem::take(&mut self.states);
            self.tell(&FromWorker::Resume(states));
        }
        if !self.news.is_empty() {
            let news = std::mem::take(&mut self.news);
            self.tell(&FromWorker::Happened(news));
        }
        let wants_room = self.channel.wants_to_write();
        if wants_room != self.channel_wants_room {
            self.channel_wants_room = wants_room;
            let interest = if wants_room { Interest::Both } else { Interest::Readable };
            let _ = self.poller.modify(&self.channel, CHANNEL, interest);
        }
    }

    fn notice(&mut self, notice: Notice) {
        self.tell(&FromWorker::Notice(notice));
    }

    /// A supervisor that does not read loses news, never addresses: the channel's bound is reached
    /// and the message is dropped.
    fn tell(&mut self, message: &FromWorker) {
        if let Ok(bytes) = postcard::to_stdvec(message) {
            let _ = self.channel.send(&bytes);
        }
    }

    fn flush_before_exit(&mut self) {
        let until = clock::monotonic() + 200_000_000;
        let mut events = Events::default();
        while self.channel.wants_to_write() && clock::monotonic() < until {
            let _ = self.poller.modify(&self.channel, CHANNEL, Interest::Both);
            let _ = self.poller.wait(&mut events, Some(until));
            if self.channel.flush().is_err() {
                return;
            }
        }
    }
}

fn index_of(interfaces: &Interfaces) -> impl Fn(InterfaceId) -> Option<u32> + '_ {
    |id| interfaces.last(id).index
}

fn now() -> Moment {
    Moment::from_nanos(clock::monotonic())
}
