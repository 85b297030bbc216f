//! While no vrrp worker runs the kernel goes on answering for what the last one had, and that is right as long as its peers
//! wait for another advert. From then on two hosts would answer for one address: the supervisor gives the virtual routers
//! up, as the worker would that comes so late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use steadfast_control::event::{Fault, Happening};
use steadfast_vrrp::{Cause, Event, InstanceConfig, InstanceId, Moment, Resume, State};

use super::Supervisor;
use super::leftovers::Extent;
use super::workers::vrrp::Routers;

/// Between two attempts to ask a kernel that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Masters without a worker, and until when their peers leave it to them.
#[derive(Debug)]
pub(crate) struct Awaited {
    until: BTreeSet<(Moment, InstanceId)>,
    /// Addresses could not be removed, which was told.
    refused: bool,
}

impl Supervisor {
    /// Gives up, while there is no vrrp worker, what its peers wait for no longer.
    pub(super) fn yield_late(&mut self, now: Moment) {
        if self.stopping.is_some() || !self.workers.vrrp.is_awaited() {
            return;
        }
        let lived_until = self.workers.vrrp.predecessor_lived_until();
        let late = self.routers.late(now, lived_until);
        let ends = !self.routers.leaving.is_empty() || !self.routers.dropped.is_empty();
        if late.is_empty() && !ends {
            return;
        }
        // First, since every other word takes time in which two hosts answer.
        if self.routers.remove_leftovers(&Extent::Of(&late.keys().copied().collect())).is_err() {
            if self.routers.refused(now + RETRY, late.into_keys()) {
                self.fault(Fault::AddressesLeft);
            }
            return;
        }
        self.routers.forget_former();
        if !late.is_empty() {
            self.tell_yielded(now, late);
        }
    }

    /// When [`Self::yield_late`] has something to do.
    pub(super) fn yield_wakeup(&self) -> Option<Moment> {
        if self.stopping.is_some() || !self.workers.vrrp.is_awaited() {
            return None;
        }
        self.routers.awaited.as_ref().and_then(Awaited::wakeup)
    }

    fn tell_yielded(&mut self, now: Moment, late: BTreeMap<InstanceId, Vec<Cause>>) {
        let starts_in = self.workers.vrrp.start_at().map(|at| at.since(now)).unwrap_or_default();
        self.tell(Happening::Yielded {
            instances: late.len(),
            deaths: self.workers.vrrp.deaths(),
            milliseconds: milliseconds(starts_in),
        });
        for event in self.routers.give_way(now, late) {
            self.happened(&event);
        }
    }
}

impl Awaited {
    fn new(routers: &Routers, lived_until: Option<Moment>) -> Self {
        let until = routers.work.machine.instances.iter().filter_map(|config| {
            Some((routers.last_at_work(config.id, lived_until)?.awaited_until(config)?, config.id))
        });
        Self { until: until.collect(), refused: false }
    }

    /// The first of which peers have waited long enough: a moment later than that.
    fn wakeup(&self) -> Option<Moment> {
        self.until.first().map(|(until, _)| *until + Duration::from_nanos(1))
    }

    fn take_late(&mut self, now: Moment) -> BTreeSet<InstanceId> {
        let later = self.until.split_off(&(now, InstanceId(0)));
        std::mem::replace(&mut self.until, later).into_iter().map(|(_, instance)| instance).collect()
    }
}

impl Routers {
    /// Masters that a successor would not go on with if it came now, and why, each with its sync group.
    fn late(&mut self, now: Moment, lived_until: Option<Moment>) -> BTreeMap<InstanceId, Vec<Cause>> {
        let mut awaited = self.awaited.take().unwrap_or_else(|| Awaited::new(self, lived_until));
        let ids = awaited.take_late(now);
        self.awaited = Some(awaited);
        let mut late = BTreeMap::new();
        for id in ids {
            // A reload may have taken it away meanwhile, or its group has given way with another member.
            let (Some(config), Some((State::Master, _))) = (self.config(id), self.known.standing(id)) else {
                continue;
            };
            let last_advert = self.last_at_work(id, lived_until).and_then(|last| last.last_advert);
            let silent = last_advert.map(|last| now.since(last)).unwrap_or_default();
            let causes = vec![Cause::HeldUp { silent_ms: milliseconds(silent) }];
            for (member, because) in self.team(config, &causes) {
                late.entry(member).or_insert(because);
            }
            late.insert(id, causes);
        }
        late
    }

