//! Interfaces that are made for virtual routers, and what they need of those below: settings, and packet filters that keep
//! them quiet.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use steadfast_kernel::netlink::{Ipv4Setting, Link, LinkKind, LinkSpec, MARK};
use steadfast_kernel::nftables::{Element, Family as Table, Monitor, Style};
use steadfast_kernel::reconcile::filters::Filters;
use steadfast_kernel::wait::poll::Interest;
use steadfast_vrrp::InstanceId;
use steadfast_wire::vrrp::Family;

use super::holdings::STATIC;
use super::{Effects, FILTERS};
use crate::link::lifecycle::Trouble;
use crate::link::vrrp::work::{FilterStyle, MadeKind, MadeLink, VirtualAddress, Work};
use crate::link::vrrp::{Living, News, Notice};

/// A VMAC of IPv4 answers for its own addresses only, takes what comes from an address of this node (the interface below
/// has it), and keeps its further addresses when the first goes.
const OF_IPV4: [(Ipv4Setting, u32); 4] = [
    (Ipv4Setting::ArpIgnore, 1),
    (Ipv4Setting::AcceptLocal, 1),
    (Ipv4Setting::ReversePathFilter, 0),
    (Ipv4Setting::PromoteSecondaries, 1),
];
const OF_IPV6: [(Ipv4Setting, u32); 1] = [(Ipv4Setting::ArpIgnore, 1)];

/// The interface below a VMAC of IPv4 does not answer for what is on the VMAC: the answer has to have its MAC address. Nor
/// does it ask with the address of a packet that leaves there because of its route: whoever is asked would remember the
/// virtual address with the wrong MAC address.
const BELOW_IPV4: [(Ipv4Setting, u32); 3] =
    [(Ipv4Setting::ArpIgnore, 1), (Ipv4Setting::ArpFilter, 1), (Ipv4Setting::ArpAnnounce, 2)];

impl Effects {
    /// Makes what the configuration asks for where the interface below exists, and brings settings and filters along.
    pub(super) fn hold_links(&mut self) {
        let by_name = self.site.interfaces.by_name();
        let below = |link: &MadeLink| by_name.get(self.work.interface_name(link.lower)).copied();
        let itself = |link: &MadeLink| by_name.get(self.work.interface_name(link.interface)).copied();
        let mut wanted: Vec<Option<Arc<LinkSpec>>> = Vec::new();
        let mut settings = BTreeMap::new();
        let mut quiet = Vec::new();
        for link in &self.work.links {
            let Some(lower) = below(link) else { continue };
            wanted.push(Some(Arc::new(self.spec(link, lower))));
            if !matches!(link.kind, MadeKind::Vmac(_)) {
                continue;
            }
            if link.family == Family::V4 {
                settings.extend(BELOW_IPV4.map(|(setting, value)| ((lower.index, setting), value)));
            }
            if let Some(vmac) = itself(link).filter(|itself| itself.lower == Some(lower.index)) {
                let element = |family| Element::Quiet { family, vmac: vmac.index, lower: lower.index };
                quiet.extend(quiet_families(link, &self.work.filters).map(element).map(Some));
            }
        }
        let own_reverse_path = !settings.is_empty();
        for install in self.work.installs.iter().filter(|install| install.promote_secondaries) {
            let places = install.addresses.iter().map(|address| address.interface);
            let names = places.map(|interface| self.work.interface_name(interface));
            let below = names.filter_map(|name| by_name.get(name).copied());
            settings.extend(below.map(|link| ((link.index, Ipv4Setting::PromoteSecondaries), 1)));
        }
        // What a reload took out stays until its last address is given up.
        let addresses = &self.site.kinds.addresses.holdings;
        self.parting.retain(|spec| {
            let index = by_name.get(&*spec.name).map(|link| link.index);
            let named_again = wanted.iter().flatten().any(|wanted| wanted.name == spec.name);
            !named_again && addresses.keys().any(|key| Some(key.interface) == index)
        });
        wanted.extend(self.parting.iter().cloned().map(Some));
        self.site.settings.wish(settings, own_reverse_path);
        self.site.settings.wish_no_local_reports(self.work.filters.no_local_igmp);
        self.site.kinds.links.hold(STATIC, wanted);
        self.site.kinds.filters.hold(STATIC, quiet);
        self.watch_filters();
    }

    fn spec(&self, link: &MadeLink, lower: &Link) -> LinkSpec {
        let (kind, ipv4) = match (link.kind, link.family) {
            (MadeKind::Vmac(address), Family::V4) => (LinkKind::Macvlan(address), OF_IPV4.to_vec()),
            (MadeKind::Vmac(address), Family::V6) => (LinkKind::Macvlan(address), OF_IPV6.to_vec()),
            (MadeKind::Ipvlan(flags), _) => (LinkKind::Ipvlan(flags), Vec::new()),
        };
        let family = match link.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        LinkSpec {
            name: self.work.interface_name(link.interface).into(),
            lower: lower.index,
            kind,
            group: link.group.unwrap_or(lower.group),
            master: self.site.interfaces.vrf_of(lower),
            alias: format!("{MARK}virtual router {} of {family}", link.vrid).into(),
            ipv4,
            no_ipv6: !link.with_ipv6,
            told_again: link.told_again,
        }
    }

