//! Which addresses the instances of this worker hold, and so which the kernel shall have.
//!
//! An address that two instances hold stays until both have given it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use steadfast_kernel::netlink::{AddressKey, AddressSpec};
use steadfast_vrrp::{InstanceId, InterfaceId};

use crate::link::vrrp::work::{Install, VirtualAddress, Work};

/// A change of what the kernel shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It shall be there, like this.
    Have(Arc<AddressSpec>),
    /// It shall not be there.
    Lack(AddressKey),
}

/// Holdings by instance.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// Ordered by key: a map of its own for each of thousands of instances costs a kilobyte each.
    held: BTreeMap<InstanceId, Box<[Arc<AddressSpec>]>>,
    /// By address, so that those of one are found without a look at all instances.
    users: BTreeSet<(AddressKey, InstanceId)>,
}

/// Key of the addresses that exist whatever the state of any instance.
const STATIC: InstanceId = InstanceId(u32::MAX);

impl Holdings {
    /// An instance holds exactly the addresses that the configuration gives it, on the interfaces
    /// that exist. Positions of addresses that it did not hold before come back with the wishes.
    pub(crate) fn hold(
        &mut self,
        instance: InstanceId,
        work: &Work,
        index_of: impl Fn(InterfaceId) -> Option<u32>,
    ) -> (Vec<Wish>, Vec<u32>) {
        let addresses =
            work.install(instance).map(|install| install.addresses.as_slice()).unwrap_or_default();
        self.set(instance, addresses, index_of)
    }

    /// The static addresses of the configuration are held.
    pub(crate) fn hold_static(
        &mut self,
        work: &Work,
        index_of: impl Fn(InterfaceId) -> Option<u32>,
    ) -> Vec<Wish> {
        self.set(STATIC, &work.standing.addresses, index_of).0
    }

    /// The static addresses go with the daemon.
    pub(crate) fn give_up_static(&mut self) -> Vec<Wish> {
        self.give_up(STATIC)
    }

    /// An instance gives up everything it holds.
    pub(crate) fn give_up(&mut self, instance: InstanceId) -> Vec<Wish> {
        let wishes = self.set(instance, &[], |_| None).0;
        self.held.remove(&instance);
        wishes
    }

    /// Whether an instance holds anything, be it nothing but the right to.
    pub(crate) fn holds(&self, instance: InstanceId) -> bool {
        self.held.contains_key(&instance)
    }

    /// Instances that hold their addresses, ordered by number.
    pub(crate) fn holders(&self) -> Vec<InstanceId> {
        self.held.keys().copied().filter(|id| *id != STATIC).collect()
    }

    /// Instances that hold this address.
    pub(crate) fn holders_of(&self, key: AddressKey) -> Vec<InstanceId> {
        self.users_of(key).map(|(_, instance)| *instance).collect()
    }

    /// Addresses that the configuration gives to instances that do not hold them; to all of them, or to these.
    pub(crate) fn not_held(
        &self,
        work: &Work,
        only: Option<&BTreeSet<InstanceId>>,
        index_of: impl Fn(InterfaceId) -> Option<u32>,
    ) -> Vec<AddressSpec> {
        let meant = |install: &&Install| only.is_none_or(|only| only.contains(&install.instance));
        work.installs
            .iter()
            .filter(meant)
            .flat_map(|install| self.specs_of(&install.addresses, &index_of))
            .collect()
    }

    /// Of these addresses, those that nobody holds.
    pub(crate) fn specs_of(
        &self,
        addresses: &[VirtualAddress],
        index_of: impl Fn(InterfaceId) -> Option<u32>,
    ) -> Vec<AddressSpec> {
        let specs = addresses.iter().filter_map(|address| Some(spec(address, index_of(address.interface)?)));
        specs.filter(|spec| self.users_of(spec.key).next().is_none()).collect()
    }

    fn users_of(&self, key: AddressKey) -> impl Iterator<Item = &(AddressKey, InstanceId)> {
        self.users.range((key, InstanceId(0))..=(key, STATIC))
    }

