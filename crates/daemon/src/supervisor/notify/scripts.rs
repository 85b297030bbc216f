//! Which notify scripts an event calls for, and in which order they run.
//!
//! Scripts of one transition start together, as keepalived does it. Transitions of one instance or
//! group keep their order: the next one waits for the scripts of the one before, but not longer than
//! [`PATIENCE`], so that a script that never ends delays no later news for long.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_control::wording;
use steadfast_vrrp::{Cause, Event, Moment, State};

use crate::supervisor::scripts::programs::{Command, Notifies, Programs};

/// How long a transition waits for the scripts of the one before it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// Transitions that wait for one owner, at most; the oldest is forgotten first.
pub(crate) const WAITING_MAX: usize = 64;

/// Likewise for a service of the load balancer: each of its servers has news of its own, which no later news replaces.
pub(crate) const WAITING_OF_A_SERVICE_MAX: usize = 4_096;

/// Scripts of one owner that run at the same time, at most: one whose scripts never end keeps nobody else from telling.
pub(crate) const RUNNING_PER_OWNER_MAX: u32 = 16;

/// Scripts of one transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    /// Instance or group.
    pub(crate) owner: Owner,
    /// Program and arguments to run together.
    pub(crate) commands: Vec<Command>,
}

/// Whose transition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// An instance, by name.
    Instance(Arc<str>),
    /// A sync group, by name.
    Group(Arc<str>),
    /// A service of the load balancer, by name.
    Service(Arc<str>),
}

