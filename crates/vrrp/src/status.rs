//! What can be seen from outside: snapshots for `status`, and what a successor needs to go on.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::{AdvertInterval, Family, Priority, Version, Vrid};

use crate::config::{GroupId, InstanceConfig, InstanceId, InterfaceId, ScriptId};
use crate::counters::{Counters, MachineCounters};
use crate::event::{Cause, Event, State};
use crate::grid::next_on_grid;
use crate::instance::Instance;
use crate::machine::Machine;
use crate::peers::{LONELY_AFTER, Peer, Peers};
use crate::preparing::Preparing;
use crate::proof::LastProof;
use crate::split_brain::FoundElsewhere;
use steadfast_time::Moment;

/// A router that claims, or claimed, the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// Source address of its adverts.
    pub address: IpAddr,
    /// Priority in its last advert.
    pub priority: Priority,
}

/// An advert that passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When it arrived.
    pub at: Moment,
    /// From whom.
    pub source: IpAddr,
    /// With which priority.
    pub priority: Priority,
}

/// Kind of a tracked object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackerKind {
    /// An interface.
    Interface,
    /// A script.
    Script,
    /// A file.
    File,
    /// A set of processes.
    Process,
    /// A BFD session.
    Session,
}

/// What one tracker does to an instance at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerShare {
    /// What is tracked.
    pub kind: TrackerKind,
    /// Its name as configured.
    pub name: Arc<str>,
    /// Its state; `None` before the first result.
    pub good: Option<bool>,
    /// What it adds to the priority now.
    pub share: i32,
    /// It keeps the instance in FAULT.
    pub fault: bool,
}

/// Snapshot of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Which.
    pub instance: InstanceId,
    /// As configured.
    pub name: Arc<str>,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Address family.
    pub family: Family,
    /// Protocol version.
    pub version: Version,
    /// Interface that carries the adverts.
    pub interface: InterfaceId,
    /// Address that its adverts come from; `None` while it has none.
    pub source: Option<IpAddr>,
    /// Its sync group.
    pub group: Option<GroupId>,
    /// State.
    pub state: State,
    /// When it was entered.
    pub since: Moment,
    /// Why, oldest first.
    pub causes: Vec<Cause>,
    /// Who is master, ourselves included.
    pub master: Option<Master>,
    /// Configured priority.
    pub base_priority: Priority,
    /// Priority after all trackers.
    pub effective_priority: Priority,
    /// Each tracker's part in it, in configured order.
    pub trackers: Vec<TrackerShare>,
    /// What keeps it in FAULT, trackers and the sync group included.
    pub faults: Vec<Cause>,
    /// Last advert that passed every check.
    pub last_advert: Option<Heard>,
    /// Who was heard for this virtual router, taken or not, in the order in which they were met.
    pub peers: Vec<Peer>,
    /// What `split_brain_check` has found.
    pub found_elsewhere: Option<FoundElsewhere>,
    /// Own interval.
    pub interval: AdvertInterval,
    /// Interval of the master in use (learned in version 3).
    pub master_interval: Duration,
    /// Silence of the master after which this router takes over.
    pub master_down_interval: Duration,
    /// When the running protocol timer ends: next advert, master down, or hand-over.
    pub deadline: Option<Moment>,
    /// End of a preempt delay that runs.
    pub preempt_at: Option<Moment>,
    /// Counters.
    pub counters: Counters,
}

/// What a worker needs to go on where its predecessor died.
///
/// Asked for with [`Machine::resume_state`](crate::Machine::resume_state) after every state change and
/// handed to [`Machine::new`](crate::Machine::new). Moments are on the same clock in both workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Whose.
    pub instance: InstanceId,
    /// State it was in.
    pub state: State,
    /// When it was entered.
    pub since: Moment,
    /// Why it was entered.
    pub causes: Vec<Cause>,
    /// Priority after all trackers.
    pub priority: Priority,
    /// Who was master.
    pub master: Option<Master>,
    /// Interval learned from the master.
    pub master_interval: Duration,
    /// The master heard last, with the highest priority that it told.
    pub best: Option<Master>,
    /// An owner that gave way to another owner.
    pub lowered: bool,
    /// What its adverts have proven, so that the next one is not taken for a replayed one.
    pub proof: LastProof,
    /// Results of the scripts it tracks, so that a master need not wait for the next run.
    pub scripts: Vec<ScriptResume>,
    /// A peer has the checksum of early versions.
    pub early_checksum: bool,
    /// Counters as they stood.
    pub counters: Counters,
    /// When its last advert was sent: the peers count their master down interval from it.
    pub last_advert: Option<Moment>,
    /// Why the kernel takes none of its adverts, and the instance is in FAULT.
    pub refusal: Option<Arc<str>>,
    /// The first refusal since an advert left, before it is a fault.
    pub refused_since: Option<Moment>,
    /// Who was heard for this virtual router.
    pub peers: Vec<Peer>,
    /// What `split_brain_check` has found.
    pub found_elsewhere: Option<FoundElsewhere>,
    /// As MASTER: it prepares itself and does not serve yet.
    pub preparing: Option<Preparing>,
    /// It could not prepare itself, and is in FAULT until then.
    pub unprepared_until: Option<Moment>,
}

