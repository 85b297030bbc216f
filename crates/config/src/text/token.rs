//! Comments, braces and words of one line.
use std::ops::Range;

/// A piece of a line: every brace acts as a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `{` at that byte.
    Open(usize),
    /// `}` at that byte.
    Close(usize),
    /// Text between braces, without blanks at its ends.
    Line(Range<usize>),
}

/// A word: where it stands without its quotes, and whether it had some.
pub(crate) type WordRange = (u32, u32, bool);

/// Takes a line apart, one piece at a time: however long it is, no more than a piece of it is held.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// Where the next piece begins.
    at: usize,
    /// The words of the piece handed out last.
    pub(crate) words: Vec<WordRange>,
    /// The double quote that is never closed, once it was met.
    pub(crate) unterminated: Option<usize>,
}

impl Pieces {
    /// All pieces of a line, and the double quote that is never closed.
    pub(crate) fn all(text: &[u8]) -> (Vec<Piece>, Option<usize>) {
        let mut pieces = Self::default();
        let all = std::iter::from_fn(|| pieces.next(text)).collect();
        (all, pieces.unterminated)
    }

    /// Begins with another line.
    pub(crate) fn restart(&mut self) {
        self.at = 0;
        self.unterminated = None;
    }

    /// The next piece of a line that holds no comment any more.
    pub(crate) fn next(&mut self, text: &[u8]) -> Option<Piece> {
        self.words.clear();
        let mut first = None;
        let mut end = 0;
        while let Some(&byte) = text.get(self.at) {
            let at = self.at;
            match byte {
                b' ' | b'\t' | b'\x0b' | b'\x0c' | b'\r' => {
                    self.at += 1;
                    continue;
                }
                b'{' | b'}' if first.is_some() => break,
                b'{' | b'}' => {
                    self.at += 1;
                    return Some(if byte == b'{' { Piece::Open(at) } else { Piece::Close(at) });
                }
                b'"' => {
                    let rest = text.get(at + 1..).unwrap_or_default();
                    match rest.iter().position(|byte| *byte == b'"') {
                        Some(length) => {
                            self.words.push(word(at + 1, length, true));
                            self.at += length + 2;
                        }
                        None => {
                            self.unterminated = Some(at);
                            self.at = text.len();
                        }
                    }
                }
                _ => {
                    let length = bare_word(text.get(at..).unwrap_or_default());
                    self.words.push(word(at, length, false));
                    self.at += length;
                }
            }
            first.get_or_insert(at);
            end = self.at;
        }
        first.map(|start| Piece::Line(start..end))
    }
}

fn word(start: usize, length: usize, quoted: bool) -> WordRange {
    (crate::diagnostic::span::narrow(start), crate::diagnostic::span::narrow(length), quoted)
}

/// Length of the word that text begins with. A reference to a variable that is not defined stays whole:
/// its braces are none of a block.
fn bare_word(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.iter().position(|byte| ends_word(*byte)).unwrap_or(rest.len());
        let reference = (at > 0 && text.get(at) == Some(&b'{') && text.get(at - 1) == Some(&b'$'))
            .then(|| super::definition::reference_at(text, at - 1, None))
            .flatten();
        match reference {
            Some(reference) => at = reference.range.end,
            None => return at,
        }
    }
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c' | b'\r' | b'{' | b'}' | b'"')
}

/// The bytes of a line that ask for more than splitting it at blanks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    const LINE_END: u8 = 1;
    const NUL: u8 = 2;
    const COMMENT: u8 = 4;
    const REFERENCE: u8 = 8;

    const fn of(byte: u8) -> u8 {
        match byte {
            b'\n' => Self::LINE_END,
            0 => Self::NUL,
            b'#' | b'!' => Self::COMMENT,
            b'$' => Self::REFERENCE,
            _ => 0,
        }
    }

    /// There is a NUL character.
    pub(crate) fn has_nul(self) -> bool {
        self.0 & Self::NUL != 0
    }

    /// There is a `#` or `!`.
    pub(crate) fn has_comment(self) -> bool {
        self.0 & Self::COMMENT != 0
    }

    /// There is a `$`.
    pub(crate) fn has_reference(self) -> bool {
        self.0 & Self::REFERENCE != 0
    }
}

/// Length of the line that text begins with, without its line end, and what is in it.
pub(crate) fn first_line(text: &[u8]) -> (usize, Marks) {
    let mut marks = 0;
    let end = text.iter().position(|byte| {
        let mark = Marks::of(*byte);
        marks |= mark;
        mark == Marks::LINE_END
    });
    (end.unwrap_or(text.len()), Marks(marks))
}

