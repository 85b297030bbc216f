//! `steadfast fmt`: normal layout, same meaning.
//!
//! Indentation is four spaces a block, `{` stands behind its keyword, every brace ends its line, blanks between
//! words are one space, and there is never more than one blank line. Comments stay, and so does every line
//! whose meaning depends on being one line: definitions, sequences, conditions, includes, and lines with
//! variables keep their words and blanks.
use crate::text::definition::definition_head;
use crate::text::token::{Piece, Pieces, find_comment, is_blank, trimmed};
use crate::text::{include, sequence};

const INDENT: usize = 4;

/// Deeper blocks are not indented further.
const MAX_INDENTED_DEPTH: usize = 64;

/// Conditions told apart in one run of conditional lines.
const MAX_CONDITIONS: usize = 16;

/// The same configuration in normal layout. Formatting twice changes nothing further.
pub fn format(text: &[u8]) -> Vec<u8> {
    let mut formatter = Formatter::default();
    let lines = text.strip_suffix(b"\n").unwrap_or(text);
    for physical in lines.split(|byte| *byte == b'\n') {
        formatter.line(physical);
    }
    formatter.finish()
}

/// A line of the result.
struct Out {
    depth: usize,
    code: Vec<u8>,
    comment: Vec<u8>,
    /// Whether a `{` may be put behind it.
    takes_brace: bool,
    /// A blank line that ends a definition.
    ends_definition: bool,
}

#[derive(Default)]
struct Formatter {
    out: Vec<Out>,
    depth: usize,
    /// Depth in the lines of a definition; `None` outside one.
    definition: Option<usize>,
    /// In a run of conditional lines: the depth before it, and the depth of each condition. The first one's
    /// goes on behind the run.
    conditions: Vec<(Vec<u8>, usize)>,
    depth_before_conditions: usize,
}

impl Formatter {
    fn line(&mut self, physical: &[u8]) {
        let all = part(physical);
        if all.is_empty() {
            self.blank();
            return;
        }
        if all.contains(&0) {
            // Not read, so not changed.
            self.push(self.depth, all.to_vec(), b"", false);
            return;
        }
        let comment = find_comment(all);
        let code = part(all.get(..comment.end).unwrap_or_default());
        let comment = all.get(comment.end..).unwrap_or_default();
        if let Some(depth) = self.definition {
            self.definition_line(code, comment, depth);
            return;
        }
        if code.first() == Some(&b'@') {
            self.enter_condition(conditional(code).0.unwrap_or_default());
        } else if !code.is_empty() {
            self.leave_conditions();
        }
        if code.is_empty() {
            self.push(self.depth, Vec::new(), comment, false);
        } else if code.contains(&b'$') || stands_alone(code) {
            self.whole(code, comment);
        } else {
            self.plain(code, comment);
        }
    }

    /// A line that must stay one line.
    fn whole(&mut self, code: &[u8], comment: &[u8]) {
        let (_, text) = conditional(code);
        if definition_head(text).is_some() {
            self.push(self.depth, code.to_vec(), comment, false);
            if text.last() == Some(&b'\\') {
                self.definition = Some(0);
            }
            return;
        }
        let (indent, depth) = self.braces(text, self.depth);
        self.push(indent, code.to_vec(), comment, false);
        self.depth = depth;
        let (id, _) = conditional(code);
        if let Some(known) = self.conditions.iter_mut().find(|(known, _)| Some(known.as_slice()) == id) {
            known.1 = self.depth;
        }
    }

    /// Takes up the depth that the lines of this condition have reached.
    fn enter_condition(&mut self, id: &[u8]) {
        if self.conditions.is_empty() {
            self.depth_before_conditions = self.depth;
        }
        match self.conditions.iter().find(|(known, _)| known == id) {
            Some((_, depth)) => self.depth = *depth,
            None => {
                self.depth = self.depth_before_conditions;
                if self.conditions.len() < MAX_CONDITIONS {
                    self.conditions.push((id.to_vec(), self.depth));
                }
            }
        }
    }

    fn leave_conditions(&mut self) {
        if let Some((_, depth)) = self.conditions.first() {
            self.depth = *depth;
            self.conditions.clear();
        }
    }

