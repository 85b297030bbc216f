//! From files to the tree of words with their places.

mod block_end;
pub(crate) mod definition;
mod expand;
pub(crate) mod include;
mod input;
mod line;
pub mod quoting;
pub mod reader;
pub(crate) mod sequence;
pub mod source;
pub(crate) mod token;
pub mod tree;
