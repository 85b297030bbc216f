//! Values that many keywords share: reading them as keepalived does, and writing them back.

mod interval;
mod read;
mod secret;

use std::sync::Arc;

pub use interval::Interval;
pub use read::{Mistake, Problem, Unit};
pub(crate) use read::{
    address, address_and_prefix, boolean, c_number, choice, host_address, integer, interface, multicast,
    time, unsigned,
};
pub use secret::Secret;

/// Text from the file that is kept as it stands.
pub type Text = Box<str>;

/// A name that several entities refer to; cloning shares it.
pub type Name = Arc<str>;
