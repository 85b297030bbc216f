//! A network namespace as this worker knows it, and what shall be there.

use steadfast_kernel::Error;
use steadfast_kernel::datagram::announce::Announcer;
use steadfast_kernel::netlink::{Address, Change, Monitor, Requests, Withdrawals};
use steadfast_kernel::nftables;
use steadfast_kernel::reconcile::Heard;
use steadfast_kernel::reconcile::links::Settings as LinkSettings;
use steadfast_kernel::space::Space;

use super::interfaces::Interfaces;
use super::kinds::Kinds;

/// Everything that means something within one space only: its sockets, and what is kept by interface, address or route.
pub(super) struct Site {
    pub(super) space: Space,
    pub(super) requests: Requests,
    pub(super) monitor: Monitor,
    /// Open once there is something to watch.
    pub(super) withdrawals: Option<Withdrawals>,
    /// Open once there are packet filters.
    pub(super) filter_monitor: Option<nftables::Monitor>,
    pub(super) announcer: Announcer,
    pub(super) interfaces: Interfaces,
    pub(super) kinds: Kinds,
    /// What interfaces below made ones need.
    pub(super) settings: LinkSettings,
}

impl Site {
    /// Opens its sockets.
    ///
    /// # Errors
    /// When the kernel refuses: usually a missing capability.
    pub(super) fn open(space: Space) -> Result<Self, Error> {
        let (mut requests, monitor, announcer) =
            space.within(|| Ok::<_, Error>((Requests::open()?, Monitor::open()?, Announcer::open()?)))??;
        // A master that cannot add its addresses is worse than none.
        requests.check_permission()?;
        Ok(Self {
            space,
            requests,
            monitor,
            withdrawals: None,
            filter_monitor: None,
            announcer,
            interfaces: Interfaces::default(),
            kinds: Kinds::default(),
            settings: LinkSettings::default(),
        })
    }

    /// Gives back what only a burst needs.
    pub(super) fn rest(&mut self) {
        self.requests.rest();
        self.monitor.rest();
        self.announcer.rest();
    }

    /// What the kernel has announced; that announcements were lost is among it.
    pub(super) fn announced(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        loop {
            match self.monitor.read(&mut changes) {
                Ok(true) => {}
                Ok(false) => return changes,
                Err(_) => {
                    changes.push(Change::Overrun);
                    return changes;
                }
            }
        }
    }

    /// Takes note of it.
    pub(super) fn learn(&mut self, change: Change, now: u64) {
        self.kinds.heard(Heard::Change(&change), now);
        match change {
            Change::Link(link) => self.interfaces.link(link),
            Change::LinkGone(link) => self.interfaces.link_gone(link.index),
            Change::AddressAdded { address, .. } => {
                // Where the kernel tells no origin, what is wanted counts as put there by this program.
                let is_wanted = self.kinds.addresses.reconciler.is_wanted(address.key);
                if !is_wanted || self.interfaces.is_static(address.key.address) {
                    self.interfaces.address_added(address);
                }
            }
            Change::AddressRemoved { address, .. } => self.interfaces.address_removed(&address),
            // Lists come.
            Change::Overrun => {}
        }
    }

    /// Begins anew, from lists.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(super) fn read_everything(&mut self, now: u64) -> Result<Vec<Address>, Error> {
        let links = self.requests.links()?;
        let addresses = self.requests.addresses()?;
        self.kinds.heard(Heard::Addresses(&addresses), now);
        let own = |address: &&Address| {
            !self.kinds.addresses.reconciler.is_wanted(address.key)
                || self.interfaces.is_own(address.key)
                || self.interfaces.is_static(address.key.address)
        };
        let own: Vec<Address> = addresses.iter().filter(own).cloned().collect();
        self.interfaces.refill(links, own);
        Ok(addresses)
    }

    /// Writes what differs.
    ///
    /// # Errors
    /// Only when the socket itself fails; what is left to be done waits.
    pub(super) fn round(&mut self, now: u64) -> Result<(), Error> {
        self.kinds.round(&mut self.requests, now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::fd::{AsFd as _, AsRawFd as _};
    use std::sync::Arc;

    use steadfast_kernel::namespace::Network;
    use steadfast_kernel::netlink::AddressSpec;
    use steadfast_kernel::space::SpaceId;
    use steadfast_kernel::wait::clock;
    use steadfast_vrrp::InstanceId;

    use super::*;
    use crate::vrrp::network::in_a_network;

    const LOOPBACK: u32 = 1;

    #[test]
    fn two_sites_with_the_same_interface_and_address_stay_apart() {
        let name = "two_sites_with_the_same_interface_and_address_stay_apart";
        in_a_network(name, || {
            let other = Network::anonymous().unwrap();
            let path = format!("/proc/self/fd/{}", other.as_fd().as_raw_fd());
            let spaces = [Space::own(), Space::open(SpaceId(1), &path).unwrap()];
            let [mut here, mut there] = spaces.map(|space| Site::open(space).unwrap());
            let spec = Arc::new(AddressSpec::new(LOOPBACK, Ipv4Addr::new(192, 0, 2, 1).into(), 32));
            let one = InstanceId(1);
            for site in [&mut here, &mut there] {
                site.read_everything(0).unwrap();
                site.kinds.addresses.hold(one, [Some(Arc::clone(&spec))]);
            }
            let settled = |site: &mut Site| {
                let now = clock::monotonic();
                site.announced().into_iter().for_each(|change| site.learn(change, now));
                site.round(now).unwrap();
                let found = site.requests.addresses().unwrap();
                (
                    found.iter().any(|found| found.key == spec.key),
                    site.interfaces.name(LOOPBACK) == Some("lo"),
                )
            };
            assert_eq!([settled(&mut here), settled(&mut there)], [(true, true); 2]);
            here.kinds.addresses.give_up(one);
            assert_eq!([settled(&mut here), settled(&mut there)], [(false, true), (true, true)]);
            // Somebody takes it away where it is; it is put back there, and nowhere else.
            there.requests.delete_address(spec.key).unwrap();
            assert_eq!([settled(&mut here), settled(&mut there)], [(false, true), (true, true)]);
            assert_eq!([here.space.id(), there.space.id()], [SpaceId::OWN, SpaceId(1)]);
        });
    }
}
