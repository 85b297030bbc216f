//! The keywords of one block, found by their names.

use std::ops::Deref;

use super::Keyword;

/// The keywords of one block. Looking one up costs the same in every block and for every word of it.
#[derive(Debug)]
pub struct Keywords<T: 'static> {
    rows: &'static [Keyword<T>],
    /// Positions in `rows` by the hash of the name, or the next free slot after it; [`FREE`] elsewhere.
    slots: [u8; SLOTS],
}

const SLOTS: usize = 256;
const FREE: u8 = u8::MAX;

impl<T> Keywords<T> {
    /// A list without keywords.
    pub const EMPTY: &'static Self = &Self::new(&[]);

    /// The list of these rows, at most [`Self::MOST`].
    pub(crate) const fn new(rows: &'static [Keyword<T>]) -> Self {
        assert!(rows.len() <= Self::MOST);
        let mut slots = [FREE; SLOTS];
        let mut position: u8 = 0;
        let mut rest = rows;
        while let [row, others @ ..] = rest {
            let mut slot = first_slot(row.entry.name.as_bytes());
            while taken(&slots, slot) != FREE {
                slot = slot.wrapping_add(1);
            }
            let (_, from) = slots.split_at_mut(slot as usize);
            if let Some(free) = from.first_mut() {
                *free = position;
            }
            position += 1;
            rest = others;
        }
        Self { rows, slots }
    }

    /// Most keywords in a list: enough slots stay free for a search to end soon.
    pub(crate) const MOST: usize = 192;

    /// The rows, for as long as the program runs.
    pub(crate) fn rows(&self) -> &'static [Keyword<T>] {
        self.rows
    }

    /// Position of a keyword, if it is one of them.
    pub fn find(&self, name: &str) -> Option<(usize, &'static Keyword<T>)> {
        let mut slot = first_slot(name.as_bytes());
        loop {
            let position = usize::from(taken(&self.slots, slot));
            let row = self.rows.get(position)?;
            if row.entry.name == name {
                return Some((position, row));
            }
            slot = slot.wrapping_add(1);
        }
    }
}

/// The rows, in the order of the manual.
impl<T> Deref for Keywords<T> {
    type Target = [Keyword<T>];

    fn deref(&self) -> &Self::Target {
        self.rows
    }
}

const fn taken(slots: &[u8; SLOTS], slot: u8) -> u8 {
    let (_, from) = slots.split_at(slot as usize);
    match from.first() {
        Some(position) => *position,
        None => FREE,
    }
}

/// Where the search for a name begins. Its length and five of its bytes tell most keywords of a block apart.
const fn first_slot(name: &[u8]) -> u8 {
    let (_, second_half) = name.split_at(name.len() / 2);
    let (first, second, middle, last_but_one, last) = match (name, second_half) {
        ([first, second, .., last_but_one, last], [middle, ..]) => {
            (*first, *second, *middle, *last_but_one, *last)
        }
        ([first, ..], [middle, ..]) => (*first, 0, *middle, 0, 0),
        _ => (0, 0, 0, 0, 0),
    };
    let mixed = (first as u64)
        | (second as u64) << 8
        | (middle as u64) << 16
        | (last_but_one as u64) << 24
        | (last as u64) << 32
        | (name.len() as u64) << 40;
    // The high bits of a product with an odd constant (2^64 divided by the golden ratio) depend on all others.
    let [top, ..] = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    top
}

#[cfg(test)]
mod tests {
    use crate::language::{global::keywords::GLOBAL, instance::keywords::INSTANCE};

    #[test]
    fn every_keyword_is_found_at_its_place_and_nothing_else_is() {
        for (place, keyword) in GLOBAL.iter().enumerate() {
            assert_eq!(GLOBAL.find(keyword.entry.name).map(|(found, _)| found), Some(place));
        }
        for word in ["", "a", "ab", "stat", "states", "vrrp_instance", "priorit\u{e4}"] {
            assert!(INSTANCE.find(word).is_none(), "{word}");
        }
        assert!(super::Keywords::<()>::EMPTY.find("x").is_none());
    }
}
