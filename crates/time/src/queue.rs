//! The queue of deadlines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Moment;

/// One wake-up, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<Key> {
    /// When.
    pub at: Moment,
    /// Whose.
    pub key: Key,
}

/// Wake-ups in order of time, then of key.
///
/// Meant for many keys with one live entry each, at or before the key's earliest deadline. A
/// deadline that moves later does not touch the queue: the owner compares the entry with the
/// deadline when it comes up.
#[derive(Debug)]
pub struct Queue<Key> {
    heap: BinaryHeap<Reverse<Entry<Key>>>,
    touched: u64,
}

impl<Key: Ord> Default for Queue<Key> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), touched: 0 }
    }
}

impl<Key: Ord + Copy> Queue<Key> {
    /// Puts an entry in.
    pub fn push(&mut self, entry: Entry<Key>) {
        self.touched += 1;
        self.heap.push(Reverse(entry));
    }

    /// The first entry, left in its place.
    pub fn peek(&self) -> Option<Entry<Key>> {
        self.heap.peek().map(|entry| entry.0)
    }

    /// Takes the first entry out.
    pub fn pop(&mut self) -> Option<Entry<Key>> {
        let entry = self.heap.pop()?;
        self.touched += 1;
        Some(entry.0)
    }

    /// Room for entries to come is given back.
    pub fn compact(&mut self) {
        self.heap.shrink_to_fit();
    }

    /// Entries in it.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Nothing is due, ever.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// How often an entry was put in or taken out: what the queue has cost so far.
    pub const fn touched(&self) -> u64 {
        self.touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_orders_by_time_then_key() {
        let mut queue = Queue::default();
        for (at, key) in [(5, 2), (5, 1), (3, 9)] {
            queue.push(Entry { at: Moment::from_nanos(at), key });
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|entry| entry.key).collect();
        assert_eq!(order, [9, 1, 2]);
    }
}
