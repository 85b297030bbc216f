//! Carrying out a plan: only what differs is touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::action::{Action, Sink};
use crate::advert::sound;
use crate::config::{GroupId, InstanceConfig, InstanceId};
use crate::event::{Cause, State};
use crate::machine::Machine;
use crate::plan::Plan;
use steadfast_time::Moment;

impl Machine {
    /// Takes over what a reload changed; everything else is left untouched.
    ///
    /// A stopping machine ignores it.
    pub fn apply(&mut self, now: Moment, plan: Plan, sink: &mut impl Sink) {
        if self.general.stopping {
            return;
        }
        for interface in &plan.interfaces_set {
            self.trackers.name_interface(interface);
        }
        for script in &plan.scripts_set {
            self.trackers.set_script(script);
        }
        let mut touched: BTreeSet<InstanceId> = BTreeSet::new();
        for watch in &plan.watches_set {
            touched.extend(self.trackers.watches.set(watch));
        }
        for id in &plan.removed {
            touched.remove(id);
            self.dismiss(now, *id, sink);
        }
        let mut reformed: BTreeSet<GroupId> = BTreeSet::new();
        for config in plan.changed {
            touched.insert(config.id);
            reformed.extend(config.group);
            self.revise(now, config, sink);
        }
        for config in plan.added {
            touched.insert(config.id);
            reformed.extend(config.group);
            self.evict(now, config.id, sink);
            self.enrol(now, config);
        }
        for group in &plan.groups_removed {
            self.groups.remove(group);
        }
        for group in &plan.groups_set {
            self.set_group(group);
            touched.extend(group.members.first());
            reformed.insert(group.id);
        }
        for script in &plan.scripts_removed {
            self.trackers.remove_script(*script);
        }
        for watch in &plan.watches_removed {
            self.trackers.watches.remove(*watch);
        }
        self.trackers.forget_unused_sources();
        if self.general.started {
            self.review_preparations(now, sink);
            let triggers: Vec<_> = touched.into_iter().map(|id| (id, Cause::Reload)).collect();
            self.reassess_all(now, &triggers, sink);
            for group in reformed {
                self.reform_group(now, group, sink);
                self.tell_group_state(now, group, vec![Cause::Reload], sink);
            }
        }
    }

    /// A removed instance hands over like at a stop, and is then forgotten.
    fn dismiss(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        self.retire(now, id, Cause::Reload, sink);
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.departing = true;
        self.trackers.unsubscribe(&instance.config);
        if instance.timers.protocol == Moment::NEVER {
            self.forget(id, sink);
        }
    }

    /// Drops the last traces of a removed instance.
    pub(crate) fn forget(&mut self, id: InstanceId, sink: &mut impl Sink) {
        if let Some(instance) = self.instances.remove(id) {
            let config = &instance.config;
            self.hearers.remove(config);
            self.trackers.forget_refusal(id);
            sink.act(Action::Removed { instance: id });
        }
    }

    /// Frees a number that the caller gave away although its instance still hands over, or although
    /// it stands for another virtual router now: the addresses go at once.
    fn evict(&mut self, now: Moment, id: InstanceId, sink: &mut impl Sink) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match instance.state {
            State::Master => instance.leave_master(now, 1, &self.trackers, sink),
            State::Stop if instance.timers.protocol != Moment::NEVER => {
                self.general.handing_over = self.general.handing_over.saturating_sub(1);
                sink.act(Action::Addresses { instance: id, wanted: false });
            }
            _ => {}
        }
        self.trackers.unsubscribe(&instance.config);
        self.forget(id, sink);
    }

    /// Other settings for an instance that stays.
    fn revise(&mut self, now: Moment, config: Arc<InstanceConfig>, sink: &mut impl Sink) {
        let id = config.id;
        let config = sound(config);
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.config.key() != config.key() {
            self.evict(now, id, sink);
            self.enrol(now, config);
            return;
        }
        let down_time_before = instance.down_time();
        let old = instance.config.replace(Arc::clone(&config));
        self.trackers.unsubscribe(&old);
        self.trackers.subscribe(&config);
        self.hearers.remove(&old);
        self.hearers.insert(&config);
        instance.advert.invalidate();
        instance.revise_split_brain_check(now, old.split_brain_check.as_deref(), sink);
        if config.prepare.is_none() {
            instance.own.unprepared_until = None;
        }
        match instance.state {
            State::Master => {
                instance.master_interval = instance.interval();
                if old.interval != config.interval {
                    // Never later than the advert that the peers were promised.
                    let promised = instance.timers.protocol;
                    instance.schedule_advert(now);
                    instance.timers.protocol = instance.timers.protocol.min(promised);
                }
                if old.announce != config.announce && instance.preparing.is_none() {
                    instance.start_refreshing(now);
                }
                if old.addresses != config.addresses && instance.preparing.is_none() {
                    sink.act(Action::Addresses { instance: id, wanted: true });
                }
            }
            State::Backup => {
                let learned =
                    instance.master.is_some() && old.interval.version() == config.interval.version();
                let follows_own =
                    old.interval != config.interval && instance.master_interval == old.interval.duration();
                if !learned || follows_own {
                    instance.master_interval = instance.interval();
                }
                instance.shift_down_timer(down_time_before);
            }
            State::Init | State::Fault | State::Stop => instance.master_interval = instance.interval(),
        }
        self.arm(id);
    }
}
