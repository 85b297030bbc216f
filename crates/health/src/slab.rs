//! Entries by number. Numbers are small and dense; those of removed entries are given again.

use std::marker::PhantomData;

/// A number that stands for an entry.
pub(crate) trait Id: Copy {
    fn from_index(index: u32) -> Self;
    fn index(self) -> u32;
}

#[derive(Debug)]
pub(crate) struct Slab<Key, Value> {
    entries: Vec<Option<Value>>,
    free: Vec<u32>,
    key: PhantomData<Key>,
}

impl<Key, Value> Default for Slab<Key, Value> {
    fn default() -> Self {
        Self { entries: Vec::new(), free: Vec::new(), key: PhantomData }
    }
}

impl<Key: Id, Value> Slab<Key, Value> {
    pub(crate) fn insert(&mut self, value: Value) -> Key {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.entries.push(None);
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(entry) = slot(index).and_then(|slot| self.entries.get_mut(slot)) {
            *entry = Some(value);
        }
        Key::from_index(index)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Value> {
        let value = slot(key.index()).and_then(|slot| self.entries.get_mut(slot))?.take()?;
        self.free.push(key.index());
        Some(value)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Value> {
        self.entries.get(slot(key.index())?)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Value> {
        self.entries.get_mut(slot(key.index())?)?.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Value)> {
        (0..).zip(&self.entries).filter_map(|(index, entry)| Some((Key::from_index(index), entry.as_ref()?)))
    }

    pub(crate) fn compact(&mut self) {
        self.entries.shrink_to_fit();
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.iter().map(|(key, _)| key).collect()
    }
}

fn slot(index: u32) -> Option<usize> {
    usize::try_from(index).ok()
}
