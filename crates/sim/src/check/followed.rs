//! Once settled, clients follow the owner: it was the last to announce the addresses. Whom it could not hear meanwhile it cannot
//! know of; clients find back to it by their own questions or by a refresh.

use std::collections::BTreeMap;

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::{Fault, RouterId};

#[derive(Default)]
pub(super) struct Followed {
    /// To whom clients send, and who has to announce over it: who could hear that it speaks, or has taken over since.
    drawn_by: BTreeMap<InstanceId, (RouterId, Vec<RouterId>)>,
    /// The last word of one that gave way may have been lost, and with it the reason to announce over it.
    lost: bool,
}

impl Watch for Followed {
    fn span(&mut self, view: &View<'_>, from: Moment, to: Moment, broken: &mut Vec<Violation>) {
        if self.lost || !view.is_undivided() {
            return;
        }
        for (instance, (drawn_by, witnesses)) in &self.drawn_by {
            let Some(settled) = view.settled_from(*instance).filter(|settled| *settled < to) else {
                continue;
            };
            let owners: Vec<RouterId> =
                view.scenario.router_ids().filter(|router| view.owns(*router, *instance)).collect();
            if let [owner] = owners.as_slice()
                && owner != drawn_by
                && witnesses.contains(owner)
                && view.healthy(*owner, *instance)
            {
                broken.push(Violation {
                    at: settled.max(from),
                    rule: Rule::Followed,
                    instance: Some(*instance),
                    found: format!("expected the owner {owner} to be the last to announce, found {drawn_by}"),
                });
            }
        }
    }

    fn entry(&mut self, view: &View<'_>, entry: &Entry, _broken: &mut Vec<Violation>) {
        match &entry.what {
            Happening::Announced { router, instance } => {
                let hears = |other: &RouterId| view.hears(*router, *other, *instance);
                let witnesses = view.scenario.router_ids().filter(hears).collect();
                self.drawn_by.insert(*instance, (*router, witnesses));
            }
            Happening::Owns { router, instance, owns: true } => {
                if let Some((_, witnesses)) = self.drawn_by.get_mut(instance) {
                    witnesses.push(*router);
                }
            }
            Happening::Fault(Fault::Loss { permille }) => self.lost |= *permille > 0,
            _ => {}
        }
    }
}
