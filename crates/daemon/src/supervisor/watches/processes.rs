//! Processes that are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use steadfast_control::event::Fault;
use steadfast_kernel::BufferSize;
use steadfast_kernel::process::handover::Kept;
use steadfast_kernel::process::{Process, ProcessEvent, ProcessEvents};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::{Moment, Reading, WatchId};

use super::Findings;
use crate::digest::watches::{ProcessOrder, Wanted};
use crate::supervisor::PROCESSES;

/// Where the kernel does not tell of processes, /proc is read this often.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Events of processes taken in one go; the rest waits for its turn.
const EVENTS_MAX: usize = 1_024;
/// After lost events /proc is read, and not again before this long.
const RECOUNT_INTERVAL: Duration = Duration::from_millis(200);

/// All sets of processes that are followed.
#[derive(Debug)]
pub(crate) struct Processes {
    source: Source,
    sets: BTreeMap<WatchId, Set>,
    /// When /proc is to be read.
    count_at: Option<Moment>,
    counted_at: Moment,
}

/// How processes become known.
#[derive(Debug)]
enum Source {
    /// Nobody follows any.
    Idle,
    /// A socket that was opened before this process entered a network namespace, where there is none.
    Opened(ProcessEvents),
    /// The kernel was asked to tell. Until it answers, /proc is read.
    Asked(ProcessEvents),
    /// The kernel tells.
    Told(ProcessEvents),
    /// /proc is read.
    Polled,
}

/// How a set stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// How many there are.
    pub(crate) processes: usize,
    /// They count as many as they should be.
    pub(crate) good: bool,
    /// That is about to change.
    pub(crate) changes: bool,
}

#[derive(Debug)]
struct Set {
    order: ProcessOrder,
    pids: BTreeSet<u32>,
    good: bool,
    /// It is otherwise than told, and that is told when it has lasted until then.
    change_at: Option<Moment>,
}

impl Processes {
    /// `events` is a socket from outside the network namespace that this process entered.
    pub(crate) fn new(events: Option<ProcessEvents>) -> Self {
        let source = events.map_or(Source::Idle, Source::Opened);
        Self { source, sets: BTreeMap::new(), count_at: None, counted_at: Moment::ZERO }
    }

    /// Whether there are as many as there should be.
    pub(crate) fn reading(&self, id: WatchId) -> Option<Reading> {
        self.sets.get(&id).map(|set| Reading::Good(set.good))
    }

    /// How a set stands, by its name.
    pub(crate) fn counted(&self, name: &str) -> Option<Counted> {
        let set = self.sets.values().find(|set| &*set.order.name == name)?;
        Some(Counted { processes: set.pids.len(), good: set.good, changes: set.change_at.is_some() })
    }

    pub(super) fn wakeup(&self) -> Option<Moment> {
        let changes = self.sets.values().filter_map(|set| set.change_at);
        changes.chain(self.count_at).min()
    }

    /// The socket, for the program that comes: in a network namespace there is no other.
    pub(crate) fn kept(&self) -> Option<Kept> {
        match &self.source {
            Source::Opened(events) | Source::Asked(events) | Source::Told(events) => Some(Kept::of(events)),
            Source::Idle | Source::Polled => None,
        }
    }

    /// Gives the kernel room for what it tells.
    pub(crate) fn resize(&self, buffer: Option<BufferSize>) {
        if let Source::Opened(events) | Source::Asked(events) | Source::Told(events) = &self.source {
            events.resize(buffer);
        }
    }

    /// Takes a configuration over. What it brings is counted at once.
    pub(super) fn configure(
        &mut self,
        orders: BTreeMap<WatchId, ProcessOrder>,
        now: Moment,
        poller: &Poller,
        findings: &mut Findings,
    ) {
        self.sets.retain(|id, set| match orders.get(id) {
            Some(order) if order.wanted == set.order.wanted => {
                set.order = order.clone();
                true
            }
            _ => false,
        });
        let mut brought = Vec::new();
        for (id, order) in orders {
            self.sets.entry(id).or_insert_with(|| {
                brought.push(id);
                Set { order, pids: BTreeSet::new(), good: false, change_at: None }
            });
        }
        if self.sets.is_empty() {
            return self.rest(poller);
        }
        self.listen(now, poller, findings);
        self.count(now, findings);
        for id in brought {
            if let Some(set) = self.sets.get_mut(&id) {
                set.good = set.order.is_satisfied(set.pids.len());
                set.change_at = None;
            }
        }
    }

