//! What the kernel says of interfaces, put in the machine's terms.
//!
//! Configured interfaces are known by name. An interface that is renamed is gone under its old name
//! and there under the other; one that is deleted and made again is found by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use steadfast_kernel::netlink::{Address, AddressKey, Link, RouteSpec};
use steadfast_vrrp::{InterfaceConfig, InterfaceId, Moment};
use steadfast_wire::vrrp::Family;

use crate::link::vrrp::work::{LinkDelay, MadeKind, Work};

/// Name of the interface of instances that have none.
const NO_NAME: &str = "";

/// What the machine wants to know of an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct InterfaceState {
    /// Its index, while it exists.
    pub(crate) index: Option<u32>,
    /// It exists, is up and running.
    pub(crate) up: bool,
    /// First IPv4 address that is not a virtual one; else the first virtual one that is the host's own.
    pub(crate) source_v4: Option<Ipv4Addr>,
    /// First usable link-local address, likewise.
    pub(crate) source_v6: Option<Ipv6Addr>,
    /// Largest datagram, bytes.
    pub(crate) mtu: u32,
    /// The VRF that it belongs to, or is.
    pub(crate) vrf: Option<u32>,
    /// Routing table of a VRF.
    pub(crate) table: Option<u32>,
}

/// All interfaces of the namespace, and those that the configuration names.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    links: BTreeMap<u32, Link>,
    addresses: BTreeMap<u32, Vec<Address>>,
    named: BTreeMap<Arc<str>, InterfaceId>,
    /// What stands for none in particular.
    any: Option<InterfaceId>,
    virtual_addresses: BTreeSet<IpAddr>,
    /// Addresses of ours that belong to the machine whatever the state of any instance.
    static_addresses: BTreeSet<IpAddr>,
    /// On how many interfaces an address can be used.
    usable: BTreeMap<IpAddr, u32>,
    /// Those below a VMAC of IPv6.
    below_vmac: BTreeSet<InterfaceId>,
    /// Something changed that could matter to a configured interface.
    stale: bool,
    told: BTreeMap<InterfaceId, InterfaceState>,
    /// Whether polled interfaces have a link, as their drivers say.
    asked: BTreeMap<InterfaceId, bool>,
    /// How long changes are not believed.
    delays: BTreeMap<InterfaceId, LinkDelay>,
    /// Interfaces that are up or down otherwise than told, and when that is believed.
    doubted: BTreeMap<InterfaceId, Moment>,
}

impl Interfaces {
    /// Takes over the names and virtual addresses of a configuration.
    pub(crate) fn configure(&mut self, work: &Work) {
        self.named = work.machine.interfaces.iter().map(|i| (Arc::clone(&i.name), i.id)).collect();
        self.any = self.named.remove(NO_NAME);
        self.virtual_addresses =
            work.installs.iter().flat_map(|install| install.addresses.iter().map(|a| a.address)).collect();
        self.static_addresses = work.standing.addresses.iter().map(|address| address.address).collect();
        self.static_addresses.extend(work.links.iter().filter_map(|link| Some(link.address?.0)));
        let of_ipv6 = work.links.iter().filter(|link| link.family == Family::V6);
        let vmacs = of_ipv6.filter(|link| matches!(link.kind, MadeKind::Vmac(_)));
        self.below_vmac = vmacs.map(|link| link.lower).collect();
        let interfaces = &work.machine.interfaces;
        self.told.retain(|id, _| interfaces.binary_search_by_key(id, |interface| interface.id).is_ok());
        let delay = |interface: &InterfaceConfig| Some((interface.id, work.delay(interface.id)?));
        self.delays = interfaces.iter().filter_map(delay).collect();
        self.doubted.retain(|id, _| self.delays.contains_key(id));
        self.asked.retain(|id, _| work.polled.binary_search(id).is_ok());
        self.stale = true;
    }

    /// Starts from complete lists.
    pub(crate) fn refill(&mut self, links: Vec<Link>, addresses: Vec<Address>) {
        self.stale = true;
        self.links = links.into_iter().map(|link| (link.index, link)).collect();
        self.addresses.clear();
        self.usable.clear();
        for address in addresses {
            self.address_added(address);
        }
    }

    /// An interface appeared or changed.
    pub(crate) fn link(&mut self, link: Link) {
        self.stale = true;
        self.links.insert(link.index, link);
    }

