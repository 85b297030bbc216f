//! Workers whose supervisor died: the one that comes next finds them, hears what they alone know, and has a successor of its own
//! for each. They go on with their work meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use steadfast_control::event::Happening;
use steadfast_kernel::channel::{Channel, Incoming};
use steadfast_kernel::process::signal::Signal;
use steadfast_kernel::process::{Child, Process, pidfile};
use steadfast_kernel::rendezvous;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_vrrp::{InstanceId, Moment};

use super::names::NamesLeft;
use super::upgrade::{After, milliseconds_since};
use super::workers::Post;
use super::workers::check::Keepsake;
use super::{Supervisor, moment};
use crate::beside::{self, is_supervised};
use crate::link::check::{self, Check};
use crate::link::lifecycle::Role;
use crate::link::orphan::{Orphan, greeting};
use crate::link::vrrp::change::Change;
use crate::link::vrrp::work::{VirtualAddress, Work};
use crate::link::vrrp::{self, Order, Vrrp};
use crate::places::Places;

/// A worker that does not answer for so long hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// One that will not be taken over hands over for so long.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Those that were found.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    pub(super) vrrp: Option<Found<Vrrp>>,
    pub(super) check: Option<Found<Check>>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Found<R: Role> {
    child: Child,
    channel: Channel,
    since: Moment,
    knows: R::Knows,
}

impl Orphans {
    /// Looks for them by their pid files. Whoever does has the lock of a supervisor.
    pub(super) fn find(places: &Places) -> Self {
        Self { vrrp: find(&places.vrrp_pid_file), check: find(&places.checkers_pid_file) }
    }

    /// Their processes.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        let vrrp = self.vrrp.as_ref().map(|found| found.child.pid());
        vrrp.into_iter().chain(self.check.as_ref().map(|found| found.child.pid()))
    }

    /// Since when the first of them is alone; `None` where there are none.
    pub(super) fn since(&self) -> Option<Moment> {
        let moments =
            [self.vrrp.as_ref().map(|found| found.since), self.check.as_ref().map(|found| found.since)];
        moments.into_iter().flatten().min()
    }

    /// What runs: its numbers keep their meaning.
    pub(super) fn work(&self) -> Work {
        self.vrrp.as_ref().map(|found| found.knows.work.clone()).unwrap_or_default()
    }

    /// What still hands over though it runs no more: its numbers are not given again.
    pub(super) fn leaving(&self) -> BTreeMap<InstanceId, Vec<VirtualAddress>> {
        let leaving = self.vrrp.iter().flat_map(|found| &found.knows.leaving);
        leaving.map(|leaving| (leaving.instance, leaving.addresses.clone())).collect()
    }

    /// What names stand for.
    pub(super) fn names(&self) -> NamesLeft {
        self.check.as_ref().map(|found| Keepsake::of(&found.knows.kept).names).unwrap_or_default()
    }
}

/// The worker whose pid file this is, if it lives, has no supervisor and says what it knows. One that hangs or cannot be
/// understood is ended, and one that hands over, as it does when this supervisor's version is another, is waited for.
fn find<R: Role>(pid_file: &Path) -> Option<Found<R>> {
    if !pidfile::is_locked(pid_file) {
        return None;
    }
    let process = Process::look_up(pidfile::read(pid_file)?)?;
    if is_supervised(&process) {
        return None;
    }
    let child = Child::of_another(process.pid).ok()?;
    let answer = match rendezvous::call(process.pid) {
        Ok(Some(mut channel)) => {
            let answer = channel.send(&greeting()).map_or(Some(Incoming::Closed), |_| answer(&mut channel));
            let told = match &answer {
                Some(Incoming::Message(octets)) => postcard::from_bytes(octets).ok(),
                _ => None,
            };
            if let Some(Orphan { since, knows }) = told {
                return Some(Found { child, channel, since, knows });
            }
            answer
        }
        // It hands over already.
        Ok(None) => Some(Incoming::Closed),
        Err(_) => None,
    };
    if !matches!(answer, Some(Incoming::Closed)) {
        let _ = child.signal(Signal::KILL);
    }
    let _ = child.ends_within(END_WITHIN);
    None
}

/// `None` when there is none in time.
fn answer(channel: &mut Channel) -> Option<Incoming> {
    let (poller, mut events) = (Poller::open().ok()?, Events::default());
    poller.add(&*channel, 0, Interest::Readable).ok()?;
    let until = moment() + ANSWER_WITHIN;
    while moment() < until {
        match channel.receive() {
            Ok(Incoming::Nothing) => {}
            Ok(answer) => return Some(answer),
            Err(_) => return Some(Incoming::Closed),
        }
        let _ = poller.wait(&mut events, Some(until.as_nanos()));
    }
    None
}

impl Supervisor {
    /// Goes on with workers that lost their supervisor, until each has a successor.
    pub(super) fn take_over(&mut self, orphans: Orphans, since: Moment, now: Moment) {
        let Orphans { vrrp, check } = orphans;
        if let Some(Found { child, channel, knows, .. }) = vrrp {
            let vrrp::Knows { daemon_started_at, work, leaving, settings } = knows;
            self.started_at = daemon_started_at;
            let mut after = self.routers.work.clone();
            self.watches.fill(&mut after);
            let after = self.options.run_of(&after);
            self.routers.take_over(&work, &after, leaving, settings);
            self.take_in::<Vrrp>(child, channel, now);
            self.have_removed(&work, &after);
        }
        if let Some(Found { child, channel, knows, .. }) = check {
            let check::Knows { kept, entries } = knows;
            self.balancing.take_over(Keepsake::of(&kept), entries, (&self.loaded, self.names.used()));
            self.take_in::<Check>(child, channel, now);
        }
        self.scripts.checks.configure(now, &self.scripts.programs);
        self.begin_succession(After::Death { since }, now);
    }

    /// Has the worker change over to what is to be run now, where instances are not any more: only it can say that they
    /// shut down (RFC 9568 section 6.4.3), and it does so before it leaves.
    fn have_removed(&mut self, before: &Work, after: &Work) {
        // Those that an earlier reload removed have said so already.
        if !before.machine.instances.iter().any(|config| self.routers.leaving.contains_key(&config.id)) {
            return;
        }
        let change = Box::new(Change::between(before, after));
        let living = beside::living(&self.own_processes());
        self.workers.vrrp.order(Order::Reload { change, living }, &self.poller);
    }

    fn take_in<R: Post>(&mut self, child: Child, channel: Channel, now: Moment) {
        if R::slot(&mut self.workers).take_in(now, child, channel, &self.poller).is_err() {
            R::slot(&mut self.workers).start(now);
        }
    }

    /// Every worker is one of this supervisor's.
    pub(super) fn took_over(&mut self, since: Moment) {
        self.routers.known.find_groups(&self.routers.work);
        self.tell(Happening::TookOver { milliseconds: milliseconds_since(since) });
        self.reload_over();
    }
}
