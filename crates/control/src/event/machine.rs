//! Events of the VRRP machine in names.

use std::sync::Arc;

use steadfast_vrrp::{Event, GroupId, InstanceId};

use super::Happening;

/// Who knows what numbers stand for.
pub trait Names {
    /// Name of an instance.
    fn instance(&self, instance: InstanceId) -> Arc<str>;
    /// Name of a sync group.
    fn group(&self, group: GroupId) -> Arc<str>;
}

impl Happening {
    /// Says an event of the machine in names.
    pub fn told(event: &Event, names: &impl Names) -> Self {
        match event {
            Event::InstanceState { instance, from, to, priority, causes, .. } => Self::InstanceState {
                instance: names.instance(*instance),
                from: *from,
                to: *to,
                priority: priority.get(),
                causes: causes.clone(),
            },
            Event::Preparing { instance, priority, causes, .. } => Self::Preparing {
                instance: names.instance(*instance),
                priority: priority.get(),
                causes: causes.clone(),
            },
            Event::GroupState { group, to, causes, .. } => {
                Self::GroupState { group: names.group(*group), to: *to, causes: causes.clone() }
            }
            Event::PriorityChanged { instance, from, to, causes, .. } => Self::PriorityChanged {
                instance: names.instance(*instance),
                from: from.get(),
                to: to.get(),
                causes: causes.clone(),
            },
            Event::MasterChanged { instance, master, priority, .. } => Self::MasterChanged {
                instance: names.instance(*instance),
                master: *master,
                priority: priority.get(),
            },
            Event::HandedOver { instance, to, after_ms, .. } => Self::HandedOver {
                instance: names.instance(*instance),
                to: to.map(|(master, _)| master),
                priority: to.map(|(_, priority)| priority.get()),
                milliseconds: *after_ms,
            },
            Event::LowerPriorityHeard { instance, master, priority, .. } => Self::LowerPriorityHeard {
                instance: names.instance(*instance),
                master: *master,
                priority: priority.get(),
            },
            Event::TwoMasters { instance, other, priority, dropped, .. } => Self::TwoMasters {
                instance: names.instance(*instance),
                other: *other,
                priority: priority.map(|priority| priority.get()),
                dropped: *dropped,
            },
            Event::OneMaster { instance, at, other, adverts, since } => Self::OneMaster {
                instance: names.instance(*instance),
                other: *other,
                adverts: *adverts,
                milliseconds: u64::try_from(at.since(*since).as_millis()).unwrap_or(u64::MAX),
            },
            Event::ServedElsewhere { instance, served, state, yields, .. } => Self::ServedElsewhere {
                instance: names.instance(*instance),
                served: *served,
                state: *state,
                yields: *yields,
            },
            Event::ServedHereAlone { instance, at, served, since } => Self::ServedHereAlone {
                instance: names.instance(*instance),
                served: *served,
                milliseconds: u64::try_from(at.since(*since).as_millis()).unwrap_or(u64::MAX),
            },
            Event::NobodyHeard { instance, at, since } => Self::NobodyHeard {
                instance: names.instance(*instance),
                milliseconds: u64::try_from(at.since(*since).as_millis()).unwrap_or(u64::MAX),
            },
            Event::Disagreement { instance, source, difference, .. } => Self::Disagreement {
                instance: names.instance(*instance),
                source: *source,
                difference: *difference,
            },
            Event::Dropped { instance, source, reason, .. } => {
                Self::Dropped { instance: names.instance(*instance), source: *source, reason: *reason }
            }
        }
    }
}
