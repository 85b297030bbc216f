//! The kernel's load balancer, IPVS, through its generic netlink family: what it can be told, and what it tells.
//!
//! A service is what clients connect to; a server is one of those that serve it (a "destination" in the kernel's
//! words). Names and numbers are those of `linux/ip_vs.h`, which no document specifies further.
//!
//! Nothing announces changes of this table: who wants to know of them reads it again. Lists carry no mark of
//! consistency, so that one read while the table changes may lack an entry; read again before believing that.

mod command;
mod decode;
mod encode;
mod handle;
mod number;
mod refusal;
mod server;
mod service;
mod setting;
mod statistics;
mod sync;

pub use command::Command;
pub use handle::{Information, Ipvs, Timeouts};
pub use refusal::{Outcome, Refusal};
pub use server::{Checksum, Connections, Forwarding, ListedServer, Server, ServerKey, Tunnel};
pub use service::{
    ListedService, NAME_BYTES_MAX, Name, Persistence, SchedulerFlags, Service, ServiceKey, Transport,
};
pub use setting::Setting;
pub use statistics::Statistics;
pub use sync::{SyncDaemon, SyncRole};
