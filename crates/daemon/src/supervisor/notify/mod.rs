//! Who is told of a change of state, and how.

pub(crate) mod fifo;
pub(crate) mod mail;
pub(crate) mod scripts;
