//! The tree: one top-level block at a time, held flat in a few vectors that are used again for the next.
use std::borrow::Cow;
use std::ops::Range;

use super::token::WordRange;
use crate::diagnostic::span::{FileId, OriginId, Span, narrow};
use crate::limits::MAX_LINES_LOOKED_BACK;

/// One top-level line or block of the configuration with everything inside it.
///
/// It owns its text, so it outlives the reader that made it; hand it back with
/// [`super::reader::Reader::recycle`] and the next block needs no allocation.
#[derive(Debug, Default)]
pub struct Block {
    /// The lines that are UTF-8.
    text: String,
    /// The lines that are not.
    other_text: Vec<u8>,
    segments: Vec<Segment>,
    words: Vec<WordRecord>,
    nodes: Vec<NodeRecord>,
}

/// Says where a stretch of a block's text comes from; it reaches to the start of the next segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    /// First byte in the block's text.
    pub(crate) start: u32,
    /// Where it stands, or was used.
    pub(crate) file: FileId,
    pub(crate) offset: u32,
    /// `Some`: the whole segment was put where these many bytes stand in the file. `None`: byte for byte.
    pub(crate) replaced: Option<u32>,
    pub(crate) origin: OriginId,
}

#[derive(Clone, Copy, Debug)]
struct WordRecord {
    start: u32,
    length: u32,
    quoted: bool,
}

#[derive(Clone, Copy, Debug)]
struct NodeRecord {
    first_word: u32,
    word_count: u32,
    /// Where the line begins in the text that it is part of.
    line_start: u32,
    line_length: u32,
    is_unicode: bool,
    /// The segments of the line.
    first_segment: u32,
    segment_count: u32,
    /// First node past this one and all that is inside it.
    end: u32,
    body: Option<Body>,
}

/// Stands for a line that is not there.
static NO_LINE: NodeRecord = NodeRecord {
    first_word: 0,
    word_count: 0,
    line_start: 0,
    line_length: 0,
    is_unicode: true,
    first_segment: 0,
    segment_count: 0,
    end: 0,
    body: None,
};

/// The braces of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// The `{`; of length 0 where it is missing.
    pub open: Span,
    /// The `}`; of length 0 where it is missing.
    pub close: Span,
}

impl Block {
    /// The line or block itself. `None` only for a block that was never filled.
    pub fn root(&self) -> Option<Node<'_>> {
        (!self.nodes.is_empty()).then_some(Node { block: self, index: 0 })
    }

    /// Number of lines in it, the nested ones included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it was never filled.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Bytes of memory that its lines take.
    pub(crate) fn size_bytes(&self) -> usize {
        let text = self.text.len() + self.other_text.len();
        text + size_of_val(&*self.segments) + size_of_val(&*self.words) + size_of_val(&*self.nodes)
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.other_text.clear();
        self.segments.clear();
        self.words.clear();
        self.nodes.clear();
    }

    fn bytes(&self, line: &NodeRecord, start: u32, length: u32) -> &[u8] {
        let text = if line.is_unicode { self.text.as_bytes() } else { &self.other_text };
        text.get(range(start, length)).unwrap_or_default()
    }

    fn str(&self, line: &NodeRecord, start: u32, length: u32) -> Option<&str> {
        if line.is_unicode {
            self.text.get(range(start, length))
        } else {
            std::str::from_utf8(self.bytes(line, start, length)).ok()
        }
    }

    fn span(&self, line: &NodeRecord, start: u32, length: u32) -> Span {
        let segments = self.segments.get(range(line.first_segment, line.segment_count));
        span_in(segments.unwrap_or_default(), start, length)
    }
}

/// Where a stretch of text stands, of which `segments` tell the places.
pub(crate) fn span_in(segments: &[Segment], start: u32, length: u32) -> Span {
    if let [whole] = segments {
        return whole.part(start, start.saturating_add(length));
    }
    let first = segments.partition_point(|segment| segment.start <= start).saturating_sub(1);
    let end = start.saturating_add(length);
    let mut found: Option<Span> = None;
    for (at, segment) in segments.iter().enumerate().skip(first) {
        if segment.start >= end && found.is_some() {
            break;
        }
        let next = segments.get(at + 1).map_or(u32::MAX, |next| next.start);
        let piece = segment.part(start.max(segment.start), end.min(next));
        found = Some(found.map_or(piece, |so_far| so_far.to(piece)));
    }
    found.unwrap_or_default()
}