    /// A line of a multi-line definition.
    fn definition_line(&mut self, code: &[u8], comment: &[u8], depth: usize) {
        let (_, text) = conditional(code);
        let (indent, depth) = self.braces(text, depth);
        let indent = self.depth + 1 + indent;
        let continues = code.last() == Some(&b'\\');
        let only_comment = code.is_empty();
        self.push(indent, code.to_vec(), comment, false);
        self.definition = (continues || only_comment).then_some(depth);
    }

    /// A line that may be split at its braces.
    fn plain(&mut self, code: &[u8], comment: &[u8]) {
        let (pieces, unterminated) = Pieces::all(code);
        // On a line of its own, such a piece would be read as something else.
        let changes = |piece: &Piece| match piece {
            Piece::Line(text) => code.get(text.clone()).is_some_and(stands_alone),
            Piece::Open(_) | Piece::Close(_) => false,
        };
        if pieces.iter().any(changes) {
            self.whole(code, comment);
            return;
        }
        let first = self.out.len();
        let about = commented(&pieces);
        for (place, piece) in pieces.iter().enumerate() {
            let comment = if place == about { comment } else { b"" };
            match piece {
                Piece::Line(text) => {
                    // Behind an open quote a brace would be lost.
                    let takes_brace = unterminated.is_none_or(|quote| quote >= text.end);
                    let text = code.get(text.clone()).unwrap_or_default();
                    self.push(self.depth, one_space(text), comment, takes_brace);
                }
                Piece::Open(_) => {
                    self.open(first, comment);
                    self.depth += 1;
                }
                Piece::Close(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.drop_blank();
                    self.push(self.depth, b"}".to_vec(), comment, false);
                }
            }
        }
    }

    /// Puts a `{` with its comment behind the line before it, or on a line of its own where the line before it is of
    /// an earlier physical line (before `first`) and both have comments.
    fn open(&mut self, first: usize, comment: &[u8]) {
        let same_physical = self.out.len() > first;
        let before = self.out.last_mut().filter(|out| out.takes_brace);
        match before.filter(|out| same_physical || out.comment.is_empty() || comment.is_empty()) {
            Some(out) => {
                out.code.extend_from_slice(b" {");
                out.takes_brace = false;
                if !comment.is_empty() {
                    out.comment = comment.to_vec();
                }
            }
            None => self.push(self.depth, b"{".to_vec(), comment, false),
        }
    }

    /// The indentation of a line that begins at `depth`, and the depth behind it.
    fn braces(&mut self, code: &[u8], depth: usize) -> (usize, usize) {
        if include::directive(code).is_some() || definition_head(code).is_some() {
            return (depth, depth);
        }
        let from = sequence::head(code).map_or(0, |head| head.text);
        let (pieces, _) = Pieces::all(code.get(from..).unwrap_or_default());
        let leading = pieces.iter().take_while(|piece| matches!(piece, Piece::Close(_))).count();
        let behind = pieces.iter().fold(depth, |depth, piece| match piece {
            Piece::Open(_) => depth + 1,
            Piece::Close(_) => depth.saturating_sub(1),
            Piece::Line(_) => depth,
        });
        (depth.saturating_sub(leading), behind)
    }

    fn blank(&mut self) {
        // A blank line ends a definition, so it must stay behind one.
        let needed = self.definition.take().is_some();
        let in_run = !self.conditions.is_empty();
        self.leave_conditions();
        let superfluous = |out: &Out| out.is_blank() || (!in_run && out.code.ends_with(b"{"));
        if needed || !self.out.last().is_none_or(superfluous) {
            self.push(0, Vec::new(), b"", false);
            if let Some(out) = self.out.last_mut() {
                out.ends_definition = needed;
            }
        }
    }

    fn push(&mut self, depth: usize, code: Vec<u8>, comment: &[u8], takes_brace: bool) {
        self.out.push(Out { depth, code, comment: comment.to_vec(), takes_brace, ends_definition: false });
    }

    /// Takes away blank lines at the end that mean nothing.
    fn drop_blank(&mut self) {
        while self.out.last().is_some_and(|out| out.is_blank() && !out.ends_definition) {
            self.out.pop();
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.drop_blank();
        let mut text = Vec::new();
        for out in &self.out {
            out.write(&mut text);
        }
        text
    }
}

impl Out {
    fn is_blank(&self) -> bool {
        self.code.is_empty() && self.comment.is_empty()
    }

