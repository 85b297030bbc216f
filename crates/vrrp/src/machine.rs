//! The machine: what the caller drives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::{Input, Sink};
use crate::advert::sound;
use crate::config::{Config, GroupId, InstanceConfig, InstanceId, InterfaceId};
use crate::counters::MachineCounters;
use crate::event::{Cause, State};
use crate::group::Group;
use crate::hearers::Hearers;
use crate::instance::{Instance, Timers};
use crate::snapshot::Saving;
use crate::status::Resume;
use crate::track::Trackers;
use steadfast_time::{Entry, Moment, Queue};

/// All virtual routers of one worker.
#[derive(Debug)]
pub struct Machine {
    pub(crate) instances: Instances,
    pub(crate) hearers: Hearers,
    pub(crate) groups: BTreeMap<GroupId, Group>,
    pub(crate) trackers: Trackers,
    pub(crate) queue: Queue<InstanceId>,
    pub(crate) general: General,
}

/// Where the machine stands, besides its instances, groups and trackers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct General {
    pub(crate) startup_until: Moment,
    pub(crate) created: Moment,
    pub(crate) started: bool,
    pub(crate) stopping: bool,
    /// What time it is; see [`Input::Clock`].
    pub(crate) clock_ahead: Option<u64>,
    /// Masters that gave up and still answer.
    pub(crate) handing_over: usize,
    pub(crate) counters: MachineCounters,
}

/// Instances by number, which is small and dense.
#[derive(Debug, Default)]
pub(crate) struct Instances {
    pub(crate) slots: Vec<Option<Box<Instance>>>,
    /// Moments of the live queue entries; `NEVER` where there is none.
    queued: Vec<Moment>,
    /// A snapshot is on its way: what may change is written first.
    pub(crate) saving: Option<Box<Saving>>,
}

impl Instances {
    pub(crate) fn get(&self, id: InstanceId) -> Option<&Instance> {
        self.slots.get(id.index())?.as_deref()
    }

