//! Sync groups: instances that change state together.

use std::cell::Cell;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Action, Sink};
use crate::config::{GroupConfig, GroupId, InstanceId};
use crate::event::{Cause, Event, State};
use crate::instance::Instance;
use crate::machine::Machine;
use steadfast_time::Moment;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    config: Arc<GroupConfig>,
    /// As last told.
    state: State,
    /// Place of a member that kept the others from MASTER when last asked. Asked first, it spares
    /// looking at all members each time the timer of one of them ends.
    holdout: usize,
    /// Place of a member in FAULT when last asked; `status` asks for every member, and nothing else does.
    #[serde(skip)]
    faulty: Cell<usize>,
    /// Before then, no member has to announce its addresses because one of them heard a lower priority.
    lower_over: Moment,
    /// Members that were looked at.
    #[cfg(test)]
    #[serde(skip)]
    pub(crate) looked_at: Cell<usize>,
    /// A reload changed it or a member while some were MASTER: it may be torn.
    forming: bool,
}

impl Group {
    pub(crate) const fn new(config: Arc<GroupConfig>) -> Self {
        Self {
            config,
            state: State::Init,
            holdout: 0,
            faulty: Cell::new(0),
            lower_over: Moment::ZERO,
            #[cfg(test)]
            looked_at: Cell::new(0),
            forming: false,
        }
    }

    /// A member is looked at. Tests hold the sum against the size of the group.
    fn count(&self) {
        #[cfg(test)]
        self.looked_at.set(self.looked_at.get() + 1);
    }
}

impl Machine {
    /// Adds a group, or changes its members; what it last told stays.
    pub(crate) fn set_group(&mut self, config: &Arc<GroupConfig>) {
        match self.groups.get_mut(&config.id) {
            Some(group) => {
                group.config = Arc::clone(config);
                group.holdout = 0;
                group.lower_over = Moment::ZERO;
            }
            None => {
                self.groups.insert(config.id, Group::new(Arc::clone(config)));
            }
        }
    }

    /// The instances that change state with this one, itself included, as long as they take part.
    pub(crate) fn team(&self, id: InstanceId) -> Vec<InstanceId> {
        let group = self.instances.get(id).and_then(|instance| self.group_of(instance.config.group));
        let Some(group) = group.filter(|group| group.members.contains(&id)) else { return vec![id] };
        let part = |member: &&InstanceId| {
            self.instances
                .get(**member)
                .is_some_and(|instance| instance.state != State::Stop || **member == id)
        };
        group.members.iter().filter(part).copied().collect()
    }

    /// Whether no other member stands against `id` becoming master: each is, or wants to be, too.
    pub(crate) fn group_agrees_on_master(&mut self, id: InstanceId) -> bool {
        let group = self.instances.get(id).and_then(|instance| instance.config.group);
        let Some(group) = group.and_then(|group| self.groups.get_mut(&group)) else { return true };
        let members = &group.config.members;
        let start = group.holdout;
        let against = (0..members.len()).map(|step| (start + step) % members.len()).find(|place| {
            let member = members.get(*place).and_then(|member| self.instances.get(*member));
            member.is_some_and(|member| {
                !member.wants_master && !matches!(member.state, State::Master | State::Stop)
            })
        });
        group.holdout = against.unwrap_or(0);
        against.is_none()
    }

    pub(crate) fn group_of(&self, group: Option<GroupId>) -> Option<&Arc<GroupConfig>> {
        self.groups.get(&group?).map(|group| &group.config)
    }

    /// A member other than `id` that is in FAULT by itself, with the name of the group.
    pub(crate) fn faulty_other(&self, group: GroupId, id: InstanceId) -> Option<Cause> {
        let group = self.groups.get(&group)?;
        let members = &group.config.members;
        let start = group.faulty.get();
        let place = (0..members.len()).map(|step| (start + step) % members.len()).find(|place| {
            group.count();
            let member = members.get(*place).filter(|member| **member != id);
            member.and_then(|member| self.instances.get(*member)).is_some_and(|member| member.standing.fault)
        })?;
        group.faulty.set(place);
        let member = self.instances.get(*members.get(place)?)?;
        Some(Cause::Group { group: Arc::clone(&group.config.name), member: Arc::clone(&member.config.name) })
    }

    /// Members that have to announce their addresses because another heard a lower priority, and whether those were all.
    /// Every member of the other router's group is heard in turn: once an interval is enough for each while that lasts.
    pub(crate) fn due_over_lower(
        &mut self,
        now: Moment,
        group: GroupId,
        heard: InstanceId,
    ) -> (Vec<InstanceId>, bool) {
        let Some(group) = self.groups.get_mut(&group) else { return (Vec::new(), true) };
        if group.lower_over > now {
            return (Vec::new(), false);
        }
        let (mut due, mut over, mut all) = (Vec::new(), Moment::NEVER, true);
        for member in group.config.members.iter().filter_map(|member| self.instances.get(*member)) {
            group.count();
            let interval = member.interval();
            let last = member.announced_over_lower.filter(|at| now.since(*at) < interval);
            if member.id() != heard && member.state == State::Master {
                match last {
                    None => due.push(member.id()),
                    Some(at) => all &= at >= now,
                }
            }
            over = over.min(last.unwrap_or(now) + interval);
        }
        group.lower_over = over;
        (due, all)
    }

