//! What the results of health checks mean: which real servers of a load balancer are alive, what share each gets, and
//! whether a service has enough of them.
//!
//! The machine is pure. The caller tells it results and asks when it wants to be woken; it says which probes to start,
//! which servers every service should have with which weight, and what happened and why.
//!
//! ```text
//! result of a probe ──▶ check: up or down ──▶ server: alive ──▶ service: quorum ──▶ wanted entries
//!                          │ weight                │ weight          │ sorry server
//!                          └──────────── one stream of events ───────┘
//! ```
//!
//! A check is of one target in one way. Servers of several services with the same target and the same settings share it:
//! the target is asked once.
#![forbid(unsafe_code)]

mod action;
mod check;
mod config;
mod endpoint;
mod event;
mod few;
mod index;
mod instant;
mod machine;
mod pool;
mod reload;
mod server;
mod service;
mod slab;
mod status;

#[cfg(test)]
mod tests;

pub use action::{Contribution, Input, Override, Sink, Target, Verdict};
pub use config::{
    CheckConfig, CheckId, CheckKey, Config, Rhythm, ServerConfig, ServerId, ServiceConfig, ServiceId,
    SorryConfig,
};
pub use event::{Cause, Event, Happening};
pub use machine::{FIRST_DELAY, Machine};
pub use server::SLOW_START_STEPS;
pub use status::{
    CheckResume, CheckStatus, Resume, ServerResume, ServerStatus, ServiceResume, ServiceStatus,
};
