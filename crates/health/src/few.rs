//! A list that nearly always has one entry.

/// As wide as a list, but one entry needs no memory of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Few<T> {
    #[default]
    None,
    One(T),
    // Boxed, so that the others are no wider than they need be.
    #[expect(clippy::box_collection, reason = "a list beside a number would be half as wide again")]
    Many(Box<Vec<T>>),
}

impl<T: Copy + PartialEq> Few<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.as_slice().iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn push(&mut self, entry: T) {
        match self {
            Self::None => *self = Self::One(entry),
            Self::One(first) => *self = Self::Many(Box::new(vec![*first, entry])),
            Self::Many(entries) => entries.push(entry),
        }
    }

    /// Takes one of those out that are equal to `entry`; whether there was one. The order of the others is lost.
    pub(crate) fn remove(&mut self, entry: T) -> bool {
        match self {
            Self::One(only) if *only == entry => *self = Self::None,
            Self::Many(entries) => {
                let Some(place) = entries.iter().position(|known| *known == entry) else { return false };
                entries.swap_remove(place);
            }
            Self::None | Self::One(_) => return false,
        }
        true
    }
}

impl<T: Copy + PartialEq> FromIterator<T> for Few<T> {
    fn from_iter<Entries: IntoIterator<Item = T>>(entries: Entries) -> Self {
        let mut few = Self::None;
        entries.into_iter().for_each(|entry| few.push(entry));
        if let Self::Many(entries) = &mut few {
            entries.shrink_to_fit();
        }
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_and_go_in_any_number() {
        let mut few: Few<u32> = (1..4).collect();
        assert_eq!(few.as_slice(), [1, 2, 3]);
        assert!(few.remove(1) && !few.remove(1));
        assert_eq!(few.as_slice(), [3, 2]);
        few.push(2);
        assert!(few.remove(2) && few.remove(2) && few.remove(3) && few.is_empty());
        let mut few: Few<u32> = Few::None;
        few.push(5);
        assert_eq!((few.as_slice(), few.len()), ([5].as_slice(), 1));
        assert!(!few.remove(4) && few.remove(5) && !few.remove(5) && few.is_empty());
    }

    #[test]
    fn one_entry_is_as_wide_as_two_words() {
        assert_eq!(size_of::<Few<u32>>(), 16);
    }
}
