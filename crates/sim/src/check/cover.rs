//! Somebody serves within the takeover bound, and a planned stop leaves no gap at all.

use std::collections::BTreeMap;

use steadfast_time::Moment;
use steadfast_vrrp::{HANDOVER_GRACE, InstanceId};
use steadfast_wire::vrrp::Priority;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::{Fault, RouterId};

#[derive(Default)]
pub(super) struct Covered {
    /// Since when nobody whom this router hears serves.
    unserved: BTreeMap<(InstanceId, RouterId), Moment>,
    /// Instances whose owner stops, and the routers that should have it handed over.
    handing_over: BTreeMap<InstanceId, Vec<RouterId>>,
}

impl Watch for Covered {
    fn span(&mut self, view: &View<'_>, from: Moment, to: Moment, broken: &mut Vec<Violation>) {
        for instance in view.scenario.instance_ids() {
            let Some(parts) = view.parts(instance) else {
                self.unserved.retain(|(of, _), _| *of != instance);
                continue;
            };
            for part in parts {
                self.span_of_part(view, instance, part, from, to, broken);
            }
        }
    }

    fn entry(&mut self, view: &View<'_>, entry: &Entry, _broken: &mut Vec<Violation>) {
        if let Happening::Advert { router, instance, priority } = &entry.what
            && *priority != Priority::RELEASE
        {
            self.heard(view, *router, *instance, entry.at);
        }
        let Happening::Fault(fault) = &entry.what else { return };
        self.handing_over.clear();
        if let Fault::Stop(router) = fault {
            for instance in view.scenario.instance_ids() {
                if let Some(heirs) = heirs(view, *router, instance, entry.at) {
                    self.handing_over.insert(instance, heirs);
                }
            }
        }
        if let Some(router) = fault.router() {
            self.unserved.retain(|(_, of), _| *of != router);
        }
    }
}

/// Who should have the addresses without a gap when this router stops. Packets that overtake each
/// other may cost the gap that the priority 0 advert was to avoid.
fn heirs(view: &View<'_>, router: RouterId, instance: InstanceId, at: Moment) -> Option<Vec<RouterId>> {
    let settled = view.settled_from(instance).is_some_and(|settled| settled < at);
    // The release, the new master's timer and its advert have to fit into what the old one grants.
    let network = view.scenario.network;
    let in_time = network.delay_max * 2 + view.bounds.lateness * 2 <= HANDOVER_GRACE;
    if !settled || !network.in_order || !in_time || !view.owns(router, instance) {
        return None;
    }
    let part = view.parts(instance)?.iter().find(|part| part.contains(&router))?;
    let others = part.iter().copied().filter(|other| *other != router && view.healthy(*other, instance));
    let others: Vec<RouterId> = others.collect();
    // The old one is gone when the new one is prepared.
    if others.iter().any(|other| view.config(*other, instance).is_some_and(|config| config.prepare.is_some()))
    {
        return None;
    }
    (!others.is_empty()).then_some(others)
}

impl Covered {
    /// Others wait anew after each advert of a router that has won and still prepares itself. It gets no more time itself.
    fn heard(&mut self, view: &View<'_>, router: RouterId, instance: InstanceId, at: Moment) {
        let prepares = view.config(router, instance).is_some_and(|config| config.prepare.is_some());
        if !prepares || view.owns(router, instance) {
            return;
        }
        let part = view.parts(instance).and_then(|parts| parts.iter().find(|part| part.contains(&router)));
        for other in part.into_iter().flatten().filter(|other| **other != router) {
            if let Some(unserved) = self.unserved.get_mut(&(instance, *other)) {
                *unserved = at;
            }
        }
    }

    fn span_of_part(
        &mut self,
        view: &View<'_>,
        instance: InstanceId,
        part: &[RouterId],
        from: Moment,
        to: Moment,
        broken: &mut Vec<Violation>,
    ) {
        if part.iter().any(|router| view.owns(*router, instance)) {
            for router in part {
                self.unserved.remove(&(instance, *router));
            }
            return;
        }
        let hand_over_due = self
            .handing_over
            .get(&instance)
            .is_some_and(|heirs| heirs.iter().any(|heir| part.contains(heir)));
        if hand_over_due {
            self.handing_over.remove(&instance);
            let found = format!(
                "expected the stopping owner to serve until the next does, found {:?} without",
                to.since(from)
            );
            broken.push(Violation { at: from, rule: Rule::SeamlessStop, instance: Some(instance), found });
        }
        let mut deadline = Moment::NEVER;
        for router in part {
            let unserved = *self.unserved.entry((instance, *router)).or_insert(from);
            if view.healthy(*router, instance) {
                let able = view.since(*router) + view.bounds.scripts(*router);
                deadline = deadline.min(unserved.max(able) + view.bounds.takeover(*router, instance));
            }
        }
        if deadline < to {
            let part: Vec<String> = part.iter().map(ToString::to_string).collect();
            let found = format!("expected an owner among {} by now, found none", part.join(", "));
            broken.push(Violation { at: deadline, rule: Rule::Covered, instance: Some(instance), found });
        }
    }
}
