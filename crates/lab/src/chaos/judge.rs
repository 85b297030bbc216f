//! Who must own what, given how the routers are.

use super::fault::Condition;

/// A router as the election sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Counted from zero.
    pub(super) router: u8,
    pub(super) priority: u8,
    pub(super) condition: Condition,
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

/// Who must own an address for which these compete. Every one preempts, and no priority occurs twice.
pub(super) fn verdict(candidates: &[Candidate]) -> Verdict {
    let of = |wanted: &[Condition]| {
        let wanted = wanted.to_vec();
        candidates.iter().filter(move |candidate| wanted.contains(&candidate.condition))
    };
    let heard = of(&[Condition::Well, Condition::Deaf]).max_by_key(|candidate| candidate.priority);
    // Who hears a better one gives way to it.
    let well = heard.filter(|candidate| candidate.condition == Condition::Well);
    // A router that hears nobody owns everything.
    let deaf = of(&[Condition::Deaf]);
    let mut answer: Vec<u8> = well.into_iter().chain(deaf).map(|candidate| candidate.router).collect();
    answer.sort_unstable();
    let alone = of(&[Condition::Alone]).map(|candidate| candidate.router);
    let mut owners: Vec<u8> = answer.iter().copied().chain(alone).collect();
    owners.sort_unstable();
    Verdict { owners, answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(conditions: &[Condition]) -> (Vec<u8>, Vec<u8>) {
        let candidates = (0..).zip(conditions).map(|(router, condition)| Candidate {
            router,
            priority: 200 - router,
            condition: *condition,
        });
        let Verdict { owners, answer } = verdict(&candidates.collect::<Vec<_>>());
        (owners, answer)
    }

    #[test]
    fn the_best_that_is_well_owns_alone() {
        use Condition::{Away, Well};
        assert_eq!(judged(&[Well, Well, Well]), (vec![0], vec![0]));
        assert_eq!(judged(&[Away, Well, Well]), (vec![1], vec![1]));
        assert_eq!(judged(&[Away, Away, Away]), (vec![], vec![]));
    }

    #[test]
    fn each_side_has_its_owner() {
        use Condition::{Alone, Well};
        assert_eq!(judged(&[Alone, Well, Well]), (vec![0, 1], vec![1]));
        assert_eq!(judged(&[Well, Alone, Well]), (vec![0, 1], vec![0]));
    }

    #[test]
    fn a_deaf_router_owns_too_and_silences_the_worse() {
        use Condition::{Deaf, Well};
        assert_eq!(judged(&[Well, Deaf, Well]), (vec![0, 1], vec![0, 1]));
        assert_eq!(judged(&[Deaf, Well, Well]), (vec![0], vec![0]));
    }
}
