//! Simulated network segments, virtual time, faults, and checkers over histories.
//!
//! A [`Scenario`] says which routers stand on which segments and what befalls them; most come from
//! a seed ([`Scenario::random`]). [`run`] lets the very machines of the daemon live through it in
//! virtual time, exchanging adverts as the octets they would put on the wire, and returns a
//! [`History`]. [`check::all`] tells which promises the history breaks.
//!
//! Everything is a function of the scenario: the same seed gives the same history to the last
//! nanosecond.
#![forbid(unsafe_code)]

mod agenda;
pub mod check;
mod generate;
pub mod history;
mod host;
mod participant;
pub mod recorded;
pub mod scenario;
pub mod sessions;
pub mod watching;
mod world;

pub use check::Violation;
pub use history::{Entry, Happening, History};
pub use participant::{Outbox, Output, Participant, SentAdvert};
pub use scenario::{Fault, Network, RouterId, RouterPlan, Scenario, Step};
pub use steadfast_time::Random;
pub use world::{run, run_with};
