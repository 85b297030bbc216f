//! Values that thousands have in common, held once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// What is equal is shared.
#[derive(Debug)]
pub(crate) struct Pool<T>(BTreeSet<Arc<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Ord> Pool<T> {
    /// The one that all have who have an equal value.
    pub(crate) fn share(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.0.get(&value) {
            return Arc::clone(known);
        }
        let shared = Arc::new(value);
        self.0.insert(Arc::clone(&shared));
        shared
    }

    /// What nobody has any more goes.
    pub(crate) fn sweep(&mut self) {
        self.0.retain(|value| Arc::strong_count(value) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_until_nobody_has_it() {
        let mut pool = Pool::default();
        let (first, second) = (pool.share(7), pool.share(7));
        assert!(Arc::ptr_eq(&first, &second));
        drop(first);
        pool.sweep();
        assert!(Arc::ptr_eq(&pool.share(7), &second), "somebody has it");
        drop(second);
        pool.sweep();
        assert!(pool.0.is_empty());
    }
}
