//! The processes: supervisor, vrrp worker, notify, reload, control socket.
#![forbid(unsafe_code)]

pub mod client;
pub mod digest;
pub mod host;
pub mod link;
pub mod options;
pub mod phrase;
pub mod places;
pub mod record;
pub mod report;
mod supervisor;
mod vrrp;

pub use options::Options;
pub use supervisor::run;
