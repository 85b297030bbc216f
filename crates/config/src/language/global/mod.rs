//! Settings of the daemon.

pub mod keywords;
mod processes;
pub(crate) mod read;
