//! Where the block ends that a problem is of. keepalived looks at a block as a whole when it comes to its
//! closing brace, and names that line.

use super::line::LogicalLine;
use super::token::{Piece, Pieces, first_line};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::span::{SourceMap, Span};

/// Bytes behind the problem that are searched.
const MAX_SEARCHED_BYTES: usize = 1 << 16;

impl Diagnostic {
    /// The closing brace of the block that it is a problem of, if it is one of a whole block. None as well
    /// where the brace is far away or in another file.
    pub fn block_end(&self, sources: &SourceMap) -> Option<Span> {
        let span = self.primary.filter(|_| self.of_block)?;
        block_end(sources.file(span.file)?.text(), span)
    }
}

/// The closing brace of the block that the line at `span` opens; else of the block around it. `text` is its
/// file's.
fn block_end(text: &[u8], span: Span) -> Option<Span> {
    let offset = usize::try_from(span.offset).ok()?;
    let before = text.get(..offset)?;
    let mut start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let end = offset.saturating_add(MAX_SEARCHED_BYTES).min(text.len());
    let mut search = Search { from: span.offset, ..Search::default() };
    let (mut line, mut pieces) = (LogicalLine::default(), Pieces::default());
    while let Some(rest) = text.get(start..end).filter(|rest| !rest.is_empty()) {
        let (length, marks) = first_line(rest);
        line.read(rest.get(..length)?, marks, span.file, start);
        pieces.restart();
        while let Some(piece) = pieces.next(&line.text) {
            if let Some(brace) = search.take(&piece, &line) {
                return Some(brace);
            }
        }
        start += length + 1;
    }
    None
}

#[derive(Default)]
struct Search {
    from: u32,
    progress: Progress,
    /// Blocks that were opened behind the line.
    depth: usize,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Progress {
    #[default]
    BeforeLine,
    BehindLine,
    InOwnBlock,
    InBlockAround,
}

impl Search {
    fn take(&mut self, piece: &Piece, line: &LogicalLine) -> Option<Span> {
        if self.progress == Progress::BeforeLine {
            let last = match piece {
                Piece::Open(at) | Piece::Close(at) => *at,
                Piece::Line(range) => range.end.saturating_sub(1),
            };
            if line.span(last, 1).offset >= self.from {
                self.progress = Progress::BehindLine;
            }
            return None;
        }
        let opens = matches!(piece, Piece::Open(_));
        if self.progress == Progress::BehindLine {
            self.progress = if opens { Progress::InOwnBlock } else { Progress::InBlockAround };
        }
        match piece {
            Piece::Open(_) => self.depth += 1,
            Piece::Close(at) => {
                let last = if self.progress == Progress::InOwnBlock { 1 } else { 0 };
                if self.depth == last {
                    return Some(line.span(*at, 1));
                }
                self.depth -= 1;
            }
            Piece::Line(_) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::span::FileId;
    use crate::{AnyMachine, LoadOptions, Memory, json, load, render};

    /// Where in the text its block ends, of the first place of `word`.
    fn end_of(text: &str, word: &str) -> Option<u32> {
        let at = text.find(word).unwrap();
        let end = block_end(text.as_bytes(), Span::new(FileId::default(), at, word.len()))?;
        assert_eq!(text.as_bytes().get(usize::try_from(end.offset).unwrap()), Some(&b'}'));
        Some(
            text.as_bytes()
                .iter()
                .take(usize::try_from(end.offset).unwrap())
                .fold(1, |line, byte| if *byte == b'\n' { line + 1 } else { line }),
        )
    }

    #[test]
    fn the_end_of_the_block_is_told_in_every_format() {
        let source = Memory::new().file("a.conf", "vrrp_script s {\n interval 1\n}\n");
        let loaded = load(&source, "a.conf".as_ref(), &AnyMachine, &LoadOptions::default());
        let (diagnostics, sources) = (&loaded.diagnostics, &loaded.sources);
        let text = render::text(diagnostics, sources, false);
        assert!(text.contains("= note: the block ends in line 3\n"), "{text}");
        let values = json::document(diagnostics, sources);
        assert_eq!(values["diagnostics"][0]["block_end"]["line"], 3, "{values:#}");
        let log = json::sarif(diagnostics, sources, "");
        let other = &log["runs"][0]["results"][0]["relatedLocations"][0];
        assert_eq!(other["physicalLocation"]["region"]["startLine"], 3, "{log:#}");
    }

    #[test]
    fn a_line_that_opens_a_block_has_its_end() {
        let text = "script s {\n a {\n }\n # }\n b \"}\"\n}\n\nother\n{\n}\n";
        assert_eq!(end_of(text, "script"), Some(6));
        assert_eq!(end_of(text, "s {"), Some(6));
        assert_eq!(end_of(text, "other"), Some(10));
        assert_eq!(end_of("x { y }\n z }", "x"), Some(1));
    }

    #[test]
    fn another_line_has_the_end_of_the_block_around_it() {
        let text = "script s { k 1\n a\n b {\n c } d\n\n} }";
        for word in ["k 1", "1", "a\n", "d\n"] {
            assert_eq!(end_of(text, word), Some(6), "{word}");
        }
        assert_eq!(end_of(text, "c }"), Some(4));
    }

    #[test]
    fn a_block_without_an_end_has_none() {
        assert_eq!(end_of("a {\n b\n", "a"), None);
        assert_eq!(end_of("a\n", "a"), None);
        let far = format!("a {{\n{}}}\n", "b\n".repeat(MAX_SEARCHED_BYTES));
        assert_eq!(end_of(&far, "a"), None);
    }
}
