//! Replaces references in a line by what they stand for.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::definition::{
    Definition, Definitions, Random, Reference, Value, name_at, next_reference, reference_at,
};
use super::line::{LogicalLine, Replacement};
use super::source::Source;
use crate::diagnostic::code::{Class, Code, Severity};
use crate::diagnostic::span::{KindId, OriginKind, SourceMap, Span};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::limits::{MAX_EXPANDED_LINE_BYTES, MAX_EXPANSION_DEPTH, MAX_REPLACEMENTS_PER_LINE};

/// What remains of a multi-line definition whose first line was put in.
#[derive(Clone, Debug)]
pub(crate) struct RestOfLines {
    pub(crate) name: Arc<str>,
    pub(crate) kind: KindId,
    pub(crate) lines: Arc<[LogicalLine]>,
    pub(crate) next: usize,
    /// The reference; its origin is the expansion it stands in.
    pub(crate) used: Span,
}

/// A line after replacement.
#[derive(Debug, Default)]
pub(crate) struct Expanded {
    pub(crate) line: LogicalLine,
    /// Lines that follow, outermost first.
    pub(crate) rest: Vec<RestOfLines>,
    /// The line begins with a sequence whose text must not be replaced before its values are set.
    pub(crate) sequence: bool,
}

/// What replacing needs, for one line.
pub(crate) struct Expander<'e> {
    pub(crate) source: &'e dyn Source,
    pub(crate) definitions: &'e Definitions,
    pub(crate) sources: &'e mut SourceMap,
    pub(crate) random: &'e mut Random,
    pub(crate) built_ins: &'e mut BTreeMap<String, KindId>,
    pub(crate) directory: &'e Path,
    pub(crate) diagnostics: &'e mut Diagnostics,
    /// Replacements made so far in this line.
    pub(crate) replaced: usize,
    /// The definitions being put in, outermost first.
    pub(crate) active: Vec<Arc<str>>,
    pub(crate) stopped: bool,
}

