//! The words of the language, subject by subject: keywords, how they are read, what is checked.

pub mod addresses;
mod advice;
pub mod bfd;
pub(crate) mod blocks;
pub mod checkers;
mod completion;
pub(crate) mod drafts;
pub mod global;
mod inheritance;
pub mod instance;
pub(crate) mod interfaces;
pub(crate) mod kinds;
pub mod root;
pub mod routes;
pub mod rules;
pub mod servers;
pub mod surroundings;
pub mod syntax;
pub mod trackers;
pub mod tracking;

pub(crate) use advice::advise;
pub(crate) use completion::complete;
pub(crate) use drafts::Drafts;

use std::collections::BTreeSet;

use std::sync::LazyLock;

use crate::table::{Argument, Entry, Inside, Lines, List, Row};

/// All rows with the paths of their blocks.
static ROWS: LazyLock<Vec<(String, &'static Entry)>> = LazyLock::new(|| {
    let mut rows = Vec::new();
    collect("(root)", root::OUTERMOST, &mut rows);
    for (path, entries) in [
        ("(config-language)", syntax::LANGUAGE),
        ("(command-line)", surroundings::COMMAND_LINE),
        ("(signal)", surroundings::SIGNALS),
        ("(file)", surroundings::FILES),
    ] {
        rows.extend(entries.iter().map(|entry| (path.to_owned(), entry)));
    }
    rows
});

/// The rows of a block, then those of the blocks in it.
fn collect(path: &str, lists: &[&'static dyn List], rows: &mut Vec<(String, &'static Entry)>) {
    let entries: Vec<&'static Entry> = lists.iter().flat_map(|list| list.entries()).collect();
    rows.extend(entries.iter().map(|entry| (path.to_owned(), *entry)));
    for entry in entries {
        match entry.argument {
            Argument::Block(_, Inside::Keywords(inside)) => {
                let below = match path {
                    "(root)" => entry.name.to_owned(),
                    _ => format!("{path}/{}", entry.name),
                };
                collect(&below, inside, rows);
            }
            Argument::Block(_, Inside::Lines(lines)) => collect_lines(lines, rows),
            _ => {}
        }
    }
}

/// What may stand in lines of one kind, once however many blocks have such lines.
fn collect_lines(lines: &Lines, rows: &mut Vec<(String, &'static Entry)>) {
    if rows.iter().any(|(path, _)| path == lines.path) {
        return;
    }
    let mut add = |path: String, list: &dyn List| {
        rows.extend(list.entries().into_iter().map(|entry| (path.clone(), entry)));
    };
    for list in lines.options {
        add(lines.path.to_owned(), *list);
    }
    for (part, list) in lines.parts {
        add(format!("{}/{part}", lines.path), *list);
    }
}

/// All rows, block by block.
pub fn rows() -> impl Iterator<Item = Row> {
    ROWS.iter().map(|(block, entry)| Row { block, entry })
}

/// The only blocks that know a word, when there are few.
pub(crate) fn home(word: &str) -> Option<String> {
    let blocks = rows()
        .filter(|row| row.entry.name == word && (row.block == "(root)" || !row.block.starts_with('(')))
        .filter(|row| !row.block.contains("-line"))
        .map(|row| match row.block {
            "(root)" => "outside of every block".to_owned(),
            block => format!("into {block}"),
        });
    let blocks: BTreeSet<String> = blocks.collect();
    (1..=3).contains(&blocks.len()).then(|| blocks.into_iter().collect::<Vec<_>>().join(", or "))
}

#[cfg(test)]
mod tests;
