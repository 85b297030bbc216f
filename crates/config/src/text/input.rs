//! Lines as the tree wants them: comments off, conditions decided, variables, sequences and includes resolved.

mod frames;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::definition::{Definitions, Random, Value, definition_head};
use super::expand::{Expander, RestOfLines};
use super::include::{Checks, Directive};
use super::line::LogicalLine;
use super::reader::Options;
use super::sequence::Refused;
use super::source::{Source, Unreadable};
use super::{include, sequence};
use crate::diagnostic::code::{Code, Severity};
use crate::diagnostic::span::{KindId, OriginKind, SourceMap, Span, Text};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::limits::{
    MAX_EXPANDED_BYTES, MAX_EXPANDED_LINES, MAX_EXPANSION_DEPTH, MAX_INCLUDE_DEPTH, MAX_SEQUENCE_DEPTH,
};

use self::frames::{FileFrame, Frame, Frames, SequenceFrame, WaitingFiles, read_definition};

/// What became of a line.
enum Outcome {
    Line,
    Consumed,
}

/// Produces the lines of a configuration, one at a time.
pub(crate) struct Input<'s> {
    source: &'s dyn Source,
    options: Options,
    sources: SourceMap,
    /// What was read already, by path, so that one configuration sees one version of a file.
    texts: BTreeMap<PathBuf, Text>,
    definitions: Definitions,
    random: Random,
    built_ins: BTreeMap<String, KindId>,
    checks: Checks,
    config_id: Option<Vec<u8>>,
    frames: Frames,
    /// What could not be reported when the main file was opened.
    pending: Vec<Diagnostic>,
    end: Span,
    lines: u64,
    expanded_lines: u64,
    expanded_bytes: u64,
    /// The main file was named from the root.
    absolute: bool,
}