impl Segment {
    /// The rest of the segment from `from` on, put at `start`.
    pub(crate) fn starting_at(&self, from: u32, start: u32) -> Segment {
        let skipped = if self.replaced.is_some() { 0 } else { from.saturating_sub(self.start) };
        Segment { start, offset: self.offset.saturating_add(skipped), ..*self }
    }

    fn part(&self, start: u32, end: u32) -> Span {
        let (file, origin) = (self.file, self.origin);
        match self.replaced {
            Some(length) => Span { file, offset: self.offset, length, origin },
            None => {
                let offset = self.offset.saturating_add(start.saturating_sub(self.start));
                Span { file, offset, length: end.saturating_sub(start), origin }
            }
        }
    }
}

/// Fills a block, line by line.
impl Block {
    /// Adds a line: a stretch of `text`, of which `segments` tell the places, and its words.
    pub(crate) fn push_line(
        &mut self,
        text: &[u8],
        segments: &[Segment],
        range: Range<usize>,
        words: &[WordRange],
    ) -> u32 {
        let (from, to) = (narrow(range.start), narrow(range.end));
        let line = text.get(range).unwrap_or_default();
        let (line_start, is_unicode) = match std::str::from_utf8(line) {
            Ok(line) => {
                self.text.push_str(line);
                (narrow(self.text.len() - line.len()), true)
            }
            Err(_) => {
                self.other_text.extend_from_slice(line);
                (narrow(self.other_text.len() - line.len()), false)
            }
        };
        let first_segment = narrow(self.segments.len());
        let first = segments.partition_point(|segment| segment.start <= from).saturating_sub(1);
        for piece in segments.iter().skip(first).take_while(|piece| piece.start < to || piece.start <= from) {
            let start = line_start + piece.start.saturating_sub(from);
            self.segments.push(piece.starting_at(from.max(piece.start), start));
        }
        let first_word = narrow(self.words.len());
        let moved = |&(start, length, quoted): &WordRange| WordRecord {
            start: line_start + start.saturating_sub(from),
            length,
            quoted,
        };
        self.words.extend(words.iter().map(moved));
        let number = narrow(self.nodes.len());
        self.nodes.push(NodeRecord {
            first_word,
            word_count: narrow(words.len()),
            line_start,
            line_length: to.saturating_sub(from),
            is_unicode,
            first_segment,
            segment_count: narrow(self.segments.len()) - first_segment,
            end: number + 1,
            body: None,
        });
        number
    }

    pub(crate) fn open(&mut self, node: u32, open: Span) {
        if let Some(record) = self.nodes.get_mut(index(node)) {
            let close = Span { offset: open.end(), length: 0, ..open };
            record.body = Some(Body { open, close });
        }
    }

    pub(crate) fn close(&mut self, node: u32, close: Span) {
        let end = narrow(self.nodes.len());
        if let Some(record) = self.nodes.get_mut(index(node)) {
            record.end = end;
            if let Some(body) = &mut record.body {
                body.close = close;
            }
        }
    }

    pub(crate) fn node(&self, number: u32) -> Option<Node<'_>> {
        let index = index(number);
        (index < self.nodes.len()).then_some(Node { block: self, index })
    }
}

/// A line of the configuration: keyword, arguments, and the block it opens.
#[derive(Clone, Copy, Debug)]
pub struct Node<'b> {
    block: &'b Block,
    index: usize,
}

