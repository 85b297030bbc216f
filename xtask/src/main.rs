//! Developer commands of the steadfast workspace.
#![forbid(unsafe_code)]

fn main() {}
