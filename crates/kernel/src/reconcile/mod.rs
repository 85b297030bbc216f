//! What is wanted against what the kernel has: the difference, written in few large batches. One reconciler for each
//! kind of thing.

pub mod addresses;
pub mod entries;
pub mod filters;
pub mod ipvs;
pub mod links;
mod pause;
