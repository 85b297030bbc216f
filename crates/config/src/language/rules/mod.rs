//! Lines of policy rules.

pub mod keywords;
pub(crate) mod read;