    /// Masters of the group that have announced nothing since others were last heard by those of them that wait for quiet.
    /// None of them waits any more.
    pub(crate) fn owing_over_lower(&mut self, group: GroupId) -> Vec<InstanceId> {
        let Some(group) = self.groups.get(&group) else { return Vec::new() };
        let masters = || {
            let members = group.config.members.iter().filter_map(|member| self.instances.get(*member));
            members.inspect(|_| group.count()).filter(|member| member.state == State::Master)
        };
        let waiting = || masters().filter(|member| member.timers.over_late_lower != Moment::NEVER);
        let heard = waiting().filter_map(|member| member.peers.last_accepted()).max();
        let owing = masters().filter(|member| member.owes_over_lower(heard)).map(Instance::id).collect();
        for id in waiting().map(Instance::id).collect::<Vec<_>>() {
            if let Some(instance) = self.instances.get_mut(id) {
                instance.timers.over_late_lower = Moment::NEVER;
            }
        }
        owing
    }

    /// `causes` of `leader`, and that `member` follows it.
    pub(crate) fn followed(&self, member: InstanceId, leader: InstanceId, causes: &[Cause]) -> Vec<Cause> {
        let mut causes = causes.to_vec();
        if member != leader
            && let Some(instance) = self.instances.get(leader)
            && let Some(group) = self.group_of(instance.config.group)
        {
            causes.push(Cause::Group {
                group: Arc::clone(&group.name),
                member: Arc::clone(&instance.config.name),
            });
        }
        causes
    }

    /// Tells of the group of `id` if its state is another than told last.
    pub(crate) fn tell_group(
        &mut self,
        now: Moment,
        id: InstanceId,
        causes: Vec<Cause>,
        sink: &mut impl Sink,
    ) {
        let Some(id) = self.instances.get(id).and_then(|instance| instance.config.group) else { return };
        self.tell_group_state(now, id, causes, sink);
    }

    pub(crate) fn tell_group_state(
        &mut self,
        now: Moment,
        id: GroupId,
        causes: Vec<Cause>,
        sink: &mut impl Sink,
    ) {
        let to = self.group_state(id);
        let Some(group) = self.groups.get_mut(&id) else { return };
        if group.state != to {
            group.state = to;
            if to != State::Init {
                sink.act(Action::Event(Event::GroupState { group: id, at: now, to, causes }));
            }
        }
    }

    /// Takes the state of the members for told: a predecessor has done so.
    pub(crate) fn assume_groups_told(&mut self) {
        let ids: Vec<GroupId> = self.groups.keys().copied().collect();
        for id in ids {
            let state = self.group_state(id);
            if let Some(group) = self.groups.get_mut(&id) {
                group.state = state;
            }
        }
    }

    /// A reload has touched the group or a member.
    pub(crate) fn reform_group(&mut self, now: Moment, id: GroupId, sink: &mut impl Sink) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.forming = true;
            self.mend_group(now, id, &Cause::Reload, sink);
        }
    }

    /// A group is torn when one member is MASTER and another has lost its election: only a reload that
    /// makes or widens it can bring that about. It ends where a start would end, with nobody MASTER.
    /// A newcomer that still listens has lost nothing yet, and the others stay what they are meanwhile.
    pub(crate) fn mend_group(&mut self, now: Moment, id: GroupId, trigger: &Cause, sink: &mut impl Sink) {
        let Some(group) = self.groups.get(&id).filter(|group| group.forming) else { return };
        let members = || group.config.members.iter().filter_map(|member| self.instances.get(*member));
        let masters = members().any(|member| member.state == State::Master);
        let loser = members().find(|member| member.has_lost()).map(Instance::id);
        let still_forming =
            masters && loser.is_none() && members().any(|member| member.state != State::Master);
        if let Some(loser) = loser.filter(|_| masters) {
            self.give_up_group(now, loser, trigger, sink);
        }
        if let Some(group) = self.groups.get_mut(&id) {
            group.forming = still_forming;
        }
    }

    /// It may be torn, as long as it forms.
    pub(crate) fn is_forming(&self, id: GroupId) -> bool {
        self.groups.get(&id).is_some_and(|group| group.forming)
    }

    /// MASTER if every member is and serves, but for newcomers that still listen; see [`Self::mend_group`].
    fn group_state(&self, id: GroupId) -> State {
        let Some(group) = self.groups.get(&id) else { return State::Init };
        let states = || {
            group
                .config
                .members
                .iter()
                .filter_map(|member| self.instances.get(*member))
                .map(|member| if member.preparing.is_some() { State::Backup } else { member.state })
        };
        let order = [State::Fault, State::Master, State::Init, State::Backup];
        order.into_iter().find(|state| states().any(|member| member == *state)).unwrap_or(State::Stop)
    }
}
