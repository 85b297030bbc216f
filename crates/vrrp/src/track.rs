//! What instances watch: interfaces and scripts, and what their state does to priority and fault.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::{Family, Priority};

use crate::channel::Obstacles;
use crate::config::{
    InstanceConfig, InstanceId, InterfaceConfig, InterfaceId, ScriptConfig, ScriptId, Weight,
};
use crate::event::Cause;
use crate::status::{ScriptResume, TrackerKind, TrackerShare};
use crate::tally::{self, Tally};
use crate::watch::{Effect, Watches};
use steadfast_time::Moment;

/// Everything that is watched, and by whom.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Trackers {
    interfaces: BTreeMap<InterfaceId, Interface>,
    scripts: BTreeMap<ScriptId, Script>,
    pub(crate) watches: Watches,
    sources: BTreeMap<IpAddr, Source>,
    /// Of instances that cannot hear or cannot speak.
    pub(crate) obstacles: BTreeMap<InstanceId, Obstacles>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Interface {
    name: Arc<str>,
    up: bool,
    source_v4: Option<Ipv4Addr>,
    source_v6: Option<Ipv6Addr>,
    users: BTreeSet<InstanceId>,
}

/// A configured source address.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Source {
    present: bool,
    users: BTreeSet<InstanceId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Script {
    config: Arc<ScriptConfig>,
    tally: Tally,
    users: BTreeSet<InstanceId>,
}

/// What the trackers say of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Something of its own keeps it in FAULT.
    pub(crate) fault: bool,
    /// An unweighted script has not run yet.
    pub(crate) pending: bool,
    /// Effective priority.
    pub(crate) priority: Priority,
}

/// What an instance knows of itself that matters to its standing.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct OwnState {
    /// An owner that gave way to another owner.
    pub(crate) lowered: bool,
    /// It could not prepare itself, and is in FAULT until then.
    pub(crate) unprepared_until: Option<Moment>,
}

impl Trackers {
    /// Takes a name over; the state of an interface known already stays.
    pub(crate) fn name_interface(&mut self, config: &InterfaceConfig) {
        self.interfaces.entry(config.id).or_default().name = Arc::clone(&config.name);
    }

    /// What is known of an interface; returns whether anything changed.
    pub(crate) fn set_interface(
        &mut self,
        id: InterfaceId,
        up: bool,
        source_v4: Option<Ipv4Addr>,
        source_v6: Option<Ipv6Addr>,
    ) -> bool {
        let interface = self.interfaces.entry(id).or_default();
        let same = interface.up == up && interface.source_v4 == source_v4 && interface.source_v6 == source_v6;
        interface.up = up;
        interface.source_v4 = source_v4;
        interface.source_v6 = source_v6;
        !same
    }

    /// Whether a configured source address is on this host; returns who needs it, if that changed.
    pub(crate) fn set_source(&mut self, address: IpAddr, present: bool) -> Vec<InstanceId> {
        let source = self.sources.entry(address).or_default();
        let changed = std::mem::replace(&mut source.present, present) != present;
        if changed { source.users.iter().copied().collect() } else { Vec::new() }
    }

    /// Drops what nobody uses any more.
    pub(crate) fn forget_unused_sources(&mut self) {
        self.sources.retain(|_, source| !source.users.is_empty());
    }

    /// Whether the interface is up and running.
    pub(crate) fn is_up(&self, id: InterfaceId) -> bool {
        self.interfaces.get(&id).is_some_and(|interface| interface.up)
    }

    /// Name as configured.
    pub(crate) fn interface_name(&self, id: InterfaceId) -> Arc<str> {
        self.interfaces.get(&id).map(|interface| Arc::clone(&interface.name)).unwrap_or_default()
    }

    /// Name as configured.
    pub(crate) fn script_name(&self, id: ScriptId) -> Option<Arc<str>> {
        self.scripts.get(&id).map(|script| Arc::clone(&script.config.name))
    }

    /// Adds a script, or changes its counting: the result is kept and scaled.
    pub(crate) fn set_script(&mut self, config: &Arc<ScriptConfig>) {
        match self.scripts.get_mut(&config.id) {
            Some(script) => {
                script.tally.rescale(&script.config, config);
                script.config = Arc::clone(config);
            }
            None => {
                let script =
                    Script { config: Arc::clone(config), tally: Tally::new(config), users: BTreeSet::new() };
                self.scripts.insert(config.id, script);
            }
        }
    }

    pub(crate) fn remove_script(&mut self, id: ScriptId) {
        self.scripts.remove(&id);
    }

    /// Counts a result; `Some` with the cause when the script turned good or bad.
    pub(crate) fn count_script(&mut self, id: ScriptId, success: bool) -> Option<Cause> {
        let script = self.scripts.get_mut(&id)?;
        let before = script.tally.good;
        script.tally.count(&script.config, success);
        (script.tally.good != before).then(|| script.cause(success))
    }

