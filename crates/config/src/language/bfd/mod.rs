//! `bfd_instance`.

pub(crate) mod check;
pub mod keywords;
pub(crate) mod read;
