//! The processes: supervisor, vrrp worker, notify, reload, control socket.
#![forbid(unsafe_code)]

mod beside;
mod check;
pub mod digest;
pub mod host;
pub mod link;
pub mod options;
mod places;
mod supervisor;
mod vrrp;

pub use options::Options;
pub use supervisor::run;
