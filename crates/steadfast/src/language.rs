//! `steadfast keywords` and `steadfast explain`: the language and its diagnostics, from their tables.

use std::fmt::Write as _;

use steadfast_config::Code;
use steadfast_config::keyword::{self, Reload, Repeat, Row, Support};
use steadfast_config::suggest::did_you_mean;

use crate::command_line::{ExplainArguments, KeywordsArguments};
use crate::exit;
use crate::failure::Failure;
use crate::reference;
use crate::terminal::{self, Paint, Palette, Stream};

/// `steadfast keywords`
pub(crate) fn keywords(arguments: &KeywordsArguments) -> Result<u8, Failure> {
    let palette = Stream::Output.palette();
    let text = match &arguments.word {
        None if arguments.markdown => reference::markdown(),
        None => every_keyword(palette),
        Some(word) => one_keyword(word, palette)?,
    };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

/// Longer keywords with their grammar have their description on the next line.
const HEAD_COLUMNS: usize = 32;

/// What each keyword takes and does, block by block.
fn every_keyword(palette: Palette) -> String {
    in_one_line(keyword::table(), palette)
}

fn in_one_line(rows: impl Iterator<Item = Row>, palette: Palette) -> String {
    let mut text = String::new();
    let mut block = None;
    for row in rows {
        if block.replace(row.block) != Some(row.block) {
            if !text.is_empty() {
                text.push('\n');
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", palette.paint(Paint::Strong, row.block));
        }
        let mark = match row.entry.support {
            Support::Active => String::new(),
            Support::Accepted(_) => palette.paint(Paint::Warn, " (not active yet)"),
        };
        let head = head(&row);
        if head.len() <= HEAD_COLUMNS {
            let _ = writeln!(text, "  {head:<HEAD_COLUMNS$}  {}{mark}", row.entry.doc);
        } else {
            let _ = writeln!(text, "  {head}\n      {}{mark}", row.entry.doc);
        }
    }
    text
}

/// Every keyword of that name, and the options that begin with it, in full, with the keywords in its block; else
/// those that begin so, in one line each.
fn one_keyword(word: &str, palette: Palette) -> Result<String, Failure> {
    let is_block = |row: &Row, block: &str| {
        row.block.strip_suffix(block).is_some_and(|above| above.is_empty() || above.ends_with('/'))
    };
    let (block, name) = match word.rsplit_once(['/', '.']) {
        Some((block, name)) if !block.is_empty() && !name.is_empty() => (Some(block), name),
        _ => (None, word),
    };
    let named = |row: &Row| {
        (row.entry.name.split(' ').next() == Some(name) || row.entry.name == name)
            && block.is_none_or(|block| is_block(row, block))
    };
    let mut text = String::new();
    for row in keyword::table().filter(named) {
        if !text.is_empty() {
            text.push('\n');
        }
        describe(&mut text, &row, palette);
    }
    let inside = in_one_line(keyword::table().filter(|row| is_block(row, word)), palette);
    if !text.is_empty() && !inside.is_empty() {
        text.push('\n');
    }
    text += &inside;
    if text.is_empty() && word.len() > 1 {
        text = in_one_line(keyword::table().filter(|row| row.entry.name.starts_with(word)), palette);
    }
    if text.is_empty() {
        let near = did_you_mean(name, keyword::table().map(|row| row.entry.name));
        return Err(Failure::NoKeyword { word: word.to_owned(), near });
    }
    Ok(text)
}

fn head(row: &Row) -> String {
    format!("{} {}", row.entry.name, row.entry.argument.grammar()).trim_end().to_owned()
}

fn describe(text: &mut String, row: &Row, palette: Palette) {
    let entry = row.entry;
    let _ = writeln!(text, "{}", palette.paint(Paint::Strong, &head(row)));
    let _ = writeln!(text, "  {}", entry.doc);
    let mut fact = |label: &str, value: &str| {
        let _ = writeln!(text, "  {}{value}", palette.paint(Paint::Faint, &format!("{label:<16}")));
    };
    fact("in", row.block);
    fact("default", entry.default);
    fact("written again", repetition(entry.repeat));
    fact("at a reload", at_reload(entry.reload));
    if let Some(successor) = entry.successor {
        fact("deprecated", &format!("write {successor}"));
    }
    if let Support::Accepted(feature) = entry.support {
        fact("not active yet", feature.title());
    }
}

/// What writing a keyword again does.
pub(crate) fn repetition(repeat: Repeat) -> &'static str {
    match repeat {
        Repeat::Last => "the last one counts",
        Repeat::First => "the first one counts, others are reported",
        Repeat::Replaces => "the last one counts, earlier ones are reported",
        Repeat::Adds => "adds to those before",
    }
}

/// What changing a keyword does.
pub(crate) fn at_reload(reload: Reload) -> &'static str {
    match reload {
        Reload::NextUse => "nothing happens until the next event that uses it",
        Reload::InPlace => "takes effect at once; state and timers stay",
        Reload::Difference => "only what was added or removed moves",
        Reload::ScriptRestart => "the script is started anew, its result is kept",
        Reload::Restart => "the instance starts anew",
        Reload::Refused => "is refused; restart the daemon",
        Reload::StartOnly => "is ignored; it is read at start only",
    }
}