    /// An interface is gone.
    pub(crate) fn link_gone(&mut self, index: u32) {
        self.stale = true;
        self.links.remove(&index);
        for address in self.addresses.remove(&index).unwrap_or_default() {
            self.count(&address, false);
        }
    }

    /// An address that is the host's own appeared or changed. What this program added is of no interest here: there may
    /// be thousands, and none may serve as a source.
    pub(crate) fn address_added(&mut self, address: Address) {
        if address.is_ours() && !self.is_static(address.key.address) {
            return;
        }
        self.stale = true;
        self.count(&address, true);
        let held = self.addresses.entry(address.key.interface).or_default();
        let before = match held.iter_mut().find(|known| known.key == address.key) {
            Some(known) => Some(std::mem::replace(known, address)),
            None => {
                held.push(address);
                None
            }
        };
        if let Some(before) = before {
            self.count(&before, false);
        }
    }

    fn count(&mut self, address: &Address, came: bool) {
        if address.is_tentative() {
            return;
        }
        let count = self.usable.entry(address.key.address).or_default();
        *count = if came { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            self.usable.remove(&address.key.address);
        }
    }

    /// An address is gone.
    pub(crate) fn address_removed(&mut self, address: &Address) {
        let Some(held) = self.addresses.get_mut(&address.key.interface) else { return };
        if let Some(place) = held.iter().position(|known| known.key == address.key) {
            let gone = held.remove(place);
            self.stale = true;
            self.count(&gone, false);
        }
    }

    /// All interfaces that exist.
    pub(crate) fn by_name(&self) -> BTreeMap<&str, &Link> {
        self.links.values().map(|link| (link.name.as_str(), link)).collect()
    }

    /// The VRF that an interface belongs to.
    pub(crate) fn vrf_of(&self, link: &Link) -> Option<u32> {
        let master = self.links.get(&link.master?)?;
        (master.kind.as_deref() == Some("vrf")).then_some(master.index)
    }

