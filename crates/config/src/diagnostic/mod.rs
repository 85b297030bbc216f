//! A problem in a configuration, and the sink that collects them.

pub mod code;
pub mod json;
mod line_index;
pub mod mend;
pub mod render;
pub mod span;
pub mod suggest;
use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::code::{Class, Code, Severity};
use crate::diagnostic::span::Span;
use crate::limits::MAX_DIAGNOSTICS;

/// A second place that belongs to a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// A change that would mend the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What to replace; of length 0 to insert.
    pub span: Span,
    /// What to put there.
    pub replacement: String,
    /// The change in words.
    pub title: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable name.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What `-t` counts it as.
    pub class: Class,
    /// The problem in one sentence, with the names of this case.
    pub message: String,
    /// The spot.
    pub primary: Option<Span>,
    /// What belongs there.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// Other places that belong to it.
    pub labels: Vec<Label>,
    /// Further sentences.
    pub notes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
    /// A change that would mend it.
    pub fix: Option<Fix>,
    /// It is of a block as a whole, whose end is shown too.
    pub of_block: bool,
}

impl Diagnostic {
    /// A problem at a place, with severity and class of its code.
    pub fn new(code: Code, primary: Span, message: impl Into<String>) -> Self {
        Self { primary: Some(primary), ..Self::nowhere(code, message) }
    }

    /// A problem that has no place in a file.
    pub fn nowhere(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            class: code.class(),
            message: message.into(),
            primary: None,
            expected: None,
            found: None,
            labels: Vec::new(),
            notes: Vec::new(),
            hint: None,
            fix: None,
            of_block: false,
        }
    }

    /// Another severity than the code's.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Another class than the code's.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// What belongs there, as in "a number from 1 to 255".
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// What is there instead.
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    /// Another place that belongs to it.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// A further sentence.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// A problem of the block as a whole: where it ends is shown too, which is the line that keepalived names.
    #[must_use]
    pub fn of_block(mut self) -> Self {
        self.of_block = true;
        self
    }

    /// What to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A change that would mend it.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>, title: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into(), title: title.into() });
        self
    }

    /// "Did you mean": hint and fix of the marked word, when a candidate is near.
    fn suggesting<'c>(self, word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Self {
        let span = self.primary;
        match (crate::diagnostic::suggest::did_you_mean(word, candidates), span) {
            (Some(near), Some(span)) => self.hint(format!("did you mean '{near}'?")).fix(
                span,
                near,
                format!("replace '{word}' by '{near}'"),
            ),
            _ => self,
        }
    }
}

/// Collects the problems of a configuration.
///
/// Counts and classes are exact whatever happens; texts beyond [`MAX_DIAGNOSTICS`] are not kept, except that
/// an error takes the place of a kept warning, and the one that tells why reading ended that of an error.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    silenced: BTreeSet<Code>,
    counts: BTreeMap<Severity, u64>,
    dropped: u64,
    /// There is room for nothing more, not even for an error in the place of a warning.
    keeps_errors_only: bool,
    classes: BTreeSet<Class>,
    /// What was said of which place: each pass of a sequence would say the same again.
    said: BTreeSet<(Code, Span, String)>,
    secrets: Vec<Span>,
}

impl Diagnostics {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// A sink that passes over warnings and notes of these codes. Errors cannot be silenced.
    pub fn silencing(codes: impl IntoIterator<Item = Code>) -> Self {
        Self { silenced: codes.into_iter().collect(), ..Self::default() }
    }

    /// Keeps a password or key out of the lines that problems are shown with: they end up in logs.
    pub(crate) fn hide(&mut self, secret: Span) {
        self.secrets.push(secret);
    }

    /// Whether that place may not be shown.
    pub(crate) fn hides(&self, span: Span) -> bool {
        let covers = |secret: &Span| {
            secret.file == span.file && secret.offset <= span.offset && span.end() <= secret.end()
        };
        self.secrets.iter().rev().any(covers)
    }

