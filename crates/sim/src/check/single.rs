//! At most one owner once settled, and none that is at fault.

use steadfast_time::Moment;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::Entry;

pub(super) struct SingleOwner;

impl Watch for SingleOwner {
    fn span(&mut self, view: &View<'_>, from: Moment, to: Moment, broken: &mut Vec<Violation>) {
        for instance in view.scenario.instance_ids() {
            let Some(settled) = view.settled_from(instance).filter(|settled| *settled < to) else { continue };
            let mut report = |found: String| {
                broken.push(Violation {
                    at: settled.max(from),
                    rule: Rule::SingleOwner,
                    instance: Some(instance),
                    found,
                });
            };
            for part in view.parts(instance).unwrap_or_default() {
                let owners: Vec<String> =
                    part.iter().filter(|r| view.owns(**r, instance)).map(ToString::to_string).collect();
                if owners.len() > 1 {
                    report(format!("expected one owner, found {}", owners.join(", ")));
                }
            }
            for router in view.scenario.router_ids() {
                // The kernel of a hung daemon goes on answering; nothing can be done about it here.
                let excused = view.hangs(router) || view.healthy(router, instance);
                if !excused && view.owns(router, instance) {
                    report(format!("expected {router} to own nothing while it is at fault"));
                }
            }
        }
    }

    fn entry(&mut self, _view: &View<'_>, _entry: &Entry, _broken: &mut Vec<Violation>) {}
}
