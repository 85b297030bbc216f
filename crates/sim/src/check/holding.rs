//! A router has addresses as master, and while it hands over, and else not.

use std::collections::BTreeMap;

use steadfast_time::Moment;
use steadfast_vrrp::{InstanceId, State};

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::RouterId;

#[derive(Default)]
pub(super) struct Holding {
    /// What each says of itself.
    states: BTreeMap<(RouterId, InstanceId), State>,
}

impl Watch for Holding {
    fn span(&mut self, view: &View<'_>, from: Moment, _to: Moment, broken: &mut Vec<Violation>) {
        for ((router, instance), state) in &self.states {
            if matches!(state, State::Init | State::Backup | State::Fault) && view.owns(*router, *instance) {
                let found = format!("expected {router} to own nothing, for it is {state:?}");
                let instance = Some(*instance);
                broken.push(Violation { at: from, rule: Rule::SingleOwner, instance, found });
            }
        }
    }

    fn entry(&mut self, _view: &View<'_>, entry: &Entry, _broken: &mut Vec<Violation>) {
        if let Happening::State { router, instance, to, .. } = &entry.what {
            self.states.insert((*router, *instance), *to);
        }
    }
}
