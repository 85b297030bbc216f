//! The pull parser: hands out one top-level block at a time.
use std::collections::VecDeque;
use std::path::Path;

use super::input::Input;
use super::line::LogicalLine;
use super::source::Source;
use super::token::{Piece, Pieces};
use super::tree::{Block, Node};
use crate::diagnostic::code::Code;
use crate::diagnostic::span::{SourceMap, Span};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::limits::{MAX_BLOCK_BYTES, MAX_BLOCK_DEPTH, MAX_LINES};

/// What the reader must know of the keywords to mend a missing `{`.
pub trait Grammar {
    /// Whether `line` begins a block that cannot go without `{`. Asked for lines that no `{` follows.
    fn needs_block(&self, enclosing: Enclosing<'_>, line: Node<'_>) -> bool;

    /// How `line` changes the reading of the lines after it. Asked for lines that stand in one block.
    fn directive(&self, _enclosing: Enclosing<'_>, _line: Node<'_>) -> Option<Directive> {
        None
    }
}

/// What a line may change of how the lines after it are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// Which problems of includes are errors; the line's words say it.
    IncludeCheck,
    /// The series of random numbers; the line's word is its seed.
    RandomSeed,
}

/// Knows no keyword, so never misses a `{`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGrammar;

impl Grammar for NoGrammar {
    fn needs_block(&self, _enclosing: Enclosing<'_>, _line: Node<'_>) -> bool {
        false
    }
}

/// The blocks around a line, outermost first.
#[derive(Clone, Copy, Debug)]
pub struct Enclosing<'b> {
    block: &'b Block,
    open: &'b [u32],
}

impl<'b> Enclosing<'b> {
    /// The lines that opened the blocks, outermost first.
    pub fn nodes(self) -> impl DoubleEndedIterator<Item = Node<'b>> {
        self.open.iter().filter_map(move |number| self.block.node(*number))
    }

    /// Number of blocks around the line.
    pub fn depth(self) -> usize {
        self.open.len()
    }
}

/// How to read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `-e`: every problem of an include is an error.
    pub check_includes: bool,
    /// Lines after which reading stops with an error.
    pub max_lines: u64,
    /// Memory that a top-level block may take, bytes; one that takes more ends reading with an error.
    pub max_block_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { check_includes: false, max_lines: MAX_LINES, max_block_bytes: MAX_BLOCK_BYTES }
    }
}

/// Reads a configuration: `next_block` until `None`, then `diagnostics` holds what is wrong with the text.
///
/// Work and memory are proportional to the largest top-level block, besides the files' own bytes.
pub struct Reader<'s> {
    input: Input<'s>,
    grammar: &'s dyn Grammar,
    max_block_bytes: usize,
    line: LogicalLine,
    pieces: Pieces,
    building: Block,
    /// Nodes of `building` whose block is open.
    open: Vec<u32>,
    /// The line that a `{` would belong to.
    last: Option<u32>,
    /// The `}` of the last top-level block.
    closed: Option<Span>,
    ready: VecDeque<Block>,
    spare: Vec<Block>,
    finished: bool,
}

impl<'s> Reader<'s> {
    /// Opens the main file. What is wrong with it is reported with the first block.
    pub fn new(source: &'s dyn Source, path: &Path, options: Options, grammar: &'s dyn Grammar) -> Self {
        Reader {
            input: Input::new(source, path, options),
            grammar,
            max_block_bytes: options.max_block_bytes,
            line: LogicalLine::default(),
            pieces: Pieces::default(),
            building: Block::default(),
            open: Vec::new(),
            last: None,
            closed: None,
            ready: VecDeque::new(),
            spare: Vec::new(),
            finished: false,
        }
    }

    /// The next top-level line or block; `None` at the end.
    pub fn next_block(&mut self, diagnostics: &mut Diagnostics) -> Option<Block> {
        loop {
            if let Some(block) = self.ready.pop_front() {
                return Some(block);
            }
            if self.finished {
                return None;
            }
            self.step(diagnostics);
        }
    }

    /// Goes on by one piece of a line: a line may hold any number of blocks, which are handed out as they are
    /// completed.
    fn step(&mut self, diagnostics: &mut Diagnostics) {
        let mut line = std::mem::take(&mut self.line);
        match self.pieces.next(&line.text) {
            Some(piece) => self.take_up(&line, piece, diagnostics),
            None => {
                self.pieces.restart();
                if !self.input.next_line(&mut line, diagnostics) {
                    line.clear();
                    self.finish(diagnostics);
                }
            }
        }
        self.line = line;
    }

    /// Takes a block back, so that the next one needs no allocation.
    pub fn recycle(&mut self, mut block: Block) {
        if self.spare.len() < 4 {
            block.clear();
            self.spare.push(block);
        }
    }

    /// The files and origins met so far.
    pub fn sources(&self) -> &SourceMap {
        self.input.sources()
    }

    /// The files and origins, for diagnostics after reading.
    pub fn into_sources(self) -> SourceMap {
        self.input.into_sources()
    }

