//! The workers as the supervisor sees them.

pub(crate) mod known;
pub(crate) mod process;
pub(crate) mod service;
