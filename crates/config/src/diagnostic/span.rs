//! Where text stands: files, spans, and the origins of text that came out of a variable or sequence.
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::line_index::LineIndex;
use crate::limits::{MAX_FILES, MAX_ORIGINS};

pub use super::line_index::Position;

/// The bytes of a file, shared between the reader and the diagnostics.
pub type Text = Arc<Vec<u8>>;

/// A file that was read, counted from 0 (the main file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

impl FileId {
    /// Position in the order in which files were opened.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// Names the expansion a piece of text came out of; [`OriginId::NONE`] for text as it stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginId(u32);

impl OriginId {
    /// Not expanded: the text stands in the file as the span says.
    pub const NONE: OriginId = OriginId(0);

    /// Whether the text came out of no expansion.
    pub fn is_none(self) -> bool {
        self == OriginId::NONE
    }
}

/// A stretch of a file, in bytes. For expanded text: the place where it was used, with `origin` telling
/// where it came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte, from 0.
    pub offset: u32,
    /// Number of bytes.
    pub length: u32,
    /// The expansion that produced the text.
    pub origin: OriginId,
}

impl Span {
    /// A span over text as it stands in `file`.
    pub fn new(file: FileId, offset: usize, length: usize) -> Self {
        Span { file, offset: narrow(offset), length: narrow(length), origin: OriginId::NONE }
    }

    /// First byte past the span.
    pub fn end(self) -> u32 {
        self.offset.saturating_add(self.length)
    }

    /// The shortest span that holds both; of two files, `self`.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        let offset = self.offset.min(other.offset);
        let end = self.end().max(other.end());
        let origin = if self.origin.is_none() { other.origin } else { self.origin };
        Span { file: self.file, offset, length: end - offset, origin }
    }

    /// Where it begins.
    #[must_use]
    pub(crate) fn start(self) -> Span {
        Span { length: 0, ..self }
    }

    /// The same place without its origin.
    #[must_use]
    pub fn without_origin(self) -> Span {
        Span { origin: OriginId::NONE, ..self }
    }
}

/// Offsets are bounded by [`crate::limits::MAX_FILE_BYTES`] when a file is read.
pub(crate) fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// What an expansion was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginKind {
    /// `$NAME`, defined in the file at [`Origin::text`].
    Variable(Arc<str>),
    /// A built-in such as `_ENV`: its text stands in no file.
    BuiltIn(Arc<str>),
    /// The variable of a `~SEQ` or `~LST`, with the value it had.
    Sequence {
        /// The variable.
        name: Arc<str>,
        /// Its value in this pass.
        value: Arc<str>,
    },
}

/// One expansion: what was replaced, and where the replacement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin<'m> {
    /// What was replaced.
    pub kind: &'m OriginKind,
    /// Where the text stands: the value of the definition, the item of the sequence. `None` for built-ins.
    pub text: Option<Span>,
    /// The expansion this one took place in.
    pub parent: OriginId,
}

/// Names an [`OriginKind`] of a [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KindId(u32);

/// An [`Origin`] as it is kept: a configuration has one for each use of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OriginRecord {
    kind: KindId,
    file: FileId,
    offset: u32,
    /// [`NO_TEXT`] when the text stands nowhere.
    length: u32,
    parent: OriginId,
}

const NO_TEXT: u32 = u32::MAX;

/// Places that remember the latest origins, so that using a variable in line after line keeps one.
const RECENT_ORIGINS: usize = 1024;

/// One file of the configuration.
#[derive(Debug)]
pub struct SourceFile {
    path: PathBuf,
    text: Text,
    included: Option<Span>,
    /// Made when a place is asked for.
    index: OnceLock<LineIndex>,
}

impl SourceFile {
    /// The name it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// The `include` that opened it; `None` for the main file.
    pub fn included(&self) -> Option<Span> {
        self.included
    }

    fn index(&self) -> &LineIndex {
        self.index.get_or_init(|| LineIndex::of(&self.text))
    }
}

