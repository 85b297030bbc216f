//! Links and addresses as the kernel tells of them, and who has to know.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use steadfast_kernel::Error;
use steadfast_kernel::netlink::{Address, AddressKey, Change};
use steadfast_kernel::process::limits;
use steadfast_kernel::reconcile::Heard;
use steadfast_kernel::wait::clock;
use steadfast_vrrp::InterfaceId;

use super::endpoints::descriptors_needed;
use super::interfaces::InterfaceState;
use super::{Effects, now};
use crate::link::lifecycle::Trouble;
use crate::link::vrrp::Notice;
use crate::vrrp::timing::ToTiming;
use crate::vrrp::timing::sockets::SocketKey;

impl Effects {
    pub(super) fn hear_kernel(&mut self) {
        let mut sources_changed = false;
        let (mut fallen, mut rose) = (BTreeSet::new(), false);
        for change in self.site.announced() {
            match &change {
                Change::AddressAdded { address, .. } => self.tell_address(address.key, true),
                Change::AddressRemoved { address, origin } => {
                    if self.site.kinds.addresses.reconciler.is_wanted(address.key) {
                        self.removers.insert(address.key, *origin);
                    }
                    self.tell_address(address.key, false);
                }
                Change::Overrun => {
                    self.trouble(Trouble::Overrun);
                    self.polling.ask_all();
                    let _ = self.read_everything();
                }
                Change::Link(link) if !link.running => {
                    fallen.insert(link.index);
                }
                Change::Link(link) => rose |= fallen.contains(&link.index),
                Change::LinkGone(_) => {}
            }
            if let Change::Link(link) = &change
                && let Some(interface) = self.work.polled_by_name(&link.name)
            {
                self.polling.ask_soon(interface);
            }
            sources_changed |= !matches!(change, Change::Link(_) | Change::LinkGone(_));
            self.site.learn(change, clock::monotonic());
        }
        self.tell_interfaces();
        // Down and up within one turn is no change of an interface, but its routes are gone.
        if rose {
            self.site.kinds.heard(Heard::CameUp, clock::monotonic());
        }
        if sources_changed {
            self.tell_sources();
        }
    }

    pub(super) fn tell_address(&mut self, key: AddressKey, added: bool) {
        if self.work.settings.log_addresses {
            let interface = self.site.interfaces.name(key.interface).unwrap_or("?").into();
            self.notice(Notice::AddressSeen { interface, address: key.address, added });
        }
    }

    pub(super) fn read_everything(&mut self) -> Result<Vec<Address>, Error> {
        self.site.read_everything(clock::monotonic())
    }

    /// Passes on what changed of configured interfaces: to the machine, to the sockets, and to the
    /// addresses of masters when an interface came back under another index.
    pub(super) fn tell_interfaces(&mut self) {
        self.poll_links();
        let changes = self.site.interfaces.changes(now());
        if changes.is_empty() {
            return;
        }
        let (mut moved, mut came_up, mut other_vrf) = (false, false, false);
        for (interface, before, after) in changes {
            moved |= (before.index, before.table) != (after.index, after.table);
            other_vrf |= before.vrf != after.vrf;
            // The kernel drops the routes of an interface that goes down without a word.
            came_up |= after.up && !before.up;
            if after.index.is_none() {
                self.notice(Notice::InterfaceMissing { interface });
            }
            self.tell_virtual_source(interface, before, after);
            self.lanes.to_timing.push(ToTiming::Interface {
                interface,
                up: after.up,
                source_v4: after.source_v4,
                source_v6: after.source_v6,
                mtu: after.mtu,
            });
        }
        if moved || other_vrf {
            self.hold_links();
        }
        self.open_endpoints();
        if came_up {
            self.site.kinds.heard(Heard::CameUp, clock::monotonic());
        }
        if moved {
            for instance in self.site.kinds.addresses.holdings.holders() {
                self.hold(instance);
            }
            self.hold_static_addresses();
            self.hold_static_ways();
        }
    }

    /// Told when it comes to be so.
    fn tell_virtual_source(&mut self, interface: InterfaceId, before: InterfaceState, after: InterfaceState) {
        let v4 = after.source_v4.filter(|address| before.source_v4 != Some(*address)).map(IpAddr::V4);
        let v6 = after.source_v6.filter(|address| before.source_v6 != Some(*address)).map(IpAddr::V6);
        for address in [v4, v6].into_iter().flatten() {
            if self.site.interfaces.is_virtual(address) {
                self.notice(Notice::SourceIsVirtual { interface, address });
            }
        }
    }

    pub(super) fn open_endpoints(&mut self) {
        let closed = self.open_needed_endpoints();
        self.close_endpoints(closed);
    }

    /// Opens what is missing; what nobody needs any more comes back.
    pub(super) fn open_needed_endpoints(&mut self) -> Vec<SocketKey> {
        let updated = self.endpoints.update(&self.work, &self.site.interfaces, now());
        for message in updated.messages {
            self.lanes.to_timing.push(message);
        }
        for (interface, error) in updated.problems {
            self.notice(Notice::Socket { interface, error });
        }
        updated.closed
    }

    pub(super) fn close_endpoints(&mut self, closed: Vec<SocketKey>) {
        closed.into_iter().for_each(|key| self.lanes.to_timing.push(ToTiming::Closed(key)));
    }

    /// Tries again to open what could not be opened, and closes what the last of its instances has left.
    pub(super) fn retry_endpoints(&mut self) {
        if self.endpoints.is_due(now()) {
            self.open_endpoints();
        }
    }

    /// As many descriptors as the configuration needs. What is refused is told; the sockets that cannot be opened for it
    /// put their instances into FAULT.
    pub(super) fn allow_descriptors(&mut self) {
        if let Err(error) = limits::allow_descriptors(descriptors_needed(&self.work)) {
            self.trouble(Trouble::Scheduling { error: error.into() });
        }
    }

    pub(super) fn tell_sources(&mut self) {
        let sources = self.work.machine.instances.iter().filter_map(|instance| instance.source);
        let told: BTreeMap<IpAddr, bool> =
            sources.map(|source| (source, self.site.interfaces.has_address(source))).collect();
        for (source, present) in &told {
            if self.sources_present.get(source) != Some(present) {
                self.lanes.to_timing.push(ToTiming::Source(*source, *present));
            }
        }
        self.sources_present = told;
    }
}
