//! What needs a kernel with more than most have: the load balancer, ipvlan and VRF, end to end. `cargo xtask test` runs these
//! in a guest; elsewhere `cargo xtask vm -- PROGRAM`, or any kernel with IPVS and root.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it does not expect")]

mod checkers;
mod differential;
mod director;
mod directors;
mod following;
mod living;
mod nginx;
mod operating;
mod running;
mod servers;
mod side;
mod spaces;
mod traffic;
mod virtual_interfaces;