    /// Result counter, and what it means so far.
    pub(crate) fn script_count(&self, id: ScriptId) -> Option<(u32, Option<bool>)> {
        self.scripts.get(&id).map(|script| (script.tally.count, script.tally.good))
    }

    /// Takes over what a predecessor had counted.
    pub(crate) fn resume_script(&mut self, resume: &ScriptResume) {
        if let Some(script) = self.scripts.get_mut(&resume.script) {
            let ScriptResume { count, good, last, row, times, .. } = *resume;
            let count = count.min(tally::top(&script.config));
            script.tally = Tally { count, good, last, row, times };
        }
    }

    /// Results of the scripts that `config` tracks.
    pub(crate) fn script_results(&self, config: &InstanceConfig) -> Vec<ScriptResume> {
        let tracked = config
            .track_scripts
            .iter()
            .filter_map(|track| Some((track.script, self.scripts.get(&track.script)?)));
        tracked
            .map(|(id, Script { tally, .. })| ScriptResume {
                script: id,
                count: tally.count,
                good: tally.good,
                last: tally.last,
                row: tally.row,
                times: tally.times,
            })
            .collect()
    }

    /// `config`'s instance is told of changes from here on.
    pub(crate) fn subscribe(&mut self, config: &InstanceConfig) {
        self.interfaces.entry(config.interface).or_default().users.insert(config.id);
        for track in &config.track_interfaces {
            self.interfaces.entry(track.interface).or_default().users.insert(config.id);
        }
        for track in &config.track_scripts {
            if let Some(script) = self.scripts.get_mut(&track.script) {
                script.users.insert(config.id);
            }
        }
        self.watches.subscribe(config.id, &config.track_watches);
        if let Some(source) = config.needed_source() {
            self.sources.entry(source).or_default().users.insert(config.id);
        }
    }

    pub(crate) fn unsubscribe(&mut self, config: &InstanceConfig) {
        let tracked = config.track_interfaces.iter().map(|track| track.interface);
        for interface in tracked.chain([config.interface]) {
            if let Some(interface) = self.interfaces.get_mut(&interface) {
                interface.users.remove(&config.id);
            }
        }
        for track in &config.track_scripts {
            if let Some(script) = self.scripts.get_mut(&track.script) {
                script.users.remove(&config.id);
            }
        }
        self.watches.unsubscribe(config.id, &config.track_watches);
        if let Some(source) = config.needed_source().and_then(|address| self.sources.get_mut(&address)) {
            source.users.remove(&config.id);
        }
    }

    pub(crate) fn interface_users(&self, id: InterfaceId) -> Vec<InstanceId> {
        self.interfaces
            .get(&id)
            .map(|interface| interface.users.iter().copied().collect())
            .unwrap_or_default()
    }

    pub(crate) fn script_users(&self, id: ScriptId) -> Vec<InstanceId> {
        self.scripts.get(&id).map(|script| script.users.iter().copied().collect()).unwrap_or_default()
    }

    /// Source address for adverts: the configured one, else the interface's own: over IPv4 its primary address (RFC 9568
    /// section 5.1.1.1, RFC 3768 section 5.2.1), over IPv6 the link-local one (RFC 9568 section 5.1.2.1).
    #[inline]
    pub(crate) fn source(&self, config: &InstanceConfig) -> Option<IpAddr> {
        config.source.or_else(|| {
            let interface = self.interfaces.get(&config.interface)?;
            match config.family {
                Family::V4 => interface.source_v4.map(IpAddr::V4),
                Family::V6 => interface.source_v6.map(IpAddr::V6),
            }
        })
    }

    /// It has no address to speak from.
    pub(crate) fn source_missing(&self, config: &InstanceConfig) -> bool {
        let absent = |address| self.sources.get(&address).is_none_or(|source| !source.present);
        self.source(config).is_none() || config.needed_source().is_some_and(absent)
    }

    /// Weighs everything that `config`'s instance watches.
    pub(crate) fn assess(&self, config: &InstanceConfig, own: OwnState) -> Standing {
        let mut fault = config.broken.is_some()
            || own.unprepared_until.is_some()
            || self.is_obstructed(config.id)
            || self.own_interface_down(config)
            || self.source_missing(config);
        let mut pending = false;
        let mut sum = i32::from(config.priority.get());
        for effect in self.effects(config) {
            fault |= effect.fault;
            pending |= effect.pending;
            sum = sum.saturating_add(effect.share);
        }
        Standing { fault, pending, priority: effective_priority(config.priority, sum, own.lowered) }
    }

