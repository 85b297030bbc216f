//! The socket, the batching, and the matching of answers to requests.

mod attribute;
mod request;
mod socket;

pub use attribute::{Attribute, AttributeWriter, Attributes};
pub use request::{BATCH_BYTES_MAX, Batch, Outcome, Requests};
pub(super) use request::{Frames, List};
pub use socket::Protocol;
pub(super) use socket::Socket;