impl Owner {
    /// Transitions that wait for it, at most.
    pub(crate) const fn waiting_max(&self) -> usize {
        match self {
            Self::Instance(_) | Self::Group(_) => WAITING_MAX,
            Self::Service(_) => WAITING_OF_A_SERVICE_MAX,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &Arc<str> {
        match self {
            Self::Instance(name) | Self::Group(name) | Self::Service(name) => name,
        }
    }
}

/// The scripts that an event calls for; `None` when it calls for none.
pub(crate) fn transition(programs: &Programs, event: &Event) -> Option<Transition> {
    match event {
        Event::InstanceState { instance, from, to, priority, causes, .. } => {
            let notifies = programs.instances.get(instance)?;
            let removed = causes.contains(&Cause::Reload) && *to == State::Stop;
            let owner = Owner::Instance(Arc::clone(&notifies.name));
            if removed {
                deleted(owner, notifies, *from, priority.get())
            } else {
                state(owner, notifies, *to, priority.get())
            }
        }
        Event::GroupState { group, to, .. } => {
            let notifies = programs.groups.get(group)?;
            state(Owner::Group(Arc::clone(&notifies.name)), notifies, *to, 0)
        }
        Event::LowerPriorityHeard { instance, .. } => {
            let notifies = programs.instances.get(instance)?;
            let commands = vec![notifies.lower_priority.clone()?];
            Some(Transition { owner: Owner::Instance(Arc::clone(&notifies.name)), commands })
        }
        Event::PriorityChanged { .. }
        | Event::MasterChanged { .. }
        | Event::Preparing { .. }
        | Event::TwoMasters { .. }
        | Event::ServedElsewhere { .. }
        | Event::ServedHereAlone { .. }
        | Event::NobodyHeard { .. }
        | Event::OneMaster { .. }
        | Event::HandedOver { .. }
        | Event::Dropped { .. }
        | Event::Disagreement { .. } => None,
    }
}

fn state(owner: Owner, notifies: &Notifies, to: State, priority: u8) -> Option<Transition> {
    let specific = match to {
        State::Init => return None,
        State::Backup => &notifies.backup,
        State::Master => &notifies.master,
        State::Fault => &notifies.fault,
        State::Stop => &notifies.stop,
    };
    made(owner, notifies, specific.as_ref(), wording::state(to), priority)
}

/// A removed instance is told as DELETED if the configuration asks for it, otherwise the generic
/// script alone hears of a FAULT, unless the instance was in FAULT anyway.
fn deleted(owner: Owner, notifies: &Notifies, from: State, priority: u8) -> Option<Transition> {
    if notifies.tell_deleted {
        return made(owner, notifies, notifies.deleted.as_ref(), "DELETED", priority);
    }
    if from == State::Fault {
        return None;
    }
    made(owner, notifies, None, "FAULT", priority)
}

fn made(
    owner: Owner,
    notifies: &Notifies,
    specific: Option<&Command>,
    state: &str,
    priority: u8,
) -> Option<Transition> {
    let mut commands: Vec<Command> = specific.cloned().into_iter().collect();
    if let Some(any) = &notifies.any {
        let mut any = any.clone();
        let kind = if matches!(owner, Owner::Group(_)) { "GROUP" } else { "INSTANCE" };
        any.arguments.extend([
            kind.to_owned(),
            owner.name().to_string(),
            state.to_owned(),
            priority.to_string(),
        ]);
        commands.push(any);
    }
    (!commands.is_empty()).then_some(Transition { owner, commands })
}

/// Transitions in their order.
#[derive(Debug, Default)]
pub(crate) struct Order {
    owners: BTreeMap<Owner, Lane>,
    bound: Reached,
}

/// Whether something had to wait because too many scripts run.
#[derive(Debug, Default, PartialEq, Eq)]
enum Reached {
    #[default]
    Never,
    Untold,
    Told,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Vec<Command>>,
    running: u32,
    impatient_at: Option<Moment>,
    /// That it forgot something was told.
    forgot: bool,
}

impl Order {
    /// Adds a transition; `false` when an older one had to be forgotten for it, for the first time since nothing waited.
    pub(crate) fn add(&mut self, transition: Transition) -> bool {
        let bound = transition.owner.waiting_max();
        let lane = self.owners.entry(transition.owner).or_default();
        let forgets = lane.waiting.len() >= bound;
        if forgets {
            lane.waiting.pop_front();
        }
        lane.waiting.push_back(transition.commands);
        !forgets || std::mem::replace(&mut lane.forgot, true)
    }

    /// What may start now, where there is room for so many scripts. What has no room waits.
    pub(crate) fn startable(&mut self, now: Moment, mut room: usize) -> Vec<(Owner, Command)> {
        let mut starting = Vec::new();
        for (owner, lane) in &mut self.owners {
            let free = lane.running == 0 || lane.impatient_at.is_none_or(|at| at <= now);
            let Some(next) = lane.waiting.front().filter(|_| free) else { continue };
            if next.len() > room || lane.running >= RUNNING_PER_OWNER_MAX {
                if self.bound == Reached::Never {
                    self.bound = Reached::Untold;
                }
                lane.impatient_at = Some(now + PATIENCE);
                continue;
            }
            room -= next.len();
            lane.impatient_at = Some(now + PATIENCE);
            for command in lane.waiting.pop_front().unwrap_or_default() {
                lane.running += 1;
                starting.push((owner.clone(), command));
            }
        }
        starting
    }

    /// A script of this owner runs that belongs to no transition; the next one waits for it as for any other.
    pub(crate) fn begun(&mut self, owner: Owner, now: Moment) {
        let lane = self.owners.entry(owner).or_default();
        lane.running += 1;
        lane.impatient_at = Some(now + PATIENCE);
    }

    /// Whether something waits for room, for the first time.
    pub(crate) fn reached_bound(&mut self) -> bool {
        let untold = self.bound == Reached::Untold;
        if untold {
            self.bound = Reached::Told;
        }
        untold
    }

    /// A script of this owner ended, or could not be started.
    pub(crate) fn ended(&mut self, owner: &Owner) {
        if let Some(lane) = self.owners.get_mut(owner) {
            lane.running = lane.running.saturating_sub(1);
            if lane.running == 0 && lane.waiting.is_empty() {
                self.owners.remove(owner);
            }
        }
    }

    /// When to call [`Self::startable`] again, if no script ends before.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        self.owners
            .values()
            .filter(|lane| !lane.waiting.is_empty())
            .filter_map(|lane| lane.impatient_at)
            .min()
    }

    /// Scripts that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.owners.values().flat_map(|lane| &lane.waiting).map(Vec::len).sum()
    }

    /// Nothing waits and nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.owners.is_empty()
    }
}