    /// What keeps the instance in FAULT, or below or above its base priority, in configured order.
    pub(crate) fn explain(&self, config: &InstanceConfig) -> Vec<Cause> {
        let mut causes = self.faults(config);
        let is_owner = config.priority == Priority::OWNER;
        let weighted = config.track_interfaces.iter().filter(|track| track.weight.value != 0 && !is_owner);
        for track in weighted.filter(|track| !self.is_up(track.interface)) {
            causes.push(Cause::Interface { name: self.interface_name(track.interface), up: false });
        }
        let weighted = config.track_scripts.iter().filter(|track| track.weight.value != 0 && !is_owner);
        for script in weighted.filter_map(|track| self.scripts.get(&track.script)) {
            if script.tally.good == Some(false) {
                causes.push(script.cause(false));
            }
        }
        if !is_owner {
            causes.extend(self.watches.departures(&config.track_watches));
        }
        causes
    }

    /// What keeps the instance in FAULT, its sync group aside.
    pub(crate) fn faults(&self, config: &InstanceConfig) -> Vec<Cause> {
        let mut causes = Vec::new();
        if let Some(reason) = &config.broken {
            causes.push(Cause::Broken { reason: Arc::clone(reason) });
        }
        if self.own_interface_down(config) {
            causes.push(Cause::Interface { name: self.interface_name(config.interface), up: false });
        }
        if self.source_missing(config) {
            causes.push(Cause::Source { address: config.source, present: false });
        }
        causes.extend(self.obstacle_causes(config.id));
        for track in &config.track_interfaces {
            let up = self.is_up(track.interface);
            if track.weight.faults(Some(up)) {
                causes.push(Cause::Interface { name: self.interface_name(track.interface), up });
            }
        }
        for track in &config.track_scripts {
            if let Some(script) = self.scripts.get(&track.script)
                && let Some(good) = script.tally.good
                && track.weight.faults(Some(good))
            {
                causes.push(script.cause(good));
            }
        }
        causes.extend(self.watches.faults(&config.track_watches));
        causes
    }

    /// Each tracker's part, in configured order.
    pub(crate) fn shares(&self, config: &InstanceConfig) -> Vec<TrackerShare> {
        let is_owner = config.priority == Priority::OWNER;
        let share = |kind, name, weight: Weight, good| TrackerShare {
            kind,
            name,
            good,
            share: if is_owner { 0 } else { weight.share(good) },
            fault: weight.faults(good),
        };
        let interfaces = config.track_interfaces.iter().map(|track| {
            let good = Some(self.is_up(track.interface));
            share(TrackerKind::Interface, self.interface_name(track.interface), track.weight, good)
        });
        let scripts = config.track_scripts.iter().filter_map(|track| {
            let script = self.scripts.get(&track.script)?;
            Some(share(TrackerKind::Script, Arc::clone(&script.config.name), track.weight, script.tally.good))
        });
        interfaces.chain(scripts).chain(self.watches.shares(&config.track_watches, is_owner)).collect()
    }

    fn own_interface_down(&self, config: &InstanceConfig) -> bool {
        !config.dont_track_interface && !self.is_up(config.interface)
    }

    fn effects<'a>(&'a self, config: &'a InstanceConfig) -> impl Iterator<Item = Effect> + 'a {
        let interfaces =
            config.track_interfaces.iter().map(|track| (track.weight, Some(self.is_up(track.interface))));
        let scripts = config
            .track_scripts
            .iter()
            .filter_map(|track| Some((track.weight, self.scripts.get(&track.script)?.tally.good)));
        let states = interfaces.chain(scripts).map(|(weight, good)| weight.effect_of_state(good));
        states.chain(self.watches.effects(&config.track_watches))
    }
}

/// An owner ignores all weights (RFC 9568 section 5.2.4 and RFC 3768 section 5.3.4 reserve 255 for it); everybody else stays
/// between 1 and 254, whatever the weights add up to.
fn effective_priority(base: Priority, sum: i32, lowered: bool) -> Priority {
    match (base, lowered) {
        (Priority::OWNER, false) => Priority::OWNER,
        (Priority::OWNER, true) => Priority::HIGHEST_BACKUP,
        _ => {
            let bounds = (Priority::LOWEST.get(), Priority::HIGHEST_BACKUP.get());
            let value = u8::try_from(sum.clamp(i32::from(bounds.0), i32::from(bounds.1))).unwrap_or(bounds.0);
            Priority::new(value)
        }
    }
}

impl Weight {
    /// An unweighted tracker keeps the instance in FAULT. Unknown is not a fault.
    pub(crate) fn faults(self, good: Option<bool>) -> bool {
        self.value == 0 && good == Some(self.reverse)
    }

    /// What is added to the priority. Unknown adds nothing.
    pub(crate) fn share(self, good: Option<bool>) -> i32 {
        let applies = match good {
            Some(true) => self.value > 0,
            Some(false) => self.value < 0,
            None => false,
        };
        let value = if applies { i32::from(self.value) } else { 0 };
        if self.reverse { -value } else { value }
    }
}

impl Script {
    fn cause(&self, good: bool) -> Cause {
        Cause::Script { name: Arc::clone(&self.config.name), good, times: self.tally.times }
    }
}
