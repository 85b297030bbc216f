//! Lists that nearly always have one entry.

use std::marker::PhantomData;
use std::num::NonZeroU32;

use crate::slab::Id;

/// The first entry of such a list, for four octets. Those behind it stand with what few have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct First<T>(Option<NonZeroU32>, PhantomData<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None, PhantomData)
    }
}

impl<T: Id> First<T> {
    pub(crate) fn get(self) -> Option<T> {
        self.0.map(|number| T::from_index(number.get() - 1))
    }

    /// The largest number is taken for the one before it, which no slab gives either.
    pub(crate) fn set(&mut self, entry: Option<T>) {
        self.0 = entry.map(|entry| NonZeroU32::MIN.saturating_add(entry.index()));
    }
}

/// Takes one of those out that are equal to `entry`; whether there was one. The order of the others is lost.
pub(crate) fn remove<T: Id + PartialEq>(first: &mut First<T>, further: &mut Vec<T>, entry: T) -> bool {
    if first.get() == Some(entry) {
        first.set(further.pop());
        return true;
    }
    let place = further.iter().position(|known| *known == entry);
    place.map(|place| further.swap_remove(place)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CheckId;

    #[test]
    fn entries_come_and_go_in_any_number() {
        let (mut first, mut further) = (First::default(), Vec::new());
        assert_eq!(first.get(), None);
        assert!(!remove(&mut first, &mut further, CheckId(0)));
        first.set(Some(CheckId(0)));
        assert_eq!(first.get(), Some(CheckId(0)));
        further.extend([CheckId(2), CheckId(0), CheckId(3)]);
        assert!(remove(&mut first, &mut further, CheckId(0)));
        assert_eq!(
            (first.get(), further.as_slice()),
            (Some(CheckId(3)), [CheckId(2), CheckId(0)].as_slice())
        );
        assert!(
            remove(&mut first, &mut further, CheckId(2)) && !remove(&mut first, &mut further, CheckId(2))
        );
        assert!(remove(&mut first, &mut further, CheckId(3)) && remove(&mut first, &mut further, CheckId(0)));
        assert_eq!((first.get(), further.len()), (None, 0));
    }

    #[test]
    fn a_first_entry_is_as_wide_as_its_number() {
        assert_eq!(size_of::<First<CheckId>>(), 4);
    }
}
