//! Writing configurations: the model as text, and files in one style.

pub mod format;
pub(crate) mod print;

pub use print::print;
