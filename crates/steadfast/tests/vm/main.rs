//! The load balancer end to end, on a kernel that has one. `cargo xtask test` runs these in a guest; elsewhere
//! `cargo xtask vm -- PROGRAM`, or any kernel with IPVS and root.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it does not expect")]

mod checkers;
mod differential;
mod director;
mod living;
mod nginx;
mod operating;
mod running;
mod servers;
mod side;
mod spaces;
mod traffic;
