//! keepalived.conf: tokens, tree with spans, keyword table, typed model, diagnostics and plan.
#![forbid(unsafe_code)]

mod block_end;
mod check;
pub mod code;
mod definition;
pub mod diagnostic;
mod expand;
pub mod format;
mod include;
mod input;
pub mod json;
pub mod keyword;
mod known_errors;
pub mod limits;
mod line;
mod line_index;
pub mod load;
mod lower;
pub mod model;
pub mod plan;
mod print;
pub mod quoting;
pub mod reader;
pub mod render;
mod sequence;
pub mod source;
pub mod span;
pub mod suggest;
mod token;
pub mod tree;
pub mod value;

pub use check::routers::compare;
pub use code::{Class, Code, Severity};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use known_errors::KnownErrors;
pub use load::{AnyMachine, LoadOptions, Loaded, Machine, Mode, load};
pub use model::Model;
pub use plan::Plan;
pub use print::print;
pub use reader::{Grammar, Options, Reader};
pub use source::{Files, Memory, Source, Unreadable};
pub use span::{SourceMap, Span};
pub use tree::{Block, Node, Raw, Word};
