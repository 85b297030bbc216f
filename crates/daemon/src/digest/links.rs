//! Which interfaces are made for virtual routers, under which names, and what is put on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use steadfast_config::model::{IpvlanMode, Model, VirtualAddress, VrrpInstance};
use steadfast_vrrp::InterfaceId;
use steadfast_wire::vrrp::{Family, Vrid};

use crate::link::vrrp::work::{MadeKind, MadeLink, Work};

/// IPVLAN_F_PRIVATE and IPVLAN_F_VEPA.
const PRIVATE: u16 = 1;
const VEPA: u16 = 2;

/// Prefix of generated names where none is configured.
const PREFIX: &str = "vrrp";
/// Bytes of an interface's name, as IFNAMSIZ has it, its closing NUL left out.
const NAME_BYTES: usize = 15;
/// Generated names that are tried: one for each virtual router of the same number could be taken.
const NAMES_TRIED: u32 = 65_536;

/// What tells one made interface from another: two that would be alike are one.
type Alike = (Arc<str>, MadeKind);

/// Interfaces that are made, by name.
#[derive(Debug, Default)]
pub(super) struct Links {
    names: BTreeMap<Alike, Arc<str>>,
    made: BTreeMap<Arc<str>, Made>,
    /// Names that are taken: of interfaces that the configuration speaks of, and of those that are made.
    taken: BTreeSet<Arc<str>>,
    prefix: String,
    prefix_for_addresses: String,
}

#[derive(Debug)]
struct Made {
    lower: Arc<str>,
    kind: MadeKind,
    vrid: Vrid,
    family: Family,
    group: Option<u32>,
    with_ipv6: bool,
    told_again: bool,
    address: Option<(std::net::IpAddr, u8)>,
}

impl Links {
    /// Those of a configuration; interfaces that `previous` has already keep their names.
    pub(super) fn of(model: &Model, previous: &Work) -> Self {
        let global = &model.global;
        let or_default = |prefix: &str| if prefix.is_empty() { PREFIX.to_owned() } else { prefix.to_owned() };
        let prefix = or_default(&global.vmac_prefix);
        let for_addresses = global.vmac_address_prefix.as_deref();
        let prefix_for_addresses = for_addresses.map_or_else(|| prefix.clone(), or_default);
        let mut links = Self { prefix, prefix_for_addresses, ..Self::default() };
        for instance in &model.instances {
            links.taken.extend(instance.interface.iter().map(|name| Arc::from(&**name)));
            links.taken.extend(explicit_name(instance).map(Arc::from));
        }
        let places = model.instances.iter().flat_map(|instance| {
            let addresses = instance.addresses.iter().chain(&instance.excluded_addresses);
            let of_addresses = addresses.filter_map(|address| alike_of_address(instance, address));
            own(instance).into_iter().chain(of_addresses)
        });
        let wanted: BTreeSet<Alike> = places.collect();
        for link in &previous.links {
            let alike = (Arc::from(previous.interface_name(link.lower)), link.kind);
            let name: Arc<str> = previous.interface_name(link.interface).into();
            if wanted.contains(&alike) && links.taken.insert(Arc::clone(&name)) {
                links.names.insert(alike, name);
            }
        }
        for instance in &model.instances {
            links.of_instance(instance);
        }
        links
    }

    /// Where an instance's adverts leave and come.
    pub(super) fn of_adverts<'n>(&'n self, instance: &'n VrrpInstance) -> Option<&'n str> {
        let interface = instance.interface.as_deref()?;
        // An ipvlan has no MAC address of its own that adverts could have.
        if instance.vmac.is_some() && instance.vmac_transmit_on_parent {
            return Some(interface);
        }
        own(instance).and_then(|alike| self.name(&alike)).or(Some(interface))
    }