    /// Name of an interface that exists.
    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.links.get(&index).map(|link| link.name.as_str())
    }

    /// A route as the kernel is told it, while all that it names is there.
    pub(crate) fn route(&self, route: &RouteSpec<InterfaceId>) -> Option<Arc<RouteSpec<u32>>> {
        let index = |interface: &InterfaceId| self.last(*interface).index;
        route.with_interfaces(index, |vrf| self.last(*vrf).table).map(Arc::new)
    }

    /// Whether adverts can leave there: it exists, or any interface will do.
    pub(crate) fn is_there(&self, id: InterfaceId) -> bool {
        self.any == Some(id) || self.last(id).index.is_some()
    }

    /// The link behind a configured interface.
    pub(crate) fn of(&self, id: InterfaceId) -> Option<&Link> {
        self.links.get(&self.last(id).index?)
    }

    /// What was last told of a configured interface.
    pub(crate) fn last(&self, id: InterfaceId) -> InterfaceState {
        self.told.get(&id).copied().unwrap_or_default()
    }

    /// Which configured interface has this index.
    pub(crate) fn configured(&self, index: u32) -> Option<InterfaceId> {
        self.links.get(&index).and_then(|link| self.named.get(link.name.as_str())).copied()
    }

    /// Whether an address exists on any interface.
    pub(crate) fn has_address(&self, wanted: IpAddr) -> bool {
        self.usable.contains_key(&wanted)
    }

    /// Whether the configuration has this address as one that does not follow any instance: it may be a source.
    pub(crate) fn is_static(&self, address: IpAddr) -> bool {
        self.static_addresses.contains(&address)
    }

    /// Whether the configuration has this address as a virtual one.
    pub(crate) fn is_virtual(&self, address: IpAddr) -> bool {
        self.virtual_addresses.contains(&address)
    }

    /// Whether the host had this address before an instance did, and would lose its only one with it.
    pub(crate) fn is_needed(&self, key: AddressKey) -> bool {
        let held = self.addresses.get(&key.interface).map(Vec::as_slice).unwrap_or_default();
        let state = self.configured(key.interface).map(|id| self.last(id)).unwrap_or_default();
        let is_source = match key.address {
            IpAddr::V4(address) => state.source_v4 == Some(address),
            IpAddr::V6(address) => state.source_v6 == Some(address),
        };
        is_source && held.iter().any(|own| own.key == key)
    }

    /// Whether the host had this address before an instance did.
    pub(crate) fn is_own(&self, key: AddressKey) -> bool {
        self.addresses.get(&key.interface).is_some_and(|held| held.iter().any(|own| own.key == key))
    }

    /// What the driver of an interface says of its link, if it says anything.
    pub(crate) fn set_link(&mut self, id: InterfaceId, link: Option<bool>) {
        let before = match link {
            Some(link) => self.asked.insert(id, link),
            None => self.asked.remove(&id),
        };
        self.stale |= before != link;
    }

    /// When [`Self::changes`] has something to say although the kernel says nothing.
    pub(crate) fn next_wakeup(&self) -> Option<Moment> {
        self.doubted.values().min().copied()
    }

    /// What has changed since the last call, configured interfaces only.
    pub(crate) fn changes(&mut self, now: Moment) -> Vec<(InterfaceId, InterfaceState, InterfaceState)> {
        let believed = self.next_wakeup().is_some_and(|at| at <= now);
        if !std::mem::take(&mut self.stale) && !believed {
            return Vec::new();
        }
        let index_of: BTreeMap<&str, u32> =
            self.links.values().map(|link| (link.name.as_str(), link.index)).collect();
        let mut changes = Vec::new();
        for (name, &id) in &self.named {
            let index = index_of.get(&**name).copied();
            let mut state = self.state(id, index);
            if let Some(delay) = self.delays.get(&id) {
                state.up = believe(*delay, self.told.get(&id), state, now, &mut self.doubted);
            }
            let before = self.told.insert(id, state);
            if before != Some(state) {
                changes.push((id, before.unwrap_or_default(), state));
            }
        }
        changes.sort_by_key(|(id, _, _)| *id);
        changes
    }

    fn state(&self, id: InterfaceId, index: Option<u32>) -> InterfaceState {
        let Some(link) = index.and_then(|index| self.links.get(&index)) else {
            return InterfaceState::default();
        };
        let held = self.addresses.get(&link.index).map(Vec::as_slice).unwrap_or_default();
        let usable = |wanted_virtual: bool| {
            held.iter()
                .filter(|a| !a.is_tentative() && !a.is_duplicate())
                .map(|a| a.key.address)
                .filter(move |address| self.is_virtual(*address) == wanted_virtual)
        };
        // RFC 9568 section 6.4.1: the owner of an address has it before, and speaks from it.
        let candidates = || usable(false).chain(usable(true));
        let source_v4 = candidates().find_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        let source_v6 = candidates().find_map(|address| match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        });
        // A VMAC has the address that the interface below would have, as keepalived has it.
        let made_up = || link_local(&link.hardware_address).filter(|_| self.below_vmac.contains(&id));
        InterfaceState {
            index: Some(link.index),
            // The driver knows better than the kernel, where it is asked.
            up: link.up && self.asked.get(&id).copied().unwrap_or(link.running),
            source_v4,
            source_v6: source_v6.or_else(made_up),
            mtu: link.mtu,
            vrf: self.vrf_of(link).or_else(|| link.table.map(|_| link.index)),
            table: link.table,
        }
    }
}

/// The link-local address that follows from a MAC address (RFC 4291 appendix A).
fn link_local(hardware_address: &[u8]) -> Option<Ipv6Addr> {
    let [one, two, three, four, five, six] = <[u8; 6]>::try_from(hardware_address).ok()?;
    Some([0xfe, 0x80, 0, 0, 0, 0, 0, 0, one ^ 2, two, three, 0xff, 0xfe, four, five, six].into())
}

/// Whether an interface is taken to be up: as before, until it has been otherwise for as long as its delay. One that was
/// not there is taken as it comes, and one that goes is gone.
fn believe(
    delay: LinkDelay,
    told: Option<&InterfaceState>,
    found: InterfaceState,
    now: Moment,
    doubted: &mut BTreeMap<InterfaceId, Moment>,
) -> bool {
    let told = told.filter(|told| told.index.is_some() && told.index == found.index);
    let Some(told) = told.filter(|told| told.up != found.up) else {
        doubted.remove(&delay.interface);
        return found.up;
    };
    let wait = if found.up { delay.up } else { delay.down };
    let until = *doubted.entry(delay.interface).or_insert(now + wait);
    if now < until {
        return told.up;
    }
    doubted.remove(&delay.interface);
    found.up
}
