//! `steadfast keywords` and `steadfast explain`: the language and its diagnostics, from their tables.

use std::fmt::Write as _;

use steadfast_config::Code;
use steadfast_config::suggest::did_you_mean;
use steadfast_config::table::{Reload, Repeat, Row, Support};

use crate::command_line::{ExplainArguments, KeywordsArguments};
use crate::exit;
use crate::failure::Failure;
use crate::reference;
use crate::table::{Cell, Facts, fold};
use crate::terminal::{self, Paint, Palette, Stream};

/// `steadfast keywords`
pub(crate) fn keywords(arguments: &KeywordsArguments) -> Result<u8, Failure> {
    let page = Sheet::of_terminal();
    let text = match &arguments.word {
        None if arguments.markdown => reference::markdown(),
        None => every_keyword(page),
        Some(word) => one_keyword(word, page)?,
    };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

/// What is written on.
#[derive(Debug, Clone, Copy)]
struct Sheet {
    palette: Palette,
    /// Columns; `None`: nothing is folded.
    width: Option<usize>,
}

impl Sheet {
    fn of_terminal() -> Self {
        Self { palette: Stream::Output.palette(), width: terminal::width() }
    }

    /// Columns beside an indent.
    fn room(self, indent: usize) -> usize {
        self.width.map_or(usize::MAX, |width| width.saturating_sub(indent))
    }
}

/// Longer keywords with their grammar have their description on the next line.
const HEAD_COLUMNS: usize = 32;
/// Where descriptions beside a keyword begin, and where those below it do.
const BESIDE: usize = HEAD_COLUMNS + 4;
const BELOW: usize = 6;
/// In less room than this a description stands below its keyword.
const DESCRIPTION_COLUMNS_MIN: usize = 28;

/// What each keyword takes and does, block by block.
fn every_keyword(page: Sheet) -> String {
    in_one_line(rows(), page)
}

fn in_one_line(rows: impl Iterator<Item = Row>, page: Sheet) -> String {
    let mut text = String::new();
    let mut block = None;
    for row in rows {
        if block.replace(row.block) != Some(row.block) {
            if !text.is_empty() {
                text.push('\n');
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", page.palette.paint(Paint::Strong, row.block));
        }
        let head = head(&row);
        let is_beside = head.chars().count() <= HEAD_COLUMNS && page.room(BESIDE) >= DESCRIPTION_COLUMNS_MIN;
        let indent = if is_beside { BESIDE } else { BELOW };
        let description = described(&row, page, indent);
        let _ = if is_beside {
            writeln!(text, "  {head:<HEAD_COLUMNS$}  {description}")
        } else {
            writeln!(text, "  {head}\n{:indent$}{description}", "")
        };
    }
    text
}

/// What a keyword does, folded behind an indent.
fn described(row: &Row, page: Sheet, indent: usize) -> String {
    const MARK: &str = "(not active yet)";
    let mut lines = fold(row.entry.doc, page.room(indent));
    if row.entry.support != Support::Active {
        let mark = page.palette.paint(Paint::Warn, MARK);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + MARK.len() <= page.room(indent) => {
                *line += &format!(" {mark}");
            }
            _ => lines.push(mark),
        }
    }
    lines.join(&format!("\n{:indent$}", ""))
}

/// Every keyword of that name, and the options that begin with it, in full, with the keywords in its block; else
/// those that begin so, in one line each.
fn one_keyword(word: &str, page: Sheet) -> Result<String, Failure> {
    let word = word.strip_suffix('/').unwrap_or(word);
    let is_block = |row: &Row, block: &str| {
        row.block.strip_suffix(block).is_some_and(|above| above.is_empty() || above.ends_with('/'))
    };
    let (block, name) = match word.rsplit_once(['/', '.']) {
        Some((block, name)) if !block.is_empty() && !name.is_empty() => (Some(block), name),
        _ => (None, word),
    };
    let is_meant = |row: &Row| block.is_none_or(|block| is_block(row, block));
    let named = |row: &Row| {
        (row.entry.name.split(' ').next() == Some(name) || row.entry.name == name) && is_meant(row)
    };
    let mut text = String::new();
    for row in rows().filter(named) {
        if !text.is_empty() {
            text.push('\n');
        }
        describe(&mut text, &row, page);
    }
    let inside = in_one_line(rows().filter(|row| is_block(row, word)), page);
    if !text.is_empty() && !inside.is_empty() {
        text.push('\n');
    }
    text += &inside;
    if text.is_empty() && name.len() > 1 {
        let begins = |row: &Row| row.entry.name.starts_with(name) && is_meant(row);
        text = in_one_line(rows().filter(begins), page);
    }
    if text.is_empty() {
        let near = did_you_mean(name, rows().map(|row| row.entry.name));
        return Err(Failure::NoKeyword { word: word.to_owned(), near });
    }
    Ok(text)
}

fn head(row: &Row) -> String {
    format!("{} {}", row.entry.name, row.entry.argument.grammar()).trim_end().to_owned()
}

fn describe(text: &mut String, row: &Row, page: Sheet) {
    const INDENT: usize = 2;
    let entry = row.entry;
    let _ = writeln!(text, "{}", page.palette.paint(Paint::Strong, &head(row)));
    for line in fold(entry.doc, page.room(INDENT)) {
        let _ = writeln!(text, "{:INDENT$}{line}", "");
    }
    let mut facts = Facts::new(INDENT);
    facts.push("in", Cell::plain(row.block));
    if entry.default != NOT_APPLICABLE {
        facts.push("default", Cell::plain(entry.default));
    }
    // Constructs of the language are no lines of a file that can be repeated or changed.
    if row.block != LANGUAGE {
        facts.push("written again", Cell::plain(repetition(entry.repeat)));
        facts.push("at a reload", Cell::plain(at_reload(entry.reload)));
    }
    if let Some(successor) = entry.successor {
        facts.push("deprecated", Cell::plain(format!("write {successor}")));
    }
    if let Support::Accepted(feature) = entry.support {
        facts.push("not active yet", Cell::plain(feature.title()));
    }
    facts.write(text, page.palette, page.width);
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

/// The rows of the configuration language. Options, signals and files of keepalived are no part of it.
fn rows() -> impl Iterator<Item = Row> {
    steadfast_config::language::rows()
        .filter(|row| !["(command-line)", "(signal)", "(file)"].contains(&row.block))
}

/// The same, block by block.
pub(crate) fn blocks() -> Vec<(&'static str, Vec<Row>)> {
    let mut blocks: Vec<(&'static str, Vec<Row>)> = Vec::new();
    for row in rows() {
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

/// The default of what has none.
pub(crate) const NOT_APPLICABLE: &str = "n/a";

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
    let text = match arguments.code {
        Some(code) => explained(code, Sheet::of_terminal()),
        None => Code::ALL.iter().fold(String::new(), |mut text, code| {
            let _ = writeln!(text, "{code}  {:<8} {}", code.severity().to_string(), code.title());
            text
        }),
    };
    terminal::print(&text)?;
    Ok(exit::SUCCESS)
}

fn explained(code: Code, page: Sheet) -> String {
    let heading = page.palette.paint(Paint::Strong, &format!("{code}: {}", code.title()));
    let folded = |text: &str| fold(text, page.room(0)).join("\n");
    let severity = format!("Severity: {}. {}", code.severity(), silencing(code));
    format!("{heading}\n\n{}\n\n{}\n", folded(code.explanation()), folded(&severity))
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

    const UNFOLDED: Sheet = Sheet { palette: Palette::Plain, width: None };

    #[test]
    fn a_keyword_is_told_in_full() {
        insta::assert_snapshot!(one_keyword("advert_int", UNFOLDED).unwrap());
    }

    #[test]
    fn what_is_no_line_of_a_file_has_no_reload() {
        for word in ["~SEQ", "include", "$NAME="] {
            let text = one_keyword(word, UNFOLDED).unwrap();
            assert!(!text.contains("at a reload") && !text.contains("n/a"), "{text}");
        }
        assert!(one_keyword("net_namespace", UNFOLDED).unwrap().contains("at a reload"));
    }

    #[test]
    fn a_narrow_terminal_folds_between_words() {
        let page = Sheet { width: Some(50), ..UNFOLDED };
        for text in [one_keyword("vrrp_script", page).unwrap(), explained(Code::UnknownKeyword, page)] {
            for line in text.lines() {
                assert!(line.chars().count() <= 50, "{line}");
            }
            assert!(text.lines().count() > 6, "{text}");
        }
    }

    #[test]
    fn a_block_and_the_beginning_of_a_word_list_their_keywords() {
        let told = |word: &str| one_keyword(word, UNFOLDED).unwrap();
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
        assert_eq!(told("vrrp_script/"), block);
        let begin = told("vrrp_instance/garp_");
        assert!(begin.contains("  garp_master_delay ") && !begin.contains("garp_group"), "{begin}");
    }

    #[test]
    fn every_row_is_told() {
        let text = every_keyword(UNFOLDED);
        let lines = text.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).count();
        assert_eq!(lines, rows().count());
        assert!(!text.contains("SIGHUP") && !text.contains("keepalived.pid"), "they are keepalived's");
    }

    #[test]
    fn a_misspelt_keyword_is_answered_by_the_right_one() {
        let failure = one_keyword("prioritty", UNFOLDED).unwrap_err();
        assert_eq!(failure.to_string(), "there is no keyword 'prioritty'; did you mean 'priority'?");
    }
}
