//! Waiting: for descriptors, for other threads, and until a time.

pub mod clock;
pub mod poll;
pub mod wake;
