//! Weights that never change who is master.

use std::ops::RangeInclusive;

use steadfast_wire::vrrp::Priority;

use super::{place, where_is};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::load::Loaded;
use crate::model::{Tracked, Tracks, VrrpInstance};

/// A warning when the weights of an instance never let it pass one of its peers, or one of them pass it.
pub(super) fn idle<'r>(
    instance: &VrrpInstance,
    peers: impl Iterator<Item = (&'r Loaded, &'r VrrpInstance)>,
) -> Option<Diagnostic> {
    let first = weights(&instance.tracks).next()?;
    let own = reach(instance);
    let mut nearest: Option<(&Loaded, &VrrpInstance)> = None;
    for (other, peer) in peers {
        let theirs = reach(peer);
        if own.start() <= theirs.end() && theirs.start() <= own.end() {
            return None;
        }
        let distance = |peer: &VrrpInstance| peer.priority.get().abs_diff(instance.priority.get());
        if nearest.is_none_or(|(_, before)| distance(peer) < distance(before)) {
            nearest = Some((other, peer));
        }
    }
    let (other, peer) = nearest?;
    // The one 255 is told of by itself.
    if own.start() == own.end() {
        return None;
    }
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
            .note(format!("the other priority stands at {}", where_is(other, place(peer)))),
    )
}

/// Everything that is followed with a weight.
pub(super) fn weights(tracks: &Tracks) -> impl Iterator<Item = &Tracked> {
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
