//! Commands: the reading of a line that scripts have (quotes of both kinds, then escapes).

use crate::code::Code;
use crate::span::Span;
use crate::tree::Node;
use crate::value::Text;

/// A command line, split.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Program and arguments.
    pub(super) words: Vec<Text>,
    /// User and group.
    pub(super) account: Vec<String>,
}

/// Why a command cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) code: Code,
    pub(super) span: Span,
    pub(super) message: &'static str,
}

/// Splits what stands behind the keyword: the command word, which is split again, then user and group.
pub(super) fn split(node: Node<'_>) -> Result<Command, Unreadable> {
    let raw = node.raw();
    let unreadable = |code, message| Unreadable { code, span: raw.span(), message };
    let words = outer_words(raw.bytes())
        .ok_or_else(|| unreadable(Code::UnterminatedScriptQuote, "a quote is never closed"))?;
    let mut words = words.into_iter();
    let command = words.next().ok_or_else(|| unreadable(Code::InvalidCommand, "there is no command"))?;
    let parts = inner_words(&command)
        .ok_or_else(|| unreadable(Code::UnterminatedScriptQuote, "a quote in the command is never closed"))?;
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| unreadable(Code::NotUnicode, "the command is not UTF-8"))
    };
    let parts: Vec<Text> =
        parts.into_iter().map(|part| text(part).map(Text::from)).collect::<Result<_, _>>()?;
    if parts.first().is_none_or(|program| program.is_empty()) {
        return Err(unreadable(Code::InvalidCommand, "the command is empty"));
    }
    let account = words.take(2).map(text).collect::<Result<_, _>>()?;
    Ok(Command { words: parts, account })
}

/// The one word of a pattern, escapes resolved.
pub(super) fn pattern(node: Node<'_>) -> Result<Text, Unreadable> {
    let raw = node.raw();
    let unreadable = |code, message| Unreadable { code, span: raw.span(), message };
    let words = inner_words(raw.bytes())
        .ok_or_else(|| unreadable(Code::UnterminatedScriptQuote, "a quote is never closed"))?;
    match <[Vec<u8>; 1]>::try_from(words) {
        Ok([word]) => String::from_utf8(word)
            .map(Text::from)
            .map_err(|_| unreadable(Code::NotUnicode, "the pattern is not UTF-8")),
        Err(_) => Err(unreadable(Code::InvalidCommand, "there must be one pattern")),
    }
}

/// Words of bare text and quoted stretches; quotes of either kind protect the other. `None`: unclosed.
fn outer_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    split_words(line, |_, _| None)
}

/// As above, with escapes, which quotes do not protect from.
fn inner_words(command: &[u8]) -> Option<Vec<Vec<u8>>> {
    split_words(command, |bytes, at| (bytes.get(at) == Some(&b'\\')).then(|| escape(bytes, at + 1)).flatten())
}

/// `special` gives a byte and the position behind it, where the text at a position means a byte.
fn split_words(line: &[u8], special: impl Fn(&[u8], usize) -> Option<(u8, usize)>) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        if let Some((meant, next)) = special(line, at) {
            word.get_or_insert_default().push(meant);
            at = next;
            continue;
        }
        match (byte, quote) {
            (_, Some(open)) if byte == open => quote = None,
            (b'\'' | b'"', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (b' ' | b'\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
        at += 1;
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The byte that an escape means and where it ends; `at` is behind the backslash.
fn escape(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let letter = *bytes.get(at)?;
    let number = |start: usize, longest: usize, radix: u32| {
        let digits =
            bytes.iter().skip(start).take(longest).map_while(|byte| char::from(*byte).to_digit(radix));
        let (value, count) =
            digits.fold((0_u32, 0), |(value, count), digit| (value * radix + digit, count + 1));
        (count > 0).then(|| (u8::try_from(value & 0xff).unwrap_or_default(), start + count))
    };
    let simple = |byte| Some((byte, at + 1));
    match letter {
        b'a' => simple(7),
        b'b' => simple(8),
        b'E' => simple(27),
        b'f' => simple(12),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(11),
        b'x' => number(at + 1, 2, 16).or_else(|| simple(b'x')),
        b'0'..=b'7' => number(at, 3, 8),
        b'c' => match bytes.get(at + 1) {
            Some(control) => Some((control & 0x1f, at + 2)),
            None => simple(b'c'),
        },
        other => simple(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        inner_words(line.as_bytes())
            .unwrap()
            .into_iter()
            .map(|word| String::from_utf8(word).unwrap())
            .collect()
    }

    #[test]
    fn quotes_and_escapes_make_words() {
        assert_eq!(words("/bin/a  b 'c d' \"e f\"g"), ["/bin/a", "b", "c d", "e fg"]);
        assert_eq!(words(r"a\x41\101\tb \\ \q"), ["aAA\tb", "\\", "q"]);
        assert_eq!(words("''"), [""]);
        assert!(inner_words(b"'a").is_none());
    }

    #[test]
    fn the_first_reading_knows_no_escapes() {
        assert_eq!(
            outer_words(br#""/bin/a \x41" root"#).unwrap(),
            [br"/bin/a \x41".to_vec(), b"root".to_vec()]
        );
    }
}
