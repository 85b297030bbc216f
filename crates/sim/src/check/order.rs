//! When a master loses power, the best of those left takes over, and no other comes before it: that is what the skew
//! is for (RFC 9568 section 6.1).

use std::collections::BTreeMap;
use std::time::Duration;

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;
use steadfast_wire::vrrp::Version;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::{Fault, RouterId};

#[derive(Default)]
pub(super) struct InOrder {
    /// Who has to take over first, and whom its skew leaves time for nothing.
    heirs: BTreeMap<InstanceId, (RouterId, Vec<RouterId>)>,
}

impl Watch for InOrder {
    fn span(&mut self, _: &View<'_>, _: Moment, _: Moment, _: &mut Vec<Violation>) {}

    fn entry(&mut self, view: &View<'_>, entry: &Entry, broken: &mut Vec<Violation>) {
        match &entry.what {
            Happening::Fault(fault) => {
                self.heirs.clear();
                if let Fault::PowerOff(router) = fault {
                    let heirs = |instance| Some((instance, heirs(view, *router, instance, entry.at)?));
                    self.heirs = view.scenario.instance_ids().filter_map(heirs).collect();
                }
            }
            Happening::Owns { router, instance, owns: true } => {
                let Some((best, later)) = self.heirs.remove(instance) else { return };
                if later.contains(router) {
                    broken.push(Violation {
                        at: entry.at,
                        rule: Rule::InOrder,
                        instance: Some(*instance),
                        found: format!("expected {best} to take over, found {router} before it"),
                    });
                }
            }
            _ => {}
        }
    }
}

/// The best router left when the settled master loses power, and those whose timers end later beyond all doubt.
fn heirs(
    view: &View<'_>,
    lost: RouterId,
    instance: InstanceId,
    at: Moment,
) -> Option<(RouterId, Vec<RouterId>)> {
    let settled = view.settled_from(instance).is_some_and(|settled| settled < at);
    if !settled || !view.is_undivided() || !view.owns(lost, instance) {
        return None;
    }
    let first = view.config(lost, instance)?;
    let others = || view.scenario.router_ids().filter(|router| *router != lost);
    let alike = others().filter_map(|other| view.config(other, instance)).all(|other| {
        other.interval == first.interval && other.down_timer_adverts == first.down_timer_adverts
    });
    // Members of a group wait for each other.
    if !alike || first.group.is_some() || first.interval.version() != Version::V3 {
        return None;
    }
    let able = || others().filter(|router| view.healthy(*router, instance));
    let best = able().max_by_key(|router| view.priority(*router, instance))?;
    let doubt = view.bounds.lateness * 2 + view.scenario.network.delay_max * 4;
    let step = first.interval.duration() / 256;
    let ahead = |router: RouterId| -> Duration {
        let (best, other) = (view.priority(best, instance).get(), view.priority(router, instance).get());
        step * u32::from(best.saturating_sub(other))
    };
    Some((best, able().filter(|router| ahead(*router) > doubt).collect()))
}
