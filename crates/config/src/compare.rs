//! Checks between the configurations of several routers.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use steadfast_wire::vrrp::Priority;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::load::Loaded;
use crate::model::{Tracked, Tracks, VrrpInstance};

/// Compares the routers of a segment: what is wrong between two of them is added to what is to be said of the
/// later one, what is wrong with one among all others to what is to be said of it.
pub fn compare(routers: &mut [&mut Loaded]) {
    for this in 0..routers.len() {
        let (before, rest) = routers.split_at_mut(this);
        let Some((router, after)) = rest.split_first_mut() else { return };
        let instances = router.model.instances.iter();
        let mut found: Vec<Diagnostic> = instances
            .clone()
            .filter_map(|instance| before.iter().find_map(|other| equal_priority(instance, other)))
            .collect();
        let others = || before.iter().chain(after.iter());
        found.extend(instances.filter_map(|instance| {
            let is_in_tracking_group = router.model.groups.iter().any(|group| {
                group.members.contains(&instance.name) && weights(&group.tracks).next().is_some()
            });
            if is_in_tracking_group { None } else { idle_weights(instance, others().map(|other| &**other)) }
        }));
        for diagnostic in found {
            router.diagnostics.push(diagnostic);
        }
        router.diagnostics.sort();
    }
}

/// A warning when the weights of an instance never let it pass one of its peers, or one of them pass it.
fn idle_weights<'r>(instance: &VrrpInstance, others: impl Iterator<Item = &'r Loaded>) -> Option<Diagnostic> {
    let first = weights(&instance.tracks).next()?;
    let own = reach(instance);
    let mut nearest: Option<(&Loaded, &VrrpInstance)> = None;
    for other in others {
        let peers = other.model.instances.iter();
        for peer in peers.filter(|peer| are_one_virtual_router(instance, peer)) {
            let theirs = reach(peer);
            if own.start() <= theirs.end() && theirs.start() <= own.end() {
                return None;
            }
            let distance = |peer: &VrrpInstance| peer.priority.get().abs_diff(instance.priority.get());
            if nearest.is_none_or(|(_, before)| distance(peer) < distance(before)) {
                nearest = Some((other, peer));
            }
        }
    }
    let (other, peer) = nearest?;
    // The one 255 is told of by itself.
    if own.start() == own.end() {
        return None;
    }
    let position = other.sources.position(place(peer));
    let file = other.sources.path(place(peer)).display();
    let theirs = reach(peer);
    let until = if theirs.start() == theirs.end() { String::new() } else { format!(" to {}", theirs.end()) };
    let message = format!(
        "({}) its weights never change who is master: its priority is {} to {}, that of its peer ({}) {}{until}",
        instance.name,
        own.start(),
        own.end(),
        peer.name,
        theirs.start(),
    );
    let priority = i32::from(instance.priority.get());
    let distance =
        if own.start() > theirs.end() { priority - theirs.end() } else { theirs.start() - priority };
    Some(
        Diagnostic::new(Code::WeightWithoutEffect, first.site.0, message)
            .label(place(instance), "the priority")
            .hint(format!("weights that add up to more than {distance} would"))
            .note(format!("the other priority stands at {file}:{}:{}", position.line, position.column)),
    )
}

/// Everything that is followed with a weight.
fn weights(tracks: &Tracks) -> impl Iterator<Item = &Tracked> {
    let lists = [&tracks.interfaces, &tracks.scripts, &tracks.files, &tracks.processes, &tracks.bfds];
    lists.into_iter().flatten().filter(|tracked| tracked.weight.value != 0)
}

/// The priorities that an instance can have, whatever becomes of what it follows.
fn reach(instance: &VrrpInstance) -> RangeInclusive<i32> {
    let priority = i32::from(instance.priority.get());
    let (least, most) = (i32::from(Priority::LOWEST.get()), i32::from(Priority::HIGHEST_BACKUP.get()));
    if instance.priority == Priority::OWNER {
        return priority..=priority;
    }
    // The weight of a file is a factor of a number of either sign.
    if instance.tracks.files.iter().any(|tracked| tracked.weight.value != 0) {
        return least..=most;
    }
    let sum = |wanted: fn(&i32) -> bool| {
        weights(&instance.tracks).map(|tracked| i32::from(tracked.weight.value)).filter(wanted).sum::<i32>()
    };
    let bound = |priority: i32| priority.clamp(least, most);
    bound(priority + sum(|weight| *weight < 0))..=bound(priority + sum(|weight| *weight > 0))
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
