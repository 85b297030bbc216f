//! A map that nearly always is empty, and then needs no memory but for a pointer.

use std::collections::BTreeMap;

/// What few of many have.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a map is three times as wide as a pointer")]
pub(super) struct Rarely<Key, Value>(Option<Box<BTreeMap<Key, Value>>>);

impl<Key, Value> Default for Rarely<Key, Value> {
    fn default() -> Self {
        Self(None)
    }
}

impl<Key: Ord + Copy, Value: Copy> Rarely<Key, Value> {
    pub(super) fn get(&self, key: &Key) -> Option<Value> {
        self.0.as_ref()?.get(key).copied()
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.0.as_ref().is_some_and(|map| map.contains_key(key))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Value)> + '_ {
        self.0.iter().flat_map(|map| map.iter()).map(|(key, value)| (*key, *value))
    }

    pub(super) fn insert(&mut self, key: Key, value: Value) {
        self.0.get_or_insert_default().insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(map) = &mut self.0 {
            map.remove(key);
            if map.is_empty() {
                self.0 = None;
            }
        }
    }
}

impl<Key: Ord, Value> FromIterator<(Key, Value)> for Rarely<Key, Value> {
    fn from_iter<Entries: IntoIterator<Item = (Key, Value)>>(entries: Entries) -> Self {
        let map: BTreeMap<_, _> = entries.into_iter().collect();
        Self((!map.is_empty()).then(|| Box::new(map)))
    }
}