impl Resume {
    /// It may have its addresses.
    pub fn serves(&self) -> bool {
        matches!(self.state, State::Master | State::Stop) && self.preparing.is_none()
    }

    /// Its worker lived until `alive`, and sent its adverts until then: every interval on the grid.
    pub fn lived_until(&mut self, alive: Moment) {
        if self.state == State::Master {
            let slot = next_on_grid(alive - self.master_interval, self.master_interval, self.instance);
            self.last_advert = self.last_advert.max(Some(slot));
        }
    }

    /// Until when peers that hear no further advert leave it to this router; `None` of one that sends none.
    pub fn awaited_until(&self, config: &InstanceConfig) -> Option<Moment> {
        let last = self.last_advert.filter(|_| self.state == State::Master)?;
        Some(last + config.patience(self.priority, self.master_interval))
    }

    /// Nobody ran it for longer than its peers wait: whoever goes on with it listens first (RFC 9568 section 6.4.2), as a
    /// master that was held up does. What became of it comes back.
    pub fn give_way(&mut self, now: Moment, causes: Vec<Cause>) -> Event {
        let (instance, priority, from, to) = (self.instance, self.priority, self.state, State::Backup);
        (self.state, self.since, self.causes) = (to, now, causes.clone());
        (self.master, self.last_advert, self.preparing) = (None, None, None);
        self.counters.released_master += 1;
        Event::InstanceState { instance, at: now, from, to, priority, causes }
    }
}

impl InstanceStatus {
    /// What is known of an instance while nobody runs it, or while its worker does not answer: what was kept for
    /// the successor.
    pub fn last_known(now: Moment, config: &InstanceConfig, last: Option<&Resume>) -> Self {
        let priority = last.map_or(config.priority, |last| last.priority);
        let master_interval = last.map_or_else(|| config.interval.duration(), |last| last.master_interval);
        Self {
            instance: config.id,
            name: Arc::clone(&config.name),
            vrid: config.vrid,
            family: config.family,
            version: config.interval.version(),
            interface: config.interface,
            source: config.source,
            group: config.group,
            state: last.map_or(State::Init, |last| last.state),
            since: last.map_or(now, |last| last.since),
            causes: last.map(|last| last.causes.clone()).unwrap_or_default(),
            master: last.and_then(|last| last.master),
            base_priority: config.priority,
            effective_priority: priority,
            trackers: Vec::new(),
            faults: Vec::new(),
            last_advert: None,
            peers: Vec::new(),
            found_elsewhere: last.and_then(|last| last.found_elsewhere),
            interval: config.interval,
            master_interval,
            master_down_interval: config.down_time(priority, master_interval),
            deadline: None,
            preempt_at: None,
            counters: last.map(|last| last.counters).unwrap_or_default(),
        }
    }
}

/// Result of a script as counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptResume {
    /// Which.
    pub script: ScriptId,
    /// Result counter, 0 to rise + fall - 1; good from rise.
    pub count: u32,
    /// Good or bad; `None` before the first result.
    pub good: Option<bool>,
    /// Whether the last run succeeded.
    pub last: bool,
    /// Equal results in a row.
    pub row: u32,
    /// How many in a row made it good or bad.
    pub times: u32,
}

/// How soon a machine must read what it is sent: only a master answers at once, and the skew time that an advert of priority 0
/// starts must still be running when that advert is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Haste {
    /// An instance is master, or hands over: others hear it, and it answers them.
    pub speaks: bool,
    /// Shortest interval of the masters that backups follow.
    pub interval: Duration,
    /// Shortest skew time of backups.
    pub skew: Duration,
}

impl Machine {
    /// Snapshot for `status`.
    pub fn status(&self, instance: InstanceId) -> Option<InstanceStatus> {
        let instance = self.instances.get(instance)?;
        let config = &instance.config;
        let running = |deadline: Moment| (deadline != Moment::NEVER).then_some(deadline);
        Some(InstanceStatus {
            instance: config.id,
            name: Arc::clone(&config.name),
            vrid: config.vrid,
            family: config.family,
            version: config.interval.version(),
            interface: config.interface,
            source: self.trackers.source(config),
            group: config.group,
            state: instance.state,
            since: instance.since,
            causes: instance.causes.clone(),
            master: self.master_of(instance),
            base_priority: config.priority,
            effective_priority: instance.standing.priority,
            trackers: self.trackers.shares(config),
            faults: self.faults_of(instance),
            last_advert: instance.last_heard,
            peers: instance.peers.iter().cloned().collect(),
            found_elsewhere: instance.found_elsewhere(),
            interval: config.interval,
            master_interval: instance.master_interval,
            master_down_interval: instance.down_time(),
            deadline: running(instance.timers.protocol),
            preempt_at: instance.preempt_at,
            counters: instance.counters,
        })
    }

