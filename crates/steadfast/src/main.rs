//! The steadfast command.
#![forbid(unsafe_code)]

fn main() {}
