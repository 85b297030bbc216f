//! Virtual routers.

pub(crate) mod authentication;
pub(crate) mod check;
pub(crate) mod extensions;
pub mod keywords;
pub(crate) mod read;
mod virtual_interfaces;
