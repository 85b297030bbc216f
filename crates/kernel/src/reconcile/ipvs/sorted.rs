//! A map in one piece of memory.

/// Entries in the order of their keys, without room between them.
#[derive(Debug)]
pub(super) struct Sorted<Key, Value>(Vec<(Key, Value)>);

impl<Key, Value> Default for Sorted<Key, Value> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Key: Ord, Value> Sorted<Key, Value> {
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        let place = self.find(key).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, (Key, Value)> {
        self.0.iter()
    }

    /// The value that stood there before.
    pub(super) fn insert(&mut self, key: Key, value: Value) -> Option<Value> {
        match self.find(&key) {
            Ok(place) => self.0.get_mut(place).map(|(_, known)| std::mem::replace(known, value)),
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// The value that stood there.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Value> {
        let place = self.find(key).ok()?;
        Some(self.0.remove(place).1)
    }

    pub(super) fn into_entries(self) -> Vec<(Key, Value)> {
        self.0
    }

    pub(super) fn compact(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Most come in their order.
    fn find(&self, key: &Key) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if last < key => Err(self.0.len()),
            _ => self.0.binary_search_by(|(known, _)| known.cmp(key)),
        }
    }
}