    /// Every counter begins at zero again.
    pub fn clear_counters(&mut self) {
        self.general.counters = MachineCounters::default();
        for instance in self.instances.iter_mut() {
            instance.counters = Counters::default();
        }
    }

    /// Every instance, those included that a reload removed and that still hand over.
    pub fn instances(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.instances.iter().map(Instance::id)
    }

    /// How soon adverts must be read, as things are.
    pub fn haste(&self) -> Haste {
        let mut haste = Haste { speaks: false, interval: Duration::MAX, skew: Duration::MAX };
        for instance in self.instances.iter() {
            haste.speaks |= matches!(instance.state, State::Master | State::Stop);
            if instance.state == State::Backup {
                haste.interval = haste.interval.min(instance.master_interval);
                haste.skew = haste.skew.min(instance.skew(instance.standing.priority));
            }
        }
        haste
    }

    /// What a successor needs to go on with this instance; ask after every state change.
    pub fn resume_state(&self, instance: InstanceId) -> Option<Resume> {
        let instance = self.instances.get(instance)?;
        Some(Resume {
            instance: instance.id(),
            state: instance.state,
            since: instance.since,
            causes: instance.causes.clone(),
            priority: instance.standing.priority,
            master: instance.master,
            master_interval: instance.master_interval,
            best: instance.best,
            lowered: instance.own.lowered,
            proof: instance.proofs.last(),
            scripts: self.trackers.script_results(&instance.config),
            early_checksum: instance.advert.early_checksum(),
            counters: instance.counters,
            last_advert: instance.last_advert(),
            refusal: self.trackers.refusal(instance.id()),
            refused_since: instance.speech.refused_since(),
            peers: instance.peers.iter().cloned().collect(),
            found_elsewhere: instance.found_elsewhere(),
            preparing: instance.preparing.clone(),
            unprepared_until: instance.own.unprepared_until,
        })
    }

    /// The instance goes on where a predecessor left it. One that was giving up starts afresh.
    pub(crate) fn take_over(&mut self, now: Moment, resume: Resume) {
        for script in &resume.scripts {
            self.trackers.resume_script(script);
        }
        let Some(instance) = self.instances.get_mut(resume.instance) else { return };
        instance.counters = resume.counters;
        if resume.early_checksum {
            instance.advert.speak_early_checksum();
        }
        instance.peers = Peers::resumed(resume.peers);
        instance.speech.resume(resume.refused_since);
        instance.proofs.resume(now, resume.proof, &instance.config);
        if !matches!(resume.state, State::Init | State::Stop) {
            instance.state = resume.state;
            instance.since = resume.since;
            instance.loneliness_told = now.since(resume.since) > LONELY_AFTER;
            instance.causes = resume.causes;
            instance.master = resume.master;
            instance.master_interval = resume.master_interval;
            instance.best = resume.best;
            instance.resume_found(resume.found_elsewhere);
            instance.own.lowered = resume.lowered;
            instance.preparing = resume.preparing.filter(|_| resume.state == State::Master);
            instance.own.unprepared_until =
                resume.unprepared_until.filter(|_| instance.config.prepare.is_some());
            instance.timers.preparation = instance.own.unprepared_until.unwrap_or(Moment::NEVER);
            instance.review_preparation();
        }
        if let Some(last) = resume.last_advert.filter(|_| resume.state == State::Master) {
            instance.timers.protocol = last + instance.interval();
        }
        if resume.state == State::Fault {
            self.trackers.resume_refusal(resume.instance, resume.refusal);
        }
    }

    /// Masters that do not go on as such, with all that go with them: those resumed at `now`, after their peers have taken
    /// over. Asked before the first `advance`.
    pub(crate) fn superseded(&self, now: Moment) -> BTreeSet<InstanceId> {
        let late =
            self.instances.iter().filter(|instance| instance.is_superseded(now, instance.timers.protocol));
        late.flat_map(|instance| self.team(instance.id())).collect()
    }

    fn master_of(&self, instance: &Instance) -> Option<Master> {
        if instance.state == State::Master {
            let priority = instance.standing.priority;
            self.trackers.source(&instance.config).map(|address| Master { address, priority })
        } else {
            instance.master
        }
    }

    fn faults_of(&self, instance: &Instance) -> Vec<Cause> {
        let mut faults = self.trackers.faults(&instance.config);
        if instance.own.unprepared_until.is_some() {
            faults.extend(
                instance.causes.iter().find(|cause| matches!(cause, Cause::Prepared { .. })).cloned(),
            );
        }
        // A group that has a member in FAULT has all of them there, but for those that hand over.
        if matches!(instance.state, State::Fault | State::Stop) {
            let group = instance.config.group;
            faults.extend(group.and_then(|group| self.faulty_other(group, instance.id())));
        }
        faults
    }
}
