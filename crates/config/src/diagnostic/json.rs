//! Diagnostics for programs: one JSON document, and SARIF 2.1.0.
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::code::{Code, Severity};
use super::span::{OriginKind, SourceMap, Span};
use super::{Diagnostic, Diagnostics};

/// All problems as a value: `{"diagnostics": [...], "counts": {...}}`.
pub fn document(diagnostics: &Diagnostics, sources: &SourceMap) -> Value {
    let all: Vec<Value> = diagnostics.iter().map(|diagnostic| one(diagnostic, sources)).collect();
    json!({
        "diagnostics": all,
        "counts": {
            "error": diagnostics.count(Severity::Error),
            "warning": diagnostics.count(Severity::Warning),
            "note": diagnostics.count(Severity::Note),
            "not_shown": diagnostics.dropped(),
        },
    })
}

/// One problem as a value. Lines and columns count from 1, columns in characters; `offset` and `length` count
/// bytes.
pub fn one(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|label| json!({ "place": place(label.span, sources), "text": label.text }))
        .collect();
    let fix = diagnostic.fix.as_ref().map(|fix| {
        json!({ "place": whole_place(fix.span, sources), "replacement": fix.replacement, "title": fix.title })
    });
    json!({
        "code": diagnostic.code.to_string(),
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "place": diagnostic.primary.map(|span| place(span, sources)),
        "origins": diagnostic.primary.map(|span| origins(span, sources)).unwrap_or_default(),
        "included_from": diagnostic.primary.map(|span| includes(span, sources)).unwrap_or_default(),
        "expected": diagnostic.expected,
        "found": diagnostic.found,
        "labels": labels,
        "block_end": diagnostic.block_end(sources).map(|span| place(span, sources)),
        "notes": diagnostic.notes,
        "hint": diagnostic.hint,
        "fix": fix,
    })
}

#[derive(Serialize)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    offset: u32,
    length: u32,
}

fn place(span: Span, sources: &SourceMap) -> Place {
    whole_place(sources.up_to_secret(span), sources)
}

/// Of what a fix takes away everything must be named.
fn whole_place(span: Span, sources: &SourceMap) -> Place {
    let (start, end) = (sources.position(span), sources.end_position(span));
    Place {
        file: sources.path(span).display().to_string(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        offset: span.offset,
        length: span.length,
    }
}

fn origins(span: Span, sources: &SourceMap) -> Vec<Value> {
    let show = |origin: super::span::Origin<'_>| {
        let text = origin.text.map(|span| place(span, sources));
        match origin.kind {
            OriginKind::Variable(name) => json!({ "variable": &**name, "place": text }),
            OriginKind::BuiltIn(name) => json!({ "built_in": &**name }),
            OriginKind::Sequence { name, value } => {
                json!({ "sequence": &**name, "value": &**value, "place": text })
            }
        }
    };
    sources.origin_chain(span.origin).map(show).collect()
}

fn includes(span: Span, sources: &SourceMap) -> Vec<Place> {
    sources.include_chain(span.file).map(|include| place(include, sources)).collect()
}

/// All problems as a SARIF 2.1.0 log, for code scanning services. `version` is the program's.
pub fn sarif(diagnostics: &Diagnostics, sources: &SourceMap, version: &str) -> Value {
    sarif_log(diagnostics.iter().map(|diagnostic| result(diagnostic, sources, None)).collect(), version)
}

/// The problems of several configurations, each with its main file, as one SARIF 2.1.0 log.
///
/// It has one run, because services refuse a log that tells several runs of one tool.
pub fn sarif_of_files<'f>(
    files: impl IntoIterator<Item = (&'f Path, &'f Diagnostics, &'f SourceMap)>,
    version: &str,
) -> Value {
    let of_file = |(file, diagnostics, sources): (&'f Path, &'f Diagnostics, &'f SourceMap)| {
        diagnostics.iter().map(move |diagnostic| result(diagnostic, sources, Some(file)))
    };
    sarif_log(files.into_iter().flat_map(of_file).collect(), version)
}

fn sarif_log(results: Vec<Value>, version: &str) -> Value {
    let rules: Vec<Value> = Code::ALL.iter().copied().map(rule).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "steadfast", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.to_string(),
        "shortDescription": { "text": code.title() },
        "fullDescription": { "text": code.explanation() },
        "defaultConfiguration": { "level": code.severity() },
    })
}

/// What has no place stands in `file` as a whole, as services pass over results without one.
fn result(diagnostic: &Diagnostic, sources: &SourceMap, file: Option<&Path>) -> Value {
    let rule_index = Code::ALL.iter().position(|code| *code == diagnostic.code);
    let mut text = diagnostic.message.clone();
    if let Some(expected) = &diagnostic.expected {
        text += &format!("; expected {expected}");
    }
    if let Some(hint) = &diagnostic.hint {
        text += &format!(". {hint}");
    }
    let related: Vec<Value> = related(diagnostic, sources)
        .into_iter()
        .map(|(span, text)| {
            let mut location = location(span, sources);
            if let Some(fields) = location.as_object_mut() {
                fields.insert("message".to_owned(), json!({ "text": text }));
            }
            location
        })
        .collect();
    let whole =
        || file.map(|file| json!({ "physicalLocation": { "artifactLocation": { "uri": uri(file) } } }));
    let place = diagnostic.primary.map(|span| location(span, sources)).or_else(whole);
    let mut result = json!({
        "ruleId": diagnostic.code.to_string(),
        "ruleIndex": rule_index,
        "level": diagnostic.severity,
        "message": { "text": text },
        "locations": place.into_iter().collect::<Vec<_>>(),
        "relatedLocations": related,
    });
    let fix = diagnostic.fix.as_ref().filter(|fix| fix.span.origin.is_none());
    if let (Some(fix), Some(fields)) = (fix, result.as_object_mut()) {
        let change = json!({
            "description": { "text": fix.title },
            "artifactChanges": [{
                "artifactLocation": { "uri": uri(sources.path(fix.span)) },
                "replacements": [{
                    "deletedRegion": region(whole_place(fix.span, sources)),
                    "insertedContent": { "text": fix.replacement },
                }],
            }],
        });
        fields.insert("fixes".to_owned(), json!([change]));
    }
    result
}

fn related(diagnostic: &Diagnostic, sources: &SourceMap) -> Vec<(Span, String)> {
    let mut related: Vec<(Span, String)> =
        diagnostic.labels.iter().map(|label| (label.span, label.text.clone())).collect();
    related.extend(diagnostic.block_end(sources).map(|span| (span, "the block ends here".to_owned())));
    if let Some(primary) = diagnostic.primary {
        for origin in sources.origin_chain(primary.origin) {
            if let (OriginKind::Variable(name), Some(span)) = (origin.kind, origin.text) {
                related.push((span, format!("${name} stands for this")));
            }
        }
        related.extend(sources.include_chain(primary.file).map(|span| (span, "included here".to_owned())));
    }
    related
}

fn location(span: Span, sources: &SourceMap) -> Value {
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(sources.path(span)) },
            "region": region(place(span, sources)),
        },
    })
}

fn region(place: Place) -> Value {
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
        "byteOffset": place.offset,
        "byteLength": place.length,
    })
}

/// A relative or absolute URI of the file (RFC 3986, 2.1: what is not unreserved or `/` is escaped).
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let prefix = if path.is_absolute() { "file://" } else { "" };
    let escaped = path.as_os_str().as_bytes().iter().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
            char::from(*byte).to_string()
        }
        other => format!("%{other:02X}"),
    });
    prefix.to_owned() + &escaped.collect::<String>()
}