/// What the comment scan finds in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Where the text ends and the comment begins.
    pub(crate) end: usize,
    /// Whether there are backslashes before comment characters, to be taken out.
    pub(crate) escapes: bool,
}

/// Finds the comment: `!` or `#` outside double quotes without a backslash before it.
pub(crate) fn find_comment(text: &[u8]) -> Comment {
    let mut quoted = false;
    let mut escapes = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'!' | b'#' if !quoted => return Comment { end: at, escapes },
            b'\\' => {
                // What follows a backslash begins no comment, opens no quotes and is no backslash.
                escapes |= !quoted && matches!(text.get(at + 1), Some(b'!' | b'#'));
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    Comment { end: text.len(), escapes }
}

/// The stretches of a line that remain when the backslashes before comment characters are taken out.
pub(crate) fn without_escapes(text: &[u8]) -> Vec<Range<usize>> {
    let mut kept = Vec::new();
    let mut quoted = false;
    let (mut start, mut at) = (0, 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' => {
                if !quoted && matches!(text.get(at + 1), Some(b'!' | b'#')) {
                    kept.push(start..at);
                    start = at + 1;
                }
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    kept.push(start..text.len());
    kept
}

/// The text without blanks at its ends, as a range of it.
pub(crate) fn trimmed(text: &[u8]) -> Range<usize> {
    let Some(start) = text.iter().position(|byte| !is_blank(*byte)) else { return 0..0 };
    let end = text.iter().rposition(|byte| !is_blank(*byte)).map_or(start, |last| last + 1);
    start..end
}

/// Space, tab, and what is left of line ends.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0b' | b'\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let mut pieces = Pieces::default();
        let mut shown = Vec::new();
        while let Some(piece) = pieces.next(text.as_bytes()) {
            shown.push(match piece {
                Piece::Open(_) => vec!["{".to_owned()],
                Piece::Close(_) => vec!["}".to_owned()],
                Piece::Line(_) => pieces
                    .words
                    .iter()
                    .map(|&(start, length, _)| text[start as usize..(start + length) as usize].to_owned())
                    .collect(),
            });
        }
        shown
    }

    #[test]
    fn braces_split_lines_and_quotes_protect_them() {
        assert_eq!(words("a { b c }"), [vec!["a"], vec!["{"], vec!["b", "c"], vec!["}"]]);
        assert_eq!(words("a{b}{"), [vec!["a"], vec!["{"], vec!["b"], vec!["}"], vec!["{"]]);
        assert_eq!(words("a \"{ b\" c"), [vec!["a", "{ b", "c"]]);
        assert_eq!(words("a '{'"), [vec!["a", "'"], vec!["{"], vec!["'"]]);
    }

    #[test]
    fn quotes_make_words() {
        assert_eq!(words("a \"\" b\"c d\"e"), [vec!["a", "", "b", "c d", "e"]]);
        assert_eq!(words("  a \"b c"), [vec!["a"]]);
        assert_eq!(words("  "), Vec::<Vec<String>>::new());
    }

    #[test]
    fn lines_tell_what_is_in_them() {
        let marks = |text: &[u8]| {
            let (length, marks) = first_line(text);
            (length, marks.has_nul(), marks.has_comment(), marks.has_reference())
        };
        assert_eq!(marks(b"ab\n#$\0"), (2, false, false, false));
        assert_eq!(marks(b"a#\n"), (2, false, true, false));
        assert_eq!(marks(b"!$\0"), (3, true, true, true));
        assert_eq!(marks(b"\n"), (0, false, false, false));
        assert_eq!(marks(b""), (0, false, false, false));
    }

    #[test]
    fn comments_end_lines() {
        assert_eq!(find_comment(b"a # b"), Comment { end: 2, escapes: false });
        assert_eq!(find_comment(b"a \"#\" ! b"), Comment { end: 6, escapes: false });
        assert_eq!(find_comment(br##"a "\"#" ! b"##), Comment { end: 8, escapes: false });
        assert_eq!(find_comment(br"a \# b \n # c"), Comment { end: 10, escapes: true });
        assert_eq!(without_escapes(br"a \# b"), [0..2, 3..6]);
        // A backslash is itself protected by one, and a protected quote opens nothing.
        assert_eq!(find_comment(br"a \\# b"), Comment { end: 4, escapes: false });
        assert_eq!(find_comment(br"a \\\# b"), Comment { end: 8, escapes: true });
        assert_eq!(without_escapes(br"a \\\# b"), [0..4, 5..8]);
        assert_eq!(find_comment(br##"a \"b # c" d"##), Comment { end: 6, escapes: false });
    }
}
