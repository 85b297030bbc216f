//! The other reading of quotes: command lines of scripts, and regular expressions.
//!
//! Such a keyword reads its line anew: words may mix bare text, `'…'` and `"…"`, and a backslash makes a character
//! of what follows it, in quotes of either kind and outside. So `\"` ends no quote. A regular expression is one such
//! word. Of a script the first word is the command line, whose words [`command_words`] tells apart by the same
//! rules; the words after it are user and group. What is to reach the command itself with a backslash therefore has
//! two of them.
use super::token::is_blank;
use super::tree::Raw;
use crate::diagnostic::span::Span;

/// A word with its quotes taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotedWord {
    /// Its bytes.
    pub text: Vec<u8>,
    /// Where it stands, with its quotes.
    pub span: Span,
}

/// Why a text cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuoteProblem {
    /// A quote that is never closed.
    #[error("the quote at byte {0} is never closed")]
    Unterminated(usize),
    /// An escape for the NUL character, which no argument of a program can hold.
    #[error("the escape at byte {0} stands for the NUL character, which no command can hold")]
    Nul(usize),
}

impl QuoteProblem {
    /// The byte where it stands.
    pub fn at(self) -> usize {
        match self {
            QuoteProblem::Unterminated(at) | QuoteProblem::Nul(at) => at,
        }
    }
}

impl Raw<'_> {
    /// The words of a keyword that takes a command (the command line, then user and group) or a regular expression
    /// (exactly one).
    ///
    /// # Errors
    /// A quote that is never closed, or an escape that cannot be; the byte counts in [`Raw::bytes`].
    pub fn quoted_words(self) -> Result<Vec<QuotedWord>, QuoteProblem> {
        let words = split(self.bytes())?;
        let placed = |word: Split| QuotedWord {
            text: word.text,
            span: self.span_of(word.start, word.end - word.start),
        };
        Ok(words.into_iter().map(placed).collect())
    }
}

/// Program and arguments of a command line.
///
/// # Errors
/// A quote that is never closed, or an escape that cannot be.
pub fn command_words(command: &[u8]) -> Result<Vec<Vec<u8>>, QuoteProblem> {
    Ok(split(command)?.into_iter().map(|word| word.text).collect())
}

struct Split {
    text: Vec<u8>,
    start: usize,
    end: usize,
}

fn split(text: &[u8]) -> Result<Vec<Split>, QuoteProblem> {
    let mut words = Vec::new();
    let mut word: Option<Split> = None;
    let mut quote: Option<(u8, usize)> = None;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if quote.is_none() && is_blank(byte) {
            words.extend(word.take());
            at += 1;
            continue;
        }
        let current = word.get_or_insert(Split { text: Vec::new(), start: at, end: at });
        match (byte, quote) {
            (_, Some((open, _))) if byte == open => {
                quote = None;
                at += 1;
            }
            (b'"' | b'\'', None) => {
                quote = Some((byte, at));
                at += 1;
            }
            (b'\\', _) if at + 1 < text.len() => {
                let (value, length) = escape(text.get(at + 1..).unwrap_or_default());
                if value == 0 {
                    return Err(QuoteProblem::Nul(at));
                }
                current.text.push(value);
                at += 1 + length;
            }
            _ => {
                current.text.push(byte);
                at += 1;
            }
        }
        current.end = at;
    }
    if let Some((_, at)) = quote {
        return Err(QuoteProblem::Unterminated(at));
    }
    words.extend(word);
    Ok(words)
}

/// The character that an escape stands for, and its length without the backslash.
fn escape(text: &[u8]) -> (u8, usize) {
    let digits = |from: usize, most: usize, radix: u32| {
        let run = text.get(from..).unwrap_or_default().iter().take(most);
        run.map_while(|byte| char::from(*byte).to_digit(radix))
            .fold((0_u32, 0), |(value, count), digit| (value * radix + digit, count + 1))
    };
    let low_byte = |value: u32| u8::try_from(value & 0xff).unwrap_or_default();
    match text {
        [b'a', ..] => (0x07, 1),
        [b'b', ..] => (0x08, 1),
        [b'E', ..] => (0x1b, 1),
        [b'f', ..] => (0x0c, 1),
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'v', ..] => (0x0b, 1),
        [b'x', digit, ..] if digit.is_ascii_hexdigit() => {
            let (value, count) = digits(1, 2, 16);
            (low_byte(value), 1 + count)
        }
        [b'0'..=b'7', ..] => {
            let (value, count) = digits(0, 3, 8);
            (low_byte(value), count)
        }
        [b'c', letter, ..] => (letter & 0x1f, 2),
        [other, ..] => (*other, 1),
        [] => (b'\\', 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Vec<String> {
        let words = command_words(text.as_bytes()).unwrap();
        words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn commands() {
        assert_eq!(command("/bin/a  b 'c d' \"e f\""), ["/bin/a", "b", "c d", "e f"]);
        assert_eq!(command(r#"abcd" efg h jkl "mnop"#), ["abcd efg h jkl mnop"]);
        assert_eq!(command(r#"a\ b \" '\'' \\ "" "#), ["a b", "\"", "'", "\\", ""]);
        assert_eq!(command(r"\x41\x4g\101\cA\t\q"), ["A\u{4}gA\u{1}\tq"]);
        assert_eq!(command(r"a\"), [r"a\"]);
        assert_eq!(command(""), Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_split() {
        assert_eq!(command_words(b"a 'b"), Err(QuoteProblem::Unterminated(2)));
        assert_eq!(command_words(br"a \0"), Err(QuoteProblem::Nul(2)));
    }

    #[test]
    fn words_of_a_line_know_their_place() {
        use crate::text::reader::{NoGrammar, Options, Reader};
        let source = crate::text::source::Memory::new().file("k.conf", r#"notify "/a \"b \x41\""c user"#);
        let path = std::path::Path::new("k.conf");
        let mut reader = Reader::new(&source, path, Options::default(), &NoGrammar);
        let block = reader.next_block(&mut crate::Diagnostics::new()).unwrap();
        let words = block.root().unwrap().raw().quoted_words().unwrap();
        assert_eq!(words[0].text, br#"/a "b A"c"#);
        assert_eq!(reader.sources().bytes(words[0].span), br#""/a \"b \x41\""c"#);
        assert_eq!(reader.sources().bytes(words[1].span), b"user");
    }
}