    /// Where an address of an instance is put.
    pub(super) fn of_address<'n>(
        &'n self,
        instance: &'n VrrpInstance,
        address: &'n VirtualAddress,
    ) -> Option<&'n str> {
        let plain = address.interface.as_deref().or(instance.interface.as_deref());
        alike_of_address(instance, address).and_then(|alike| self.name(&alike)).or(plain)
    }

    /// With the numbers of their names.
    pub(super) fn numbered(self, mut number: impl FnMut(&str) -> InterfaceId) -> Vec<MadeLink> {
        let made = self.made.iter().map(|(name, made)| MadeLink {
            interface: number(name),
            lower: number(&made.lower),
            kind: made.kind,
            vrid: made.vrid,
            family: made.family,
            group: made.group,
            with_ipv6: made.with_ipv6,
            told_again: made.told_again,
            address: made.address,
        });
        let mut links: Vec<MadeLink> = made.collect();
        links.sort_by_key(|link| link.interface);
        links
    }

    fn name(&self, alike: &Alike) -> Option<&str> {
        let name = self.names.get(alike)?;
        self.made.contains_key(name).then_some(&**name)
    }

    fn of_instance(&mut self, instance: &VrrpInstance) {
        if instance.broken.is_none()
            && let Some(alike) = own(instance)
        {
            let group = instance.vmac.as_ref().and_then(|vmac| vmac.group.as_deref());
            let group = group.or(instance.ipvlan.as_ref().and_then(|ipvlan| ipvlan.group.as_deref()));
            let address = instance.ipvlan.as_ref().and_then(|ipvlan| ipvlan.address);
            // Where adverts leave by the interface below, nothing but addresses needs it.
            let made = Made {
                lower: Arc::clone(&alike.0),
                kind: alike.1,
                vrid: instance.virtual_router_id,
                family: instance.family,
                group: group.and_then(group_number),
                with_ipv6: instance.family == Family::V6,
                told_again: instance.vmac.as_ref().is_some_and(|vmac| vmac.netlink_notify),
                address,
            };
            let prefix = self.prefix.clone();
            self.make(alike, explicit_name(instance), &prefix, made);
        }
        for address in instance.addresses.iter().chain(&instance.excluded_addresses) {
            let Some(alike) = alike_of_address(instance, address) else { continue };
            if let Some(made) = self.names.get(&alike).and_then(|name| self.made.get_mut(name)) {
                made.with_ipv6 |= address.address.is_ipv6();
                continue;
            }
            let made = Made {
                lower: Arc::clone(&alike.0),
                kind: alike.1,
                vrid: instance.virtual_router_id,
                family: Family::of(address.address),
                group: None,
                with_ipv6: address.address.is_ipv6(),
                told_again: false,
                address: None,
            };
            let prefix = self.prefix_for_addresses.clone();
            self.make(alike, None, &prefix, made);
        }
    }

    fn make(&mut self, alike: Alike, explicit: Option<&str>, prefix: &str, made: Made) {
        let known = self.names.get(&alike).cloned();
        if let Some(name) = &known
            && let Some(there) = self.made.get_mut(name)
        {
            there.with_ipv6 |= made.with_ipv6;
            return;
        }
        let name = explicit.map(Arc::from).or(known).or_else(|| self.generate(prefix, &made));
        let Some(name) = name else { return };
        self.taken.insert(Arc::clone(&name));
        self.names.insert(alike, Arc::clone(&name));
        self.made.insert(name, made);
    }

    /// PREFIX.VRID; where it is taken PREFIX6.VRID for IPv6, and then PREFIX1.VRID, PREFIX2.VRID and so on, as keepalived
    /// does it.
    fn generate(&self, prefix: &str, made: &Made) -> Option<Arc<str>> {
        let vrid = made.vrid;
        let six = (made.family == Family::V6).then(|| format!("{prefix}6.{vrid}"));
        let further = (1..NAMES_TRIED).map(|number| format!("{prefix}{number}.{vrid}"));
        let mut names = std::iter::once(format!("{prefix}.{vrid}")).chain(six).chain(further);
        let free = |name: &String| name.len() <= NAME_BYTES && !self.taken.contains(name.as_str());
        names.find(free).map(Arc::from)
    }
}

fn explicit_name(instance: &VrrpInstance) -> Option<&str> {
    let vmac = instance.vmac.as_ref().and_then(|vmac| vmac.name.as_deref());
    vmac.or(instance.ipvlan.as_ref().and_then(|ipvlan| ipvlan.name.as_deref()))
}

