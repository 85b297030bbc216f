//! What a reload changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{
    Config, GroupConfig, GroupId, InstanceConfig, InstanceId, InterfaceConfig, InterfaceId, Reading,
    ScriptConfig, ScriptId, WatchConfig, WatchId,
};

/// The difference between two configurations, to be handed to [`Machine::apply`](crate::Machine::apply).
///
/// Pure and independent of the machine, so that it can be made on another thread while the machine
/// goes on with its adverts. What is equal in both configurations does not occur in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) removed: Vec<InstanceId>,
    pub(crate) changed: Vec<Arc<InstanceConfig>>,
    pub(crate) added: Vec<Arc<InstanceConfig>>,
    pub(crate) groups_removed: Vec<GroupId>,
    pub(crate) groups_set: Vec<Arc<GroupConfig>>,
    pub(crate) scripts_removed: Vec<ScriptId>,
    pub(crate) scripts_set: Vec<Arc<ScriptConfig>>,
    pub(crate) watches_removed: Vec<WatchId>,
    pub(crate) watches_set: Vec<Arc<WatchConfig>>,
    pub(crate) interfaces_removed: Vec<InterfaceId>,
    pub(crate) interfaces_set: Vec<InterfaceConfig>,
}

impl Plan {
    /// What has to change to get from `old` to `new`. Identifiers mean the same in both.
    ///
    /// `startup_delay` is not looked at: it matters only when the daemon starts.
    pub fn between(old: &Config, new: &Config) -> Self {
        let instances = difference(&old.instances, &new.instances, |instance| instance.id);
        let groups = difference(&old.groups, &new.groups, |group| group.id);
        let scripts = difference(&old.scripts, &new.scripts, |script| script.id);
        let watches = difference(&old.watches, &new.watches, |watch| watch.id);
        let interfaces = difference(&old.interfaces, &new.interfaces, |interface| interface.id);
        Self {
            removed: instances.removed,
            changed: instances.changed,
            added: instances.added,
            groups_removed: groups.removed,
            groups_set: [groups.changed, groups.added].concat(),
            scripts_removed: scripts.removed,
            scripts_set: [scripts.changed, scripts.added].concat(),
            watches_removed: watches.removed,
            watches_set: [watches.changed, watches.added].concat(),
            interfaces_removed: interfaces.removed,
            interfaces_set: [interfaces.changed, interfaces.added].concat(),
        }
    }

    /// Puts in how things are that instances follow from here on, where `reading` knows it.
    pub fn read_watches(&mut self, reading: impl Fn(WatchId) -> Option<Reading>) {
        for watch in &mut self.watches_set {
            if let Some(reading) = reading(watch.id) {
                Arc::make_mut(watch).reading = Some(reading);
            }
        }
    }

    /// Nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Instances that hand over and go.
    pub fn removed(&self) -> &[InstanceId] {
        &self.removed
    }

    /// Instances that stay and get other settings.
    pub fn changed(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.changed.iter().map(|instance| instance.id)
    }

    /// Instances that start.
    pub fn added(&self) -> impl Iterator<Item = InstanceId> + '_ {
        self.added.iter().map(|instance| instance.id)
    }
}

impl Config {
    /// Changes what `plan` changes: the configuration that it leads to, but for `startup_delay`.
    pub fn follow(&mut self, plan: &Plan) {
        let instances = [plan.changed.as_slice(), &plan.added].concat();
        follow(&mut self.instances, &plan.removed, &instances, |instance| instance.id);
        follow(&mut self.groups, &plan.groups_removed, &plan.groups_set, |group| group.id);
        follow(&mut self.scripts, &plan.scripts_removed, &plan.scripts_set, |script| script.id);
        follow(&mut self.watches, &plan.watches_removed, &plan.watches_set, |watch| watch.id);
        follow(&mut self.interfaces, &plan.interfaces_removed, &plan.interfaces_set, |interface| {
            interface.id
        });
    }
}

/// Takes `removed` away and puts `set` in, in order of their numbers.
fn follow<Id: Ord + Copy, Item: Clone>(
    items: &mut Vec<Item>,
    removed: &[Id],
    set: &[Item],
    id: impl Fn(&Item) -> Id,
) {
    if removed.is_empty() && set.is_empty() {
        return;
    }
    let mut by_number: BTreeMap<Id, Item> = items.drain(..).map(|item| (id(&item), item)).collect();
    removed.iter().for_each(|id| drop(by_number.remove(id)));
    by_number.extend(set.iter().map(|item| (id(item), item.clone())));
    items.extend(by_number.into_values());
}

struct Difference<Id, Item> {
    removed: Vec<Id>,
    changed: Vec<Item>,
    added: Vec<Item>,
}

fn difference<Id: Ord + Copy, Item: PartialEq + Clone>(
    old: &[Item],
    new: &[Item],
    id: impl Fn(&Item) -> Id,
) -> Difference<Id, Item> {
    let mut before: BTreeMap<Id, &Item> = old.iter().map(|item| (id(item), item)).collect();
    let mut changed = Vec::new();
    let mut added = Vec::new();
    for item in new {
        match before.remove(&id(item)) {
            Some(same) if same == item => {}
            Some(_) => changed.push(item.clone()),
            None => added.push(item.clone()),
        }
    }
    Difference { removed: before.into_keys().collect(), changed, added }
}
