//! keepalived.conf: tokens, tree with spans, keyword table, typed model, diagnostics and plan.
//!
//! The modules stand on one another from left to right:
//! `limits`, `diagnostic`, `text`, `value`, `model`, `machine`, `table`, `language`, `write`, `plan`, `load`, `compare`.
#![forbid(unsafe_code)]

mod compare;
pub mod diagnostic;
pub mod known_errors;
pub mod language;
pub mod limits;
pub mod load;
pub mod machine;
pub mod model;
mod options;
pub mod plan;
pub mod table;
pub mod text;
pub mod value;
pub mod write;

pub use compare::compare;
pub use diagnostic::code::{Class, Code, Severity};
pub use diagnostic::span::{SourceMap, Span};
pub use diagnostic::{Diagnostic, Diagnostics, code, json, mend, render, span, suggest};
pub use known_errors::KnownErrors;
pub use load::{AnyMachine, LoadOptions, Loaded, Machine, Mode, load};
pub use model::Model;
pub use plan::Plan;
pub use text::reader::{Grammar, Options, Reader};
pub use text::source::{Files, Memory, Source, Unreadable};
pub use text::tree::{Block, Node, Raw, Word};
pub use text::{quoting, reader, source, tree};
pub use write::{format, print};