    fn write(&self, text: &mut Vec<u8>) {
        if !self.is_blank() {
            text.resize(text.len() + INDENT * self.depth.min(MAX_INDENTED_DEPTH), b' ');
        }
        text.extend_from_slice(&self.code);
        if !self.code.is_empty() && !self.comment.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(&self.comment);
        text.push(b'\n');
    }
}

/// Which piece of a line the comment behind it is about: the last one in a block that goes on behind the line; else
/// the first, as behind a whole block it is about the block.
fn commented(pieces: &[Piece]) -> usize {
    let left_open = pieces.iter().fold(0_usize, |depth, piece| match piece {
        Piece::Open(_) => depth + 1,
        Piece::Close(_) => depth.saturating_sub(1),
        Piece::Line(_) => depth,
    });
    if left_open > 0 { pieces.len().saturating_sub(1) } else { 0 }
}

/// Conditions, sequences and includes; and lines with quotes and backslashes, as a backslash before a quote
/// protects it from the search for comments but not from that for words, so that parts of the line may have
/// comments where the line has none.
fn stands_alone(code: &[u8]) -> bool {
    matches!(code.first(), Some(b'@' | b'~'))
        || include::directive(code).is_some()
        || (code.contains(&b'"') && code.contains(&b'\\'))
}

/// The condition of a line, and the text after it.
fn conditional(code: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if code.first() != Some(&b'@') {
        return (None, code);
    }
    let end = code.iter().position(|byte| is_blank(*byte)).unwrap_or(code.len());
    let (id, text) = code.split_at_checked(end).unwrap_or((code, b""));
    (Some(id), part(text))
}

/// One space between words. Quotes and backslashes may protect blanks in ways that only the keyword knows, so
/// text with them stays as it is.
fn one_space(text: &[u8]) -> Vec<u8> {
    if text.iter().any(|byte| matches!(byte, b'"' | b'\'' | b'\\')) {
        return text.to_vec();
    }
    let words = text.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

fn part(text: &[u8]) -> &[u8] {
    text.get(trimmed(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        let once = format(text.as_bytes());
        assert_eq!(format(&once), once, "{}", String::from_utf8_lossy(&once));
        String::from_utf8(once).unwrap()
    }

    #[test]
    fn blocks() {
        let text = "\n\nvrrp_instance  V1\n{ # first\n\n\tstate\tMASTER;\r\n  virtual_ipaddress { 192.0.2.1 }\n \n}\n\n\n\
                    a { b } # c\n! end";
        let expected = "vrrp_instance V1 { # first\n    state MASTER;\n    virtual_ipaddress {\n        \
                        192.0.2.1\n    }\n}\n\na { # c\n    b\n}\n! end\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn a_comment_stays_with_what_it_stands_behind() {
        let text = "a { b # of b\n c } # of c\nd { e } # of d\n} f { # of f\ng\n}";
        let expected = "a {\n    b # of b\n    c # of c\n}\nd { # of d\n    e\n}\n}\nf { # of f\n    g\n}\n";
        assert_eq!(formatted(text), expected);
        assert_eq!(formatted("a # of a\n{ b { # of b\n"), "a { # of a\n    b { # of b\n");
    }

    #[test]
    fn what_must_stay_stays() {
        let text = "script  \"/a  b\"   'c  d' # x\n$A=x   y { z }\n~SEQ(A,  3) a { b }\ninclude  {a,b}.conf\n\
                    a $A { b }\n@main  c {\n@other d {\n e\n}\nf\\\ng";
        let expected = "script  \"/a  b\"   'c  d' # x\n$A=x   y { z }\n~SEQ(A,  3) a { b }\ninclude  {a,b}.conf\n\
                        a $A { b }\n@main  c {\n@other d {\n    e\n}\nf\\\ng\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn definitions_of_several_lines() {
        let text = "$M=\\\na  {   \\\n  b\\\n # c\n}\\\n\n  d\n";
        let expected = "$M=\\\n    a  {   \\\n        b\\\n        # c\n    }\\\n\nd\n";
        assert_eq!(formatted(text), expected);
    }

    #[test]
    fn braces_find_their_keyword() {
        assert_eq!(formatted("a # x\n{ # y\nb"), "a # x\n{ # y\n    b\n");
        assert_eq!(formatted("a # x\n{\nb }"), "a { # x\n    b\n}\n");
        assert_eq!(formatted("a $B\n{\n}"), "a $B\n{\n}\n");
        assert_eq!(formatted("}}\na"), "}\n}\na\n");
    }
}