/// The interface that is made for an instance itself.
fn own(instance: &VrrpInstance) -> Option<Alike> {
    let lower = Arc::from(instance.interface.as_deref()?);
    if let Some(vmac) = &instance.vmac {
        let written = vmac.mac.as_deref().and_then(|mac| mac_address(mac, instance.virtual_router_id));
        let mac = written.unwrap_or_else(|| virtual_mac(instance.family, instance.virtual_router_id));
        return Some((lower, MadeKind::Vmac(mac)));
    }
    let ipvlan = instance.ipvlan.as_ref()?;
    let flags = match ipvlan.mode {
        IpvlanMode::Bridge => 0,
        IpvlanMode::Private => PRIVATE,
        IpvlanMode::Vepa => VEPA,
    };
    Some((lower, MadeKind::Ipvlan(flags)))
}

/// The made interface that an address belongs on, if it does not belong on one that is there anyway.
fn alike_of_address(instance: &VrrpInstance, address: &VirtualAddress) -> Option<Alike> {
    let base = instance.interface.as_deref();
    let interface = address.interface.as_deref().or(base)?;
    let family = Family::of(address.address);
    let at_home = Some(interface) == base && family == instance.family;
    // An ipvlan carries adverts from an address of its own; those of the virtual router stay below.
    if at_home
        && instance.vmac.is_some()
        && let Some(own) = own(instance)
    {
        return Some(own);
    }
    let wanted = address.use_vmac || (instance.vmac_for_addresses && !at_home);
    let mac = virtual_mac(family, instance.virtual_router_id);
    wanted.then(|| (Arc::from(interface), MadeKind::Vmac(mac)))
}

/// RFC 9568 and RFC 3768 section 7.3. Adverts leave with it (RFC 9568 section 7.2), and by the interface that has it the
/// kernel answers for the addresses (RFC 9568 sections 8.1.2 and 8.2.2, RFC 3768 section 8.2). It makes no interface
/// identifier: the kernel is told to generate none (RFC 9568 section 7.4).
fn virtual_mac(family: Family, vrid: Vrid) -> [u8; 6] {
    let block = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    [0, 0, 0x5e, 0, block, vrid.get()]
}

/// Five octets are completed by the number of the virtual router.
fn mac_address(written: &str, vrid: Vrid) -> Option<[u8; 6]> {
    let octets: Option<Vec<u8>> =
        written.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    let mut octets = octets?;
    if octets.len() == 5 {
        octets.push(vrid.get());
    }
    octets.try_into().ok()
}

fn group_number(written: &str) -> Option<u32> {
    written.parse().ok()
}

#[cfg(test)]
mod tests {
    use steadfast_config::{AnyMachine, LoadOptions, Memory, load};

    use super::*;

    fn model(text: &str) -> Model {
        let source = Memory::new().file("k.conf", text.to_owned());
        load(&source, "k.conf".as_ref(), &AnyMachine, &LoadOptions::default()).model
    }

    fn instance(name: &str, interface: &str, vrid: u8, settings: &str, addresses: &str) -> String {
        format!(
            "vrrp_instance {name} {{\n interface {interface}\n virtual_router_id {vrid}\n version 3\n {settings}\n \
             virtual_ipaddress {{\n {addresses}\n }}\n}}\n"
        )
    }

    /// Name, interface below and MAC address of each.
    fn made(links: &Links) -> Vec<(String, String, [u8; 6])> {
        let mac = |kind| match kind {
            MadeKind::Vmac(mac) => mac,
            MadeKind::Ipvlan(_) => [0; 6],
        };
        let made = links.made.iter();
        made.map(|(name, made)| (name.to_string(), made.lower.to_string(), mac(made.kind))).collect()
    }

    const V4_7: [u8; 6] = [0, 0, 0x5e, 0, 1, 7];
    const V6_7: [u8; 6] = [0, 0, 0x5e, 0, 2, 7];

    fn entry(name: &str, lower: &str, mac: [u8; 6]) -> (String, String, [u8; 6]) {
        (name.to_owned(), lower.to_owned(), mac)
    }

