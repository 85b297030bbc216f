//! Hosts, networks and links to test in: what the lab and the tests are made of, and nothing that the daemon uses.
//!
//! Everything here is held by file descriptors of the calling process. The kernel removes it with the last descriptor,
//! so that even a process ended by SIGKILL leaves nothing behind.

mod alone;
mod attempts;
mod child;
mod container;
mod frames;
#[cfg(test)]
pub(crate) mod fresh_namespace;
mod hold;
mod tap;
mod user_namespace;
mod wiring;

pub use alone::alone;
pub use attempts::granted;
pub use child::child;
pub use container::{Container, END_LIMIT};
pub use frames::{Frames, Wanted};
pub use hold::{Held, hold};
pub use tap::IpvsTap;
pub use user_namespace::become_root_of_user_namespace;
pub use wiring::{Assigned, Wiring, switch_off_duplicate_address_detection};
