//! How things stand at one moment of a history.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use steadfast_time::Moment;
use steadfast_vrrp::{InstanceConfig, InstanceId, InterfaceId, ScriptId, WatchId};
use steadfast_wire::vrrp::Priority;

use super::bounds::{Bounds, effective_priority};
use crate::history::{Entry, Happening};
use crate::scenario::{Fault, RouterId, Scenario};

pub(super) struct View<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) bounds: &'a Bounds,
    routers: Vec<Standing>,
    owners: BTreeMap<InstanceId, BTreeSet<RouterId>>,
    blocked: BTreeMap<InterfaceId, BTreeSet<(RouterId, RouterId)>>,
    muted: BTreeMap<InterfaceId, BTreeSet<(RouterId, RouterId)>>,
    lossy: bool,
    last_fault: Moment,
    parts: BTreeMap<InstanceId, Parts>,
}

/// How one router stands.
#[derive(Default, Clone)]
struct Standing {
    powered: bool,
    paused: bool,
    stopping: Option<Moment>,
    links_down: BTreeSet<InterfaceId>,
    scripts_bad: BTreeSet<ScriptId>,
    sessions_down: BTreeSet<WatchId>,
    /// Last fault that touched it, or the start of a killed worker's successor behind it.
    since: Moment,
}

/// Longer than a killed worker's successor takes to start.
const SUCCESSOR_STARTS: Duration = Duration::from_millis(3);

impl Standing {
    /// A fault while a successor starts finds nobody to act on it before the successor does.
    fn touch(&mut self, at: Moment) {
        self.since = self.since.max(at);
    }
}

/// Sets of live routers that hear each other; `None` when hearing is one-way or in a chain, so that
/// no promise can be made.
type Parts = Option<Vec<Vec<RouterId>>>;

impl<'a> View<'a> {
    pub(super) fn new(scenario: &'a Scenario, bounds: &'a Bounds) -> Self {
        Self {
            scenario,
            bounds,
            routers: vec![Standing::default(); scenario.routers.len()],
            owners: BTreeMap::new(),
            blocked: BTreeMap::new(),
            muted: BTreeMap::new(),
            lossy: false,
            last_fault: Moment::ZERO,
            parts: BTreeMap::new(),
        }
    }

    pub(super) fn apply(&mut self, entry: &Entry) {
        match &entry.what {
            Happening::Owns { router, instance, owns } => {
                let owners = self.owners.entry(*instance).or_default();
                if *owns {
                    owners.insert(*router)
                } else {
                    owners.remove(router)
                };
            }
            Happening::Fault(fault) => {
                self.apply_fault(fault, entry.at);
                self.last_fault = entry.at;
                self.find_parts();
            }
            Happening::Off(router) => {
                if let Some(standing) = self.routers.get_mut(router.index()) {
                    (standing.powered, standing.stopping) = (false, None);
                }
                // Its silence is what a stop is about, but others may notice only by their timers.
                self.last_fault = entry.at;
                self.find_parts();
            }
            Happening::Advert { .. }
            | Happening::Announced { .. }
            | Happening::State { .. }
            | Happening::Runaway => {}
        }
    }

    fn apply_fault(&mut self, fault: &Fault, at: Moment) {
        match fault {
            Fault::Partition { segment, blocked } => {
                self.blocked.insert(*segment, blocked.clone());
                self.routers.iter_mut().for_each(|standing| standing.touch(at));
            }
            Fault::Mute { segment, muted } => {
                self.muted.insert(*segment, muted.clone());
                self.routers.iter_mut().for_each(|standing| standing.touch(at));
            }
            Fault::Loss { permille } => {
                self.lossy = *permille > 0;
                self.routers.iter_mut().for_each(|standing| standing.touch(at));
            }
            _ => {}
        }
        let Some(standing) = fault.router().and_then(|router| self.routers.get_mut(router.index())) else {
            return;
        };
        standing.touch(at);
        match fault {
            Fault::PowerOn(_) => {
                standing.powered = true;
                // It starts by itself, whatever its predecessor waited for when the power went.
                standing.since = at;
            }
            Fault::PowerOff(_) => {
                standing.powered = false;
                standing.paused = false;
                standing.stopping = None;
            }
            Fault::Stop(_) => standing.stopping = Some(at),
            Fault::Pause(_) => standing.paused = true,
            Fault::Resume(_) => standing.paused = false,
            Fault::KillWorker(_) => standing.since = at + SUCCESSOR_STARTS,
            Fault::Link { segment, up, .. } => {
                if *up {
                    standing.links_down.remove(segment)
                } else {
                    standing.links_down.insert(*segment)
                };
            }
            Fault::Script { script, good, .. } => {
                if *good {
                    standing.scripts_bad.remove(script)
                } else {
                    standing.scripts_bad.insert(*script)
                };
            }
            Fault::Session { session, up, .. } => {
                if *up {
                    standing.sessions_down.remove(session)
                } else {
                    standing.sessions_down.insert(*session)
                };
            }
            Fault::Reload { .. }
            | Fault::SetClock { .. }
            | Fault::Partition { .. }
            | Fault::Mute { .. }
            | Fault::Loss { .. } => {}
        }
    }

    /// Settled from here on, if nothing happens; `None` when luck decides.
    pub(super) fn settled_from(&self, instance: InstanceId) -> Option<Moment> {
        self.parts(instance).map(|_| self.last_fault + self.bounds.settle)
    }

