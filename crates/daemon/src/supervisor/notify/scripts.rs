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

use crate::supervisor::scripts::checks::ROOM_AGAIN;
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
    shortage: Option<Shortage>,
}

/// The machine had no room for a script.
#[derive(Debug, Clone, Copy)]
struct Shortage {
    /// Then it is asked again.
    until: Moment,
    /// Scripts that ended since, whose room there is.
    ended: usize,
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
        self.shortage = self.shortage.filter(|shortage| shortage.until > now);
        if let Some(Shortage { ended, .. }) = &mut self.shortage {
            room = room.min(std::mem::take(ended));
            if room == 0 {
                return Vec::new();
            }
        }
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

    /// The machine had no room for these, which [`Self::startable`] gave at `now`: they wait again, before what came later.
    pub(crate) fn put_back(&mut self, now: Moment, commands: &[(Owner, Command)]) {
        for together in commands.chunk_by(|(before, _), (after, _)| before == after) {
            let Some(lane) = together.first().and_then(|(owner, _)| self.owners.get_mut(owner)) else {
                continue;
            };
            let commands: Vec<_> = together.iter().map(|(_, command)| command.clone()).collect();
            lane.running = lane.running.saturating_sub(u32::try_from(commands.len()).unwrap_or(u32::MAX));
            lane.waiting.push_front(commands);
            // What began of their transition is nothing that they wait for.
            lane.impatient_at = Some(now);
        }
        self.shortage = Some(Shortage { until: now + ROOM_AGAIN, ended: 0 });
        if self.bound == Reached::Never {
            self.bound = Reached::Untold;
        }
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
        if let Some(Shortage { ended, .. }) = &mut self.shortage {
            *ended += 1;
        }
        if let Some(lane) = self.owners.get_mut(owner) {
            lane.running = lane.running.saturating_sub(1);
            if lane.running == 0 && lane.waiting.is_empty() {
                self.owners.remove(owner);
            }
        }
    }

    /// When to call [`Self::startable`] again, if no script ends before.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        let mut waiting = self.owners.values().filter(|lane| !lane.waiting.is_empty());
        match self.shortage {
            Some(Shortage { until, .. }) => waiting.next().map(|_| until),
            None => waiting.filter_map(|lane| lane.impatient_at).min(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::scripts::programs::Identity;

    fn transition(owner: &str, texts: &[&str]) -> Transition {
        let account = Identity { uid: 0, gid: 0, groups: Vec::new() };
        let command = |text: &&str| Command {
            text: (*text).to_owned(),
            program: (*text).into(),
            arguments: Vec::new(),
            account: account.clone(),
        };
        Transition { owner: Owner::Instance(owner.into()), commands: texts.iter().map(command).collect() }
    }

    fn texts(commands: &[(Owner, Command)]) -> Vec<&str> {
        commands.iter().map(|(_, command)| command.text.as_str()).collect()
    }

    fn order() -> (Order, Owner) {
        let mut order = Order::default();
        for (owner, commands) in [("A", &["a1", "a2"][..]), ("B", &["b1"]), ("A", &["a3"])] {
            assert!(order.add(transition(owner, commands)));
        }
        (order, Owner::Instance("A".into()))
    }

    const NOW: Moment = Moment::from_nanos(1_000_000_000);

    #[test]
    fn what_finds_no_room_begins_later_and_before_what_came_after_it() {
        let (mut order, a) = order();
        let first = order.startable(NOW, 100);
        assert_eq!(texts(&first), ["a1", "a2", "b1"]);
        order.put_back(NOW, &first[1..]);
        assert_eq!(order.waiting(), 3);
        assert!(order.reached_bound() && !order.reached_bound());

        assert!(order.startable(NOW, 100).is_empty(), "it asks a machine again that has just refused");
        let again = order.next_wakeup().unwrap();
        assert_eq!(again, NOW + ROOM_AGAIN);
        let second = order.startable(again, 100);
        assert_eq!(texts(&second), ["a2", "b1"], "the next transition waits for this one");
        order.ended(&a);
        order.ended(&a);
        assert_eq!(texts(&order.startable(again, 100)), ["a3"]);
        assert_eq!(order.next_wakeup(), None);
    }

    #[test]
    fn what_comes_while_there_is_no_room_has_its_turn_too() {
        let (mut order, a) = order();
        let first = order.startable(NOW, 1);
        assert_eq!(texts(&first), ["b1"]);
        order.put_back(NOW, &first);
        let again = order.next_wakeup();
        assert!(order.add(transition("C", &["c1"])));
        assert!(order.startable(NOW, 100).is_empty());
        assert_eq!(order.next_wakeup(), again);
        let second = order.startable(again.unwrap(), 100);
        assert_eq!(texts(&second), ["a1", "a2", "b1", "c1"]);
        order.ended(&a);
        assert_eq!(order.waiting(), 1);
    }

    #[test]
    fn the_end_of_a_script_is_room_for_another_at_once() {
        let (mut order, a) = order();
        let first = order.startable(NOW, 100);
        order.put_back(NOW, &first[1..]);
        order.ended(&a);
        assert_eq!(texts(&order.startable(NOW, 100)), ["a2"]);
        assert!(order.startable(NOW, 100).is_empty());
    }

    #[test]
    fn nothing_is_lost_and_nobody_is_idle_while_something_waits() {
        let (mut order, a) = order();
        let first = order.startable(NOW, 100);
        order.put_back(NOW, &first);
        assert!(!order.is_idle());
        let again = NOW + ROOM_AGAIN;
        assert_eq!(texts(&order.startable(again, 100)), ["a1", "a2", "b1"]);
        for owner in [a.clone(), a.clone(), Owner::Instance("B".into())] {
            order.ended(&owner);
        }
        assert_eq!(texts(&order.startable(again, 100)), ["a3"]);
        order.ended(&a);
        assert!(order.is_idle());
    }
}
