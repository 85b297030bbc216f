//! The socket, the batching, and the matching of answers to requests.

mod attribute;
mod request;
mod socket;

pub use attribute::{Attribute, AttributeWriter, Attributes};
pub(crate) use request::Frames;
pub(super) use request::List;
pub use request::{BATCH_BYTES_MAX, Batch, Outcome, Requests};
pub use socket::Protocol;
pub(crate) use socket::Socket;
