//! Announcements that are repeated on interfaces other than the one that carries the adverts (`garp_extra_if`): switches
//! would forget where their MAC addresses are.

use std::collections::BTreeMap;
use std::time::Duration;

use steadfast_vrrp::{InstanceId, Moment};

use super::{Effects, now};

/// When the addresses of a holder are announced next.
#[derive(Debug, Default)]
pub(super) struct Further {
    due: BTreeMap<InstanceId, Moment>,
}

impl Further {
    pub(super) fn next_wakeup(&self) -> Option<Moment> {
        self.due.values().min().copied()
    }

    /// Holders whose time has come, which comes again after the `period` of each. One that has none is announced nowhere else
    /// any more: a reload has removed it, and it hands over.
    fn take_due(&mut self, now: Moment, period: impl Fn(InstanceId) -> Option<Duration>) -> Vec<InstanceId> {
        let mut due: Vec<InstanceId> =
            self.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        due.retain(|instance| {
            let next = period(*instance).map(|period| now + period);
            match next {
                Some(at) => self.due.insert(*instance, at),
                None => self.due.remove(instance),
            };
            next.is_some()
        });
        due
    }
}

impl Effects {
    /// An instance holds its addresses. The first time is a whole period later: they were just announced.
    pub(super) fn begin_further(&mut self, instance: InstanceId) {
        match self.work.install(instance).and_then(|install| install.extra_announce) {
            Some(extra) => {
                let first = now() + extra.period;
                let due = self.further.due.entry(instance).or_insert(first);
                *due = first.min(*due);
            }
            None => self.end_further(instance),
        }
    }

    pub(super) fn end_further(&mut self, instance: InstanceId) {
        self.further.due.remove(&instance);
    }

    /// Asks for what is due.
    pub(super) fn announce_further(&mut self) {
        let work = &self.work;
        let period = |instance| Some(work.install(instance)?.extra_announce?.period);
        for instance in self.further.take_due(now(), period) {
            let Some(install) = self.work.install(instance) else { continue };
            let Some(extra) = install.extra_announce else { continue };
            let instances = &self.work.machine.instances;
            let at = instances.binary_search_by_key(&instance, |config| config.id).ok();
            let adverts_on = at.and_then(|at| instances.get(at)).map(|config| config.adverts_on);
            let further = (0_u32..).zip(&install.addresses).filter(|(_, address)| {
                Some(address.interface) != adverts_on
                    && (extra.all || self.work.made(address.interface).is_some())
            });
            let positions: Vec<u32> = further.map(|(position, _)| position).collect();
            self.request_announcements(instance, Some(&positions), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_that_a_reload_removed_is_due_once_more_and_never_again() {
        let (stays, goes) = (InstanceId(1), InstanceId(2));
        let (now, second) = (Moment::from_nanos(5_000_000_000), Duration::from_secs(1));
        let mut further = Further { due: BTreeMap::from([(stays, now), (goes, now)]) };
        let period = |instance| (instance == stays).then_some(second);
        assert_eq!(further.take_due(now, period), [stays]);
        assert_eq!(further.next_wakeup(), Some(now + second));
        assert_eq!(further.take_due(now, period), []);
        assert_eq!(further.take_due(now + second, |_| None), []);
        assert_eq!(further.next_wakeup(), None, "it would wake the thread again and again");
    }
}
