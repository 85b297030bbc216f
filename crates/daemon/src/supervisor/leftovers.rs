//! What a vrrp worker that is no more has in the kernel, and who takes it away while there is no other.

use std::collections::{BTreeMap, BTreeSet};

use steadfast_kernel::netlink::{Address, AddressKey, Batch, Link, Requests};
use steadfast_kernel::reconcile::links::Settings;
use steadfast_kernel::{Error, nftables};
use steadfast_vrrp::{InstanceId, InterfaceId};

use super::workers::vrrp::Routers;
use crate::link::vrrp::work::{Install, VirtualAddress, Work};

/// How much is taken away.
pub(super) enum Extent<'a> {
    /// Everything: the daemon ends.
    Everything,
    /// What only these instances hold, and what none holds any more. Interfaces that were made, their settings and
    /// filters stay, as a backup has them.
    Of(&'a BTreeSet<InstanceId>),
}

impl Extent<'_> {
    fn has(&self, instance: InstanceId) -> bool {
        match self {
            Self::Everything => true,
            Self::Of(instances) => instances.contains(&instance),
        }
    }
}

impl Routers {
    /// Takes it away, from the last kind to the first, as a worker does: no rule is without its table, no route without the
    /// address that it leaves from.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub(super) fn remove_leftovers(&self, extent: &Extent<'_>) -> Result<(), Error> {
        let mut requests = Requests::open()?;
        let links = requests.links()?;
        let there = requests.addresses()?;
        let mut batch = Batch::default();
        let by_name = links.iter().map(|link| (&*link.name, link)).collect();
        self.delete_ways(extent, &by_name, &mut batch);
        self.delete_addresses(extent, &by_name, &there, &mut batch);
        if let Extent::Of(_) = extent {
            requests.send(&mut batch)?;
            return Ok(());
        }
        let work = &self.work;
        let made: BTreeSet<&str> =
            work.links.iter().map(|link| work.interface_name(link.interface)).collect();
        for link in links.iter().filter(|link| link.is_made() && made.contains(link.name.as_str())) {
            batch.delete_link(link.index);
        }
        requests.send(&mut batch)?;
        Settings::restore(self.known.settings().clone(), &mut requests)?;
        if !work.links.is_empty() || work.installs.iter().any(|install| install.not_accepted) {
            nftables::remove(&work.filters.table)?;
        }
        Ok(())
    }

    /// Routes and rules of instances that said that they serve: nothing else tells whose they are.
    fn delete_ways(&self, extent: &Extent<'_>, by_name: &BTreeMap<&str, &Link>, batch: &mut Batch) {
        let Self { work, known, .. } = self;
        let serving = || work.installs.iter().filter(|install| known.held_addresses(install.instance));
        let stays = |install: &&Install| !extent.has(install.instance);
        let goes = |install: &&Install| extent.has(install.instance);
        let rules_kept: BTreeSet<_> =
            serving().filter(stays).flat_map(|install| &install.rules).chain(&work.standing.rules).collect();
        for rule in serving().filter(goes).flat_map(|install| &install.rules) {
            if !rules_kept.contains(rule) {
                batch.delete_rule(rule);
            }
        }
        let routes_kept: BTreeSet<_> = serving()
            .filter(stays)
            .flat_map(|install| &install.routes)
            .chain(&work.standing.routes)
            .collect();
        let link = |id: &InterfaceId| by_name.get(work.interface_name(*id)).copied();
        for route in serving().filter(goes).flat_map(|install| &install.routes) {
            let named = route.with_interfaces(|id| Some(link(id)?.index), |vrf| link(vrf)?.table);
            if let Some(named) = named.filter(|_| !routes_kept.contains(route)) {
                batch.delete_route(&named);
            }
        }
    }

    /// What this program did not add stays; where the kernel does not tell, what the worker said it held counts as added.
    fn delete_addresses(
        &self,
        extent: &Extent<'_>,
        by_name: &BTreeMap<&str, &Link>,
        there: &[Address],
        batch: &mut Batch,
    ) {
        let Self { work, known, leaving, dropped, .. } = self;
        let told = Address::origins_are_told(there);
        let there: BTreeMap<AddressKey, &Address> =
            there.iter().map(|address| (address.key, address)).collect();
        let key = |address: &VirtualAddress| key(work, by_name, address);
        let stays =
            |install: &&Install| !extent.has(install.instance) && known.held_addresses(install.instance);
        let kept: BTreeSet<AddressKey> = work
            .installs
            .iter()
            .filter(stays)
            .flat_map(|install| &install.addresses)
            .filter_map(key)
            .collect();
        let configured = work.installs.iter().filter(|install| extent.has(install.instance));
        let configured = configured.flat_map(|install| {
            let was_held = known.held_addresses(install.instance);
            install.addresses.iter().map(move |address| (address, was_held))
        });
        let former = leaving.values().flatten().chain(dropped).map(|address| (address, true));
        for (address, was_held) in configured.chain(former) {
            let ours = |found: &&Address| found.is_ours() || (!told && was_held);
            let key = key(address).filter(|key| !kept.contains(key));
            if let Some(found) = key.and_then(|key| there.get(&key).copied()).filter(ours) {
                batch.delete_address(found.key, found.peer);
            }
        }
    }
}

/// How the kernel knows an address, if its interface is there.
fn key(work: &Work, by_name: &BTreeMap<&str, &Link>, address: &VirtualAddress) -> Option<AddressKey> {
    let interface = by_name.get(work.interface_name(address.interface))?.index;
    Some(AddressKey { interface, address: address.address, prefix: address.prefix })
}
