//! What lines come from, one inside the other.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::code::Code;
use crate::diagnostic::span::{FileId, OriginKind, SourceMap, Span, Text};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::text::definition::{Definitions, Value};
use crate::text::expand::RestOfLines;
use crate::text::include::Checks;
use crate::text::line::{LogicalLine, Replacement};
use crate::text::sequence::Passes;
use crate::text::token::{Marks, first_line};

/// Something lines come from.
pub(crate) enum Frame {
    File(FileFrame),
    /// Files that an include found and that are read one after the other.
    Waiting(WaitingFiles),
    Lines(RestOfLines),
    Sequence(SequenceFrame),
}

pub(crate) struct FileFrame {
    pub(crate) file: FileId,
    pub(crate) text: Text,
    pub(crate) next: usize,
    /// To tell whether the file is being read already.
    pub(crate) path: PathBuf,
    pub(crate) directory: PathBuf,
    /// What holds again when the file ends.
    pub(crate) checks_before: Checks,
}

pub(crate) struct WaitingFiles {
    pub(crate) paths: VecDeque<PathBuf>,
    pub(crate) included: Option<Span>,
    /// Their names do not depend on where the reading started.
    pub(crate) absolute: bool,
    pub(crate) checks: Checks,
}

pub(crate) struct SequenceFrame {
    pub(crate) passes: Passes,
    pub(crate) text: LogicalLine,
    pub(crate) at: Span,
}

/// The stack of frames; the innermost is read.
#[derive(Default)]
pub(crate) struct Frames(Vec<Frame>);

impl Frames {
    pub(crate) fn push(&mut self, frame: Frame) {
        self.0.push(frame);
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }

    /// Leaves frames until so many are left.
    pub(crate) fn truncate(&mut self, depth: usize) {
        self.0.truncate(depth);
    }

    pub(crate) fn innermost(&self) -> Option<&Frame> {
        self.0.last()
    }

    pub(crate) fn innermost_mut(&mut self) -> Option<&mut Frame> {
        self.0.last_mut()
    }

    /// The files that are being read, the main one first.
    pub(crate) fn files(&self) -> impl DoubleEndedIterator<Item = &FileFrame> + Clone {
        self.0.iter().filter_map(|frame| match frame {
            Frame::File(file) => Some(file),
            Frame::Lines(_) | Frame::Waiting(_) | Frame::Sequence(_) => None,
        })
    }

    /// The definitions of several lines that are being read.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &RestOfLines> + Clone {
        self.0.iter().filter_map(|frame| match frame {
            Frame::Lines(rest) => Some(rest),
            Frame::File(_) | Frame::Waiting(_) | Frame::Sequence(_) => None,
        })
    }

    /// How many sequences are inside one another.
    pub(crate) fn sequences(&self) -> usize {
        self.0.iter().filter(|frame| matches!(frame, Frame::Sequence(_))).count()
    }

    /// The file that is read.
    pub(crate) fn innermost_file(&self) -> Option<&FileFrame> {
        self.files().next_back()
    }

    /// Where it stands: what it includes is looked for from there.
    pub(crate) fn directory(&self) -> &Path {
        self.innermost_file().map_or(Path::new("/"), |file| &file.directory)
    }
}

impl FileFrame {
    /// The next physical line with its place, without its line end, and what is in it.
    pub(crate) fn physical(&mut self) -> Option<(usize, &[u8], Marks)> {
        let rest = self.text.get(self.next..).filter(|rest| !rest.is_empty())?;
        let start = self.next;
        let (length, marks) = first_line(rest);
        self.next += length + 1;
        Some((start, rest.get(..length)?, marks))
    }

    /// Takes the next line. `false` at the end.
    pub(crate) fn read(&mut self, line: &mut LogicalLine, diagnostics: &mut Diagnostics) -> bool {
        let file = self.file;
        let Some((start, physical, marks)) = self.physical() else { return false };
        if marks.has_nul() {
            let span = Span::new(file, start, physical.len());
            diagnostics.push(Diagnostic::new(Code::EmbeddedNul, span, "the line holds a NUL byte"));
            line.clear();
        } else {
            line.read(physical, marks, file, start);
        }
        true
    }
}

impl SequenceFrame {
    /// Takes the text of the next pass, with the counters of that pass defined. `false` after the last.
    pub(crate) fn read(
        &mut self,
        line: &mut LogicalLine,
        definitions: &mut Definitions,
        sources: &mut SourceMap,
    ) -> bool {
        let Some(values) = self.passes.next() else { return false };
        for (place, name) in self.passes.names.iter().enumerate() {
            let text = values.get(place).cloned().unwrap_or_else(|| Arc::from(""));
            let kind = OriginKind::Sequence { name: Arc::clone(name), value: Arc::clone(&text) };
            let kind = sources.add_kind(kind);
            definitions.set(Arc::clone(name), kind, Value::Counter { text, at: self.at.without_origin() });
        }
        line.clear();
        line.append(&self.text, 0..self.text.text.len());
        true
    }
}

/// Takes the next line of a multi-line definition, put where the definition is used. `false` at its end.
pub(crate) fn read_definition(
    rest: &mut RestOfLines,
    line: &mut LogicalLine,
    sources: &mut SourceMap,
) -> bool {
    let Some(next) = rest.lines.get(rest.next) else { return false };
    rest.next += 1;
    let origin = sources.add_origin(rest.kind, Some(next.whole()), rest.used.origin);
    line.clear();
    line.append_words(next, 0..next.text.len(), Replacement { used: rest.used, origin }, sources);
    true
}
