//! Finding entries by a key that stands in the entry itself, for four octets an entry.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Places by the hash of what stands there. Whoever asks says whether a place is the one that is meant.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// As many as a power of two, a quarter of them free at least; a chain ends at the first free one.
    slots: Vec<Option<Place>>,
    len: usize,
}

/// A place plus one, so that none needs no room.
type Place = std::num::NonZeroU32;

/// Fewest slots.
const SLOTS_MIN: usize = 8;

impl Index {
    /// The place with that key.
    pub(crate) fn get(&self, key: &impl Hash, is_meant: impl Fn(u32) -> bool) -> Option<u32> {
        self.find(key, is_meant).map(|(_, place)| place)
    }

    /// A place whose key is not there yet; `hash_of` gives the key's hash of any place.
    pub(crate) fn insert(&mut self, key: &impl Hash, place: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let size = (self.slots.len() * 2).max(SLOTS_MIN);
            let before = std::mem::replace(&mut self.slots, vec![None; size]);
            for place in before.into_iter().flatten() {
                self.put(hash_of(place.get() - 1), place);
            }
        }
        if let Some(place) = place.checked_add(1).and_then(Place::new) {
            self.put(hash(key), place);
            self.len += 1;
        }
    }

    /// Forgets the place with that key.
    pub(crate) fn remove(
        &mut self,
        key: &impl Hash,
        is_meant: impl Fn(u32) -> bool,
        hash_of: impl Fn(u32) -> u64,
    ) {
        let Some((mut free, _)) = self.find(key, is_meant) else { return };
        self.len -= 1;
        let mut slot = free;
        // Whoever stands behind and would be looked for before moves up, so that no chain breaks.
        loop {
            slot = self.after(slot);
            let Some(Some(place)) = self.slots.get(slot).copied() else { break };
            let home = self.home(hash_of(place.get() - 1));
            let stays = if free <= slot { free < home && home <= slot } else { free < home || home <= slot };
            if !stays {
                self.set(free, Some(place));
                free = slot;
            }
        }
        self.set(free, None);
    }

    fn find(&self, key: &impl Hash, is_meant: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
        let mut slot = self.home(hash(key));
        while let Some(Some(place)) = self.slots.get(slot) {
            if is_meant(place.get() - 1) {
                return Some((slot, place.get() - 1));
            }
            slot = self.after(slot);
        }
        None
    }

    fn put(&mut self, hash: u64, place: Place) {
        let mut slot = self.home(hash);
        while let Some(Some(_)) = self.slots.get(slot) {
            slot = self.after(slot);
        }
        self.set(slot, Some(place));
    }

    fn set(&mut self, slot: usize, place: Option<Place>) {
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = place;
        }
    }

    fn home(&self, hash: u64) -> usize {
        usize::try_from(hash).unwrap_or_default() & self.mask()
    }

    fn after(&self, slot: usize) -> usize {
        (slot + 1) & self.mask()
    }

    fn mask(&self) -> usize {
        self.slots.len().saturating_sub(1)
    }
}

/// The hash of a key.
pub(crate) fn hash(key: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Few hashes, so that chains are long.
    struct Key(u32);

    impl Hash for Key {
        fn hash<H: Hasher>(&self, state: &mut H) {
            (self.0 % 7).hash(state);
        }
    }

    proptest! {
        #[test]
        fn it_knows_what_a_map_knows(steps in prop::collection::vec((0_u32..60, any::<bool>()), 0..300)) {
            let (mut index, mut map, mut keys) = (Index::default(), BTreeMap::new(), Vec::new());
            for (key, insert) in steps {
                let hash_of = |keys: &Vec<u32>, place: u32| hash(&Key(keys[place as usize]));
                if insert && !map.contains_key(&key) {
                    let place = u32::try_from(keys.len()).unwrap();
                    keys.push(key);
                    map.insert(key, place);
                    index.insert(&Key(key), place, |place| hash_of(&keys, place));
                } else if !insert {
                    map.remove(&key);
                    index.remove(&Key(key), |place| keys[place as usize] == key, |place| hash_of(&keys, place));
                }
                for key in 0..60 {
                    let found = index.get(&Key(key), |place| keys[place as usize] == key);
                    prop_assert_eq!(found, map.get(&key).copied());
                }
                prop_assert_eq!(index.len, map.len());
            }
        }
    }
}
