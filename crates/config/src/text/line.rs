//! A line on its way to the tree, with the places its text comes from.
use std::ops::Range;

use super::token::{Comment, Marks, WordRange, find_comment, is_blank, trimmed, without_escapes};
use super::tree::{Block, Segment, span_in};
use crate::diagnostic::span::{FileId, OriginId, SourceMap, Span, narrow};

/// A line with the places its text comes from; its vectors are used again for the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogicalLine {
    pub(crate) text: Vec<u8>,
    /// In order; the first starts at 0 when there is any text.
    pub(crate) segments: Vec<Segment>,
    /// It is known that there is no `$` in it.
    pub(crate) without_references: bool,
}

/// Where a replacement was asked for, and which expansion it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replacement {
    /// The reference that was replaced.
    pub(crate) used: Span,
    pub(crate) origin: OriginId,
}

impl LogicalLine {
    /// Where `length` bytes from `at` stand.
    pub(crate) fn span(&self, at: usize, length: usize) -> Span {
        span_in(&self.segments, narrow(at), narrow(length))
    }

    /// Where all of it stands.
    pub(crate) fn whole(&self) -> Span {
        self.span(0, self.text.len())
    }

    /// The bytes from `at` on.
    pub(crate) fn from(&self, at: usize) -> &[u8] {
        self.text.get(at..).unwrap_or_default()
    }

    /// Puts a stretch of the line into a block, as a node with these words.
    pub(crate) fn copy_to(&self, block: &mut Block, text: Range<usize>, words: &[WordRange]) -> u32 {
        block.push_line(&self.text, &self.segments, text, words)
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.segments.clear();
        self.without_references = false;
    }

    /// Appends a stretch of another line as it is.
    pub(crate) fn append(&mut self, other: &LogicalLine, range: Range<usize>) {
        self.without_references = false;
        let (from, to) = (narrow(range.start), narrow(range.end));
        let base = narrow(self.text.len());
        let first = other.segments.partition_point(|segment| segment.start <= from).saturating_sub(1);
        let pieces = other.segments.iter().skip(first);
        for piece in pieces.take_while(|piece| piece.start < to || piece.start <= from) {
            let start = base.saturating_add(piece.start.saturating_sub(from));
            self.segments.push(piece.starting_at(from.max(piece.start), start));
        }
        self.text.extend_from_slice(other.text.get(range).unwrap_or_default());
    }

    /// Appends text that takes the place of a reference.
    pub(crate) fn append_replaced(&mut self, text: &[u8], replacement: Replacement) {
        self.without_references = false;
        let Replacement { used, origin } = replacement;
        let start = narrow(self.text.len());
        let replaced = Some(used.length);
        self.segments.push(Segment { start, file: used.file, offset: used.offset, replaced, origin });
        self.text.extend_from_slice(text);
    }

    /// Appends a stretch of a definition that takes the place of a reference; each word knows where it stands in the
    /// definition.
    pub(crate) fn append_words(
        &mut self,
        value: &LogicalLine,
        range: Range<usize>,
        replacement: Replacement,
        sources: &mut SourceMap,
    ) {
        let mut at = range.start;
        while at < range.end {
            let text = value.text.get(at..range.end).unwrap_or_default();
            let (word, length) = word_with_blanks(text);
            // A reference in the middle of a word ends the range, not the word.
            let before = value.text.get(..at + word.start).unwrap_or_default();
            let before = before.iter().rev().take_while(|byte| !is_blank(**byte)).count();
            let after = value.from(at + word.end).iter().take_while(|byte| !is_blank(**byte)).count();
            let stands = value.span(at + word.start - before, before + word.len() + after);
            let origin = sources.narrowed(replacement.origin, stands);
            self.append_replaced(
                text.get(..length).unwrap_or_default(),
                Replacement { origin, ..replacement },
            );
            at += length;
        }
    }

    /// Takes a stretch away at the front, and the blanks after it.
    pub(crate) fn remove_front(&mut self, length: usize) {
        let rest = trimmed(self.from(length));
        let mut kept = LogicalLine::default();
        kept.append(self, length + rest.start..length + rest.end);
        *self = kept;
    }

