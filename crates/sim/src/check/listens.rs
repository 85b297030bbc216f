//! Who was held up for longer than backups wait listens before it speaks as master again.

use std::collections::{BTreeMap, BTreeSet};

use steadfast_time::Moment;
use steadfast_vrrp::InstanceId;
use steadfast_wire::vrrp::Priority;

use super::view::View;
use super::{Rule, Violation, Watch};
use crate::history::{Entry, Happening};
use crate::scenario::{Fault, RouterId};

#[derive(Default)]
pub(super) struct Listens {
    paused_at: BTreeMap<RouterId, Moment>,
    /// Woke with addresses that others may have by now.
    doubtful: BTreeSet<(RouterId, InstanceId)>,
}

impl Listens {
    fn wake(&mut self, view: &View<'_>, router: RouterId, paused_at: Moment, now: Moment) {
        for instance in view.scenario.instance_ids().filter(|instance| view.owns(router, *instance)) {
            let Some(config) = view.scenario.instance(router, instance) else { continue };
            // The last advert before the pause may be an interval old, and the slowest backup waits
            // an interval of skew.
            let interval = config.interval.duration();
            let longest = interval * config.down_timer_adverts + interval.max(MAX_SKEW_VERSION_2);
            if now.since(paused_at) > longest {
                self.doubtful.insert((router, instance));
            }
        }
    }
}

/// Version 2 counts the skew in parts of a second, whatever the interval (RFC 3768 section 6.1).
const MAX_SKEW_VERSION_2: std::time::Duration = std::time::Duration::from_secs(1);

impl Watch for Listens {
    fn span(&mut self, _view: &View<'_>, _from: Moment, _to: Moment, _broken: &mut Vec<Violation>) {}

    fn entry(&mut self, view: &View<'_>, entry: &Entry, broken: &mut Vec<Violation>) {
        match &entry.what {
            Happening::Fault(Fault::Pause(router)) => {
                self.paused_at.insert(*router, entry.at);
            }
            Happening::Fault(Fault::Resume(router)) => {
                if let Some(paused_at) = self.paused_at.remove(router) {
                    self.wake(view, *router, paused_at, entry.at);
                }
            }
            Happening::Owns { router, instance, owns: false } => {
                self.doubtful.remove(&(*router, *instance));
            }
            Happening::Advert { router, instance, priority }
                if *priority != Priority::RELEASE && self.doubtful.remove(&(*router, *instance)) =>
            {
                let found = format!("{router} speaks as master before it has listened");
                let instance = Some(*instance);
                broken.push(Violation { at: entry.at, rule: Rule::ListensFirst, instance, found });
            }
            _ => {}
        }
    }
}
