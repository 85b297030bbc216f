//! Keywords written back from what they filled.

use super::{Argument, Keyword, Keywords, Mark, Store, Unit, notation};

/// What stands behind the keyword, once for each time it is to be written.
pub(crate) fn arguments<T>(keyword: &Keyword<T>, target: &T) -> Vec<String> {
    match &keyword.store {
        Store::Field { get, .. } => match (keyword.entry.argument, get(target).show()) {
            (_, None) => Vec::new(),
            (Argument::Time { unit: Unit::Milliseconds, .. }, Some(seconds)) => {
                vec![notation::milliseconds(&seconds)]
            }
            (Argument::Flag, Some(value)) => {
                if value == "true" {
                    vec![String::new()]
                } else {
                    Vec::new()
                }
            }
            (_, Some(value)) => vec![value],
        },
        Store::Custom { show, .. } => show(target),
        Store::Elsewhere | Store::Described => Vec::new(),
    }
}

/// Whether another keyword of the table writes the same field.
pub(crate) fn is_alias<T>(keywords: &'static Keywords<T>, keyword: &Keyword<T>) -> bool {
    keyword.entry.marks.contains(&Mark::Alias)
        || keyword.entry.successor.is_some_and(|successor| keywords.find(successor).is_some())
}

/// The statements of a block by one list of its keywords; those that say what `default` says are left out.
pub(crate) fn statements<T>(keywords: &'static Keywords<T>, target: &T, default: Option<&T>) -> Vec<String> {
    let mut lines = Vec::new();
    for keyword in keywords.iter().filter(|keyword| !is_alias(keywords, keyword)) {
        let shown = arguments(keyword, target);
        if default.is_none_or(|default| arguments(keyword, default) != shown) {
            lines.extend(written(keyword, shown));
        }
    }
    lines
}

/// Some defaults cannot be written, such as no interval at all; they are left out.
pub(crate) fn written<T>(keyword: &Keyword<T>, shown: Vec<String>) -> impl Iterator<Item = String> {
    let entry = &keyword.entry;
    let is_number = matches!(keyword.store, Store::Field { .. }) && entry.argument.is_number();
    let can_be_read = move |words: &String| !is_number || entry.argument.read(words).is_ok();
    shown.into_iter().filter(can_be_read).map(|words| format!("{} {words}", entry.name).trim_end().to_owned())
}

/// A block behind its keyword: the lines in braces. Nothing where there are none.
pub(crate) fn block(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let body: Vec<String> = lines.into_iter().flat_map(|line| indented(&line)).collect();
    if body.is_empty() { Vec::new() } else { vec![format!("{{\n{}}}", body.concat())] }
}

fn indented(text: &str) -> Vec<String> {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