    /// Keeps the first bytes, without blanks at their end.
    pub(crate) fn truncate(&mut self, length: usize) {
        let end = trimmed(self.text.get(..length).unwrap_or(&self.text)).end;
        self.text.truncate(end);
        let end = narrow(end);
        self.segments.retain(|segment| segment.start < end || segment.start == 0);
    }

    /// Fills the line with a physical one that stands at `start` of its file: comment and outer blanks off.
    pub(crate) fn read(&mut self, physical: &[u8], marks: Marks, file: FileId, start: usize) {
        self.clear();
        self.without_references = !marks.has_reference();
        let comment = match marks.has_comment() {
            true => find_comment(physical),
            false => Comment { end: physical.len(), escapes: false },
        };
        let text = physical.get(..comment.end).unwrap_or_default();
        let range = trimmed(text);
        let text = text.get(range.clone()).unwrap_or_default();
        let mut keep = |piece: Range<usize>| {
            let offset = narrow(start + range.start + piece.start);
            let start = narrow(self.text.len());
            self.segments.push(Segment { start, file, offset, replaced: None, origin: OriginId::NONE });
            self.text.extend_from_slice(text.get(piece).unwrap_or_default());
        };
        if comment.escapes {
            without_escapes(text).into_iter().for_each(keep);
        } else {
            keep(0..text.len());
        }
    }

    /// Cuts the line where a variable brought a comment character in. Those that were written with a
    /// backslash, and those of `_HASH` and `_BANG`, are text.
    pub(crate) fn cut_comment(&mut self, is_text: impl Fn(OriginId) -> bool) {
        let mut quoted = false;
        let cut = self.text.iter().enumerate().find_map(|(at, byte)| {
            quoted ^= *byte == b'"';
            if quoted || !matches!(byte, b'#' | b'!') {
                return None;
            }
            let place = narrow(at);
            let segment = self.segments.partition_point(|segment| segment.start <= place).checked_sub(1);
            let segment = self.segments.get(segment?)?;
            (segment.replaced.is_some() && !is_text(segment.origin)).then_some(at)
        });
        if let Some(at) = cut {
            self.truncate(at);
        }
    }
}

/// The first word of a text that is not empty, and how far it goes with the blanks on both of its sides. Quotes hold
/// blanks.
fn word_with_blanks(text: &[u8]) -> (Range<usize>, usize) {
    let start = text.iter().position(|byte| !is_blank(*byte)).unwrap_or(text.len());
    let mut quoted = false;
    let ends = |byte: &u8| {
        quoted ^= *byte == b'"';
        !quoted && is_blank(*byte)
    };
    let rest = text.get(start..).unwrap_or_default();
    let end = start + rest.iter().position(ends).unwrap_or(rest.len());
    let blanks = text.get(end..).unwrap_or_default().iter().take_while(|byte| is_blank(**byte)).count();
    (start..end, end + blanks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::token::first_line;

    #[test]
    fn parts_keep_their_places() {
        let mut line = LogicalLine::default();
        let (_, marks) = first_line(b"  ab \\# cd # comment");
        line.read(b"  ab \\# cd # comment", marks, FileId::default(), 100);
        assert_eq!(line.text, b"ab # cd");
        assert_eq!((line.span(0, 2).offset, line.span(5, 2).offset), (102, 108));
        let used = Span::new(FileId::default(), 50, 4);
        let mut whole = LogicalLine::default();
        whole.append(&line, 0..3);
        whole.append_replaced(b"xyz", Replacement { used, origin: OriginId::NONE });
        whole.append(&line, 4..7);
        assert_eq!(whole.text, b"ab xyz cd");
        assert_eq!((whole.span(4, 1).offset, whole.span(4, 1).length), (50, 4));
        assert_eq!(whole.span(7, 2).offset, 108);
        whole.remove_front(2);
        assert_eq!(whole.text, b"xyz cd");
        assert_eq!((whole.span(0, 3).offset, whole.span(4, 2).offset), (50, 108));
        whole.truncate(4);
        assert_eq!(whole.text, b"xyz");
    }
}