    /// The kernel told something.
    pub(super) fn ready(&mut self, now: Moment, poller: &Poller, findings: &mut Findings) {
        for _ in 0..EVENTS_MAX {
            let (Source::Asked(events) | Source::Told(events)) = &mut self.source else { return };
            let Some(event) = events.take() else { break };
            match event {
                ProcessEvent::Listening(Ok(())) => {
                    if let Source::Asked(events) = std::mem::replace(&mut self.source, Source::Polled) {
                        self.source = Source::Told(events);
                        // Whatever happened before it began to tell.
                        self.count_at = Some(now);
                    }
                }
                ProcessEvent::Listening(Err(error)) => return self.poll(now, poller, error, findings),
                ProcessEvent::Forked { parent, child } => self.forked(parent, child),
                ProcessEvent::Executed(pid) => self.look_at(pid),
                ProcessEvent::Renamed(pid) => self.renamed(pid),
                ProcessEvent::Ended(pid) => {
                    for set in self.sets.values_mut() {
                        set.pids.remove(&pid);
                    }
                }
                ProcessEvent::Lost => {
                    let at = (self.counted_at + RECOUNT_INTERVAL).max(now);
                    self.count_at = Some(self.count_at.map_or(at, |before| before.min(at)));
                }
            }
        }
        self.weigh(now, findings);
    }

    pub(super) fn due(&mut self, now: Moment, poller: &Poller, findings: &mut Findings) {
        if self.count_at.is_some_and(|at| at <= now) {
            if matches!(self.source, Source::Asked(_)) {
                // It does not answer inside another pid or user namespace.
                self.poll(now, poller, "the kernel does not answer", findings);
            }
            self.count(now, findings);
        }
        self.weigh(now, findings);
    }

    /// Has the kernel tell of processes, if it does.
    fn listen(&mut self, now: Moment, poller: &Poller, findings: &mut Findings) {
        let events = match std::mem::replace(&mut self.source, Source::Polled) {
            Source::Idle => match ProcessEvents::open() {
                Ok(events) => events,
                Err(error) => return self.poll(now, poller, error, findings),
            },
            Source::Opened(events) => events,
            source => {
                self.source = source;
                return;
            }
        };
        match poller.add(&events, PROCESSES, Interest::Readable) {
            Ok(()) => self.source = Source::Asked(events),
            Err(error) => self.poll(now, poller, error, findings),
        }
    }

    /// Goes over to reading /proc.
    fn poll(&mut self, now: Moment, poller: &Poller, why: impl std::fmt::Display, findings: &mut Findings) {
        if let Source::Asked(events) | Source::Told(events) =
            std::mem::replace(&mut self.source, Source::Polled)
        {
            let _ = poller.remove(&events);
        }
        self.count_at = Some(now);
        findings.faults.push(Fault::ProcessesPolled { reason: why.to_string() });
    }

    /// Nothing is followed: whatever the kernel told would be for nothing.
    fn rest(&mut self, poller: &Poller) {
        self.count_at = None;
        match std::mem::replace(&mut self.source, Source::Idle) {
            Source::Asked(events) | Source::Told(events) => drop(poller.remove(&events)),
            kept @ Source::Opened(_) => self.source = kept,
            Source::Idle | Source::Polled => {}
        }
    }

    /// Looks at every process there is.
    fn count(&mut self, now: Moment, findings: &mut Findings) {
        self.counted_at = now;
        self.sets.values_mut().for_each(|set| set.pids.clear());
        Process::all().for_each(|pid| self.look_at(pid));
        self.count_at = match self.source {
            Source::Polled | Source::Asked(_) => Some(now + POLL_INTERVAL),
            Source::Idle | Source::Opened(_) | Source::Told(_) => None,
        };
        self.weigh(now, findings);
    }

    /// Sorts a process in.
    fn look_at(&mut self, pid: u32) {
        let by_name = self.sets.values().any(|set| matches!(set.order.wanted, Wanted::Name(_)));
        let by_words = self.sets.values().any(|set| matches!(set.order.wanted, Wanted::Words { .. }));
        let name = by_name.then(|| Process::name_of(pid)).flatten();
        let words = by_words.then(|| Process::words_of(pid)).flatten();
        for set in self.sets.values_mut() {
            let meant = match &set.order.wanted {
                Wanted::Name(wanted) => name.as_ref() == Some(wanted),
                wanted @ Wanted::Words { .. } => words.as_ref().is_some_and(|words| wanted.are(words)),
            };
            set.pids.remove(&pid);
            if meant {
                set.pids.insert(pid);
            }
        }
    }