    fn config(&self, id: InstanceId) -> Option<&InstanceConfig> {
        let instances = &self.work.machine.instances;
        let at = instances.binary_search_by_key(&id, |config| config.id).ok()?;
        instances.get(at).map(AsRef::as_ref)
    }

    /// How an instance stood when its last worker was at work last.
    fn last_at_work(&self, id: InstanceId, lived_until: Option<Moment>) -> Option<Resume> {
        let mut last = self.known.last(id)?;
        if let Some(alive) = lived_until {
            last.lived_until(alive);
        }
        Some(last)
    }

    /// The masters that go with an instance, and why.
    fn team(&self, leader: &InstanceConfig, causes: &[Cause]) -> Vec<(InstanceId, Vec<Cause>)> {
        let groups = &self.work.machine.groups;
        let Some(group) = groups.iter().find(|group| Some(group.id) == leader.group) else {
            return Vec::new();
        };
        let follows = Cause::Group { group: Arc::clone(&group.name), member: Arc::clone(&leader.name) };
        let because: Vec<Cause> = causes.iter().cloned().chain([follows]).collect();
        let others = group.members.iter().filter(|member| **member != leader.id);
        let masters = others.filter(|id| matches!(self.known.standing(**id), Some((State::Master, _))));
        masters.map(|id| (*id, because.clone())).collect()
    }

    /// The next worker begins without these; what is to be told of it comes back.
    fn give_way(&mut self, now: Moment, late: BTreeMap<InstanceId, Vec<Cause>>) -> Vec<Event> {
        let mut events = Vec::new();
        for (id, causes) in late {
            let Some(mut last) = self.known.last(id) else { continue };
            events.push(last.give_way(now, causes.clone()));
            self.known.keep(&last);
            let group = self.config(id).and_then(|config| config.group);
            if let Some(group) = group.filter(|group| self.known.group_state(*group) == State::Master) {
                events.push(Event::GroupState { group, at: now, to: State::Backup, causes });
            }
        }
        // Of each group once, whoever of its members was the first.
        let mut told = BTreeSet::new();
        events.retain(
            |event| if let Event::GroupState { group, .. } = event { told.insert(*group) } else { true },
        );
        events
    }

    /// The kernel did not answer: `true` when that was not told yet.
    fn refused(&mut self, again: Moment, late: impl Iterator<Item = InstanceId>) -> bool {
        let Some(awaited) = &mut self.awaited else { return true };
        awaited.until.extend(late.map(|id| (again, id)));
        !std::mem::replace(&mut awaited.refused, true)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use steadfast_vrrp::{GroupConfig, GroupId, InterfaceId, Machine};
    use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Priority, Vrid};

    use super::*;
    use crate::link::vrrp::work::Work;

    const DIED: Moment = Moment::from_nanos(100_000_000_000);

    fn instance(id: u32, centiseconds: u16, group: Option<GroupId>) -> InstanceConfig {
        let interval = AdvertInterval::Centiseconds(Centiseconds::new(centiseconds).unwrap());
        let to = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
        let plain =
            InstanceConfig::plain(InstanceId(id), Vrid::new(7).unwrap(), InterfaceId(0), to, interval);
        InstanceConfig { group, ..plain }
    }

