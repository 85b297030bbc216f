//! What can be followed: scripts, files and processes.

pub(crate) mod check;
pub mod keywords;
pub(crate) mod read;
