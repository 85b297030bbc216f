//! The processes: supervisor, vrrp worker, notify, reload, control socket.
#![forbid(unsafe_code)]

pub mod client;
pub mod digest;
mod log;
pub mod machine;
pub mod message;
pub mod options;
pub mod phrase;
pub mod places;
pub mod record;
mod reload_time;
pub mod report;
mod supervisor;
pub mod work;
mod worker;

pub use options::Options;
pub use supervisor::run;
