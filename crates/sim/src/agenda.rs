//! What will happen in a simulated world.

use std::collections::BTreeMap;

use steadfast_time::Moment;

/// The future. What is foreseen for one moment happens in the order in which it was foreseen.
pub(crate) struct Agenda<Due> {
    future: BTreeMap<(Moment, u64), Due>,
    foreseen: u64,
}

impl<Due> Agenda<Due> {
    pub(crate) const fn new() -> Self {
        Self { future: BTreeMap::new(), foreseen: 0 }
    }

    /// How many were foreseen so far: the number of the next one.
    pub(crate) const fn foreseen(&self) -> u64 {
        self.foreseen
    }

    pub(crate) fn foresee(&mut self, at: Moment, due: Due) {
        self.future.insert((at, self.foreseen), due);
        self.foreseen += 1;
    }

    /// What happens next, unless that is after the end.
    pub(crate) fn next_until(&mut self, end: Moment) -> Option<(Moment, Due)> {
        let next = self.future.first_entry().filter(|next| next.key().0 <= end)?;
        let ((at, _), due) = next.remove_entry();
        Some((at, due))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_foreseen_happens_in_time_and_in_order_until_the_end() {
        let mut agenda = Agenda::new();
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        for (second, name) in [(2, "later"), (1, "first"), (1, "second"), (3, "never")] {
            agenda.foresee(at(second), name);
        }
        assert_eq!(agenda.foreseen(), 4);
        let happened: Vec<_> = std::iter::from_fn(|| agenda.next_until(at(2))).collect();
        assert_eq!(happened, [(at(1), "first"), (at(1), "second"), (at(2), "later")]);
    }
}