impl Expander<'_> {
    pub(crate) fn expand(&mut self, line: &LogicalLine) -> Expanded {
        let mut expanded = Expanded::default();
        self.expand_into(&mut expanded, line, None, None);
        self.report_glued(line);
        expanded
    }

    /// `$NAME` is a reference only where a blank, a comma, `)` or the end of the line follows it: `$NET.5` is text.
    fn report_glued(&mut self, line: &LogicalLine) {
        let mut quoted = false;
        for (at, byte) in line.text.iter().enumerate() {
            quoted ^= *byte == b'"';
            let rest = line.text.get(at + 1..).unwrap_or_default();
            let Some(name) = name_at(rest).filter(|_| *byte == b'$' && !quoted) else { continue };
            if self.definitions.get(name).is_none() || reference_at(&line.text, at, None).is_some() {
                continue;
            }
            let next = rest.get(name.len()).map(|byte| char::from(*byte)).unwrap_or_default();
            let place = line.span(at, name.len() + 1);
            let replacement = format!("${{{name}}}");
            let message = format!("'${name}' is not replaced, as '{next}' follows it");
            let diagnostic = Diagnostic::new(Code::UndefinedVariable, place, message)
                .hint(format!("write '{replacement}'"));
            let title = format!("replace by '{replacement}'");
            self.diagnostics.push(match place.origin.is_none() {
                true => diagnostic.fix(place, replacement, title),
                false => diagnostic,
            });
        }
    }

    /// Appends `value`, put in at `place` (`None`: the line itself), with `follow` coming after it.
    fn expand_into(
        &mut self,
        out: &mut Expanded,
        value: &LogicalLine,
        place: Option<Replacement>,
        follow: Option<u8>,
    ) {
        let mut at = 0;
        while let Some(reference) = next_reference(&value.text, at, follow) {
            self.append(out, value, at..reference.range.start, place);
            at = reference.range.end;
            if out.sequence || self.is_exhausted(out, value, &reference, place) {
                self.append(out, value, reference.range, place);
                continue;
            }
            let used = place.map_or_else(
                || span_of(value, &reference),
                |place| {
                    let stands = span_of(value, &reference);
                    Span { origin: self.sources.narrowed(place.origin, stands), ..place.used }
                },
            );
            let follow = value.text.get(at).copied().or(follow);
            if !self.put_in(out, &reference, used, follow, place.is_none()) {
                self.append(out, value, reference.range, place);
            }
        }
        self.append(out, value, at..value.text.len(), place);
    }

    fn append(
        &mut self,
        out: &mut Expanded,
        value: &LogicalLine,
        range: std::ops::Range<usize>,
        place: Option<Replacement>,
    ) {
        match place {
            None => out.line.append(value, range),
            Some(place) => out.line.append_words(value, range, place, self.sources),
        }
    }

    /// Puts in what a reference stands for. `false`: it is left as text.
    fn put_in(
        &mut self,
        out: &mut Expanded,
        reference: &Reference<'_>,
        used: Span,
        follow: Option<u8>,
        outermost: bool,
    ) -> bool {
        let Some(definition) = self.definitions.get(reference.name) else {
            return self.put_in_built_in(out, reference, used);
        };
        if !reference.parameters.is_empty() {
            return false;
        }
        if self.active.contains(&definition.name) {
            self.report_loop(definition, used);
            return false;
        }
        self.replaced += 1;
        let kind = definition.kind;
        match &definition.value {
            Value::Counter { text, at } => {
                let replacement = self.replacement(kind, Some(*at), used);
                out.line.append_replaced(text.as_bytes(), replacement);
            }
            Value::Line(value) => {
                let starts_sequence = outermost && out.line.text.is_empty() && value.text.starts_with(b"~");
                let replacement = self.replacement(kind, Some(value.whole()), used);
                if starts_sequence {
                    out.sequence = true;
                    out.line.append_replaced(&value.text, replacement);
                } else {
                    self.nested(out, &definition.name, value, replacement, follow);
                }
            }
            Value::Lines(lines) => {
                if follow.is_some() {
                    self.diagnostics.push(
                        Diagnostic::new(
                            Code::MultiLineInside,
                            used,
                            format!(
                                "'${}' has several lines and must end the line it is used in",
                                definition.name
                            ),
                        )
                        .hint("put it on a line of its own"),
                    );
                    return false;
                }
                // Alone on its line, every line of it is read as if it stood there.
                let alone = outermost && out.line.text.is_empty();
                let next = usize::from(!alone);
                let name = Arc::clone(&definition.name);
                let rest = RestOfLines { name, kind, lines: Arc::clone(lines), next, used };
                out.rest.push(rest);
                let Some(first) = lines.first().filter(|_| !alone) else { return true };
                let replacement = self.replacement(kind, Some(first.whole()), used);
                self.nested(out, &definition.name, first, replacement, None);
            }
        }
        true
    }

    fn nested(
        &mut self,
        out: &mut Expanded,
        name: &Arc<str>,
        value: &LogicalLine,
        replacement: Replacement,
        follow: Option<u8>,
    ) {
        self.active.push(Arc::clone(name));
        self.expand_into(out, value, Some(replacement), follow);
        self.active.pop();
    }

    fn replacement(&mut self, kind: KindId, text: Option<Span>, used: Span) -> Replacement {
        let origin = self.sources.add_origin(kind, text, used.origin);
        Replacement { used, origin }
    }

    /// Whether a bound is reached; reported once a line.
    fn is_exhausted(
        &mut self,
        out: &Expanded,
        value: &LogicalLine,
        reference: &Reference<'_>,
        place: Option<Replacement>,
    ) -> bool {
        let reached = self.replaced >= MAX_REPLACEMENTS_PER_LINE
            || out.line.text.len() >= MAX_EXPANDED_LINE_BYTES
            || self.active.len() >= MAX_EXPANSION_DEPTH;
        if reached && !self.stopped {
            self.stopped = true;
            let used = place.map_or_else(|| span_of(value, reference), |place| place.used);
            self.diagnostics.push(
                Diagnostic::new(
                    Code::ExpansionTooLong,
                    used,
                    "the line grows beyond all bounds while its variables are replaced",
                )
                .note(format!(
                    "a line may grow to {MAX_EXPANDED_LINE_BYTES} bytes in {MAX_REPLACEMENTS_PER_LINE} \
                     replacements, {MAX_EXPANSION_DEPTH} deep"
                )),
            );
        }
        reached
    }

    fn report_loop(&mut self, definition: &Definition, used: Span) {
        let name = &definition.name;
        let mut diagnostic =
            Diagnostic::new(Code::ExpansionLoop, used, format!("'${name}' leads back to itself"));
        if self.active.len() > 1 {
            let way: Vec<String> = self.active.iter().chain([name]).map(|name| format!("${name}")).collect();
            diagnostic = diagnostic.note(format!("by way of {}", way.join(" → ")));
        }
        if let Value::Line(value) = &definition.value {
            diagnostic = diagnostic.label(value.whole(), "defined here");
        }
        self.diagnostics.push(diagnostic);
    }

    fn put_in_built_in(&mut self, out: &mut Expanded, reference: &Reference<'_>, used: Span) -> bool {
        let parameters: Vec<&str> = reference.parameters.split_ascii_whitespace().collect();
        let text = match (reference.name, &*parameters) {
            ("_PWD", []) => {
                use std::os::unix::ffi::OsStrExt;
                self.directory.as_os_str().as_bytes().to_vec()
            }
            ("_INSTANCE", []) => self.source.config_id().unwrap_or_default(),
            ("_ENV", [name]) => self.source.environment(name).unwrap_or_default(),
            ("_HASH", []) => b"#".to_vec(),
            ("_BANG", []) => b"!".to_vec(),
            ("_RANDOM", parameters) => match self.random(parameters, used) {
                Some(number) => number.to_string().into_bytes(),
                None => return false,
            },
            ("_PWD" | "_INSTANCE" | "_ENV" | "_HASH" | "_BANG", _) => {
                let expected = if reference.name == "_ENV" { "one name" } else { "no parameters" };
                let message = format!("'${{{}}}' with {} parameters", reference.name, parameters.len());
                self.diagnostics
                    .push(Diagnostic::new(Code::BadBuiltInParameter, used, message).expected(expected));
                return false;
            }
            _ => {
                self.report_undefined(out, reference, used);
                return false;
            }
        };
        self.replaced += 1;
        let kind = self.built_in(reference.name);
        let replacement = self.replacement(kind, None, used);
        out.line.append_replaced(&text, replacement);
        true
    }

    fn built_in(&mut self, name: &str) -> KindId {
        if let Some(kind) = self.built_ins.get(name) {
            return *kind;
        }
        let kind = self.sources.add_kind(OriginKind::BuiltIn(Arc::from(name)));
        self.built_ins.insert(name.to_owned(), kind);
        kind
    }

    fn random(&mut self, parameters: &[&str], used: Span) -> Option<u32> {
        let bad = |message: String| {
            Diagnostic::new(Code::BadBuiltInParameter, used, message).expected(
                "${_RANDOM}, ${_RANDOM MIN} or ${_RANDOM MIN MAX} with unsigned numbers, MIN not above MAX",
            )
        };
        let numbers: Result<Vec<u32>, _> = parameters.iter().map(|text| text.parse()).collect();
        let (minimum, maximum) = match numbers.as_deref() {
            Ok([]) => (0, 32_767),
            Ok([minimum]) => (*minimum, 32_767),
            Ok([minimum, maximum]) => (*minimum, *maximum),
            _ => {
                self.diagnostics.push(bad(format!("'{}' is no range", parameters.join(" "))));
                return None;
            }
        };
        if minimum > maximum {
            self.diagnostics
                .push(bad(format!("the smallest value {minimum} is above the largest {maximum}")));
            return Some(minimum);
        }
        Some(self.random.between(minimum, maximum))
    }

    /// Text that only looks like a reference is legitimate in quotes, as a shell's own variables are.
    fn report_undefined(&mut self, out: &Expanded, reference: &Reference<'_>, used: Span) {
        let quoted = out.line.text.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        if quoted {
            return;
        }
        let name = reference.name;
        let braces = reference.range.len() > name.len() + 1;
        let shown = if braces { format!("${{{name}}}") } else { format!("${name}") };
        let mut diagnostic =
            Diagnostic::new(Code::UndefinedVariable, used, format!("'{shown}' is not defined here"));
        if braces {
            // keepalived takes the braces for those of a block.
            diagnostic = diagnostic.severity(Severity::Error).class(Class::UnexpectedBrace);
        }
        if !self.diagnostics.would_show(&diagnostic) {
            self.diagnostics.push(diagnostic);
            return;
        }
        if let Some(near) = crate::diagnostic::suggest::did_you_mean(name, self.definitions.names()) {
            let replacement = shown.replace(name, near);
            diagnostic = diagnostic.hint(format!("did you mean '{replacement}'?"));
            if used.origin.is_none() {
                diagnostic = diagnostic.fix(used, replacement.clone(), format!("replace by '{replacement}'"));
            }
        } else {
            diagnostic =
                diagnostic.hint("define it above, or put the text in double quotes if it is meant literally");
        }
        self.diagnostics.push(diagnostic);
    }
}

fn span_of(value: &LogicalLine, reference: &Reference<'_>) -> Span {
    value.span(reference.range.start, reference.range.len())
}
