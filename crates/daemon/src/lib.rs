//! The processes: supervisor, vrrp worker, notify, reload, control socket.
#![forbid(unsafe_code)]

pub mod client;
pub mod digest;
pub mod message;
pub mod options;
pub mod phrase;
pub mod record;
pub mod report;
pub mod work;
mod worker;

pub use options::Options;