    /// A name is not a command line: only those who go by names are asked.
    fn renamed(&mut self, pid: u32) {
        let Some(name) = Process::name_of(pid) else { return };
        for set in self.sets.values_mut() {
            if let Wanted::Name(wanted) = &set.order.wanted {
                set.pids.remove(&pid);
                if *wanted == name {
                    set.pids.insert(pid);
                }
            }
        }
    }

    /// A child has the name and the words of its parent.
    fn forked(&mut self, parent: u32, child: u32) {
        for set in self.sets.values_mut() {
            if set.pids.contains(&parent) {
                set.pids.insert(child);
            }
        }
    }

    /// Tells what has changed for long enough.
    fn weigh(&mut self, now: Moment, findings: &mut Findings) {
        for (id, set) in &mut self.sets {
            let good = set.order.is_satisfied(set.pids.len());
            if good == set.good {
                set.change_at = None;
                continue;
            }
            let delay = if good { set.order.gain_delay } else { set.order.loss_delay };
            let at = *set.change_at.get_or_insert(now + delay);
            if at <= now {
                set.good = good;
                set.change_at = None;
                findings.readings.push((*id, Reading::Good(good)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(name: &str) -> ProcessOrder {
        ProcessOrder {
            name: "p".into(),
            wanted: Wanted::Name(name.into()),
            least: 1,
            most: None,
            loss_delay: Duration::from_secs(2),
            gain_delay: Duration::from_secs(1),
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    /// One set with nothing in it, its name that of no process.
    fn one() -> Processes {
        let mut processes = Processes::new(None);
        let set = Set { order: order("nobody"), pids: BTreeSet::new(), good: false, change_at: None };
        processes.sets.insert(WatchId(0), set);
        processes
    }

    #[test]
    fn a_change_is_told_when_it_has_lasted() {
        let mut processes = one();
        let readings = |processes: &mut Processes, seconds| {
            let mut findings = Findings::default();
            processes.weigh(at(seconds), &mut findings);
            findings.readings
        };
        processes.sets.get_mut(&WatchId(0)).unwrap().pids.insert(7);
        assert_eq!(readings(&mut processes, 10), []);
        assert_eq!(processes.wakeup(), Some(at(11)));
        assert_eq!(readings(&mut processes, 11), [(WatchId(0), Reading::Good(true))]);
        processes.forked(7, 8);
        processes.sets.get_mut(&WatchId(0)).unwrap().pids.remove(&7);
        assert_eq!(readings(&mut processes, 20), []);
        processes.sets.get_mut(&WatchId(0)).unwrap().pids.remove(&8);
        assert_eq!(readings(&mut processes, 21), []);
        // It is there again before anybody was told.
        processes.sets.get_mut(&WatchId(0)).unwrap().pids.insert(9);
        assert_eq!((readings(&mut processes, 22), processes.wakeup()), (vec![], None));
        processes.sets.get_mut(&WatchId(0)).unwrap().pids.remove(&9);
        assert_eq!(readings(&mut processes, 30), []);
        assert_eq!(readings(&mut processes, 32), [(WatchId(0), Reading::Good(false))]);
    }

    #[test]
    fn processes_are_counted_at_once_when_a_configuration_brings_them() {
        let own = String::from_utf8(Process::name_of(std::process::id()).unwrap()).unwrap();
        let poller = Poller::open().unwrap();
        let mut processes = Processes::new(None);
        let orders = BTreeMap::from([(WatchId(3), order(&own)), (WatchId(4), order("nobody at all"))]);
        processes.configure(orders, at(1), &poller, &mut Findings::default());
        assert_eq!(processes.reading(WatchId(3)), Some(Reading::Good(true)));
        assert_eq!(processes.reading(WatchId(4)), Some(Reading::Good(false)));
        assert!(processes.wakeup().is_some());
        processes.configure(BTreeMap::new(), at(2), &poller, &mut Findings::default());
        assert_eq!((processes.reading(WatchId(3)), processes.wakeup()), (None, None));
    }
}
