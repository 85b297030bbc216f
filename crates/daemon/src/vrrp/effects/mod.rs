//! The effects thread: netlink, gratuitous ARP and neighbour advertisements, and the channel to the
//! supervisor. Whatever may wait for the kernel waits here and never in the timing thread.

mod addresses;
mod announcing;
mod asking;
mod endpoints;
mod further;
mod holdings;
mod interfaces;
mod kinds;
mod leftovers;
mod links;
mod pacing;
mod polling;
mod site;
mod standing;
mod supervisor;
mod surroundings;
mod ways;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::event::Sent;
use steadfast_kernel::Error;
use steadfast_kernel::channel::Channel;
use steadfast_kernel::netlink::{AddressKey, LinkSpec};
use steadfast_kernel::process::signal::Signals;
use steadfast_kernel::space::Space;
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_vrrp::status::Resume;
use steadfast_vrrp::{Action, Event, InstanceId, InterfaceId, Moment};

use self::asking::{Asking, FIRST_ASKED};
use self::endpoints::Endpoints;
use self::further::Further;
use self::holdings::STATIC;
use self::interfaces::Interfaces;
use self::pacing::Pacer;
use self::polling::Polling;
use self::site::Site;
use super::Terms;
use super::lane::{Inbox, Sender};
use super::scheduling;
use super::timing::{FromTiming, ToTiming};
use crate::link::life::Life;
use crate::link::lifecycle::{FromWorker, Trouble};
use crate::link::line::Line;
use crate::link::vrrp::inheritance::Inheritance;
use crate::link::vrrp::work::{Settings, VirtualAddress, Work};
use crate::link::vrrp::{Living, News, Notice};

const INBOX: u64 = 0;
pub(super) const CHANNEL: u64 = 1;
const MONITOR: u64 = 2;
const SIGNALS: u64 = 3;
const WITHDRAWALS: u64 = 4;
const FILTERS: u64 = 5;
/// Quiet time after which memory is given back.
const SETTLE_AFTER: Duration = Duration::from_secs(1);
/// What is done so long after the start belongs to it: the program's pages that it used may be given back. Later they
/// are left alone, because the timing thread needs those of a failover again, and must not wait for the disk.
const START_LASTS: Duration = Duration::from_secs(10);
/// What came from the timing thread in one go when it counts as a burst.
const BURST_MESSAGES: usize = 64;
/// What came from the timing thread and was not acted on, after which no more is taken in.
const UNHEARD_MAX: usize = 4_096;
/// Address changes after which the rest of a burst waits until these are written and announced: the
/// clients of the first instance do not wait for the addresses of the last.
const SLICE_CHANGES: usize = 256;

/// The thread's state.
pub(super) struct Effects {
    pub(super) work: Work,
    site: Site,
    pacer: Pacer,
    /// Priority that it got because it woke late.
    raised: Option<u8>,
    further: Further,
    asking: Asking,
    polling: Polling,
    daemon_started_at: Moment,
    keep_addresses: bool,
    /// Made interfaces that a reload took out and that still carry addresses.
    parting: Vec<Arc<LinkSpec>>,
    endpoints: Endpoints,
    sources_present: BTreeMap<IpAddr, bool>,
    /// Instances that were told that something static is missing, and what.
    lacking: BTreeMap<InstanceId, Arc<str>>,
    /// What a predecessor may not have taken away, until it was looked for.
    abandoned: Vec<VirtualAddress>,
    lanes: Lanes,
    /// What came from the timing thread and was not acted on yet.
    unheard: VecDeque<FromTiming>,
    /// Address changes asked for since the last were written.
    changes: usize,
    line: Line,
    poller: Poller,
    signals: Signals,
    happened: Vec<Event>,
    states: Vec<Resume>,
    status_request: Option<u32>,
    /// Addresses that somebody else removed and that were put back.
    restored: u64,
    /// Ports of the sockets by which wanted addresses were removed last.
    removers: BTreeMap<AddressKey, u32>,
    /// Interfaces on which announcements were refused, and when that last happened.
    announcements_refused: BTreeMap<InterfaceId, Moment>,
    /// News of the timing thread that were dropped because this thread did not take them.
    news_lost: u64,
    told_datagrams_lost: bool,
    /// When to give back memory that a burst of events needed.
    settle_at: Option<Moment>,
    /// Until it is over.
    start_ends_at: Option<Moment>,
    stopping: bool,
    /// What this thread ends with.
    last_word: Option<FromWorker<News>>,
}

