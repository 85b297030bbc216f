//! Health checks.

pub mod keywords;
pub(crate) mod read;
pub(crate) mod show;