    /// For a change: no advert is known to be without consequences any more.
    pub(crate) fn get_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        let instance = self.get_settled(id)?;
        instance.repeat = None;
        Some(instance)
    }

    /// For what no other decision depends on.
    pub(crate) fn get_settled(&mut self, id: InstanceId) -> Option<&mut Instance> {
        let slot = self.slots.get_mut(id.index())?;
        if let Some(saving) = &mut self.saving {
            saving.save(id.index(), slot.as_deref());
        }
        slot.as_deref_mut()
    }

    pub(crate) fn queued(&self, id: InstanceId) -> Moment {
        self.queued.get(id.index()).copied().unwrap_or(Moment::NEVER)
    }

    pub(crate) fn set_queued(&mut self, id: InstanceId, at: Moment) {
        if let Some(queued) = self.queued.get_mut(id.index()) {
            *queued = at;
        }
    }

    pub(crate) fn insert(&mut self, instance: Instance) {
        let index = instance.id().index();
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
            self.queued.resize(index + 1, Moment::NEVER);
        }
        self.set_queued(instance.id(), Moment::NEVER);
        if let Some(slot) = self.slots.get_mut(index) {
            if let Some(saving) = &mut self.saving {
                saving.save(index, slot.as_deref());
            }
            *slot = Some(Box::new(instance));
        }
    }

    pub(crate) fn remove(&mut self, id: InstanceId) -> Option<Box<Instance>> {
        let slot = self.slots.get_mut(id.index())?;
        if let Some(saving) = &mut self.saving {
            saving.save(id.index(), slot.as_deref());
        }
        slot.take()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Instance> {
        self.slots.iter().flatten().map(AsRef::as_ref)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Instance> {
        if let Some(saving) = &mut self.saving {
            for (place, slot) in self.slots.iter().enumerate() {
                saving.save(place, slot.as_deref());
            }
        }
        self.slots.iter_mut().flatten().map(|instance| {
            instance.repeat = None;
            instance.as_mut()
        })
    }

    pub(crate) fn ids(&self) -> Vec<InstanceId> {
        self.iter().map(Instance::id).collect()
    }
}

impl Machine {
    /// Every instance in INIT. Nothing happens before every interface has been described with
    /// [`Input::Interface`] and [`Machine::advance`] has been called.
    ///
    /// `resume` holds the instances that a dead predecessor ran; they go on in the state they had.
    pub fn new(now: Moment, config: Config, resume: Vec<Resume>) -> Self {
        let general = General {
            startup_until: now + config.startup_delay,
            created: now,
            started: false,
            stopping: false,
            clock_ahead: None,
            handing_over: 0,
            counters: MachineCounters::default(),
        };
        let mut machine = Self::without_instances(BTreeMap::new(), Trackers::default(), general);
        for interface in &config.interfaces {
            machine.trackers.name_interface(interface);
        }
        for script in &config.scripts {
            machine.trackers.set_script(script);
        }
        for watch in &config.watches {
            machine.trackers.watches.set(watch);
        }
        for instance in config.instances {
            machine.enrol(now, instance);
        }
        for group in &config.groups {
            machine.set_group(group);
        }
        for resume in resume {
            machine.take_over(now, resume);
        }
        machine
    }

    pub(crate) fn without_instances(
        groups: BTreeMap<GroupId, Group>,
        trackers: Trackers,
        general: General,
    ) -> Self {
        Self {
            instances: Instances::default(),
            hearers: Hearers::default(),
            groups,
            trackers,
            queue: Queue::default(),
            general,
        }
    }

    /// Something happened at `now`. For a datagram `now` is its arrival.
    pub fn handle(&mut self, now: Moment, input: Input<'_>, sink: &mut impl Sink) {
        match input {
            Input::Datagram(datagram) => self.receive(now, &datagram, sink),
            Input::Interface { interface, up, source_v4, source_v6, mtu: _ } => {
                let was_up = self.trackers.is_up(interface);
                if self.trackers.set_interface(interface, up, source_v4, source_v6) {
                    self.interface_changed(now, interface, was_up != up, sink);
                }
            }
            Input::SourcePresent { address, present } => {
                let cause = Cause::Source { address: Some(address), present };
                let users = self.trackers.set_source(address, present);
                let triggers: Vec<_> = users.into_iter().map(|id| (id, cause.clone())).collect();
                self.reassess_all(now, &triggers, sink);
            }
            Input::Standing { instances, missing } => self.standing(now, instances, missing, sink),
            Input::Channel { instances, obstacle } => self.channel(now, instances, obstacle, sink),
            Input::Refused { instance, datagrams, reason } => {
                self.refused(now, instance, datagrams, reason, sink);
            }
            Input::ScriptResult { script, success } => {
                let before = self.trackers.script_count(script);
                let cause = self.trackers.count_script(script, success);
                if self.trackers.script_count(script) == before {
                    return;
                }
                let users = self.trackers.script_users(script);
                users.iter().for_each(|id| sink.remember(*id));
                let Some(cause) = cause else { return };
                let triggers: Vec<_> = users.into_iter().map(|id| (id, cause.clone())).collect();
                self.reassess_all(now, &triggers, sink);
            }
            Input::Watched { watch, reading } => {
                let Some((users, cause)) = self.trackers.watches.read(watch, reading) else { return };
                let triggers: Vec<_> = users.into_iter().map(|id| (id, cause.clone())).collect();
                self.reassess_all(now, &triggers, sink);
            }
            Input::Prepared { instance, since, success } => {
                self.prepared(now, instance, since, success, sink);
            }
            Input::WhoServes { instance, asked, served } => {
                self.who_serves(now, instance, asked, served, sink);
            }
            Input::Dead { instances, master, silent_us } => self.bury(now, instances, master, silent_us),
            Input::AddressRemoved { instance, address } => self.robbed(now, instance, address, sink),
            Input::Clock { ahead } => {
                self.general.clock_ahead = Some(ahead);
                self.instances.iter_mut().for_each(|instance| instance.proofs.set_clock(ahead));
            }
            Input::Stop => self.stop(now, sink),
        }
    }

    /// Runs every timer that is due at `now`; the first call starts the instances.
    pub fn advance(&mut self, now: Moment, sink: &mut impl Sink) {
        if !self.general.started {
            self.start(now, sink);
        }
        while let Some(entry) = self.queue.peek() {
            let Some(instance) = self.instances.get(entry.key) else {
                self.queue.pop();
                continue;
            };
            if self.instances.queued(entry.key) != entry.at {
                self.queue.pop();
                continue;
            }
            let deadline = instance.next_deadline();
            if deadline > entry.at && entry.at <= now + instance.master_interval {
                // Adverts have moved the deadline on. To look an interval ahead spares a wake-up
                // that would find nothing to do, and still costs only one change for several adverts.
                self.queue.pop();
                self.instances.set_queued(entry.key, Moment::NEVER);
                self.arm(entry.key);
                continue;
            }
            if entry.at > now {
                break;
            }
            self.queue.pop();
            self.instances.set_queued(entry.key, Moment::NEVER);
            self.fire(now, entry.key, sink);
            self.arm(entry.key);
        }
    }

    /// When [`Machine::advance`] has work next; after `advance(now)` always later than `now`.
    ///
    /// It may be earlier than the next deadline, never later.
    pub fn next_wakeup(&self) -> Option<Moment> {
        if self.general.started {
            self.queue.peek().map(|entry| entry.at)
        } else {
            Some(self.general.created)
        }
    }

    /// After [`Input::Stop`]: every hand-over is done and the daemon may exit.
    pub const fn is_drained(&self) -> bool {
        self.general.stopping && self.general.handing_over == 0
    }

    /// Datagrams that belonged to no instance.
    pub const fn counters(&self) -> MachineCounters {
        self.general.counters
    }

    /// Adverts are heard: not before the start, nor during the start-up delay.
    pub(crate) fn is_listening(&self, now: Moment) -> bool {
        self.general.started && now >= self.general.startup_until
    }

    /// Takes an instance in, in INIT.
    pub(crate) fn enrol(&mut self, now: Moment, config: std::sync::Arc<InstanceConfig>) {
        let config = sound(config);
        self.hearers.insert(&config);
        self.trackers.subscribe(&config);
        let mut instance = Instance::new(now, config);
        if let Some(ahead) = self.general.clock_ahead {
            instance.proofs.set_clock(ahead);
        }
        self.instances.insert(instance);
    }

    /// Sees to it that the instance is woken in time. Deadlines that moved later need nothing.
    #[inline]
    pub(crate) fn arm(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get(id) else { return };
        let at = instance.next_deadline();
        if at < self.instances.queued(id) {
            self.instances.set_queued(id, at);
            self.queue.push(Entry { at, key: id });
        }
    }

    fn fire(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        if self.step_back(now, id, sink) {
            return;
        }
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.state == State::Master {
            instance.announce_due(now, sink);
        }
        let Timers { over_late_lower, preparation, question, .. } = instance.timers;
        if question <= now {
            instance.question_due(now, sink);
        }
        if over_late_lower <= now {
            self.claim_back_late(now, id, sink);
        }
        if preparation <= now {
            self.preparation_due(now, id, sink);
        }
        if self.instances.get(id).is_some_and(|instance| instance.timers.protocol <= now) {
            self.protocol_due(now, id, sink);
        }
    }

    fn interface_changed(
        &mut self,
        now: Moment,
        interface: InterfaceId,
        up_changed: bool,
        sink: &mut impl Sink,
    ) {
        let state = Cause::Interface {
            name: self.trackers.interface_name(interface),
            up: self.trackers.is_up(interface),
        };
        let trigger = |id| {
            let instance = self.instances.get(id)?;
            let present = !self.trackers.source_missing(&instance.config);
            let address = instance.config.source;
            Some((id, if up_changed { state.clone() } else { Cause::Source { address, present } }))
        };
        let users = self.trackers.interface_users(interface);
        let triggers: Vec<_> = users.into_iter().filter_map(trigger).collect();
        self.reassess_all(now, &triggers, sink);
    }

    fn start(&mut self, now: Moment, sink: &mut impl Sink) {
        self.general.started = true;
        let ids = self.instances.ids();
        let resumed: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|instance| instance.state != State::Init)
            .map(Instance::id)
            .collect();
        for instance in self.instances.iter_mut() {
            instance.standing = self.trackers.assess(&instance.config, instance.own);
        }
        if !resumed.is_empty() {
            self.assume_groups_told();
        }
        let listens_from = now.max(self.general.startup_until);
        // First, since what speaks before it has listened would be a second master.
        let superseded = self.superseded(now);
        for &id in &superseded {
            self.step_back(now, id, sink);
        }
        for id in superseded.iter().copied() {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            if instance.state == State::Backup {
                instance.restart_down_timer(listens_from);
                self.arm(id);
            }
        }
        for id in resumed.into_iter().filter(|id| !superseded.contains(id)) {
            let Some(instance) = self.instances.get_mut(id) else { continue };
            instance.resume(now, listens_from, &self.trackers, sink);
            self.arm(id);
        }
        self.review_preparations(now, sink);
        let triggers: Vec<_> = ids.into_iter().map(|id| (id, Cause::Start)).collect();
        self.settle_all(now, &triggers, sink);
    }

    fn stop(&mut self, now: Moment, sink: &mut impl Sink) {
        if self.general.stopping {
            return;
        }
        self.general.started = true;
        self.general.stopping = true;
        for id in self.instances.ids() {
            self.retire(now, id, Cause::Stop, sink);
        }
        let groups: Vec<GroupId> = self.groups.keys().copied().collect();
        for group in groups {
            self.tell_group_state(now, group, vec![Cause::Stop], sink);
        }
    }

    #[cfg(test)]
    pub(crate) const fn queue(&self) -> &Queue<InstanceId> {
        &self.queue
    }
}

/// A machine, or one with something around it that sees what the machine is told.
pub trait Told {
    /// The machine.
    fn machine(&self) -> &Machine;
    /// Something happened at `now`; see [`Machine::handle`].
    fn tell(&mut self, now: Moment, input: Input<'_>, sink: &mut impl Sink);
}

impl Told for Machine {
    fn machine(&self) -> &Machine {
        self
    }

    fn tell(&mut self, now: Moment, input: Input<'_>, sink: &mut impl Sink) {
        self.handle(now, input, sink);
    }
}