/// To and from the timing thread.
pub(super) struct Lanes {
    pub(super) to_timing: Sender<ToTiming>,
    pub(super) from_timing: Inbox<FromTiming>,
}

/// Sockets that speak with the kernel.
pub(super) struct Kernel {
    poller: Poller,
    site: Site,
}

impl Kernel {
    /// Opens them.
    ///
    /// # Errors
    /// When the kernel refuses: usually a missing capability.
    pub(super) fn open() -> Result<Self, Error> {
        Ok(Self { poller: Poller::open()?, site: Site::open(Space::own())? })
    }
}

impl Effects {
    pub(super) fn new(
        work: Work,
        lanes: Lanes,
        kernel: Kernel,
        line: Line,
        signals: Signals,
        terms: &Terms,
    ) -> Self {
        Self {
            work,
            site: kernel.site,
            pacer: Pacer::default(),
            raised: None,
            further: Further::default(),
            asking: Asking::default(),
            polling: Polling::default(),
            daemon_started_at: terms.daemon_started_at,
            keep_addresses: terms.keep_addresses,
            parting: Vec::new(),
            endpoints: Endpoints::default(),
            sources_present: BTreeMap::new(),
            lacking: BTreeMap::new(),
            abandoned: Vec::new(),
            lanes,
            unheard: VecDeque::new(),
            changes: 0,
            line,
            poller: kernel.poller,
            signals,
            happened: Vec::new(),
            states: Vec::new(),
            status_request: None,
            restored: 0,
            removers: BTreeMap::new(),
            announcements_refused: BTreeMap::new(),
            news_lost: 0,
            told_datagrams_lost: false,
            settle_at: Some(now() + SETTLE_AFTER),
            start_ends_at: Some(now() + START_LASTS),
            stopping: false,
            last_word: None,
        }
    }

    /// The channel, when nothing else can be done.
    pub(super) fn into_channel(self) -> Channel {
        self.line.into_channel()
    }

