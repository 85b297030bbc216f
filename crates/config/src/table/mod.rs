//! The mechanism of the one keyword table.
//!
//! Each keyword is declared once, beside the field it fills: parser, validation, printer, plan,
//! manual and the coverage test all read the same rows. A [`Keyword`] belongs to the type of its
//! block.

pub(crate) mod argument;
mod block;
mod command;
mod context;
mod features;
pub(crate) mod field;
mod line;
mod list;
pub(crate) mod named_numbers;
pub(crate) mod notation;
pub(crate) mod remembered;
pub(crate) mod shown;
mod statement;

pub use crate::value::Unit;
pub use argument::Argument;
pub(crate) use block::find;
pub use block::{Again, Head, Inside, Lines, List, More};
pub(crate) use context::Context;
pub use features::Feature;
pub use field::{Field, Value};
pub(crate) use line::{Line, account};
pub use list::Keywords;
pub(crate) use statement::{Outcome, Seen, apply, apply_options, apply_options_or, unknown, unread};

use crate::text::reader::Directive;

/// The line that a reader is given.
pub(crate) type Statement<'l, 'n, 'c, 'a> = &'l mut Line<'n, 'c, 'a>;

/// What is known of a keyword besides the field it fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The word itself; an option of a keyword follows it after a blank.
    pub name: &'static str,
    /// What may follow.
    pub argument: Argument,
    /// What holds where it is not written, in words.
    pub default: &'static str,
    /// What writing it again does.
    pub repeat: Repeat,
    /// What changing it does at a reload.
    pub reload: Reload,
    /// What keepalived does where the word that must follow is missing.
    pub when_missing: WhenMissing,
    /// Whether it is carried out.
    pub support: Support,
    /// The keyword to write in its place.
    pub successor: Option<&'static str>,
    /// What else tells it from others.
    pub marks: &'static [Mark],
    /// One line for the manual.
    pub doc: &'static str,
}

impl Entry {
    /// Whether it has that mark.
    pub(crate) fn is(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }
}

/// What tells a keyword from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Its arguments from that place on are a password or key and are not shown.
    Secret(usize),
    /// The same, but for the name of a file that holds it, which begins with `file:`.
    SecretOrFile(usize),
    /// keepalived counts this deprecated word as a problem; it takes the others in silence.
    DeprecatedLoudly,
    /// Another keyword of its block fills the same field.
    Alias,
    /// It changes how the lines after it are read.
    Directive(Directive),
}

/// What writing a keyword again does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The last one counts.
    Last,
    /// The first one counts, others are reported.
    First,
    /// The last one counts, earlier ones are reported.
    Replaces,
    /// Each adds to those before.
    Adds,
}

/// What keepalived does where the word that must follow a keyword is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// It stops reading, and does not start.
    Stops,
    /// It passes over the keyword and goes on.
    Told,
}

/// What changing a keyword does at a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// Nothing until the next event that uses it.
    NextUse,
    /// Takes effect at once; state and timers stay.
    InPlace,
    /// Only what was added or removed moves.
    Difference,
    /// The script is started anew, its result is kept.
    ScriptRestart,
    /// The instance, session or checker starts anew.
    Restart,
    /// The reload is refused; a restart of the daemon is needed.
    Refused,
    /// Read at start only; a reload ignores it.
    StartOnly,
}

/// Whether a keyword is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does what it says.
    Active,
    /// It is read and checked; what it asks for is not yet active.
    Accepted(Feature),
}

/// A keyword of a block whose content becomes a `T`.
#[derive(Debug)]
pub struct Keyword<T: 'static> {
    /// What is known of it.
    pub entry: Entry,
    /// How it fills the `T`.
    pub(crate) store: Store<T>,
}

/// How a keyword fills its block's type.
pub(crate) enum Store<T: 'static> {
    /// Into one field.
    Field {
        /// The field, to show it.
        get: fn(&T) -> &dyn Field,
        /// The field, to fill it.
        get_mut: fn(&mut T) -> &mut dyn Field,
    },
    /// By a reader of its own.
    Custom {
        /// Reads the statement.
        read: fn(&mut T, &mut Line<'_, '_, '_>),
        /// Writes it back: one string a line, without the keyword itself.
        show: fn(&T) -> Vec<String>,
    },
    /// By the reader of the block around it.
    Elsewhere,
    /// Not at all: no word of a file, but what may follow one, for the manual. The keyword's reader takes it.
    Described,
}

impl<T> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Field { .. } => "Field",
            Self::Custom { .. } => "Custom",
            Self::Elsewhere => "Elsewhere",
            Self::Described => "Described",
        })
    }
}

/// One row of the whole table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Path of the block; `(root)` is the file itself, other names in parentheses are not blocks.
    pub block: &'static str,
    /// What is known.
    pub entry: &'static Entry,
}

/// A row that documents what other rooms read.
pub(crate) const fn described(
    name: &'static str,
    grammar: &'static str,
    default: &'static str,
    doc: &'static str,
) -> Entry {
    Entry {
        name,
        argument: Argument::Grammar(grammar),
        default,
        repeat: Repeat::Last,
        reload: Reload::NextUse,
        when_missing: WhenMissing::Stops,
        support: Support::Active,
        successor: None,
        marks: &[],
        doc,
    }
}

/// A row: name, argument, store, repeat, reload; then support, successor, `| Told` where a missing word does not stop
/// keepalived, and marks in brackets; then default and doc.
macro_rules! keywords {
    (@support) => { $crate::table::Support::Active };
    (@support $feature:ident) => {
        $crate::table::Support::Accepted($crate::table::Feature::$feature)
    };
    (@when_missing) => { $crate::table::WhenMissing::Stops };
    (@when_missing $when:ident) => { $crate::table::WhenMissing::$when };
    (@successor) => { None };
    (@successor $successor:literal) => { Some($successor) };
    ($($name:literal $argument:expr => $store:expr, $repeat:ident, $reload:ident $(, $feature:ident)?
        $(= $successor:literal)? $(| $when:ident)? $([$($mark:expr),+])?;
        $default:literal, $doc:literal;)*) => {
        &$crate::table::Keywords::new(&[$($crate::table::Keyword {
            entry: $crate::table::Entry {
                name: $name,
                argument: $argument,
                default: $default,
                repeat: $crate::table::Repeat::$repeat,
                reload: $crate::table::Reload::$reload,
                when_missing: $crate::table::keywords!(@when_missing $($when)?),
                support: $crate::table::keywords!(@support $($feature)?),
                successor: $crate::table::keywords!(@successor $($successor)?),
                marks: &[$($($mark),+)?],
                doc: $doc,
            },
            store: $store,
        }),*])
    };
}

/// The field of that path.
macro_rules! at {
    ($($field:tt).+) => {
        $crate::table::Store::Field {
            get: |t| &t.$($field).+,
            get_mut: |t| &mut t.$($field).+,
        }
    };
}

/// The field of a part that is made when it is needed.
macro_rules! lazily {
    ($part:ident.$field:ident) => {
        $crate::table::Store::Field {
            get: |t| match &t.$part {
                Some(part) => &part.$field,
                None => &$crate::table::field::Unset,
            },
            get_mut: |t| &mut t.$part.get_or_insert_default().$field,
        }
    };
}

/// Readers of their own.
macro_rules! with {
    ($read:expr, $show:expr) => {
        $crate::table::Store::Custom { read: $read, show: $show }
    };
}

pub(crate) use {at, keywords, lazily, with};
