//! Members of a sync group own their addresses together or not at all, whatever else goes on.

use std::collections::{BTreeMap, BTreeSet};

use steadfast_time::Moment;
use steadfast_vrrp::{GroupId, InstanceId};

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::RouterId;

#[derive(Default)]
pub(super) struct Together {
    /// Reported until something happens to the router.
    apart: BTreeSet<RouterId>,
}

impl Watch for Together {
    fn span(&mut self, view: &View<'_>, from: Moment, _to: Moment, broken: &mut Vec<Violation>) {
        for router in view.scenario.router_ids() {
            // A hand-over ends for each member when its own heir has spoken.
            if view.stopping(router).is_some() {
                continue;
            }
            for members in groups(view, router).into_values() {
                let owned: BTreeSet<bool> = members.iter().map(|member| view.owns(router, *member)).collect();
                if owned.len() > 1 && self.apart.insert(router) {
                    let found = format!("expected all of the group on {router} or none, found some");
                    broken.push(Violation { at: from, rule: Rule::Together, instance: None, found });
                }
            }
        }
    }

    fn entry(&mut self, _view: &View<'_>, entry: &Entry, _broken: &mut Vec<Violation>) {
        if let Happening::Fault(fault) = &entry.what
            && let Some(router) = fault.router()
        {
            self.apart.remove(&router);
        }
    }
}

fn groups(view: &View<'_>, router: RouterId) -> BTreeMap<GroupId, Vec<InstanceId>> {
    let mut groups: BTreeMap<GroupId, Vec<InstanceId>> = BTreeMap::new();
    for instance in view.scenario.instance_ids() {
        if let Some(group) = view.config(router, instance).and_then(|config| config.group) {
            groups.entry(group).or_default().push(instance);
        }
    }
    groups
}