/// What a password or key is shown as, however long it is.
const MASK: &[u8] = b"********";

/// All files and origins of one configuration; turns spans into text, lines and columns.
#[derive(Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    origins: Vec<OriginRecord>,
    kinds: Vec<OriginKind>,
    recent: Vec<OriginId>,
    /// Passwords and keys, in order.
    secrets: Vec<Span>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a file. `None` when [`MAX_FILES`] are open already.
    pub fn add(&mut self, path: PathBuf, text: Text, included: Option<Span>) -> Option<FileId> {
        if self.files.len() >= MAX_FILES {
            return None;
        }
        let id = FileId(narrow(self.files.len()));
        self.files.push(SourceFile { path, text, included, index: OnceLock::new() });
        Some(id)
    }

    /// From now on these are not shown, nor the values of the variables they come from.
    pub(crate) fn hide(&mut self, secrets: Vec<Span>) {
        let definitions = |secret: &Span| -> Vec<Span> {
            let values = self.origin_chain(secret.origin).filter_map(|origin| match origin.kind {
                OriginKind::Variable(_) => origin.text,
                OriginKind::BuiltIn(_) | OriginKind::Sequence { .. } => None,
            });
            values.collect()
        };
        let values: Vec<Span> = secrets.iter().flat_map(definitions).collect();
        self.secrets.extend(secrets.into_iter().chain(values).map(Span::without_origin));
        self.secrets.sort_unstable();
        self.secrets.dedup();
    }

    /// A stretch of a file with [`MASK`] in place of each password or key in it.
    pub(crate) fn without_secrets(&self, file: FileId, range: std::ops::Range<usize>) -> Option<Vec<u8>> {
        let text = self.file(file)?.text().get(..range.end)?;
        let mut shown = Vec::with_capacity(range.len());
        let mut next = range.start;
        for secret in self.secrets.iter().filter(|secret| secret.file == file) {
            let (from, to) = (index(secret.offset).max(next), index(secret.end()).min(range.end));
            if from < to {
                shown.extend_from_slice(text.get(next..from)?);
                shown.extend_from_slice(MASK);
                next = to;
            }
        }
        shown.extend_from_slice(text.get(next..)?);
        Some(shown)
    }

    /// The stretch up to the first password or key in it: its end would tell how long that is.
    pub(crate) fn up_to_secret(&self, span: Span) -> Span {
        let touches = |secret: &&Span| {
            secret.file == span.file && secret.offset < span.end() && span.offset < secret.end()
        };
        match self.secrets.iter().find(touches) {
            Some(secret) => Span { length: secret.offset.saturating_sub(span.offset), ..span },
            None => span,
        }
    }

    /// The files in the order in which they were opened.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// One file.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.index())
    }

    /// Takes up what text may come out of.
    pub(crate) fn add_kind(&mut self, kind: OriginKind) -> KindId {
        if self.kinds.len() >= MAX_ORIGINS {
            return KindId(u32::MAX);
        }
        self.kinds.push(kind);
        KindId(narrow(self.kinds.len() - 1))
    }

    /// Remembers an expansion; [`OriginId::NONE`] beyond [`MAX_ORIGINS`].
    pub(crate) fn add_origin(&mut self, kind: KindId, text: Option<Span>, parent: OriginId) -> OriginId {
        let span = text.unwrap_or_default();
        let length = text.map_or(NO_TEXT, |span| span.length);
        let record = OriginRecord { kind, file: span.file, offset: span.offset, length, parent };
        // A line and its first word begin at the same place.
        let mixed = [parent.0, span.length, span.offset]
            .into_iter()
            .fold(kind.0, |mixed, next| mixed.wrapping_mul(31).wrapping_add(next));
        let slot = index(mixed) % RECENT_ORIGINS;
        self.recent.resize(RECENT_ORIGINS, OriginId::NONE);
        let Some(recent) = self.recent.get_mut(slot) else { return OriginId::NONE };
        let known = recent.0.checked_sub(1).and_then(|before| self.origins.get(index(before)));
        if known == Some(&record) {
            return *recent;
        }
        if self.origins.len() >= MAX_ORIGINS {
            return OriginId::NONE;
        }
        self.origins.push(record);
        *recent = OriginId(narrow(self.origins.len()));
        *recent
    }

    /// The same expansion, of a part of its text.
    pub(crate) fn narrowed(&mut self, origin: OriginId, text: Span) -> OriginId {
        let known = origin.0.checked_sub(1).and_then(|before| self.origins.get(index(before)));
        let Some(OriginRecord { kind, parent, .. }) = known.copied() else { return origin };
        match self.add_origin(kind, Some(text), parent) {
            OriginId::NONE => origin,
            narrow => narrow,
        }
    }

    /// The expansion of that name.
    pub fn origin(&self, id: OriginId) -> Option<Origin<'_>> {
        let record = self.origins.get(index(id.0.checked_sub(1)?))?;
        let OriginRecord { kind, file, offset, length, parent } = *record;
        let text = (length != NO_TEXT).then_some(Span { file, offset, length, origin: OriginId::NONE });
        Some(Origin { kind: self.kinds.get(index(kind.0))?, text, parent })
    }

    /// The expansions a text went through, innermost first.
    pub fn origin_chain(&self, id: OriginId) -> impl Iterator<Item = Origin<'_>> {
        let mut next = id;
        std::iter::from_fn(move || {
            let origin = self.origin(next)?;
            next = origin.parent;
            Some(origin)
        })
        .take(crate::limits::MAX_EXPANSION_DEPTH)
    }

    /// The `include` lines that led to a file, innermost first.
    pub fn include_chain(&self, file: FileId) -> impl Iterator<Item = Span> {
        let mut next = self.file(file).and_then(SourceFile::included);
        std::iter::from_fn(move || {
            let span = next?;
            next = self.file(span.file).and_then(SourceFile::included);
            Some(span)
        })
        .take(crate::limits::MAX_INCLUDE_DEPTH)
    }

    /// The bytes of a span, as they stand in the file.
    pub fn bytes(&self, span: Span) -> &[u8] {
        let (start, end) = (index(span.offset), index(span.end()));
        self.file(span.file).and_then(|file| file.text.get(start..end)).unwrap_or_default()
    }

    /// The line of a span's first byte, from 1; 1 for a file that is not in the map.
    pub fn line(&self, span: Span) -> u32 {
        self.position(span).line
    }

    /// Line and column of a span's first byte.
    pub fn position(&self, span: Span) -> Position {
        let Some(file) = self.file(span.file) else { return Position { line: 1, column: 1 } };
        file.index().position(&file.text, index(span.offset))
    }

    /// Line and column past a span's last byte.
    pub fn end_position(&self, span: Span) -> Position {
        self.position(Span { offset: span.end(), length: 0, ..span })
    }

    /// The name of a span's file as it was opened.
    pub fn path(&self, span: Span) -> &Path {
        self.file(span.file).map_or(Path::new(""), SourceFile::path)
    }
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let mut map = SourceMap::new();
        let text = Arc::new("a\nä ö x\n".as_bytes().to_vec());
        let file = map.add("k.conf".into(), text, None).unwrap();
        let span = Span::new(file, 8, 1);
        assert_eq!(map.bytes(span), b"x");
        assert_eq!(map.position(span), Position { line: 2, column: 5 });
    }

    #[test]
    fn spans_past_the_end_are_harmless() {
        let mut map = SourceMap::new();
        let file = map.add("k.conf".into(), Arc::new(b"a".to_vec()), None).unwrap();
        assert_eq!(map.bytes(Span::new(file, 100, 4)), b"");
        assert_eq!(map.position(Span::new(file, 100, 4)).line, 1);
    }
}
