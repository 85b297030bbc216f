//! What blocks look like: what stands before their braces, and what may stand between them.

use std::fmt;

use super::{Entry, Keywords};

/// What stands before the brace of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Nothing.
    Nothing,
    /// A name.
    Name {
        /// What keepalived does with words behind the name.
        more: More,
        /// What it does where a block of that keyword has the name already.
        again: Again,
    },
    /// What the reader of the block understands.
    Words(&'static str),
}

/// What keepalived does with words between the name of a block and its brace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// It takes the name and goes on.
    Told,
    /// It passes over the block.
    PassesOver,
}

/// What keepalived does with a block whose name another has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It takes both.
    Adds,
    /// It passes over the block, and says so.
    PassesOver,
    /// It passes over the block in silence.
    PassesOverSilently,
}

impl Head {
    /// What stands there, in words.
    pub const fn grammar(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Name { .. } => "NAME",
            Self::Words(words) => words,
        }
    }
}

/// What may stand between the braces of a block.
#[derive(Debug, Clone, Copy)]
pub enum Inside {
    /// The keywords of these lists.
    Keywords(&'static [&'static dyn List]),
    /// Words; the text says what each may be.
    Words(&'static str),
    /// Lines of one kind.
    Lines(&'static Lines),
}

/// Two are the same when they are the same rows of the table.
impl PartialEq for Inside {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Keywords(one), Self::Keywords(other)) => std::ptr::eq(*one, *other),
            (Self::Words(one), Self::Words(other)) => one == other,
            (Self::Lines(one), Self::Lines(other)) => std::ptr::eq(*one, *other),
            _ => false,
        }
    }
}

/// Lines without a keyword of their own.
#[derive(Debug)]
pub struct Lines {
    /// The grammar of one.
    pub grammar: &'static str,
    /// The path under which the manual tells what may stand in one; several blocks may have such lines.
    pub path: &'static str,
    /// What may stand in one.
    pub options: &'static [&'static dyn List],
    /// What stands behind some options, each under its own path.
    pub parts: &'static [(&'static str, &'static dyn List)],
}

impl Lines {
    /// Lines of which nothing more is to be told than their grammar.
    pub const fn of(grammar: &'static str) -> Self {
        Self { grammar, path: "", options: &[], parts: &[] }
    }
}

/// A list of keywords, of whatever type their block is.
pub trait List: Sync {
    /// What is known of the keyword of that name.
    fn entry(&self, name: &str) -> Option<&'static Entry>;

    /// What is known of each, in the order of the manual.
    fn entries(&self) -> Vec<&'static Entry>;
}

impl<T> List for Keywords<T> {
    fn entry(&self, name: &str) -> Option<&'static Entry> {
        self.find(name).map(|(_, keyword)| &keyword.entry)
    }

    fn entries(&self) -> Vec<&'static Entry> {
        self.rows().iter().map(|keyword| &keyword.entry).collect()
    }
}

impl fmt::Debug for dyn List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries().iter().map(|entry| entry.name)).finish()
    }
}

/// Finds a keyword in lists of a block.
pub(crate) fn find(lists: &[&'static dyn List], name: &str) -> Option<&'static Entry> {
    lists.iter().find_map(|list| list.entry(name))
}
