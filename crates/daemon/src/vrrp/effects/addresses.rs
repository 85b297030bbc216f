//! The addresses of instances: wished, written, watched.

use std::collections::BTreeMap;
use std::sync::Arc;

use steadfast_kernel::netlink::{AddressKey, AddressSpec};
use steadfast_kernel::reconcile::Reconcile;
use steadfast_kernel::reconcile::addresses::Addresses;
use steadfast_vrrp::{InstanceConfig, InstanceId, InterfaceId};
use steadfast_wire::vrrp::Family;

use super::holdings::{STATIC, Wish};
use super::links::own_addresses;
use super::pacing::Way;
use super::{Effects, index_of};
use crate::link::vrrp::Notice;
use crate::link::vrrp::work::VirtualAddress;
use crate::vrrp::timing::ToTiming;

impl Effects {
    /// An instance holds its addresses. Those that a reload added to a list that was held before are
    /// announced at once; for a new master the machine asks for announcements itself.
    pub(super) fn hold(&mut self, instance: InstanceId) {
        let held_before = self.site.kinds.addresses.holdings.holds(instance);
        let configured = self.work.install(instance).map(|install| install.addresses.as_slice());
        let wanted = specs(configured.unwrap_or_default(), index_of(&self.site.interfaces));
        let (wishes, gained) = self.site.kinds.addresses.holdings.hold(instance, wanted);
        self.hold_filters(instance);
        self.begin_further(instance);
        self.wish(wishes);
        self.hold_ways(instance);
        if held_before && !gained.is_empty() {
            self.reconcile();
            let repeat = self.announce_repeat(instance);
            self.request_announcements(instance, Some(&gained), repeat);
        }
    }

    pub(super) fn announce_repeat(&self, instance: InstanceId) -> u32 {
        self.config_of(instance).map_or(1, |config| config.announce.master_repeat)
    }

    pub(super) fn config_of(&self, instance: InstanceId) -> Option<&InstanceConfig> {
        let instances = &self.work.machine.instances;
        let at = instances.binary_search_by_key(&instance, |config| config.id).ok();
        at.and_then(|at| instances.get(at)).map(AsRef::as_ref)
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
            let way = Way { interface, pace: self.work.pace(interface) };
            self.pacer.request(instance, way, family, positions, repeat);
        }
    }

    /// The addresses that do not follow any instance are held.
    pub(super) fn hold_static_addresses(&mut self) {
        let own = own_addresses(&self.work);
        let wanted = specs(&self.work.standing.addresses, index_of(&self.site.interfaces))
            .chain(specs(&own, index_of(&self.site.interfaces)));
        let wishes = self.site.kinds.addresses.holdings.hold(STATIC, wanted).0;
        self.wish(wishes);
    }

    pub(super) fn give_up_addresses(&mut self, holder: InstanceId) {
        let wishes = self.site.kinds.addresses.holdings.give_up(holder);
        self.wish(wishes);
    }

    fn wish(&mut self, wishes: Vec<Wish<Addresses>>) {
        self.changes += wishes.len();
        for wish in wishes {
            match wish {
                Wish::Have(spec) => self.site.kinds.addresses.reconciler.wish(spec),
                Wish::Lack(key) if self.stays(key) => self.site.kinds.addresses.reconciler.relinquish(key),
                Wish::Lack(key) => self.site.kinds.addresses.reconciler.unwish(&key),
            }
        }
    }

    /// Somebody removed an address. An instance that gives up for it is told, and it is not put back.
    pub(super) fn give_up_removed(&mut self, key: AddressKey) {
        let holders = self.site.kinds.addresses.holdings.holders_of(&key);
        let gives_up = |id: &InstanceId| self.config_of(*id).is_some_and(|config| config.gives_up_removed);
        let givers: Vec<InstanceId> = holders.into_iter().filter(gives_up).collect();
        if givers.is_empty() {
            return;
        }
        self.site.kinds.addresses.reconciler.unwish(&key);
        for instance in givers {
            self.lanes.to_timing.push(ToTiming::AddressRemoved(instance, key.address));
        }
        self.tell_removal(key, false);
    }

    fn tell_removal(&mut self, key: AddressKey, restored: bool) {
        let origin = self.removers.remove(&key).unwrap_or(0);
        if let Some(interface) = self.site.interfaces.configured(key.interface) {
            self.notice(Notice::AddressRemoved { interface, address: key.address, origin, restored });
        }
    }

    pub(super) fn announce_restored(&mut self, key: AddressKey) {
        self.tell_removal(key, true);
        let Some(interface) = self.site.interfaces.configured(key.interface) else { return };
        for instance in self.site.kinds.addresses.holdings.holders_of(&key) {
            let Some(install) = self.work.install(instance) else { continue };
            let position =
                install.addresses.iter().position(|a| a.interface == interface && a.address == key.address);
            if let Some(position) = position.and_then(|position| u32::try_from(position).ok()) {
                self.request_announcements(instance, Some(&[position]), 1);
            }
        }
    }
}

/// The addresses as the kernel shall have them; `None` for those whose interface is missing.
pub(super) fn specs(
    addresses: &[VirtualAddress],
    index_of: impl Fn(InterfaceId) -> Option<u32>,
) -> impl Iterator<Item = Option<Arc<AddressSpec>>> {
    addresses
        .iter()
        .map(move |address| index_of(address.interface).map(|index| Arc::new(spec(address, index))))
}

fn spec(address: &VirtualAddress, index: u32) -> AddressSpec {
    AddressSpec {
        key: AddressKey { interface: index, address: address.address, prefix: address.prefix },
        peer: address.peer,
        label: address.label.as_deref().map(str::to_owned),
        scope: address.scope,
        broadcast: address.broadcast,
        detect_duplicates: address.detect_duplicates,
        no_prefix_route: address.no_prefix_route,
        home: address.home,
        manage_temporary: address.manage_temporary,
        autojoin: address.auto_join,
        preferred_lifetime_seconds: address.preferred_seconds,
        lease_seconds: address.lease_seconds,
    }
}
