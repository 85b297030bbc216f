//! Virtual servers, their groups and real servers.

pub(crate) mod blocks;
pub(crate) mod check;
pub mod keywords;
pub(crate) mod read;
pub(crate) mod shared;
