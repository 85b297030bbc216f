//! Who may be master once settled, and who may not be disturbed.

use std::collections::{BTreeMap, BTreeSet};

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;
use steadfast_vrrp::config::Authentication;
use steadfast_wire::vrrp::Priority;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::{Fault, RouterId};

#[derive(Default)]
pub(super) struct Preference {
    /// Settled owners since whose settling only routers came and went that may not preempt.
    incumbents: BTreeMap<InstanceId, RouterId>,
    /// Reported until the next fault.
    wronged: Vec<InstanceId>,
    /// Routers that were switched on.
    begun: BTreeSet<RouterId>,
    /// The first has begun anew, and neither was a settled owner since that the other heard; the second ran all the time.
    unheard: BTreeSet<(InstanceId, RouterId, RouterId)>,
}

impl Watch for Preference {
    fn span(&mut self, view: &View<'_>, _from: Moment, to: Moment, broken: &mut Vec<Violation>) {
        for instance in view.scenario.instance_ids() {
            if view.settled_from(instance).is_none_or(|settled| settled >= to) {
                continue;
            }
            let parts = view.parts(instance).unwrap_or_default();
            for part in parts {
                let Some(owner) = part.iter().copied().find(|router| view.owns(*router, instance)) else {
                    continue;
                };
                if view.is_undivided() {
                    self.incumbents.insert(instance, owner);
                    // Those who hear the owner count on from what it counts.
                    self.unheard.retain(|(of, begun, hearer)| {
                        let met = (*begun == owner && part.contains(hearer))
                            || (*hearer == owner && part.contains(begun));
                        *of != instance || !met
                    });
                }
                let better = part.iter().copied().find(|router| {
                    let may = view.config(*router, instance).is_some_and(|config| !config.nopreempt);
                    may && view.healthy(*router, instance)
                        && view.priority(*router, instance) > view.priority(owner, instance)
                });
                if let Some(better) = better.filter(|_| !self.wronged.contains(&instance)) {
                    self.wronged.push(instance);
                    let found = format!(
                        "expected {better} with priority {}, found {owner} with {}",
                        view.priority(better, instance),
                        view.priority(owner, instance)
                    );
                    broken.push(Violation {
                        at: to,
                        rule: Rule::HighestPriority,
                        instance: Some(instance),
                        found,
                    });
                }
            }
        }
    }

    fn entry(&mut self, view: &View<'_>, entry: &Entry, broken: &mut Vec<Violation>) {
        match &entry.what {
            Happening::Fault(fault) => {
                self.wronged.clear();
                if let Fault::PowerOn(router) = fault {
                    self.begin(view, *router);
                }
                let unheard = &self.unheard;
                self.incumbents.retain(|instance, incumbent| {
                    let seems_replayed = fault
                        .router()
                        .is_some_and(|router| unheard.contains(&(*instance, *incumbent, router)))
                        && proves_by_number(view, *incumbent, *instance);
                    !seems_replayed && is_harmless(view, fault, *instance, *incumbent)
                });
            }
            Happening::Owns { router, instance, owns } => {
                let mut report = |found: String| {
                    broken.push(Violation {
                        at: entry.at,
                        rule: Rule::Stable,
                        instance: Some(*instance),
                        found,
                    });
                };
                if view.settled_from(*instance).is_some_and(|settled| settled < entry.at) {
                    let verb = if *owns { "claims" } else { "releases" };
                    report(format!("{router} {verb} the addresses though nothing has happened"));
                } else if !owns && self.incumbents.get(instance) == Some(router) {
                    report(format!("{router} loses the addresses to a router that may not preempt"));
                }
            }
            _ => {}
        }
    }
}

impl Preference {
    /// What it heard before is forgotten, and who heard it before does not know.
    fn begin(&mut self, view: &View<'_>, router: RouterId) {
        self.unheard.retain(|(_, _, hearer)| *hearer != router);
        if self.begun.insert(router) {
            return;
        }
        for instance in view.scenario.instance_ids() {
            let others = view.scenario.router_ids().filter(|other| *other != router);
            self.unheard.extend(others.map(|hearer| (instance, router, hearer)));
        }
    }
}

/// An authentication header has a number and no time. Who was cut off while the incumbent began to count anew cannot tell
/// its adverts from recorded ones: they are below what it heard before, and are dropped (RFC 2402 section 3.4.3). Were
/// they taken for a sign of life, whoever sends recorded adverts could keep the place of a master that is dead.
fn proves_by_number(view: &View<'_>, incumbent: RouterId, instance: InstanceId) -> bool {
    let config = view.config(incumbent, instance);
    config.is_some_and(|config| matches!(config.authentication, Authentication::Header(_)))
}

/// The fault touches only another router, which must leave the incumbent alone when it comes back.
fn is_harmless(view: &View<'_>, fault: &Fault, instance: InstanceId, incumbent: RouterId) -> bool {
    let plain = matches!(fault, Fault::PowerOn(_) | Fault::PowerOff(_) | Fault::Stop(_) | Fault::Link { .. });
    let Some(router) = fault.router().filter(|router| plain && *router != incumbent) else { return false };
    let Some(config) = view.config(router, instance) else { return false };
    // A faster router that starts does not yet know that the master is slower.
    let equal_intervals = view
        .scenario
        .router_ids()
        .filter_map(|other| view.config(other, instance))
        .all(|other| other.interval == config.interval);
    config.nopreempt && !config.initial_master && config.priority != Priority::OWNER && equal_intervals
}