    /// As keepalived 2.2.7 does it with the same file.
    #[test]
    fn addresses_go_where_keepalived_puts_them() {
        let lines = "10.0.0.100/24\n10.0.0.102/24 dev eth0\n10.1.0.100/24 dev eth1\n10.1.0.101/24 dev eth1 use_vmac\n\
                     10.0.0.103/24 dev eth0 use_vmac\n}\nvirtual_ipaddress_excluded {\n2001:db8::101/64\n\
                     2001:db8::102/64 dev eth0\n2001:db8::103/64 use_vmac";
        let model = model(&instance("A", "eth0", 7, "use_vmac", lines));
        let links = Links::of(&model, &Work::default());
        assert_eq!(
            made(&links),
            [entry("vrrp.7", "eth0", V4_7), entry("vrrp1.7", "eth1", V4_7), entry("vrrp6.7", "eth0", V6_7)]
        );
        let a = &model.instances[0];
        let places: Vec<&str> = a
            .addresses
            .iter()
            .chain(&a.excluded_addresses)
            .map(|address| links.of_address(a, address).unwrap())
            .collect();
        assert_eq!(places, ["vrrp.7", "vrrp.7", "eth1", "vrrp1.7", "vrrp.7", "eth0", "eth0", "vrrp6.7"]);
        assert_eq!(links.of_adverts(a), Some("vrrp.7"));
    }

    #[test]
    fn use_vmac_addr_is_for_what_is_not_at_home() {
        let lines =
            "10.0.0.130/24\n10.1.0.130/24 dev eth1\n}\nvirtual_ipaddress_excluded {\n2001:db8::130/64";
        let model = model(&instance("D", "eth0", 7, "use_vmac_addr", lines));
        let links = Links::of(&model, &Work::default());
        assert_eq!(made(&links), [entry("vrrp.7", "eth1", V4_7), entry("vrrp6.7", "eth0", V6_7)]);
        let d = &model.instances[0];
        assert_eq!(links.of_address(d, &d.addresses[0]), Some("eth0"));
        assert_eq!(links.of_adverts(d), Some("eth0"));
    }

    #[test]
    fn an_ipvlan_carries_adverts_and_its_own_address_only() {
        let model = model(&instance("I", "eth0", 7, "use_ipvlan 10.0.0.50/24 private", "10.0.0.52/24"));
        let links = Links::of(&model, &Work::default());
        let i = &model.instances[0];
        assert_eq!(
            (links.of_adverts(i), links.of_address(i, &i.addresses[0])),
            (Some("vrrp.7"), Some("eth0"))
        );
        let made: Vec<_> = links.made.values().map(|made| (made.kind, made.address)).collect();
        assert_eq!(made, [(MadeKind::Ipvlan(PRIVATE), Some(("10.0.0.50".parse().unwrap(), 24)))]);
    }

    #[test]
    fn names_and_prefixes_are_as_configured_and_stay_over_a_reload() {
        let global = "global_defs {\n vmac_prefix vip\n}\n";
        let one = instance("A", "eth0", 7, "use_vmac", "10.0.0.1");
        let two = instance("B", "eth1", 7, "use_vmac", "10.0.0.2");
        let named = instance("C", "eth1", 8, "use_vmac vip1.7 02:11:22:33:44\n vmac_xmit_base", "10.0.0.3");
        let first = model(&format!("{global}{two}"));
        let mut work = Work::default();
        let mut numbers = super::super::numbers::Numbers::default();
        work.links = Links::of(&first, &work).numbered(|name| InterfaceId(numbers.of(name)));
        work.machine.interfaces =
            numbers.in_order(|id, name| steadfast_vrrp::InterfaceConfig { id: InterfaceId(id), name });
        let second = model(&format!("{global}{one}{two}{named}"));
        let links = Links::of(&second, &work);
        assert_eq!(
            made(&links),
            [
                entry("vip.7", "eth1", V4_7),
                entry("vip1.7", "eth1", [2, 0x11, 0x22, 0x33, 0x44, 8]),
                entry("vip2.7", "eth0", V4_7),
            ]
        );
        assert_eq!(links.of_adverts(&second.instances[2]), Some("eth1"), "vmac_xmit_base");
    }
}
