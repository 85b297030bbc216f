//! Simulated network segments, virtual time, faults, and checkers over histories.
#![forbid(unsafe_code)]
