//! The reference of the configuration as a Markdown document, from the keyword table.

use std::fmt::Write as _;

use steadfast_config::table::{Reload, Repeat, Row, Support};

use crate::language::{LANGUAGE, NOT_APPLICABLE, at_reload, blocks, heading, repetition};

const INTRODUCTION: &str = "# Configuration reference

Every keyword of `keepalived.conf` as steadfast reads it. `steadfast keywords WORD` shows the same in a terminal, and
`steadfast keywords --markdown` prints this document.

Where nothing else is said, the last one counts when a keyword is written more than once. What a keyword marked as *not
active yet* asks for is read and checked, and not carried out in this version.
";

/// The document.
pub(crate) fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (block, rows) in blocks() {
        let name = heading(block);
        // A name of the language is code; writing to a String cannot fail.
        let _ = if name == block {
            writeln!(text, "\n## `{name}`\n")
        } else {
            writeln!(text, "\n## {}\n", capital(name))
        };
        for row in rows {
            text.push_str(&item(&row));
        }
    }
    text
}

fn item(row: &Row) -> String {
    let entry = row.entry;
    let argument = entry.argument.grammar();
    let argument = if argument.is_empty() { argument } else { format!(" {}", code(&argument)) };
    let mut text = format!("- **{}**{argument}: {}", code(entry.name), sentence(entry.doc));
    if entry.default != NOT_APPLICABLE {
        let _ = write!(text, " Default: {}.", plain(entry.default));
    }
    if row.block != LANGUAGE {
        if entry.repeat != Repeat::Last {
            let _ = write!(text, " Written again: {}.", repetition(entry.repeat));
        }
        if entry.reload != Reload::NextUse {
            let _ = write!(text, " At a reload: {}.", at_reload(entry.reload));
        }
    }
    if let Some(successor) = entry.successor {
        let _ = write!(text, " Deprecated: write {}.", code(successor));
    }
    if let Support::Accepted(feature) = entry.support {
        let _ = write!(text, " *Not active yet: {}.*", plain(feature.title()));
    }
    text.push('\n');
    text
}

/// A code span; one around a backquote has two of them.
fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// Text whose signs mean nothing to Markdown.
fn plain(text: &str) -> String {
    let mut escaped = String::new();
    for sign in text.trim_end_matches('.').chars() {
        if "\\`*_[]<>#$~".contains(sign) {
            escaped.push('\\');
        }
        escaped.push(sign);
    }
    escaped
}

fn sentence(text: &str) -> String {
    plain(text) + "."
}

fn capital(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map_or_else(String::new, |first| first.to_uppercase().chain(signs).collect())
}

#[cfg(test)]
mod tests {
    use steadfast_config::language::rows;

    use super::*;

    /// `steadfast keywords --markdown > docs/reference.md`
    #[test]
    fn the_document_in_the_repository_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference.md");
        if std::env::var_os("RECORD").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "write docs/reference.md anew: steadfast keywords --markdown");
    }

    #[test]
    fn every_keyword_of_the_language_is_in_the_document() {
        let expected =
            rows().filter(|row| !["(command-line)", "(signal)", "(file)"].contains(&row.block)).count();
        assert_eq!(markdown().lines().filter(|line| line.starts_with("- **")).count(), expected);
    }
}
