//! What the configuration allows to last how long.

use std::time::Duration;

use steadfast_vrrp::config::Weight;
use steadfast_vrrp::{
    HANDOVER_GRACE, InstanceConfig, InstanceId, SPLIT_BRAIN_CHANCE, SPLIT_BRAIN_SETTLE, SPLIT_BRAIN_SPREAD,
};
use steadfast_wire::vrrp::{Priority, Version};

use crate::scenario::{RouterId, RouterPlan, Scenario};

/// Room for rounding, and for happenings of one moment.
const SLACK: Duration = Duration::from_micros(2);

/// Lengths of time derived from a scenario.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// After the last fault, elections are over.
    pub settle: Duration,
    /// A stopping router is off.
    pub release: Duration,
    /// Longest advert interval of any router.
    pub interval_longest: Duration,
    /// After the last fault, routers that ask who serves agree on one.
    pub asking: Duration,
    /// A timer that is due may fire this much later.
    pub lateness: Duration,
    /// From the failure of a master to its replacement, each router's own bound.
    takeover: Vec<Vec<(InstanceId, Duration)>>,
    /// From a start or a changed script to its full effect.
    scripts: Vec<Duration>,
}

impl Bounds {
    /// Those of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let plans = &scenario.routers;
        let instances = || plans.iter().flat_map(|plan| &plan.instances);
        let interval_longest = instances().map(|i| i.interval.duration()).max().unwrap_or_default();
        let lateness = scenario.lateness_max + SLACK;
        // A duplicate may be as late again as the packet.
        let travel = scenario.network.delay_max * 2;
        let takeover: Vec<Vec<_>> = plans
            .iter()
            .map(|plan| {
                let of = |instance: &InstanceConfig| {
                    let mut wait = master_down(instance, interval_longest, lowest_priority(plan, instance));
                    if instance.group.is_some() {
                        // Members wait for each other, once.
                        wait *= 2;
                    }
                    wait += preparation(plan, instance, scenario.preparation);
                    wait += question(plan, instance);
                    (instance.id, wait + travel + lateness * 2)
                };
                plan.instances.iter().map(of).collect()
            })
            .collect();
        let longest = takeover.iter().flatten().map(|(_, wait)| *wait).max().unwrap_or_default();
        let preempt_delay = instances().map(|instance| instance.preempt_delay).max().unwrap_or_default();
        let scripts: Vec<_> =
            plans.iter().map(|plan| script_settle(plan, scenario.script_interval)).collect();
        let script_longest = scripts.iter().copied().max().unwrap_or_default();
        Self {
            asking: longest * 3 + instances().filter_map(asking).max().unwrap_or_default(),
            settle: longest * 3 + preempt_delay + script_longest,
            release: longest + HANDOVER_GRACE,
            interval_longest,
            lateness,
            takeover,
            scripts,
        }
    }

    /// After it has last heard a master, this router is master itself, unless it hears another.
    pub fn takeover(&self, router: RouterId, instance: InstanceId) -> Duration {
        let of = self.takeover.get(router.index()).into_iter().flatten().find(|(id, _)| *id == instance);
        of.map_or(Duration::MAX, |(_, wait)| *wait)
    }

    /// After a start or a changed script, its trackers have their final say.
    pub fn scripts(&self, router: RouterId) -> Duration {
        self.scripts.get(router.index()).copied().unwrap_or_default()
    }
}

/// From winning to serving: of a sync group, all wait for the last.
fn preparation(plan: &RouterPlan, instance: &InstanceConfig, lasts: Duration) -> Duration {
    let with = |other: &&InstanceConfig| {
        other.id == instance.id || (instance.group.is_some() && other.group == instance.group)
    };
    let prepares = plan.instances.iter().filter(with).filter_map(|member| member.prepare);
    prepares.map(|prepare| prepare.timeout.min(lasts)).max().unwrap_or_default()
}

/// Before winning: of a sync group, all wait for the last.
fn question(plan: &RouterPlan, instance: &InstanceConfig) -> Duration {
    let with = |other: &&InstanceConfig| {
        other.id == instance.id || (instance.group.is_some() && other.group == instance.group)
    };
    let checks = plan.instances.iter().filter(with).filter_map(|member| member.split_brain_check.as_deref());
    checks.map(|check| check.within).max().unwrap_or_default()
}

/// A master finds another, confirms it and gives way; chance may have both do so at once, and once more.
fn asking(instance: &InstanceConfig) -> Option<Duration> {
    let check = instance.split_brain_check.as_deref()?;
    let once = SPLIT_BRAIN_SETTLE + check.every + check.within * 2 + SPLIT_BRAIN_SPREAD + SPLIT_BRAIN_CHANCE;
    Some(once * 3)
}

/// Master down interval (RFC 9568 section 6.1, RFC 3768 section 6.1) with the longest interval that
/// a backup may have learned.
fn master_down(instance: &InstanceConfig, interval: Duration, priority: Priority) -> Duration {
    let unit = match instance.interval.version() {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    let skew = unit * (256 - u32::from(priority.get())) / 256;
    interval * instance.down_timer_adverts + skew
}

fn lowest_priority(plan: &RouterPlan, instance: &InstanceConfig) -> Priority {
    effective_priority(plan, instance, |_| true, |_| true)
}

/// Base and trackers, when `bad` scripts have failed and sessions are `down`: clamped to 1 to 254, and without effect on an
/// owner.
pub(super) fn effective_priority(
    plan: &RouterPlan,
    instance: &InstanceConfig,
    bad: impl Fn(steadfast_vrrp::ScriptId) -> bool,
    down: impl Fn(steadfast_vrrp::WatchId) -> bool,
) -> Priority {
    if instance.priority == Priority::OWNER {
        return Priority::OWNER;
    }
    let known = |id| plan.scripts.iter().any(|script| script.id == id);
    let share = |Weight { value, .. }, bad: bool| if bad == (value < 0) { i32::from(value) } else { 0 };
    let trackers = instance.track_scripts.iter().filter(|track| known(track.script));
    let scripts = trackers.map(|track| share(track.weight, bad(track.script)));
    let sessions = instance.track_watches.iter().map(|track| share(track.weight, down(track.watch)));
    let sum: i32 = scripts.chain(sessions).sum();
    let clamped = (i32::from(instance.priority.get()) + sum).clamp(1, 254);
    Priority::new(u8::try_from(clamped).unwrap_or(u8::MAX))
}

fn script_settle(plan: &RouterPlan, interval: Duration) -> Duration {
    let runs = |script: &steadfast_vrrp::ScriptConfig| script.rise + script.fall + 1;
    plan.scripts.iter().map(|script| interval * runs(script)).max().unwrap_or_default()
}