    fn set(
        &mut self,
        instance: InstanceId,
        addresses: &[VirtualAddress],
        index_of: impl Fn(InterfaceId) -> Option<u32>,
    ) -> (Vec<Wish>, Vec<u32>) {
        let before = self.held.remove(&instance).unwrap_or_default();
        let (mut wishes, mut gained, mut after) =
            (Vec::new(), Vec::new(), Vec::with_capacity(addresses.len()));
        for (position, address) in (0_u32..).zip(addresses) {
            let Some(spec) = index_of(address.interface).map(|index| Arc::new(spec(address, index))) else {
                continue;
            };
            if find(&before, spec.key) != Some(&spec) {
                gained.push(position);
                wishes.push(Wish::Have(Arc::clone(&spec)));
            }
            after.push(spec);
        }
        after.sort_by_key(|spec| spec.key);
        after.dedup_by_key(|spec| spec.key);
        for spec in after.iter().filter(|spec| find(&before, spec.key).is_none()) {
            self.users.insert((spec.key, instance));
        }
        for spec in before.iter().filter(|spec| find(&after, spec.key).is_none()) {
            if self.users.remove(&(spec.key, instance)) && self.users_of(spec.key).next().is_none() {
                wishes.push(Wish::Lack(spec.key));
            }
        }
        self.held.insert(instance, after.into_boxed_slice());
        (wishes, gained)
    }
}

fn find(held: &[Arc<AddressSpec>], key: AddressKey) -> Option<&Arc<AddressSpec>> {
    held.binary_search_by_key(&key, |spec| spec.key).ok().and_then(|at| held.get(at))
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
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn address(last: u8) -> VirtualAddress {
        VirtualAddress {
            interface: InterfaceId(0),
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
            prefix: 32,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            preferred_seconds: None,
            detect_duplicates: false,
            home: false,
            manage_temporary: false,
            no_prefix_route: false,
            auto_join: false,
        }
    }

    fn work(installs: &[(u32, &[u8])]) -> Work {
        let installs = installs.iter().map(|(instance, addresses)| Install {
            instance: InstanceId(*instance),
            addresses: addresses.iter().map(|last| address(*last)).collect(),
            routes: Vec::new(),
            rules: Vec::new(),
        });
        Work { installs: installs.collect(), ..Work::default() }
    }

    fn lacks(wishes: &[Wish]) -> usize {
        wishes.iter().filter(|wish| matches!(wish, Wish::Lack(_))).count()
    }

    #[test]
    fn a_changed_list_moves_only_what_differs() {
        let mut holdings = Holdings::default();
        let one = InstanceId(1);
        let (wishes, gained) = holdings.hold(one, &work(&[(1, &[1, 2])]), |_| Some(7));
        assert_eq!((wishes.len(), gained), (2, vec![0, 1]));
        let (wishes, gained) = holdings.hold(one, &work(&[(1, &[2, 3])]), |_| Some(7));
        assert_eq!((wishes.len(), lacks(&wishes), gained), (2, 1, vec![1]));
        let (wishes, gained) = holdings.hold(one, &work(&[(1, &[2, 3])]), |_| Some(7));
        assert_eq!((wishes.len(), gained.len()), (0, 0));
    }

    #[test]
    fn an_address_of_two_instances_stays_until_both_gave_it_up() {
        let mut holdings = Holdings::default();
        let both = work(&[(1, &[1]), (2, &[1])]);
        holdings.hold(InstanceId(1), &both, |_| Some(7));
        holdings.hold(InstanceId(2), &both, |_| Some(7));
        assert_eq!(lacks(&holdings.give_up(InstanceId(1))), 0);
        assert_eq!(lacks(&holdings.give_up(InstanceId(2))), 1);
    }

    #[test]
    fn an_interface_that_comes_back_is_filled_again() {
        let mut holdings = Holdings::default();
        let work = work(&[(1, &[1])]);
        let (wishes, _) = holdings.hold(InstanceId(1), &work, |_| None);
        assert!(wishes.is_empty() && holdings.holds(InstanceId(1)));
        let (wishes, gained) = holdings.hold(InstanceId(1), &work, |_| Some(9));
        assert_eq!((wishes.len(), gained), (1, vec![0]));
    }
}