    /// Learns what is there, cleans up what an earlier run left, opens sockets, and lets the timers run. `living` are
    /// the daemons beside this one.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(super) fn begin(&mut self, inheritance: Inheritance, living: &[Living]) -> Result<(), Error> {
        self.poller.add(self.lanes.from_timing.waker(), INBOX, Interest::Readable)?;
        self.line.listen(&self.poller)?;
        self.poller.add(&self.site.monitor, MONITOR, Interest::Readable)?;
        self.poller.add(&self.signals, SIGNALS, Interest::Readable)?;
        self.allow_descriptors();
        self.site.interfaces.configure(&self.work);
        self.style_filters(true);
        self.site.settings.inherit(inheritance.settings);
        let mut found = self.read_everything()?;
        self.make_links(&[]);
        self.clean_links(living);
        if !self.work.links.is_empty() {
            found = self.read_everything()?;
        }
        self.tell_interfaces();
        // Sessions need no interface whose state could have been told.
        self.open_endpoints();
        self.tell_sources();
        let holders = inheritance.routers.iter().filter(|router| router.serves());
        for router in holders {
            self.hold(router.instance);
        }
        self.abandoned = inheritance.abandoned;
        self.hold_static_addresses();
        self.hold_static_ways();
        self.watch_ways();
        self.clean_leftovers(&found, None, living);
        self.clean_ways(living);
        self.reconcile();
        self.lanes.to_timing.push(ToTiming::Begin);
        self.lanes.to_timing.flush();
        self.tell(&FromWorker::Started);
        Ok(())
    }

    /// Runs until everything is handed over.
    pub(super) fn run(mut self, life: &Life) {
        // After the timing thread's own start, and not in it: this thread must not inherit any of it.
        self.schedule(&Settings::default());
        let mut events = Events::default();
        while self.last_word.is_none() {
            let due = self.next_wakeup();
            // Last, so that no more of it is used again than waiting needs.
            self.settle();
            let due = [due, self.settle_at].into_iter().flatten().min();
            life.wait(&self.poller, &mut events, due);
            for ready in events.iter().collect::<Vec<_>>() {
                match ready.token {
                    INBOX => self.hear_timing(),
                    CHANNEL => self.hear_supervisor(),
                    MONITOR => self.hear_kernel(),
                    SIGNALS => self.hear_signals(),
                    WITHDRAWALS => self.hear_withdrawals(),
                    FILTERS => self.hear_filters(),
                    token if token >= FIRST_ASKED => self.hear_answers(token),
                    _ => {}
                }
            }
            if self.line.is_forsaken(&self.poller) {
                self.stop();
            }
            self.tell_interfaces();
            self.act_on_slice();
            self.retry_endpoints();
            self.reconcile();
            self.announce_further();
            self.hear_who_gave_up();
            self.announce();
            self.go_on_asking();
            self.report();
            self.lanes.to_timing.flush();
        }
        self.report();
        if let Some(last) = self.last_word.take() {
            self.tell(&last);
        }
        self.flush_before_exit();
    }

    /// How the process runs, as configured; `before` is how it runs so far.
    fn schedule(&mut self, before: &Settings) {
        for error in scheduling::change(before, &self.work.settings) {
            self.trouble(Trouble::Scheduling { error: error.into() });
        }
        let after = &self.work.settings;
        if before.command_buffer != after.command_buffer {
            self.site.requests.resize(after.command_buffer);
        }
        if before.monitor_buffer != after.monitor_buffer {
            self.site.monitor.resize(after.monitor_buffer);
        }
        if before.raise != after.raise {
            let lateness = after.raise.map(|raise| Duration::from_micros(raise.after_microseconds.into()));
            self.lanes.to_timing.push(ToTiming::RaiseAfter(lateness));
            self.lanes.to_timing.flush();
        }
        if (before.raise, before.realtime_priority) != (after.raise, after.realtime_priority) {
            self.raised = None;
        }
    }

    /// The timing thread woke later than it should have to without more priority.
    fn raise(&mut self) {
        match scheduling::raise(&self.work.settings, self.raised) {
            Ok(raised) => self.raised = raised,
            Err(error) => self.trouble(Trouble::Scheduling { error: error.into() }),
        }
    }

    fn next_wakeup(&mut self) -> Option<Moment> {
        if !self.unheard.is_empty() {
            return Some(now());
        }
        let retry = self.lanes.to_timing.is_behind().then(|| now() + Duration::from_millis(1));
        [
            self.pacer.next_wakeup(),
            self.further.next_wakeup(),
            self.asking.next_wakeup(),
            self.polling.next_wakeup(),
            self.site.interfaces.next_wakeup(),
            self.site.kinds.next_wakeup().map(Moment::from_nanos),
            self.endpoints.next_wakeup(),
            self.line.alone_until(),
            retry,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn settle(&mut self) {
        let now = now();
        if self.settle_at.is_none_or(|at| at > now) {
            return;
        }
        self.settle_at = None;
        self.unheard.shrink_to_fit();
        self.line.rest();
        self.site.rest();
        let Some(end) = self.start_ends_at else {
            // The heap only: the timing thread uses the program's pages, too.
            return steadfast_kernel::process::memory::give_heap_back();
        };
        steadfast_kernel::process::memory::settle();
        if now < end {
            // The first elections come after the first quiet, and use pages that nothing needs after them.
            self.settle_at = Some(end);
        } else {
            self.start_ends_at = None;
        }
    }

    // The timing thread.

    fn hear_timing(&mut self) {
        // What is not taken stays in the lane, and then with the sender.
        if self.unheard.len() >= UNHEARD_MAX {
            return;
        }
        let unheard = &mut self.unheard;
        self.lanes.from_timing.drain(|message| unheard.push_back(message));
        if self.unheard.len() >= BURST_MESSAGES {
            self.settle_at = Some(now() + SETTLE_AFTER);
        }
    }

    /// Who gave its addresses up while they were being written must not announce them any more: the new master may have
    /// announced them already, and clients believe the last.
    fn hear_who_gave_up(&mut self) {
        self.hear_timing();
        for instance in self.unheard.iter().filter_map(gives_up) {
            self.pacer.cancel(instance);
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
            FromTiming::Session(event) => self.news(News::Session(event)),
            FromTiming::Watching(watching) => self.news(News::Watching(watching)),
            FromTiming::SessionResume(state) => self.news(News::SessionResume(state)),
            FromTiming::Sessions(sessions) => {
                if let Some(request) = self.status_request {
                    self.news(News::Sessions { request, sessions });
                }
            }
            FromTiming::Status { instances, next, figures } => self.status(instances, next, *figures),
            FromTiming::Unusable(key, error) => {
                self.endpoints.failed(key, &error, now());
                if key.bound_to().is_some() {
                    self.notice(Notice::Socket { interface: key.interface, error });
                }
                self.open_endpoints();
            }
            FromTiming::SendFailed(interface, errno) => {
                self.notice(Notice::Send { interface, sent: Sent::Adverts, errno });
            }
            FromTiming::Late(late) => {
                let microseconds = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
                self.trouble(Trouble::Late { microseconds });
            }
            FromTiming::Overslept => self.raise(),
            FromTiming::UnknownVrid(interface, source, vrid) if self.work.settings.log_unknown_vrids => {
                self.notice(Notice::UnknownVrid { interface, source, vrid });
            }
            FromTiming::UnknownVrid(..) => {}
            FromTiming::RecordShort => self.notice(Notice::RecordShort),
            FromTiming::Lost { datagrams, news } => {
                self.news_lost = news;
                if datagrams > 0 && !std::mem::replace(&mut self.told_datagrams_lost, true) {
                    self.notice(Notice::DatagramsLost { count: datagrams });
                }
            }
            FromTiming::Drained => self.finish(),
            FromTiming::Left => self.last_word = Some(FromWorker::Left),
        }
    }

    /// Every instance has handed over; the static addresses go last.
    fn finish(&mut self) {
        if !self.keep_addresses {
            self.give_up_static_ways();
            self.give_up_addresses(STATIC);
            self.give_up_links();
        }
        self.last_word = Some(FromWorker::Drained);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Addresses { instance, wanted: true } => self.hold(instance),
            Action::Addresses { instance, wanted: false } => {
                self.pacer.cancel(instance);
                self.end_further(instance);
                if !(self.stopping && self.keep_addresses) {
                    self.give_up_ways(instance);
                    self.give_up_addresses(instance);
                    self.site.kinds.filters.give_up(instance);
                    if !self.parting.is_empty() {
                        self.hold_links();
                    }
                }
            }
            Action::Announce { instance, repeat } => {
                // Queued only: the addresses of the slice are written before anything is announced.
                self.request_announcements(instance, None, repeat);
            }
            Action::CancelAnnounce { instance } => self.pacer.cancel(instance),
            Action::AnnounceSource { instance } => self.announce_source(instance),
            Action::Prepare { instance, since } => {
                // First that it won: who is told to prepare it may ask.
                self.report();
                self.news(News::Prepare { instance, since });
            }
            Action::AskWhoServes { instance, asked, only_arbiter } => {
                self.ask_who_serves(instance, asked, only_arbiter);
            }
            Action::Removed { instance } => {
                self.endpoints.left(instance);
                // First what it told last: its name is forgotten with it.
                self.report();
                self.news(News::Removed(instance));
            }
            Action::Event(event) => self.happened.push(event),
        }
    }
}

/// Whose addresses a message takes away.
fn gives_up(message: &FromTiming) -> Option<InstanceId> {
    match message {
        FromTiming::Act(
            Action::Addresses { instance, wanted: false } | Action::CancelAnnounce { instance },
        ) => Some(*instance),
        _ => None,
    }
}

fn index_of(interfaces: &Interfaces) -> impl Fn(InterfaceId) -> Option<u32> + '_ {
    |id| interfaces.last(id).index
}

fn now() -> Moment {
    Moment::from_nanos(clock::monotonic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_addresses_up_or_is_told_to_be_silent_announces_no_more() {
        let instance = InstanceId(7);
        let act = |action| gives_up(&FromTiming::Act(action));
        assert_eq!(act(Action::Addresses { instance, wanted: false }), Some(instance));
        assert_eq!(act(Action::CancelAnnounce { instance }), Some(instance));
        assert_eq!(act(Action::Addresses { instance, wanted: true }), None);
        assert_eq!(act(Action::Announce { instance, repeat: 5 }), None);
    }
}
