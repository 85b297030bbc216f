//! Checks between the configurations of several routers.

mod mismatch;
mod weights;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use steadfast_wire::vrrp::{Family, Vrid};

use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::load::Loaded;
use crate::model::VrrpInstance;

/// A router and one of its instances, by their places.
type Place = (usize, usize);

/// Compares the routers of a segment: what is wrong between two of them is added to what is to be said of the
/// later one, what is wrong with one among all others to what is to be said of it.
///
/// Each instance is compared with the first of its virtual router, so the work grows with the files alone.
pub fn compare(routers: &mut [&mut Loaded]) {
    let mut found: Vec<Vec<Diagnostic>> = Vec::new();
    {
        let routers: Vec<&Loaded> = routers.iter().map(|router| &**router).collect();
        let index = Index::of(&routers);
        for (number, router) in routers.iter().enumerate() {
            found.push(of_router(&routers, &index, number, router));
        }
    }
    for (router, found) in routers.iter_mut().zip(found) {
        for diagnostic in found {
            router.diagnostics.push(diagnostic);
        }
        router.diagnostics.sort();
    }
}

fn of_router(routers: &[&Loaded], index: &Index, number: usize, router: &Loaded) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let groups = router.model.groups.iter().filter(|group| weights::weights(&group.tracks).next().is_some());
    let in_tracking_group: BTreeSet<&str> =
        groups.flat_map(|group| &group.members).map(|name| &**name).collect();
    for (position, instance) in router.model.instances.iter().enumerate() {
        let at = |(router, instance): Place| {
            let router = routers.get(router)?;
            Some((*router, router.model.instances.get(instance)?))
        };
        let peers = index.peers((number, position), instance);
        let earlier = peers.iter().copied().filter(|(router, _)| *router < number).filter_map(at);
        found.extend(earlier.clone().find_map(|(other, peer)| equal_priority(instance, other, peer)));
        match earlier.clone().next() {
            Some((other, peer)) => found.extend(mismatch::between(instance, other, peer)),
            // Nothing in common but the number: another segment, unless it looks like the same.
            None => {
                let neighbour = index.neighbour((number, position), instance).and_then(at);
                found.extend(
                    neighbour.into_iter().flat_map(|(other, peer)| mismatch::between(instance, other, peer)),
                );
            }
        }
        for address in &instance.addresses {
            let first = index.holder(address.address, instance).filter(|(router, _)| *router < number);
            if let Some((other, peer)) = first.and_then(at) {
                found.push(other_number(instance, address.address, address.site.0, other, peer));
                break;
            }
        }
        if !in_tracking_group.contains(&*instance.name) {
            let others = peers.iter().copied().filter(|(router, _)| *router != number).filter_map(at);
            found.extend(weights::idle(instance, others));
        }
    }
    found
}

/// Where virtual routers and addresses are met again.
struct Index {
    /// The instances of one number and family with that address, in the order of the files.
    members: BTreeMap<(Vrid, Family, IpAddr), Vec<Place>>,
    /// The first instance of that number and family on an interface of that name, in that network.
    networks: BTreeMap<(Vrid, Family, String, IpAddr), Place>,
    /// Each address with its first number, and the first instance of another number that has it.
    holders: BTreeMap<IpAddr, BTreeMap<Vrid, Place>>,
}

impl Index {
    fn of(routers: &[&Loaded]) -> Self {
        let mut index =
            Self { members: BTreeMap::new(), networks: BTreeMap::new(), holders: BTreeMap::new() };
        for (number, router) in routers.iter().enumerate() {
            for (position, instance) in router.model.instances.iter().enumerate() {
                let place = (number, position);
                for entry in &instance.addresses {
                    let key = (instance.virtual_router_id, instance.family, entry.address);
                    index.members.entry(key).or_default().push(place);
                    let numbers = index.holders.entry(entry.address).or_default();
                    numbers.entry(instance.virtual_router_id).or_insert(place);
                }
                if let Some(key) = network(instance)
                    && let Entry::Vacant(free) = index.networks.entry(key)
                {
                    free.insert(place);
                }
            }
        }
        index
    }

    /// The instances of the same virtual router: number, family and at least one address, as a number alone may be
    /// that of another segment.
    fn peers(&self, own: Place, instance: &VrrpInstance) -> BTreeSet<Place> {
        let keys = instance.addresses.iter();
        let keys = keys.map(|entry| (instance.virtual_router_id, instance.family, entry.address));
        keys.filter_map(|key| self.members.get(&key))
            .flatten()
            .copied()
            .filter(|place| *place != own)
            .collect()
    }

    /// An instance of an earlier router that has no address in common and yet seems to be on the same segment.
    fn neighbour(&self, own: Place, instance: &VrrpInstance) -> Option<Place> {
        self.networks.get(&network(instance)?).copied().filter(|(router, _)| *router < own.0)
    }

    /// The first instance that has the address under another number.
    fn holder(&self, address: IpAddr, instance: &VrrpInstance) -> Option<Place> {
        let mut numbers = self.holders.get(&address)?.iter();
        numbers.find(|(number, _)| **number != instance.virtual_router_id).map(|(_, place)| *place)
    }
}

/// What tells segments apart as far as a file says it: the name of the interface and the network of the first address,
/// by the prefix length that such networks mostly have.
fn network(instance: &VrrpInstance) -> Option<(Vrid, Family, String, IpAddr)> {
    let first = instance.addresses.first()?.address;
    let network = match first {
        IpAddr::V4(address) => IpAddr::V4((u32::from(address) & 0xffff_ff00).into()),
        // Every link has the network of the link-local addresses.
        IpAddr::V6(address) if address.is_unicast_link_local() => return None,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    };
    Some((instance.virtual_router_id, instance.family, instance.interface.as_deref()?.to_owned(), network))
}

/// A warning when another router runs the same virtual router with the same priority.
fn equal_priority(instance: &VrrpInstance, other: &Loaded, peer: &VrrpInstance) -> Option<Diagnostic> {
    if peer.priority != instance.priority {
        return None;
    }
    let message = format!("({}) its peer ({}) has priority {} too", instance.name, peer.name, peer.priority);
    Some(
        Diagnostic::new(Code::EqualPriorities, place(instance), message)
            .note(format!("the other priority stands at {}", where_is(other, place(peer)))),
    )
}

/// Two masters would hold the address, each of its own virtual router.
fn other_number(
    instance: &VrrpInstance,
    address: IpAddr,
    at: Span,
    other: &Loaded,
    peer: &VrrpInstance,
) -> Diagnostic {
    let (number, theirs) = (instance.virtual_router_id.get(), peer.virtual_router_id.get());
    let message = format!(
        "({}) {address} has the virtual_router_id {number} here and {theirs} in ({}) of another router",
        instance.name, peer.name
    );
    Diagnostic::new(Code::AddressOfTwoRouters, at, message)
        .hint("give both the same virtual_router_id")
        .note(format!("the other router stands at {}", where_is(other, peer.site.0)))
}

/// The line of the priority, or where there is none the name of the instance.
fn place(instance: &VrrpInstance) -> Span {
    let written = instance.priority_site.0;
    if written == Span::default() { instance.site.0 } else { written }
}

/// File, line and column.
fn where_is(router: &Loaded, span: Span) -> String {
    let position = router.sources.position(span);
    format!("{}:{}:{}", router.sources.path(span).display(), position.line, position.column)
}