    /// Everything that was to be hidden.
    pub(crate) fn take_secrets(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.secrets)
    }

    /// Takes up a problem.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity < Severity::Error && self.silenced.contains(&diagnostic.code) {
            return;
        }
        if self.is_repetition(&diagnostic) {
            return;
        }
        *self.counts.entry(diagnostic.severity).or_default() += 1;
        self.classes.insert(diagnostic.class);
        if self.kept.len() < MAX_DIAGNOSTICS {
            self.kept.push(diagnostic);
            return;
        }
        self.dropped += 1;
        if diagnostic.severity < Severity::Error {
            return;
        }
        let warning = match self.keeps_errors_only {
            true => None,
            false => self.kept.iter_mut().rev().find(|kept| kept.severity < Severity::Error),
        };
        match warning {
            Some(place) => *place = diagnostic,
            None => {
                self.keeps_errors_only = true;
                if diagnostic.code == Code::TooManyLines
                    && let Some(last) = self.kept.last_mut()
                {
                    *last = diagnostic;
                }
            }
        }
    }

    /// Whether further problems are only counted, so that suggesting what was meant is lost work.
    pub(crate) fn is_full(&self) -> bool {
        self.keeps_errors_only
    }

    /// Takes up a problem with the marked word, and which of the candidates may have been meant.
    pub(crate) fn push_suggesting<'c>(
        &mut self,
        diagnostic: Diagnostic,
        word: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        let shown = self.would_show(&diagnostic);
        self.push(if shown { diagnostic.suggesting(word, candidates) } else { diagnostic });
    }

    /// Whether pushing it would do more than count, so that hints are worth their search.
    pub(crate) fn would_show(&self, diagnostic: &Diagnostic) -> bool {
        let said = || said_of(diagnostic).is_some_and(|said| self.said.contains(&said));
        !self.is_full() && !said()
    }

    /// Whether the same was said of the same place, by another pass of a sequence.
    fn is_repetition(&mut self, diagnostic: &Diagnostic) -> bool {
        let Some(said) = said_of(diagnostic) else { return false };
        if self.said.len() < MAX_DIAGNOSTICS {
            return !self.said.insert(said);
        }
        self.said.contains(&said)
    }

    /// The problems, in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.kept.iter()
    }

    /// How many problems of that severity there are, the dropped ones included.
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts.get(&severity).copied().unwrap_or_default()
    }

    /// How many were counted without being kept.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether there is any error.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// The largest class met, which decides what `-t` exits with.
    pub fn worst_class(&self) -> Option<Class> {
        self.classes.last().copied()
    }

    /// Whether a problem of that class was met.
    pub fn has_class(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }

    /// Orders the problems by file and place; those without a place come last.
    pub fn sort(&mut self) {
        self.kept.sort_by_key(|diagnostic| {
            (diagnostic.primary.is_none(), diagnostic.primary.map(Span::without_origin))
        });
    }
}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Diagnostic;
    type IntoIter = std::slice::Iter<'d, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What is said, and of which place of the file.
fn said_of(diagnostic: &Diagnostic) -> Option<(Code, Span, String)> {
    Some((diagnostic.code, diagnostic.primary?.without_origin(), diagnostic.message.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::span::FileId;

    #[test]
    fn why_reading_ended_is_told_whatever_else_is() {
        let mut sink = Diagnostics::new();
        for _ in 0..MAX_DIAGNOSTICS + 5 {
            sink.push(Diagnostic::nowhere(Code::UnknownKeyword, "x"));
        }
        sink.push(Diagnostic::nowhere(Code::TooManyLines, "the end"));
        assert_eq!(sink.iter().filter(|kept| kept.code == Code::TooManyLines).count(), 1);
        assert_eq!((sink.iter().count(), sink.dropped()), (MAX_DIAGNOSTICS, 6));
    }

    #[test]
    fn errors_are_counted_and_kept_in_a_flood_of_warnings() {
        let mut sink = Diagnostics::new();
        let at = |place: usize| Span::new(FileId::default(), place, 1);
        for place in 0..MAX_DIAGNOSTICS + 5 {
            sink.push(Diagnostic::new(Code::UndefinedVariable, at(place), "w"));
        }
        sink.push(Diagnostic::new(Code::SurplusBrace, at(0), "e"));
        assert_eq!(sink.count(Severity::Error), 1);
        assert_eq!(sink.dropped(), 6);
        assert!(sink.iter().any(|diagnostic| diagnostic.code == Code::SurplusBrace));
        assert_eq!(sink.worst_class(), Some(Class::UnexpectedBrace));
        assert!(!sink.is_full());
        for place in 0..MAX_DIAGNOSTICS {
            sink.push(Diagnostic::new(Code::SurplusBrace, at(place), "e"));
        }
        assert!(sink.is_full());
        assert!(sink.iter().all(|diagnostic| diagnostic.code == Code::SurplusBrace));
    }

    #[test]
    fn the_same_is_said_of_a_place_once() {
        let mut sink = Diagnostics::new();
        for place in [7, 7, 8] {
            sink.push(Diagnostic::new(Code::UnknownKeyword, Span::new(FileId::default(), place, 1), "x"));
        }
        assert_eq!((sink.iter().count(), sink.count(Severity::Error)), (2, 2));
    }

    #[test]
    fn warnings_can_be_silenced_and_errors_cannot() {
        let mut sink = Diagnostics::silencing([Code::UndefinedVariable, Code::SurplusBrace]);
        sink.push(Diagnostic::new(Code::UndefinedVariable, Span::default(), "w"));
        sink.push(Diagnostic::new(Code::SurplusBrace, Span::default(), "e"));
        assert_eq!(sink.iter().count(), 1);
    }
}