    fn take_up(&mut self, line: &LogicalLine, piece: Piece, diagnostics: &mut Diagnostics) {
        match piece {
            Piece::Open(at) => self.open_brace(line, at, diagnostics),
            Piece::Close(at) => self.close_brace(line.span(at, 1), diagnostics),
            Piece::Line(text) => {
                if let Some(at) = self.pieces.unterminated {
                    let message = "the double quote is never closed";
                    diagnostics.push(
                        Diagnostic::new(Code::UnterminatedQuote, line.span(at, 1), message)
                            .expected("a closing '\"' on the same line")
                            .found("the end of the line"),
                    );
                }
                self.settle(diagnostics);
                self.make_room();
                let number = line.copy_to(&mut self.building, text, &self.pieces.words);
                self.last = Some(number);
                self.obey(number);
                self.check_size(line, diagnostics);
            }
        }
    }

    /// Some settings change how the lines after them are read.
    fn obey(&mut self, number: u32) {
        if self.open.len() != 1 {
            return;
        }
        let Some(node) = self.building.node(number) else { return };
        let enclosing = Enclosing { block: &self.building, open: &self.open };
        match self.grammar.directive(enclosing, node) {
            Some(Directive::IncludeCheck) => {
                self.input.set_include_check(node.arguments().map(|word| word.bytes()));
            }
            Some(Directive::RandomSeed) => {
                let seed = node.argument(0).and_then(|word| word.as_str()?.parse().ok());
                seed.into_iter().for_each(|seed| self.input.set_random_seed(seed));
            }
            None => {}
        }
    }

    fn open_brace(&mut self, line: &LogicalLine, at: usize, diagnostics: &mut Diagnostics) {
        let span = line.span(at, 1);
        let number = match self.last.take() {
            Some(number) => number,
            None => {
                diagnostics.push(
                    Diagnostic::new(Code::UnexpectedBrace, span, "this '{' follows no keyword")
                        .expected("the keyword of a block before it"),
                );
                self.make_room();
                line.copy_to(&mut self.building, at..at, &[])
            }
        };
        if self.open.len() >= MAX_BLOCK_DEPTH {
            diagnostics.push(Diagnostic::new(
                Code::BlocksTooDeep,
                span,
                format!("blocks are nested more than {MAX_BLOCK_DEPTH} deep"),
            ));
            self.input.stop();
            return;
        }
        self.building.open(number, span);
        self.open.push(number);
    }

    fn close_brace(&mut self, span: Span, diagnostics: &mut Diagnostics) {
        self.settle(diagnostics);
        match self.open.pop() {
            Some(number) => {
                self.building.close(number, span);
                if self.open.is_empty() {
                    self.closed = Some(span);
                }
            }
            None => {
                let mut diagnostic = Diagnostic::new(Code::SurplusBrace, span, "this '}' closes nothing")
                    .hint("remove it, or look above for a block that is closed too early");
                if let Some(closed) = self.closed {
                    diagnostic = diagnostic.label(closed, "the outermost block is closed here already");
                }
                diagnostics.push(diagnostic);
            }
        }
    }

    /// The line read last gets no `{` any more.
    fn settle(&mut self, diagnostics: &mut Diagnostics) {
        let Some(number) = self.last.take() else { return };
        let Some(node) = self.building.node(number) else { return };
        let enclosing = Enclosing { block: &self.building, open: &self.open };
        if !self.grammar.needs_block(enclosing, node) {
            return;
        }
        let span = node.span();
        let open = Span { offset: span.end(), length: 0, ..span };
        let keyword = node.keyword().display().into_owned();
        diagnostics.push(
            Diagnostic::new(Code::MissingOpenBrace, span, format!("'{keyword}' begins a block without '{{'"))
                .expected("'{' on this line or the next")
                .fix(open, " {", "insert '{'"),
        );
        if self.open.len() < MAX_BLOCK_DEPTH {
            self.building.open(number, open);
            self.open.push(number);
        }
    }

    /// Hands the block over when it is complete and another line follows.
    fn make_room(&mut self) {
        if self.open.is_empty() && !self.building.is_empty() {
            let next = self.spare.pop().unwrap_or_default();
            self.ready.push_back(std::mem::replace(&mut self.building, next));
        }
    }

    fn check_size(&mut self, line: &LogicalLine, diagnostics: &mut Diagnostics) {
        let most = self.max_block_bytes;
        if self.building.size_bytes() > most && !self.input.has_stopped() {
            let message = format!("one block takes more than {} MiB of memory", most >> 20);
            diagnostics.push(Diagnostic::new(Code::TooManyLines, line.whole(), message));
            self.input.stop();
        }
    }

    fn finish(&mut self, diagnostics: &mut Diagnostics) {
        self.finished = true;
        self.settle(diagnostics);
        while let Some(number) = self.open.pop() {
            let Some(node) = self.building.node(number) else { continue };
            let message = match &*node.keyword().display() {
                "" => "this '{' is never closed".to_owned(),
                keyword => format!("the block of '{keyword}' is never closed"),
            };
            let open = node.body().map_or(node.span(), |body| body.open);
            let end = self.input.end();
            diagnostics.push(
                Diagnostic::new(Code::MissingCloseBrace, open, message)
                    .expected("'}'")
                    .found("the end of the configuration"),
            );
            self.building.close(number, end);
        }
        self.make_room();
    }
}

#[cfg(test)]
mod language;
#[cfg(test)]
mod tests;
