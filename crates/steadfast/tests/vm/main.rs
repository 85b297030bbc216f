//! What needs a kernel with more than most have: the load balancer, ipvlan and VRF, end to end. `cargo xtask test` runs these
//! in a guest; elsewhere `cargo xtask vm -- PROGRAM`, or any kernel with IPVS and root.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it does not expect")]

mod checkers;
mod differential;
mod director;
mod directors;
mod ending;
mod entering;
mod flows;
mod following;
mod living;
mod neighbours;
mod nginx;
mod operating;
mod processes;
mod proven;
mod refusals;
mod removing;
mod routes;
mod running;
mod servers;
mod side;
mod spaces;
mod traffic;
mod twice;
mod virtual_interfaces;
mod writes;
