//! Who is told of a change of state, and how.

pub(crate) mod scripts;
