//! The socket, the batching, and the matching of answers to requests.

mod request;
mod socket;

pub use request::{BATCH_BYTES_MAX, Batch, Outcome, Requests};
pub(super) use request::{Frames, List};
pub(super) use socket::Socket;
