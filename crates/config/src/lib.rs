//! keepalived.conf: tokens, tree with spans, keyword table, typed model, diagnostics and plan.
#![forbid(unsafe_code)]

pub mod model;
pub mod value;

pub use model::Model;
