//! Announcements that are repeated on interfaces other than the one that carries the adverts (`garp_extra_if`): switches
//! would forget where their MAC addresses are.

use std::collections::BTreeMap;

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
        let now = now();
        let due: Vec<InstanceId> =
            self.further.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for instance in due {
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
            self.further.due.insert(instance, now + extra.period);
            self.request_announcements(instance, Some(&positions), 1);
        }
    }
}