    /// Once they are made they are known at once: what stands on them does not wait for the kernel's announcement.
    pub(super) fn make_links(&mut self, before: &[MadeLink]) {
        let gone = before.iter().filter(|link| self.work.made(link.interface) != Some(*link));
        let names = gone.map(|link| self.work.interface_name(link.interface));
        let parting = names.filter_map(|name| self.site.kinds.links.holdings.held(STATIC, &name.into()));
        let parting: Vec<Arc<LinkSpec>> = parting.collect();
        self.parting.extend(parting);
        self.hold_links();
        if !(self.work.links.is_empty() && before.is_empty()) {
            self.reconcile();
        }
    }

    /// What an earlier run left goes, unless another daemon runs in this namespace: it may be its own.
    pub(super) fn clean_links(&mut self, living: &[Living]) {
        if living.is_empty() {
            let found: Vec<Link> = self.site.interfaces.by_name().into_values().cloned().collect();
            self.site.kinds.links.reconciler.discard_leftovers(&found);
        }
    }

    /// Nothing of it is needed any more.
    pub(super) fn give_up_links(&mut self) {
        self.parting.clear();
        self.site.kinds.filters.give_up(STATIC);
        self.site.kinds.links.give_up(STATIC);
        self.site.settings.wish(BTreeMap::new(), false);
        self.site.settings.wish_no_local_reports(false);
    }

    /// Settings of interfaces below. A successor could not know what they were before.
    pub(super) fn settle_settings(&mut self) {
        match self.site.settings.install(&mut self.site.requests) {
            Ok(true) => {
                let settings = self.site.settings.remembered().clone();
                self.news(News::Settings(Box::new(settings)));
            }
            Ok(false) => {}
            Err(error) => self.notice(Notice::Way { error }),
        }
    }

    /// While an instance that does not accept holds its addresses, nothing to and from them passes.
    pub(super) fn hold_filters(&mut self, instance: InstanceId) {
        let install = self.work.install(instance).filter(|install| install.not_accepted);
        let Some(install) = install else { return self.site.kinds.filters.give_up(instance) };
        let element = |address: &VirtualAddress| match address.address {
            IpAddr::V6(link_local) if link_local.is_unicast_link_local() => {
                let index = self.site.interfaces.last(address.interface).index?;
                Some(Element::NotAcceptedOn(link_local, index))
            }
            address => Some(Element::NotAccepted(address)),
        };
        let wanted: Vec<Option<Element>> = install.addresses.iter().map(element).collect();
        self.site.kinds.filters.hold(instance, wanted);
        self.watch_filters();
    }

    /// How filters look, as configured from here on.
    pub(super) fn style_filters(&mut self, at_start: bool) {
        let FilterStyle { table, priority, counters, .. } = &self.work.filters;
        let style = Style { table: table.clone(), priority: *priority, counters: *counters, duplicate: true };
        if at_start {
            self.site.kinds.filters.reconciler = Filters::new(style);
        } else {
            self.site.kinds.filters.reconciler.restyle(style);
        }
    }

    /// Starts to hear of what others do to the filters, once there are any.
    fn watch_filters(&mut self) {
        if self.site.filter_monitor.is_some() || self.site.kinds.filters.reconciler.is_empty() {
            return;
        }
        let opened = self.site.space.within(Monitor::open).flatten().and_then(|monitor| {
            self.poller.add(&monitor, FILTERS, Interest::Readable)?;
            Ok(monitor)
        });
        // Where there are no packet filters at all, writing them tells.
        self.site.filter_monitor = opened.ok();
    }

    pub(super) fn hear_filters(&mut self) {
        let Some(monitor) = &mut self.site.filter_monitor else { return };
        let filters = &mut self.site.kinds.filters.reconciler;
        match monitor.is_changed(filters.table(), filters.port()) {
            Ok(true) => filters.disturbed(),
            Ok(false) => {}
            Err(error) => self.trouble(Trouble::Netlink { error: error.into() }),
        }
    }
}

/// Tables that keep an interface quiet: of the protocols that are spoken on it.
fn quiet_families(link: &MadeLink, style: &FilterStyle) -> impl Iterator<Item = Table> + use<> {
    let v4 = link.family == Family::V4 && !style.no_local_igmp;
    v4.then_some(Table::V4).into_iter().chain(link.with_ipv6.then_some(Table::V6))
}

/// The addresses that made interfaces have whatever the state of any instance.
pub(super) fn own_addresses(work: &Work) -> Vec<VirtualAddress> {
    let with_address = work.links.iter().filter_map(|link| Some((link.interface, link.address?)));
    with_address
        .map(|(interface, (address, prefix))| VirtualAddress::plain(interface, address, prefix))
        .collect()
}
