//! What is followed by whom, and groups of instances.

pub(crate) mod check;
pub mod keywords;
pub(crate) mod read;
