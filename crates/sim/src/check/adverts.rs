//! No advert of a master is later than its interval.

use std::collections::BTreeMap;

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;
use steadfast_wire::vrrp::Priority;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::RouterId;

#[derive(Default)]
pub(super) struct AdvertsOnTime {
    /// Last advert of each live owner.
    last: BTreeMap<(RouterId, InstanceId), Moment>,
}

impl Watch for AdvertsOnTime {
    fn span(&mut self, view: &View<'_>, _from: Moment, to: Moment, broken: &mut Vec<Violation>) {
        self.last.retain(|(router, instance), last| {
            let interval = view.config(*router, *instance).map(|config| config.interval.duration());
            let due = *last + interval.unwrap_or_default() + view.bounds.lateness;
            let late = due < to;
            if late {
                let found = format!(
                    "expected an advert of {router} by now, its last was at {:?}",
                    last.since(Moment::ZERO)
                );
                broken.push(Violation {
                    at: due,
                    rule: Rule::AdvertOnTime,
                    instance: Some(*instance),
                    found,
                });
            }
            !late
        });
    }

    fn entry(&mut self, view: &View<'_>, entry: &Entry, _broken: &mut Vec<Violation>) {
        match &entry.what {
            Happening::Owns { router, instance, owns: true } => {
                self.last.insert((*router, *instance), entry.at);
            }
            Happening::Owns { router, instance, owns: false }
            | Happening::Advert { router, instance, priority: Priority::RELEASE } => {
                self.last.remove(&(*router, *instance));
            }
            Happening::Advert { router, instance, .. } => {
                if view.owns(*router, *instance) {
                    self.last.insert((*router, *instance), entry.at);
                }
            }
            Happening::Fault(fault) => {
                if let Some(router) = fault.router() {
                    self.last.retain(|(of, _), _| *of != router);
                }
            }
            Happening::Off(_)
            | Happening::Announced { .. }
            | Happening::State { .. }
            | Happening::Runaway => {}
        }
    }
}
