//! Who stops claims nothing any more and comes to an end.

use std::collections::BTreeSet;

use steadfast_time::Moment;
use steadfast_wire::vrrp::Priority;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::RouterId;

#[derive(Default)]
pub(super) struct Released {
    /// Reported once.
    lingering: BTreeSet<RouterId>,
}

impl Watch for Released {
    fn span(&mut self, view: &View<'_>, _from: Moment, to: Moment, broken: &mut Vec<Violation>) {
        for router in view.scenario.router_ids() {
            let Some(stop) = view.stopping(router) else {
                self.lingering.remove(&router);
                continue;
            };
            // A daemon that hangs cannot stop.
            let due = stop.max(view.since(router)) + view.bounds.release;
            if due < to && !view.hangs(router) && self.lingering.insert(router) {
                let found = format!("expected {router} to have stopped by now");
                broken.push(Violation { at: due, rule: Rule::Released, instance: None, found });
            }
        }
    }

    fn entry(&mut self, view: &View<'_>, entry: &Entry, broken: &mut Vec<Violation>) {
        let (router, instance, what) = match &entry.what {
            Happening::Owns { router, instance, owns: true } => (*router, *instance, "claims the addresses"),
            Happening::Advert { router, instance, priority } if *priority != Priority::RELEASE => {
                (*router, *instance, "advertises")
            }
            _ => return,
        };
        if view.stopping(router).is_some() {
            let found = format!("{router} {what} while it stops");
            broken.push(Violation { at: entry.at, rule: Rule::Released, instance: Some(instance), found });
        }
    }
}
