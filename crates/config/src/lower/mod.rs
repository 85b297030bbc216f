//! From the tree to drafts of the model: one statement at a time, by the keyword table.

pub(crate) mod blocks;
mod command;
mod context;
pub(crate) mod drafts;
mod line;
pub(crate) mod servers;
mod statement;

pub(crate) use context::Context;
pub(crate) use drafts::Drafts;
pub(crate) use line::{Line, account};
pub(crate) use statement::{Outcome, Seen, apply, apply_options, apply_options_or, unknown, unread};
