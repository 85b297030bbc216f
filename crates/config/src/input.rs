//! Lines as the tree wants them: comments off, conditions decided, variables, sequences and includes resolved.
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::reader::Options;
use crate::source::Source;
use crate::span::{FileId, OriginId, SourceMap, Span, Text, narrow};
use crate::token::{WordRange, find_comment, trimmed, without_escapes};
use crate::tree::{Block, Segment};

/// A line with the places its text comes from; its vectors are used again for the next.
#[derive(Debug, Default)]
pub(crate) struct LogicalLine {
    pub(crate) text: Vec<u8>,
    /// In order; the first starts at 0 when there is any text.
    pub(crate) segments: Vec<Segment>,
}

impl LogicalLine {
    /// Where `length` bytes from `at` stand.
    pub(crate) fn span(&self, at: usize, length: usize) -> Span {
        crate::tree::span_in(&self.segments, narrow(at), narrow(length))
    }

    /// Puts a stretch of the line into a block, as a node with these words.
    pub(crate) fn copy_to(&self, block: &mut Block, text: Range<usize>, words: &[WordRange]) -> u32 {
        block.push_line(&self.text, &self.segments, text, words)
    }

    fn clear(&mut self) {
        self.text.clear();
        self.segments.clear();
    }
}

/// A file that is being read.
struct Frame {
    file: FileId,
    text: Text,
    next: usize,
}

/// Produces the lines of a configuration, one at a time.
pub(crate) struct Input<'s> {
    #[expect(dead_code, reason = "asked by includes and variables")]
    source: &'s dyn Source,
    sources: SourceMap,
    frames: Vec<Frame>,
    /// What could not be reported when the main file was opened.
    pending: Vec<Diagnostic>,
    end: Span,
}

impl<'s> Input<'s> {
    pub(crate) fn new(source: &'s dyn Source, path: &Path, _options: Options) -> Self {
        let mut input = Input {
            source,
            sources: SourceMap::new(),
            frames: Vec::new(),
            pending: Vec::new(),
            end: Span::default(),
        };
        match source.read(&source.current_directory().join(path)) {
            Ok(text) => input.enter(path, Arc::new(text), None),
            Err(why) => input.pending.push(Diagnostic::nowhere(
                Code::UnreadableFile,
                format!("configuration file '{}' {why}", path.display()),
            )),
        }
        input
    }

    fn enter(&mut self, path: &Path, text: Text, included: Option<Span>) {
        if let Some(file) = self.sources.add(path.to_owned(), Arc::clone(&text), included) {
            self.frames.push(Frame { file, text, next: 0 });
        }
    }

    /// Reads the next line that is not blank. `false` at the end.
    pub(crate) fn next_line(&mut self, line: &mut LogicalLine, diagnostics: &mut Diagnostics) -> bool {
        self.pending.drain(..).for_each(|diagnostic| diagnostics.push(diagnostic));
        while let Some(frame) = self.frames.last_mut() {
            let rest = frame.text.get(frame.next..).unwrap_or_default();
            if rest.is_empty() {
                self.end = Span::new(frame.file, frame.text.len(), 0);
                self.frames.pop();
                continue;
            }
            let start = frame.next;
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            frame.next += length + 1;
            let physical = rest.get(..length).unwrap_or_default();
            if physical.contains(&0) {
                let span = Span::new(frame.file, start, length);
                diagnostics.push(Diagnostic::new(Code::EmbeddedNul, span, "the line holds a NUL byte"));
                continue;
            }
            strip(physical, frame.file, start, line);
            if !line.text.is_empty() {
                return true;
            }
        }
        false
    }

    /// Reads no further.
    pub(crate) fn stop(&mut self) {
        self.frames.clear();
    }

    /// Where reading ended.
    pub(crate) fn end(&self) -> Span {
        self.end
    }

    pub(crate) fn sources(&self) -> &SourceMap {
        &self.sources
    }

    pub(crate) fn into_sources(self) -> SourceMap {
        self.sources
    }
}

/// Takes comment and outer blanks off a physical line that stands at `start` of its file.
fn strip(physical: &[u8], file: FileId, start: usize, line: &mut LogicalLine) {
    line.clear();
    let comment = find_comment(physical);
    let text = physical.get(..comment.end).unwrap_or_default();
    let range = trimmed(text);
    let text = text.get(range.clone()).unwrap_or_default();
    let mut keep = |piece: Range<usize>| {
        let offset = narrow(start + range.start + piece.start);
        let start = narrow(line.text.len());
        line.segments.push(Segment { start, file, offset, replaced: None, origin: OriginId::NONE });
        line.text.extend_from_slice(text.get(piece).unwrap_or_default());
    };
    if comment.escapes {
        without_escapes(text).into_iter().for_each(keep);
    } else {
        keep(0..text.len());
    }
}
