//! Writing words so that the language reads the same text back.

use crate::model::{Account, Script};
use crate::value::{Interval, Text};

/// The word, in double quotes where it needs them. A `"` cannot be written inside of a word and is left out.
pub(crate) fn quote(word: &str) -> String {
    let special = |c: char| c.is_whitespace() || "{}#!\"$@~".contains(c);
    if word.is_empty() || word.contains(special) {
        let text: String = word.chars().filter(|c| *c != '"').collect();
        return format!("\"{text}\"");
    }
    word.to_owned()
}

/// All words, each quoted where it needs it.
pub(crate) fn quote_words<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Decimal seconds as decimal milliseconds.
pub(crate) fn milliseconds(seconds: &str) -> String {
    let interval = crate::value::time(seconds, 0, u64::MAX, super::Unit::Seconds).unwrap_or_default();
    Interval::from_micros(interval.as_micros().saturating_mul(1_000)).to_string()
}

/// A command in double quotes with its account behind it.
pub(crate) fn quote_script(script: &Script) -> String {
    let command = quote_command(&script.words);
    match &script.account {
        Some(account) => format!("{command} {}", quote_account(account)),
        None => command,
    }
}

/// Program and arguments as one word.
pub(crate) fn quote_command(words: &[Text]) -> String {
    let words: Vec<String> = words.iter().map(|word| quote_command_word(word)).collect();
    format!("\"{}\"", words.join(" "))
}

/// User and group.
pub(crate) fn quote_account(account: &Account) -> String {
    let user = quote(&account.user);
    let group = match (&account.group, account.supplementary_groups) {
        (Some(group), true) => format!(":{group}"),
        (Some(group), false) => group.to_string(),
        (None, true) => ":".to_owned(),
        (None, false) => return user,
    };
    format!("{user} {}", quote(&group))
}

/// One word of a command: single quotes keep blanks, and what would end them is escaped. The line is read before the
/// command is, so each escape has its backslash twice.
fn quote_command_word(word: &str) -> String {
    let special = |c: char| c.is_whitespace() || "'\"\\".contains(c) || c.is_control();
    if !word.is_empty() && !word.contains(special) {
        return word.to_owned();
    }
    let mut quoted = String::from("'");
    for c in word.chars() {
        match c {
            '\'' => quoted.push_str("'\\\\x27'"),
            '"' => quoted.push_str("'\\\\x22'"),
            '\\' => quoted.push_str("'\\\\x5c'"),
            '\n' => quoted.push_str("'\\\\n'"),
            _ => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}
