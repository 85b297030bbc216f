//! The addresses of instances: wished, written, watched.

use std::collections::BTreeMap;

use steadfast_kernel::Error;
use steadfast_kernel::netlink::AddressKey;
use steadfast_kernel::wait::clock;
use steadfast_vrrp::{InstanceId, InterfaceId};
use steadfast_wire::vrrp::Family;

use super::{Effects, index_of};
use crate::link::lifecycle::Trouble;
use crate::link::vrrp::Notice;
use crate::vrrp::effects::holdings::Wish;

impl Effects {
    /// An instance holds its addresses. Those that a reload added to a list that was held before are
    /// announced at once; for a new master the machine asks for announcements itself.
    pub(super) fn hold(&mut self, instance: InstanceId) {
        let held_before = self.holdings.holds(instance);
        let (wishes, gained) = self.holdings.hold(instance, &self.work, index_of(&self.interfaces));
        self.wish(wishes);
        self.hold_ways(instance);
        if held_before && !gained.is_empty() {
            self.reconcile();
            let repeat = self.announce_repeat(instance);
            self.request_announcements(instance, Some(&gained), repeat);
        }
    }

    pub(super) fn announce_repeat(&self, instance: InstanceId) -> u32 {
        let instances = &self.work.machine.instances;
        let at = instances.binary_search_by_key(&instance, |config| config.id).ok();
        at.and_then(|at| instances.get(at)).map_or(1, |config| config.announce.master_repeat)
    }

    pub(super) fn request_announcements(&mut self, instance: InstanceId, only: Option<&[u32]>, repeat: u32) {
        let Some(install) = self.work.install(instance) else { return };
        let mut queues: BTreeMap<(InterfaceId, Family), Vec<u32>> = BTreeMap::new();
        for (position, address) in (0_u32..).zip(&install.addresses) {
            if only.is_none_or(|only| only.contains(&position)) {
                queues.entry((address.interface, Family::of(address.address))).or_default().push(position);
            }
        }
        for ((interface, family), positions) in queues {
            self.pacer.request(instance, interface, family, positions, repeat);
        }
    }

    pub(super) fn wish(&mut self, wishes: Vec<Wish>) {
        self.changes += wishes.len();
        for wish in wishes {
            match wish {
                Wish::Have(spec) => self.reconciler.want(spec),
                Wish::Lack(key) if self.stays(key) => self.reconciler.relinquish(key),
                Wish::Lack(key) => self.reconciler.unwant(key),
            }
        }
    }

    pub(super) fn reconcile(&mut self) {
        self.changes = 0;
        self.retract_ways();
        match self.reconciler.apply(&mut self.requests, clock::monotonic()) {
            Ok(applied) => {
                if applied.must_load {
                    let _ = self.read_everything();
                }
                for failure in applied.failures {
                    self.refused(failure.operation.key(), &failure.error);
                }
            }
            Err(error) => self.trouble(Trouble::Netlink { error: error.into() }),
        }
        // What was refused once and succeeded since is told when it is refused again.
        self.refused.retain(|key| self.reconciler.is_wanted(*key) && !self.reconciler.is_served(*key));
        let back: Vec<AddressKey> =
            self.taken_away.iter().filter(|key| self.reconciler.is_served(**key)).copied().collect();
        for key in back {
            self.taken_away.remove(&key);
            self.restored += 1;
            self.announce_restored(key);
        }
        self.install_ways();
    }

    /// Told once; the reconciler goes on trying.
    pub(super) fn refused(&mut self, key: AddressKey, error: &Error) {
        if self.refused.insert(key)
            && let Some(interface) = self.interfaces.configured(key.interface)
        {
            self.notice(Notice::Address { interface, address: key.address, error: error.clone() });
        }
    }

    pub(super) fn announce_restored(&mut self, key: AddressKey) {
        let Some(interface) = self.interfaces.configured(key.interface) else { return };
        self.notice(Notice::AddressRestored { interface, address: key.address });
        for instance in self.holdings.holders_of(key) {
            let Some(install) = self.work.install(instance) else { continue };
            let position =
                install.addresses.iter().position(|a| a.interface == interface && a.address == key.address);
            if let Some(position) = position.and_then(|position| u32::try_from(position).ok()) {
                self.request_announcements(instance, Some(&[position]), 1);
            }
        }
    }
}
