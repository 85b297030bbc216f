//! Checks between the configurations of several routers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::load::Loaded;
use crate::model::VrrpInstance;
use crate::span::Span;

/// Compares the routers of a segment: what is wrong between two of them is added to what is to be said of the
/// later one.
pub fn compare(routers: &mut [&mut Loaded]) {
    for later in 1..routers.len() {
        let (before, rest) = routers.split_at_mut(later);
        let Some(router) = rest.first_mut() else { return };
        let found: Vec<Diagnostic> = router
            .model
            .instances
            .iter()
            .filter_map(|instance| before.iter().find_map(|other| equal_priority(instance, other)))
            .collect();
        for diagnostic in found {
            router.diagnostics.push(diagnostic);
        }
        router.diagnostics.sort();
    }
}

/// A warning when another router runs the same virtual router with the same priority.
fn equal_priority(instance: &VrrpInstance, other: &Loaded) -> Option<Diagnostic> {
    let peer = other
        .model
        .instances
        .iter()
        .find(|peer| peer.priority == instance.priority && are_one_virtual_router(instance, peer))?;
    let message = format!("({}) its peer ({}) has priority {} too", instance.name, peer.name, peer.priority);
    let position = other.sources.position(place(peer));
    let file = other.sources.path(place(peer)).display();
    Some(
        Diagnostic::new(Code::EqualPriorities, place(instance), message)
            .note(format!("the other priority stands at {file}:{}:{}", position.line, position.column)),
    )
}

/// The line of the priority, or where there is none the name of the instance.
fn place(instance: &VrrpInstance) -> Span {
    let written = instance.priority_site.0;
    if written == Span::default() { instance.site.0 } else { written }
}

/// The same number, family and at least one address: a number alone may be that of another segment.
fn are_one_virtual_router(one: &VrrpInstance, other: &VrrpInstance) -> bool {
    let addresses = |instance: &VrrpInstance| {
        instance.addresses.iter().map(|entry| entry.address).collect::<BTreeSet<IpAddr>>()
    };
    (one.virtual_router_id, one.family) == (other.virtual_router_id, other.family)
        && !addresses(one).is_disjoint(&addresses(other))
}
