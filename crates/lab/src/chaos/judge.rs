//! Who must own what, given how the routers are.

use std::collections::BTreeSet;

use super::fault::{Condition, Side};

/// A router as the election sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Counted from zero.
    pub(super) router: u8,
    pub(super) priority: u8,
    pub(super) condition: Condition,
    pub(super) side: Side,
}

/// Who owns an address when everything has settled, of those that can be asked. Those that are away are not asked:
/// a kernel whose daemon is gone may keep its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Ordered by number.
    pub(super) owners: Vec<u8>,
    /// Those that the client may hear from.
    pub(super) answer: Vec<u8>,
}

/// Who must own an address for which these compete: on each side as if there were no other. Every one preempts, and no priority
/// occurs twice.
pub(super) fn verdict(candidates: &[Candidate]) -> Verdict {
    let sides: BTreeSet<Side> = candidates.iter().map(|candidate| candidate.side).collect();
    let mut owners: Vec<u8> = sides.into_iter().flat_map(|side| owners_on(side, candidates)).collect();
    owners.sort_unstable();
    Verdict { owners, answer: owners_on(Side::Near, candidates) }
}

/// Ordered by number.
fn owners_on(side: Side, candidates: &[Candidate]) -> Vec<u8> {
    let of = |wanted: &[Condition]| {
        let wanted = wanted.to_vec();
        let there = candidates.iter().filter(move |candidate| candidate.side == side);
        there.filter(move |candidate| wanted.contains(&candidate.condition))
    };
    let heard = of(&[Condition::Well, Condition::Deaf]).max_by_key(|candidate| candidate.priority);
    // Who hears a better one gives way to it.
    let well = heard.filter(|candidate| candidate.condition == Condition::Well);
    // A router that hears nobody owns everything.
    let deaf = of(&[Condition::Deaf]);
    let mut owners: Vec<u8> = well.into_iter().chain(deaf).map(|candidate| candidate.router).collect();
    owners.sort_unstable();
    owners
}

#[cfg(test)]
mod tests {
    use Condition::{Away, Deaf, Well};
    use Side::{Alone, Far, Near};

    use super::*;

    /// The first is the best.
    fn judged(routers: &[(Side, Condition)]) -> (Vec<u8>, Vec<u8>) {
        let candidates = (0..).zip(routers).map(|(router, (side, condition))| Candidate {
            router,
            priority: 200 - router,
            condition: *condition,
            side: *side,
        });
        let Verdict { owners, answer } = verdict(&candidates.collect::<Vec<_>>());
        (owners, answer)
    }

    fn judged_together(conditions: &[Condition]) -> (Vec<u8>, Vec<u8>) {
        judged(&conditions.iter().map(|condition| (Near, *condition)).collect::<Vec<_>>())
    }

    #[test]
    fn the_best_that_is_well_owns_alone() {
        assert_eq!(judged_together(&[Well, Well, Well]), (vec![0], vec![0]));
        assert_eq!(judged_together(&[Away, Well, Well]), (vec![1], vec![1]));
        assert_eq!(judged_together(&[Away, Away, Away]), (vec![], vec![]));
    }

    #[test]
    fn each_side_has_its_owner() {
        assert_eq!(judged(&[(Alone(0), Well), (Near, Well), (Near, Well)]), (vec![0, 1], vec![1]));
        assert_eq!(judged(&[(Near, Well), (Alone(1), Well), (Near, Well)]), (vec![0, 1], vec![0]));
        // Two may be cut off, each from everybody.
        assert_eq!(judged(&[(Alone(0), Well), (Alone(1), Well), (Near, Well)]), (vec![0, 1, 2], vec![2]));
    }

    #[test]
    fn the_best_of_each_side_owns_and_nobody_else_there() {
        assert_eq!(judged(&[(Far, Well), (Far, Well), (Near, Well), (Near, Well)]), (vec![0, 2], vec![2]));
        assert_eq!(judged(&[(Near, Well), (Far, Well), (Far, Well), (Near, Well)]), (vec![0, 1], vec![0]));
        assert_eq!(judged(&[(Far, Away), (Far, Well), (Near, Away), (Near, Well)]), (vec![1, 3], vec![3]));
    }

    #[test]
    fn a_deaf_router_owns_too_and_silences_the_worse() {
        assert_eq!(judged_together(&[Well, Deaf, Well]), (vec![0, 1], vec![0, 1]));
        assert_eq!(judged_together(&[Deaf, Well, Well]), (vec![0], vec![0]));
    }
}
