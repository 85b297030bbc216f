//! Lines of routes.

pub mod keywords;
pub(crate) mod next_hops;
pub(crate) mod read;