impl<'s> Input<'s> {
    pub(crate) fn new(source: &'s dyn Source, pattern: &Path, options: Options) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let mut input = Input {
            source,
            options,
            sources: SourceMap::new(),
            texts: BTreeMap::new(),
            definitions: Definitions::default(),
            random: Random(source.random_seed()),
            built_ins: BTreeMap::new(),
            checks: if options.check_includes { Checks::ALL } else { Checks::default() },
            config_id: source.config_id(),
            frames: Frames::default(),
            pending: Vec::new(),
            end: Span::default(),
            lines: 0,
            expanded_lines: 0,
            expanded_bytes: 0,
            absolute: pattern.is_absolute(),
        };
        let directory = source.current_directory();
        let found = include::find(source, &directory, pattern.as_os_str().as_bytes());
        let (name, first) = match found.paths.as_slice() {
            [] => (pattern.to_owned(), directory.join(pattern)),
            [first] if !found.has_wildcard && !found.has_braces => (pattern.to_owned(), first.clone()),
            [first, ..] => (input.name_of(first, input.absolute), first.clone()),
        };
        if found.paths.len() > 1 {
            let names: Vec<_> = found.paths.iter().map(|path| path.display().to_string()).collect();
            let message = format!("'{}' names {} files", pattern.display(), names.len());
            input.pending.push(Diagnostic::nowhere(Code::SeveralMainFiles, message).note(names.join(", ")));
        }
        let mut others: VecDeque<PathBuf> = found.paths.into();
        others.pop_front();
        let checks = input.checks;
        let absolute = input.absolute;
        input.frames.push(Frame::Waiting(WaitingFiles { paths: others, included: None, absolute, checks }));
        match source.read(&first) {
            Ok(text) => input.enter(name, first, Arc::new(text), None),
            Err(why) => {
                let code =
                    if why == Unreadable::TooLarge { Code::FileTooLarge } else { Code::UnreadableFile };
                let message = format!("configuration file '{}' {why}", name.display());
                input.pending.push(Diagnostic::nowhere(code, message));
            }
        }
        input
    }

    fn enter(&mut self, name: PathBuf, path: PathBuf, text: Text, included: Option<Span>) {
        let Some(file) = self.sources.add(name, Arc::clone(&text), included) else { return self.stop() };
        self.texts.entry(path.clone()).or_insert_with(|| Arc::clone(&text));
        let directory = path.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        let path = include::normalized(&path);
        let checks_before = self.checks;
        self.frames.push(Frame::File(FileFrame { file, text, next: 0, path, directory, checks_before }));
    }

    /// Reads the next line that is not blank. `false` at the end.
    pub(crate) fn next_line(&mut self, line: &mut LogicalLine, diagnostics: &mut Diagnostics) -> bool {
        self.pending.drain(..).for_each(|diagnostic| diagnostics.push(diagnostic));
        while self.pull(line, diagnostics) {
            if line.text.is_empty() {
                continue;
            }
            if self.is_plain(line) {
                return true;
            }
            if let Outcome::Line = self.resolve(line, diagnostics) {
                return true;
            }
        }
        false
    }

    /// Nothing in the line asks for more than words.
    fn is_plain(&self, line: &LogicalLine) -> bool {
        !matches!(line.text.first(), Some(b'@' | b'$' | b'~'))
            && (line.without_references || !line.text.contains(&b'$'))
            && !line.text.starts_with(b"include")
    }

    /// Takes the next line from where lines come from. It may be empty. `false` at the end.
    fn pull(&mut self, line: &mut LogicalLine, diagnostics: &mut Diagnostics) -> bool {
        loop {
            let Some(frame) = self.frames.innermost_mut() else { return false };
            let found = match frame {
                Frame::File(frame) => {
                    let found = frame.read(line, diagnostics);
                    if !found {
                        self.end = Span::new(frame.file, frame.text.len(), 0);
                        self.checks = frame.checks_before;
                    }
                    found
                }
                Frame::Waiting(waiting) => match waiting.paths.pop_front() {
                    Some(path) => {
                        let (included, checks, absolute) =
                            (waiting.included, waiting.checks, waiting.absolute);
                        let name = self.name_of(&path, absolute);
                        self.open(name, path, included, checks, diagnostics);
                        continue;
                    }
                    None => false,
                },
                Frame::Lines(rest) => read_definition(rest, line, &mut self.sources),
                Frame::Sequence(frame) => frame.read(line, &mut self.definitions, &mut self.sources),
            };
            if !found {
                self.frames.pop();
                continue;
            }
            if !matches!(self.frames.innermost(), Some(Frame::File(_))) {
                self.expanded_lines += 1;
                self.expanded_bytes = self.expanded_bytes.saturating_add(bytes(line));
            }
            self.lines += 1;
            if let Some(message) = self.growth() {
                diagnostics.push(Diagnostic::new(Code::TooManyLines, line.whole(), message));
                self.stop();
                return false;
            }
            return true;
        }
    }

    /// What the configuration has grown beyond.
    fn growth(&self) -> Option<String> {
        if self.lines > self.options.max_lines {
            return Some(format!("the configuration has more than {} lines", self.options.max_lines));
        }
        if self.expanded_lines > MAX_EXPANDED_LINES {
            return Some(format!("definitions and sequences make more than {MAX_EXPANDED_LINES} lines"));
        }
        let too_long = self.expanded_bytes > MAX_EXPANDED_BYTES;
        too_long.then(|| {
            format!("definitions and sequences make more than {} MiB of text", MAX_EXPANDED_BYTES >> 20)
        })
    }

    /// Decides conditions, takes up definitions, replaces variables, enters sequences and includes.
    fn resolve(&mut self, line: &mut LogicalLine, diagnostics: &mut Diagnostics) -> Outcome {
        if line.text.first() == Some(&b'@') && !self.keep_conditional(line) {
            return Outcome::Consumed;
        }
        if let Some((name, value)) = definition_head(&line.text) {
            let name = Arc::from(name);
            self.define(name, value, line, diagnostics);
            return Outcome::Consumed;
        }
        if line.text.first() == Some(&b'~') {
            self.enter_sequence(line, diagnostics);
            return Outcome::Consumed;
        }
        if line.text.contains(&b'$') && self.replace(line, diagnostics) {
            self.enter_sequence(line, diagnostics);
            return Outcome::Consumed;
        }
        if let Some(directive) = include::directive(&line.text) {
            self.include(line, directive, diagnostics);
            return Outcome::Consumed;
        }
        if line.text.is_empty() { Outcome::Consumed } else { Outcome::Line }
    }

    /// `@ID text`: whether the text counts; the condition is taken off.
    fn keep_conditional(&self, line: &mut LogicalLine) -> bool {
        let end = line.text.iter().position(|byte| super::token::is_blank(*byte)).unwrap_or(line.text.len());
        let condition = line.text.get(1..end).unwrap_or_default();
        let (differs, id) = match condition.strip_prefix(b"^") {
            Some(id) => (true, id),
            None => (false, condition),
        };
        let same = self.config_id.as_deref() == Some(id);
        line.remove_front(end);
        same != differs && !line.text.is_empty()
    }

    /// `$NAME=VALUE`, with the lines that belong to it.
    fn define(&mut self, name: Arc<str>, value: usize, line: &LogicalLine, diagnostics: &mut Diagnostics) {
        let mut first = LogicalLine::default();
        first.append(line, value..line.text.len());
        let kind = self.sources.add_kind(OriginKind::Variable(Arc::clone(&name)));
        if first.text.last() != Some(&b'\\') {
            self.definitions.set(name, kind, Value::Line(Arc::new(first)));
            return;
        }
        let mut lines = Vec::new();
        let mut next = first;
        loop {
            let continues = next.text.last() == Some(&b'\\');
            if continues {
                next.truncate(next.text.len() - 1);
            }
            if !next.text.is_empty() {
                self.expanded_bytes = self.expanded_bytes.saturating_add(bytes(&next));
                lines.push(next);
            }
            if !continues {
                break;
            }
            match self.continuation() {
                Some(following) => next = following,
                None => {
                    let message = format!("the definition of '${name}' has no end");
                    diagnostics.push(Diagnostic::new(Code::UnterminatedDefinition, line.whole(), message));
                    break;
                }
            }
        }
        self.definitions.set(name, kind, Value::Lines(Arc::from(lines)));
    }

    /// The next line of a multi-line definition: from the same place as its first. A line that holds only a
    /// comment does not end the definition, a blank one does. `None` at the end of the file.
    fn continuation(&mut self) -> Option<LogicalLine> {
        let mut line = LogicalLine::default();
        match self.frames.innermost_mut()? {
            Frame::File(frame) => loop {
                let file = frame.file;
                let (start, physical, marks) = frame.physical()?;
                line.read(physical, marks, file, start);
                if !line.text.is_empty() || super::token::trimmed(physical).is_empty() {
                    return Some(line);
                }
            },
            Frame::Lines(rest) => read_definition(rest, &mut line, &mut self.sources).then_some(line),
            Frame::Sequence(_) | Frame::Waiting(_) => None,
        }
    }

    /// Replaces the variables. `true`: the line is a sequence now.
    fn replace(&mut self, line: &mut LogicalLine, diagnostics: &mut Diagnostics) -> bool {
        let expanded = Expander {
            source: self.source,
            definitions: &self.definitions,
            sources: &mut self.sources,
            random: &mut self.random,
            built_ins: &mut self.built_ins,
            directory: self.frames.directory(),
            diagnostics,
            replaced: 0,
            active: Vec::new(),
            stopped: false,
        }
        .expand(line);
        self.expanded_bytes = self.expanded_bytes.saturating_add(bytes(&expanded.line));
        *line = expanded.line;
        let sources = &self.sources;
        line.cut_comment(|origin| {
            let is_sign = |name: &str| matches!(name, "_HASH" | "_BANG");
            sources
                .origin(origin)
                .is_some_and(|origin| matches!(origin.kind, OriginKind::BuiltIn(name) if is_sign(name)))
        });
        for rest in expanded.rest {
            self.enter_lines(rest, diagnostics);
        }
        line.text.first() == Some(&b'~')
    }

    fn enter_lines(&mut self, rest: RestOfLines, diagnostics: &mut Diagnostics) {
        let active = self.frames.definitions();
        let recursive = active.clone().any(|active| Arc::ptr_eq(&active.lines, &rest.lines));
        if recursive || active.count() >= MAX_EXPANSION_DEPTH {
            let message = format!("the lines of '${}' lead back to it", rest.name);
            let mut diagnostic = Diagnostic::new(Code::ExpansionLoop, rest.used, message);
            if let Some(first) = rest.lines.first() {
                diagnostic = diagnostic.label(first.whole(), "defined here");
            }
            diagnostics.push(diagnostic);
            return;
        }
        self.frames.push(Frame::Lines(rest));
    }

    fn enter_sequence(&mut self, line: &LogicalLine, diagnostics: &mut Diagnostics) {
        if self.frames.sequences() >= MAX_SEQUENCE_DEPTH {
            let message = format!("more than {MAX_SEQUENCE_DEPTH} sequences inside one another");
            diagnostics.push(Diagnostic::new(Code::SequencesTooDeep, line.whole(), message));
            return self.stop();
        }
        let report = |refused: Refused, span: Span, diagnostics: &mut Diagnostics| {
            diagnostics.push(Diagnostic::new(refused.code, span, refused.message).expected(refused.expected));
        };
        let head = match sequence::head(&line.text) {
            Ok(head) => head,
            Err(refused) => return report(refused, line.whole(), diagnostics),
        };
        let mut items = LogicalLine::default();
        items.append(line, head.items.clone());
        let at = line.span(0, head.items.end + 1);
        if items.text.contains(&b'$') {
            let depth = self.frames.depth();
            self.replace(&mut items, diagnostics);
            if self.frames.depth() > depth {
                self.frames.truncate(depth);
                let message = "the items of a sequence cannot come from a definition of several lines";
                diagnostics.push(Diagnostic::new(Code::MultiLineInside, at, message));
                return;
            }
        }
        match sequence::passes(head.form, &items.text) {
            Ok(passes) => {
                let mut text = LogicalLine::default();
                text.append(line, head.text..line.text.len());
                self.frames.push(Frame::Sequence(SequenceFrame { passes, text, at }));
            }
            Err(refused) => report(refused, at, diagnostics),
        }
    }

    fn include(&mut self, line: &LogicalLine, directive: Directive, diagnostics: &mut Diagnostics) {
        let pattern = super::token::trimmed(line.from(directive.pattern));
        let span = line.span(directive.pattern + pattern.start, pattern.len());
        let pattern = line.from(directive.pattern).get(pattern).unwrap_or_default();
        if pattern.is_empty() {
            let message = "the include names no file";
            diagnostics.push(
                Diagnostic::new(Code::IncludeWithoutFile, line.whole(), message)
                    .expected("a file or a pattern"),
            );
            return;
        }
        if !directive.known {
            let keyword = String::from_utf8_lossy(line.text.get(..8).unwrap_or_default()).into_owned();
            diagnostics.push(
                Diagnostic::new(
                    Code::UnknownInclude,
                    line.span(0, 8),
                    format!("'{keyword}' is taken as includer"),
                )
                .expected("include, includer, includem, includew, includeb or includea"),
            );
        }
        let checks = directive.checks_over(self.checks);
        let found = include::find(self.source, self.frames.directory(), pattern);
        report_missing(&found, checks, span, diagnostics);
        // What an included file includes is named as that file is.
        let absolute = pattern.starts_with(b"/") || self.is_named_from_root();
        let (paths, included) = (found.paths.into(), Some(span));
        self.frames.push(Frame::Waiting(WaitingFiles { paths, included, absolute, checks }));
    }

    fn open(
        &mut self,
        name: PathBuf,
        path: PathBuf,
        included: Option<Span>,
        checks: Checks,
        diagnostics: &mut Diagnostics,
    ) {
        match self.read_included(&name, &path, included, checks) {
            Ok(text) => self.enter(name, path, text, included),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }

    /// The name people know the file by: relative to where they started, unless they named it from the root.
    fn name_of(&self, path: &Path, absolute: bool) -> PathBuf {
        if absolute {
            return path.to_owned();
        }
        path.strip_prefix(self.source.current_directory()).unwrap_or(path).to_owned()
    }

    /// Whether the file that is read was.
    fn is_named_from_root(&self) -> bool {
        let file = self.frames.innermost_file().and_then(|frame| self.sources.file(frame.file));
        file.is_some_and(|file| file.path().is_absolute())
    }

    fn read_included(
        &self,
        name: &Path,
        path: &Path,
        included: Option<Span>,
        checks: Checks,
    ) -> Result<Text, Box<Diagnostic>> {
        let report = |code: Code, message: String| {
            Box::new(Diagnostic { primary: included, ..Diagnostic::nowhere(code, message) })
        };
        let normal = include::normalized(path);
        let files = self.frames.files();
        let shown = name.display();
        if files.clone().any(|file| file.path == normal) {
            let message = format!("'{shown}' is being read already");
            return Err(report(Code::IncludeLoop, message));
        }
        if files.count() >= MAX_INCLUDE_DEPTH {
            let message = format!("'{shown}' is more than {MAX_INCLUDE_DEPTH} files deep");
            return Err(report(Code::IncludesTooDeep, message));
        }
        if let Some(text) = self.texts.get(path) {
            return Ok(Arc::clone(text));
        }
        self.source.read(path).map(Arc::new).map_err(|why| {
            let code = if checks.readable { Code::IncludeUnreadable } else { Code::IncludeIgnored };
            report(code, format!("'{shown}' {why}"))
        })
    }

    /// `include_check` in `global_defs`: holds until the end of the file it stands in.
    pub(crate) fn set_include_check<'w>(&mut self, words: impl Iterator<Item = &'w [u8]>) {
        if !self.options.check_includes {
            self.checks = self.checks.set(words);
        }
    }

    /// `random_seed` in `global_defs`.
    pub(crate) fn set_random_seed(&mut self, seed: u64) {
        self.random = Random(seed);
    }

    /// Reads no further.
    pub(crate) fn stop(&mut self) {
        self.frames.clear();
    }

    /// Whether no line follows.
    pub(crate) fn has_stopped(&self) -> bool {
        self.frames.is_empty()
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

fn report_missing(found: &include::Found, checks: Checks, span: Span, diagnostics: &mut Diagnostics) {
    if found.paths.is_empty() {
        let (strict, code) = match found.has_wildcard {
            true => (checks.wildcard, Code::IncludeNoMatch),
            false => (checks.plain, Code::IncludeMissing),
        };
        let message = "the include finds no file";
        if strict {
            diagnostics.push(Diagnostic::new(code, span, message));
            return;
        }
        // An empty conf.d is how many configurations start.
        let severity = if found.has_wildcard { Severity::Note } else { Severity::Warning };
        diagnostics.push(Diagnostic::new(Code::IncludeIgnored, span, message).severity(severity));
        if !checks.brace {
            return;
        }
    }
    for missing in found.without_match.iter().filter(|_| found.has_braces) {
        let message = format!("'{}' matches nothing", String::from_utf8_lossy(missing));
        diagnostics.push(match checks.brace {
            true => Diagnostic::new(Code::IncludeAlternativeMissing, span, message),
            false => Diagnostic::new(Code::IncludeIgnored, span, message)
                .severity(if include::is_wildcard(missing) { Severity::Note } else { Severity::Warning }),
        });
    }
}

fn bytes(line: &LogicalLine) -> u64 {
    u64::try_from(line.text.len()).unwrap_or(u64::MAX)
}
