//! How time is kept: points in time that the caller hands in, and queues of what is due when.
//!
//! Pure: nothing here reads a clock. The daemon takes moments from the kernel, the simulator makes
//! them up, and the machines know no difference.
#![forbid(unsafe_code)]

mod moment;
mod queue;

pub use moment::Moment;
pub use queue::{Entry, Queue};
