//! Which routers have to answer for what is not as it must be, whoever the fault happened to.

use super::fault::Condition;
use super::judge::{Candidate, verdict};

/// Who must have answered a client before something happened, and after.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handover<'a> {
    pub(super) before: &'a [u8],
    pub(super) after: &'a [u8],
}

/// Those by whom an address has other owners than it must have: who must own it and does not, and who owns it although a better
/// one speaks. Where that one says nothing, the next best has to own it instead (RFC 9568 section 6.4.2).
pub(super) fn of_owners(candidates: &[Candidate], owners: &[u8], silent: &[u8]) -> Vec<u8> {
    let mut candidates = candidates.to_vec();
    let mut guilty = Vec::new();
    loop {
        let wanted = verdict(&candidates).owners;
        let missing: Vec<u8> = wanted.iter().copied().filter(|router| !owners.contains(router)).collect();
        guilty.extend(&missing);
        if !missing.iter().any(|router| silent.contains(router)) {
            guilty.extend(owners.iter().filter(|router| !wanted.contains(router)));
            guilty.sort_unstable();
            guilty.dedup();
            return guilty;
        }
        for candidate in candidates.iter_mut().filter(|candidate| missing.contains(&candidate.router)) {
            if silent.contains(&candidate.router) {
                candidate.condition = Condition::Away;
            }
        }
    }
}

/// Those by whom a client was without an answer for longer than it may be. Who must take over has the time of a failover for
/// it. What is shorter, where there may be no gap at all, is of the one that left before another had taken over; where
/// nobody left, either of those between whom the address moved may have done it.
pub(super) fn of_gap(
    handover: Handover<'_>,
    candidates: &[Candidate],
    longer_than_failover: bool,
) -> Vec<u8> {
    let Handover { before, after } = handover;
    if longer_than_failover {
        return after.to_vec();
    }
    let is_away = |router: u8| {
        let mut away = candidates.iter().filter(|candidate| candidate.condition == Condition::Away);
        away.any(|candidate| candidate.router == router)
    };
    let left: Vec<u8> = before.iter().copied().filter(|router| is_away(*router)).collect();
    if left.is_empty() { [before, after].concat() } else { left }
}

#[cfg(test)]
mod tests {
    use Condition::{Away, Well};

    use super::*;
    use crate::chaos::fault::Side;

    /// The first is the best.
    fn candidates(conditions: &[Condition]) -> Vec<Candidate> {
        let candidate = |(router, condition): (u8, &Condition)| Candidate {
            router,
            priority: 200 - router,
            condition: *condition,
            side: Side::Near,
        };
        (0..).zip(conditions).map(candidate).collect()
    }

    #[test]
    fn who_owns_beside_a_better_one_that_speaks_is_guilty() {
        let all_well = candidates(&[Well, Well, Well]);
        assert_eq!(of_owners(&all_well, &[0, 1], &[2]), [1]);
        // The best speaks and has no address: both are wrong.
        assert_eq!(of_owners(&all_well, &[1], &[2]), [0, 1]);
        assert_eq!(of_owners(&candidates(&[Away, Well, Well]), &[1, 2], &[0]), [2]);
    }

    #[test]
    fn who_owns_what_a_better_one_leaves_alone_is_not() {
        let all_well = candidates(&[Well, Well, Well]);
        assert_eq!(of_owners(&all_well, &[1], &[0, 2]), [0]);
        // But of those that are left the best has to.
        assert_eq!(of_owners(&all_well, &[2], &[0]), [0, 1, 2]);
        assert_eq!(of_owners(&all_well, &[], &[0, 1, 2]), [0, 1, 2]);
    }

    #[test]
    fn owners_that_are_as_they_must_be_have_no_guilt() {
        assert!(of_owners(&candidates(&[Well, Well, Well]), &[0], &[1, 2]).is_empty());
        assert!(of_owners(&candidates(&[Away, Well, Well]), &[1], &[0, 2]).is_empty());
    }

    #[test]
    fn a_gap_is_of_who_left_until_another_must_have_taken_over() {
        let stopped = candidates(&[Away, Well, Well]);
        let handover = Handover { before: &[0], after: &[1] };
        assert_eq!(of_gap(handover, &stopped, false), [0]);
        assert_eq!(of_gap(handover, &stopped, true), [1]);
        // The best is back and takes over from one that goes on.
        let handover = Handover { before: &[1], after: &[0] };
        assert_eq!(of_gap(handover, &candidates(&[Well, Well, Well]), false), [1, 0]);
        assert_eq!(of_gap(handover, &candidates(&[Well, Well, Well]), true), [0]);
    }
}