impl<'b> Node<'b> {
    /// The first word. Empty for a `{` with nothing before it.
    pub fn keyword(self) -> Word<'b> {
        let line = self.record();
        self.words().next().unwrap_or(Word {
            block: self.block,
            line,
            record: WordRecord { start: line.line_start, length: 0, quoted: false },
        })
    }

    /// The words after the first.
    pub fn arguments(self) -> Words<'b> {
        let mut words = self.words();
        words.next();
        words
    }

    /// The argument at that place, from 0.
    pub fn argument(self, place: usize) -> Option<Word<'b>> {
        self.arguments().nth(place)
    }

    /// Keyword and arguments.
    pub fn words(self) -> Words<'b> {
        let line = self.record();
        let records = self.block.words.get(range(line.first_word, line.word_count)).unwrap_or_default();
        Words { block: self.block, line, records: records.iter() }
    }

    /// The line after its keyword, for keywords that split it in their own way.
    pub fn raw(self) -> Raw<'b> {
        let line = self.record();
        let line_end = line.line_start + line.line_length;
        let keyword = self.keyword().record;
        let after = keyword.start + keyword.length + u32::from(keyword.quoted);
        let start = after.clamp(line.line_start, line_end);
        Raw { block: self.block, line, start, length: line_end - start }
    }

    /// The whole line.
    pub fn line(self) -> Raw<'b> {
        let line = self.record();
        Raw { block: self.block, line, start: line.line_start, length: line.line_length }
    }

    /// Whether all of the line is UTF-8.
    pub(crate) fn is_unicode(self) -> bool {
        self.record().is_unicode
    }

    /// The lines between the braces; `None` when the line opens no block.
    pub fn children(self) -> Option<Children<'b>> {
        let record = self.record();
        record.body?;
        Some(Children { block: self.block, next: self.index + 1, end: index(record.end) })
    }

    /// The braces of the block it opens.
    pub fn body(self) -> Option<Body> {
        self.record().body
    }

    /// Where keyword and arguments stand, or were used.
    pub fn span(self) -> Span {
        self.line().span()
    }

    /// The first line of the same block with the same keyword, if it stands before this one and not more than
    /// [`MAX_LINES_LOOKED_BACK`] lines away.
    pub fn first_of_its_keyword(self) -> Option<Node<'b>> {
        let encloses = |candidate: &usize| {
            self.block.nodes.get(*candidate).is_some_and(|record| index(record.end) > self.index)
        };
        let enclosing = (0..self.index).rev().take(MAX_LINES_LOOKED_BACK).find(encloses)?;
        let mut siblings = Node { block: self.block, index: enclosing }.children()?;
        let first = siblings.find(|sibling| sibling.keyword().bytes() == self.keyword().bytes())?;
        (first.index < self.index).then_some(first)
    }

    fn record(self) -> &'b NodeRecord {
        // A `Node` is only made for an index that is there, and blocks never shrink while borrowed.
        self.block.nodes.get(self.index).unwrap_or(&NO_LINE)
    }
}

/// A word of a line, without its quotes.
#[derive(Clone, Copy, Debug)]
pub struct Word<'b> {
    block: &'b Block,
    line: &'b NodeRecord,
    record: WordRecord,
}

impl<'b> Word<'b> {
    /// Its bytes; they need not be UTF-8.
    pub fn bytes(self) -> &'b [u8] {
        self.block.bytes(self.line, self.record.start, self.record.length)
    }

    /// Its text, when it is UTF-8.
    pub fn as_str(self) -> Option<&'b str> {
        self.block.str(self.line, self.record.start, self.record.length)
    }

    /// Its text for people: what is not UTF-8 is replaced.
    pub fn display(self) -> Cow<'b, str> {
        String::from_utf8_lossy(self.bytes())
    }

    /// Whether it stood in double quotes.
    pub fn is_quoted(self) -> bool {
        self.record.quoted
    }

    /// Where it stands, without its quotes.
    pub fn span(self) -> Span {
        self.block.span(self.line, self.record.start, self.record.length)
    }
}

/// A line, or the part after its keyword, as it was written: comments taken off, variables replaced.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'b> {
    block: &'b Block,
    line: &'b NodeRecord,
    start: u32,
    length: u32,
}

impl<'b> Raw<'b> {
    /// Its bytes, blanks included.
    pub fn bytes(self) -> &'b [u8] {
        self.block.bytes(self.line, self.start, self.length)
    }

    /// Where all of it stands.
    pub fn span(self) -> Span {
        self.block.span(self.line, self.start, self.length)
    }

    /// Where `length` bytes from `offset` (both in [`Raw::bytes`]) stand.
    pub fn span_of(self, offset: usize, length: usize) -> Span {
        let offset = narrow(offset).min(self.length);
        let length = narrow(length).min(self.length - offset);
        self.block.span(self.line, self.start + offset, length)
    }
}

/// Words of one line, in order.
#[derive(Clone, Debug)]
pub struct Words<'b> {
    block: &'b Block,
    line: &'b NodeRecord,
    records: std::slice::Iter<'b, WordRecord>,
}

impl<'b> Iterator for Words<'b> {
    type Item = Word<'b>;

    fn next(&mut self) -> Option<Word<'b>> {
        let record = *self.records.next()?;
        Some(Word { block: self.block, line: self.line, record })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Words<'_> {}

/// The lines directly inside a block, in order.
#[derive(Clone, Debug)]
pub struct Children<'b> {
    block: &'b Block,
    next: usize,
    end: usize,
}

impl<'b> Iterator for Children<'b> {
    type Item = Node<'b>;

    fn next(&mut self) -> Option<Node<'b>> {
        if self.next >= self.end {
            return None;
        }
        let node = Node { block: self.block, index: self.next };
        // Never backwards, whatever the record says.
        self.next = index(node.record().end).max(self.next + 1);
        Some(node)
    }
}

fn range(start: u32, length: u32) -> Range<usize> {
    index(start)..index(start) + index(length)
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