/// The rows of the configuration language, block by block.
pub(crate) fn blocks() -> Vec<(&'static str, Vec<Row>)> {
    let mut blocks: Vec<(&'static str, Vec<Row>)> = Vec::new();
    // Options, signals and files are no part of it.
    for row in keyword::table().filter(|row| !["(command-line)", "(signal)", "(file)"].contains(&row.block)) {
        match blocks.last_mut() {
            Some((block, rows)) if *block == row.block => rows.push(row),
            _ => blocks.push((row.block, vec![row])),
        }
    }
    // How to write comes before what to write.
    let language = blocks.iter().position(|(block, _)| *block == LANGUAGE);
    if let Some(at) = language {
        let language = blocks.remove(at);
        blocks.insert(0, language);
    }
    blocks
}

/// Rows that are no keywords but constructs of the language.
pub(crate) const LANGUAGE: &str = "(config-language)";

/// A block as a heading.
pub(crate) fn heading(block: &str) -> &str {
    match block {
        "(root)" => "outside of every block",
        LANGUAGE => "how to write it",
        "address-line" => "lines of addresses",
        "route-line" => "lines of routes",
        "rule-line" => "lines of rules",
        block => block,
    }
}

/// `steadfast explain`
pub(crate) fn explain(arguments: &ExplainArguments) -> Result<u8, Failure> {
    let palette = Stream::Output.palette();
    let text = match arguments.code {
        Some(code) => format!(
            "{}\n\n{}\n\nSeverity: {}. {}\n",
            palette.paint(Paint::Strong, &format!("{code}: {}", code.title())),
            code.explanation(),
            code.severity(),
            silencing(code)
        ),
        None => Code::ALL.iter().fold(String::new(), |mut text, code| {
            let _ = writeln!(text, "{code}  {:<8} {}", code.severity().to_string(), code.title());
            text
        }),
    };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

fn silencing(code: Code) -> String {
    if code.severity() < steadfast_config::Severity::Error {
        format!("`--allow {code}` passes over it, for `steadfast check`, `steadfast -t` and the daemon.")
    } else {
        "It cannot be passed over.".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_told_in_full() {
        insta::assert_snapshot!(one_keyword("advert_int", Palette::Plain).unwrap());
    }

    #[test]
    fn a_block_and_the_beginning_of_a_word_list_their_keywords() {
        let told = |word: &str| one_keyword(word, Palette::Plain).unwrap();
        let block = told("vrrp_script");
        assert!(
            block.starts_with("vrrp_script NAME { … }\n") && block.contains("\nvrrp_script\n"),
            "{block}"
        );
        assert!(block.contains("\n  fall ") && !block.contains("advert_int"), "{block}");
        let begin = told("unicast_");
        assert!(begin.contains("  unicast_peer ") && begin.contains("  unicast_ttl "), "{begin}");
        let one = told("real_server/weight");
        assert_eq!(one.matches("  in  ").count(), 1, "{one}");
        assert!(one.contains("virtual_server/real_server\n"), "{one}");
        assert_eq!(told("vrrp_instance.advert_int"), told("advert_int"));
    }

    #[test]
    fn every_row_is_told() {
        let text = every_keyword(Palette::Plain);
        let lines = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).count();
        assert_eq!(lines, keyword::table().count());
    }

    #[test]
    fn a_misspelt_keyword_is_answered_by_the_right_one() {
        let failure = one_keyword("prioritty", Palette::Plain).unwrap_err();
        assert_eq!(failure.to_string(), "there is no keyword 'prioritty'; did you mean 'priority'?");
    }
}