    pub(super) fn parts(&self, instance: InstanceId) -> Option<&[Vec<RouterId>]> {
        self.parts.get(&instance)?.as_deref().filter(|_| !self.lossy)
    }

    /// Every router would hear every other if all were live.
    pub(super) fn is_undivided(&self) -> bool {
        self.blocked.values().chain(self.muted.values()).all(BTreeSet::is_empty)
    }

    /// Every router reaches every other by whatever is no advert.
    pub(super) fn is_connected(&self) -> bool {
        !self.lossy && self.blocked.values().all(BTreeSet::is_empty)
    }

    pub(super) const fn last_fault(&self) -> Moment {
        self.last_fault
    }

    /// Packets of the first reach the other, which runs.
    pub(super) fn hears(&self, from: RouterId, to: RouterId, instance: InstanceId) -> bool {
        let blocked = |segment: &InterfaceId| {
            self.blocked.get(segment).is_some_and(|pairs| pairs.contains(&(from, to)))
        };
        self.live(to, instance) && !self.segments(instance).iter().any(blocked)
    }

    pub(super) fn owns(&self, router: RouterId, instance: InstanceId) -> bool {
        self.owners.get(&instance).is_some_and(|owners| owners.contains(&router))
    }

    pub(super) fn since(&self, router: RouterId) -> Moment {
        self.routers.get(router.index()).map_or(Moment::NEVER, |standing| standing.since)
    }

    pub(super) fn stopping(&self, router: RouterId) -> Option<Moment> {
        self.routers.get(router.index())?.stopping
    }

    pub(super) fn hangs(&self, router: RouterId) -> bool {
        self.routers.get(router.index()).is_some_and(|standing| standing.paused)
    }

    /// Running, and connected where the instance needs it.
    pub(super) fn live(&self, router: RouterId, instance: InstanceId) -> bool {
        self.routers.get(router.index()).is_some_and(|standing| {
            standing.powered
                && !standing.paused
                && self.segments(instance).iter().all(|segment| !standing.links_down.contains(segment))
        })
    }

    /// Live, and with nothing against its being master.
    pub(super) fn healthy(&self, router: RouterId, instance: InstanceId) -> bool {
        let Some(standing) = self.routers.get(router.index()) else { return false };
        let Some(config) = self.scenario.instance(router, instance) else { return false };
        let mut scripts = config.track_scripts.iter().filter(|track| track.weight.value == 0);
        let mut sessions = config.track_watches.iter().filter(|track| track.weight.value == 0);
        self.live(router, instance)
            && standing.stopping.is_none()
            && !scripts.any(|track| standing.scripts_bad.contains(&track.script))
            && !sessions.any(|track| standing.sessions_down.contains(&track.watch))
    }

    pub(super) fn config(&self, router: RouterId, instance: InstanceId) -> Option<&'a InstanceConfig> {
        self.scenario.instance(router, instance)
    }

    pub(super) fn priority(&self, router: RouterId, instance: InstanceId) -> Priority {
        let plan = self.scenario.routers.get(router.index());
        let (Some(plan), Some(standing), Some(config)) =
            (plan, self.routers.get(router.index()), self.config(router, instance))
        else {
            return Priority::RELEASE;
        };
        effective_priority(
            plan,
            config,
            |script| standing.scripts_bad.contains(&script),
            |session| standing.sessions_down.contains(&session),
        )
    }

    /// Segments that decide about an instance: those of its group.
    fn segments(&self, instance: InstanceId) -> BTreeSet<InterfaceId> {
        let Some(plan) = self.scenario.routers.first() else { return BTreeSet::new() };
        let group =
            plan.instances.iter().find(|config| config.id == instance).and_then(|config| config.group);
        let together =
            |config: &&InstanceConfig| config.id == instance || (group.is_some() && config.group == group);
        plan.instances.iter().filter(together).map(|config| config.interface).collect()
    }

    fn find_parts(&mut self) {
        let found =
            self.scenario.instance_ids().map(|instance| (instance, self.parts_of(instance))).collect();
        self.parts = found;
    }

    fn parts_of(&self, instance: InstanceId) -> Parts {
        let segments = self.segments(instance);
        if segments.iter().any(|segment| self.muted.get(segment).is_some_and(|pairs| !pairs.is_empty())) {
            return None;
        }
        let live: Vec<RouterId> =
            self.scenario.router_ids().filter(|router| self.live(*router, instance)).collect();
        let hears = |from: RouterId, to: RouterId, segment: &InterfaceId| {
            !self.blocked.get(segment).is_some_and(|pairs| pairs.contains(&(from, to)))
        };
        let mut parts: Vec<Vec<RouterId>> = Vec::new();
        for router in &live {
            // One answer for both directions and all segments, or none.
            let mut heard = Vec::new();
            for other in &live {
                let ways =
                    || segments.iter().flat_map(|s| [hears(*router, *other, s), hears(*other, *router, s)]);
                if ways().all(|hears| hears) {
                    heard.push(*other);
                } else if ways().any(|hears| hears) {
                    return None;
                }
            }
            match parts.iter().find(|part| part.contains(router)) {
                Some(part) if *part == heard => {}
                None if !parts.iter().flatten().any(|other| heard.contains(other)) => parts.push(heard),
                _ => return None,
            }
        }
        Some(parts)
    }
}
