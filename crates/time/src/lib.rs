//! How time is kept: points in time that the caller hands in, queues of what is due when, and chance
//! from a seed that the caller hands in.
//!
//! Pure: nothing here reads a clock. The daemon takes moments and seeds from the kernel, the simulator
//! makes them up, and the machines know no difference.
#![forbid(unsafe_code)]

mod moment;
mod queue;
mod random;

pub use moment::Moment;
pub use queue::{Entry, Queue};
pub use random::Random;