    /// What runs, each as master, and a supervisor that was told so.
    fn masters(instances: Vec<InstanceConfig>) -> Routers {
        let mut work = Work::default();
        let groups: BTreeSet<GroupId> = instances.iter().filter_map(|config| config.group).collect();
        work.machine.groups = groups
            .into_iter()
            .map(|id| {
                let members = instances.iter().filter(|config| config.group == Some(id));
                let members = members.map(|config| config.id).collect();
                Arc::new(GroupConfig { id, name: "G".into(), members })
            })
            .collect();
        work.machine.instances = instances.into_iter().map(Arc::new).collect();
        let machine = Machine::new(Moment::ZERO, work.machine.clone(), Vec::new());
        let mut routers = Routers::new(work);
        for config in &routers.work.machine.instances {
            let mut resume = machine.resume_state(config.id).unwrap();
            resume.state = State::Master;
            resume.priority = Priority::DEFAULT;
            resume.master_interval = config.interval.duration();
            routers.known.keep(&resume);
        }
        let groups: Vec<GroupId> = routers.work.machine.groups.iter().map(|group| group.id).collect();
        for group in groups {
            routers.known.told(&Event::GroupState { group, at: DIED, to: State::Master, causes: Vec::new() });
        }
        routers
    }

    fn late(routers: &mut Routers, milliseconds: u64) -> Vec<u32> {
        let late = routers.late(DIED + Duration::from_millis(milliseconds), Some(DIED));
        late.into_keys().map(|id| id.0).collect()
    }

    #[test]
    fn each_instance_is_kept_for_as_long_as_its_own_peers_wait() {
        // Its last advert was sent less than an interval before its worker died.
        let mut routers = masters(vec![instance(0, 10, None), instance(1, 100, None)]);
        assert!(late(&mut routers, 200).is_empty());
        let wakeup = routers.awaited.as_ref().and_then(Awaited::wakeup).unwrap();
        assert!(wakeup > DIED + Duration::from_millis(200) && wakeup < DIED + Duration::from_millis(400));
        assert_eq!(late(&mut routers, 400), [0]);
        assert!(late(&mut routers, 2_500).is_empty());
        assert_eq!(late(&mut routers, 4_000), [1]);
        assert_eq!(routers.awaited.as_ref().and_then(Awaited::wakeup), None);
    }

    #[test]
    fn a_sync_group_gives_way_with_its_first_member() {
        let group = Some(GroupId(3));
        let mut routers =
            masters(vec![instance(0, 100, group), instance(1, 10, group), instance(2, 100, None)]);
        let now = DIED + Duration::from_millis(400);
        let late = routers.late(now, Some(DIED));
        assert_eq!(late.keys().map(|id| id.0).collect::<Vec<_>>(), [0, 1]);
        assert!(matches!(late[&InstanceId(1)][..], [Cause::HeldUp { silent_ms: 400..=500 }]));
        assert!(matches!(late[&InstanceId(0)][..], [Cause::HeldUp { .. }, Cause::Group { .. }]));
        let events = routers.give_way(now, late);
        let states = events.iter().filter(|event| matches!(event, Event::InstanceState { .. })).count();
        let groups = events.iter().filter(|event| matches!(event, Event::GroupState { .. })).count();
        assert_eq!((states, groups), (2, 1));
        let state = |id| routers.known.standing(InstanceId(id)).unwrap().0;
        assert_eq!([state(0), state(1), state(2)], [State::Backup, State::Backup, State::Master]);
        // The other member's own time is over later: there is nothing to give up any more.
        assert_eq!(self::late(&mut routers, 4_000), [2]);
    }

    #[test]
    fn what_a_kernel_that_did_not_answer_has_is_tried_again_and_told_once() {
        let mut routers = masters(vec![instance(0, 10, None)]);
        assert_eq!(late(&mut routers, 400), [0]);
        let again = |milliseconds| DIED + Duration::from_millis(milliseconds);
        assert!(routers.refused(again(1_400), [InstanceId(0)].into_iter()));
        assert!(late(&mut routers, 1_000).is_empty());
        assert_eq!(late(&mut routers, 1_500), [0]);
        assert!(!routers.refused(again(2_500), [InstanceId(0)].into_iter()));
    }

    #[test]
    fn who_is_no_master_or_is_gone_gives_nothing_up() {
        let mut routers = masters(vec![instance(0, 10, None), instance(1, 10, None)]);
        let mut backup = routers.known.last(InstanceId(0)).unwrap();
        backup.state = State::Backup;
        routers.known.keep(&backup);
        assert!(late(&mut routers, 0).is_empty());
        // A reload while nobody runs it.
        routers.work.machine.instances.pop();
        assert!(late(&mut routers, 4_000).is_empty());
    }
}
