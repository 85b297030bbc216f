//! Where adverts do not pass and everything else does, routers that ask who serves and give way agree on one owner.

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::Entry;

pub(super) struct Asking;

impl Watch for Asking {
    fn span(&mut self, view: &View<'_>, from: Moment, to: Moment, broken: &mut Vec<Violation>) {
        let agreed = view.last_fault() + view.bounds.asking;
        if agreed >= to || !view.is_connected() {
            return;
        }
        for instance in view.scenario.instance_ids().filter(|instance| all_give_way(view, *instance)) {
            let routers = || view.scenario.router_ids();
            // The kernel of a hung router answers for ever.
            if routers().any(|router| view.hangs(router) && view.owns(router, instance)) {
                continue;
            }
            let healthy = routers().filter(|router| view.healthy(*router, instance)).count();
            let owners: Vec<String> = routers()
                .filter(|router| view.owns(*router, instance))
                .map(|router| router.to_string())
                .collect();
            if owners.len() != healthy.min(1) {
                broken.push(Violation {
                    at: agreed.max(from),
                    rule: Rule::Asking,
                    instance: Some(instance),
                    found: format!("expected one owner, found {}: {}", owners.len(), owners.join(", ")),
                });
            }
        }
    }

    fn entry(&mut self, _view: &View<'_>, _entry: &Entry, _broken: &mut Vec<Violation>) {}
}

fn all_give_way(view: &View<'_>, instance: InstanceId) -> bool {
    let mut configs = view.scenario.router_ids().filter_map(|router| view.config(router, instance));
    configs.all(|config| config.split_brain_check.as_deref().is_some_and(|check| check.link && check.yields))
}
