//! Numbers that keep their meaning across reloads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Numbers by name: old names keep theirs, further ones get the lowest that is free.
#[derive(Default)]
pub(super) struct Numbers {
    by_name: BTreeMap<Arc<str>, u32>,
    taken: BTreeSet<u32>,
    /// Numbers that were asked for.
    used: BTreeSet<u32>,
    lowest_maybe_free: u32,
}

impl Numbers {
    pub(super) fn keep(&mut self, name: Arc<str>, number: u32) {
        self.by_name.insert(name, number);
        self.taken.insert(number);
    }

    pub(super) fn of(&mut self, name: &str) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            self.used.insert(*number);
            return *number;
        }
        while self.taken.contains(&self.lowest_maybe_free) {
            self.lowest_maybe_free += 1;
        }
        let number = self.lowest_maybe_free;
        self.keep(name.into(), number);
        self.used.insert(number);
        number
    }

    /// Gives back the numbers of names that nobody asked for: they would grow from reload to reload.
    pub(super) fn drop_unused(&mut self, still_used: &BTreeSet<u32>) {
        let Self { by_name, taken, used, lowest_maybe_free } = self;
        by_name.retain(|_, number| used.contains(number) || still_used.contains(number));
        *taken = by_name.values().copied().collect();
        *lowest_maybe_free = 0;
    }

    pub(super) fn in_order<T>(&self, make: impl Fn(u32, Arc<str>) -> T) -> Vec<T> {
        let by_number: BTreeMap<u32, &Arc<str>> =
            self.by_name.iter().map(|(name, number)| (*number, name)).collect();
        by_number.into_iter().map(|(number, name)| make(number, Arc::clone(name))).collect()
    }
}
