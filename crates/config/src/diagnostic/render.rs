//! Diagnostics for people: the line with the spot marked, where it comes from, and what to do.
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::code::{Code, Severity};
use super::span::{OriginKind, SourceMap, Span};
use super::{Diagnostic, Diagnostics};

/// Longer lines are shown in part, around the spot.
const MAX_SHOWN_LINE_BYTES: usize = 240;

/// All problems as text, with a line at the end that counts them. `colour`: with terminal escapes.
pub fn text(diagnostics: &Diagnostics, sources: &SourceMap, colour: bool) -> String {
    let mut text = String::new();
    let mut rest = diagnostics.iter().peekable();
    while let Some(diagnostic) = rest.next() {
        let mut unread = Vec::new();
        while diagnostic.code == Code::NotRead
            && let Some(next) =
                rest.next_if(|next| next.code == Code::NotRead && are_in_one_file(diagnostic, next))
        {
            unread.push(next);
        }
        text += &match unread.last().and_then(|last| last.primary) {
            Some(last) => one(&with_others(diagnostic, unread.len(), sources.line(last)), sources, colour),
            None => one(diagnostic, sources, colour),
        };
        text += "\n\n";
    }
    text + &summary(diagnostics)
}

fn are_in_one_file(one: &Diagnostic, other: &Diagnostic) -> bool {
    one.primary.map(|span| span.file) == other.primary.map(|span| span.file)
}

/// The first of the lines that are passed over stands for those after it: nobody wants to see them all.
fn with_others(first: &Diagnostic, others: usize, last_line: u32) -> Diagnostic {
    let places = if others == 1 { "1 more place".to_owned() } else { format!("{others} more places") };
    first.clone().note(format!("the same holds for {places}, up to line {last_line}"))
}

/// How many problems there are; empty when there are none.
pub fn summary(diagnostics: &Diagnostics) -> String {
    let count = |severity: Severity| match diagnostics.count(severity) {
        0 => None,
        1 => Some(format!("1 {severity}")),
        many => Some(format!("{many} {severity}s")),
    };
    let counts: Vec<String> =
        [Severity::Error, Severity::Warning, Severity::Note].into_iter().filter_map(count).collect();
    let mut line = counts.join(", ");
    if diagnostics.dropped() > 0 {
        let _ = write!(line, " ({} of them not shown)", diagnostics.dropped());
    }
    if !line.is_empty() {
        line.push('\n');
    }
    line
}

/// One problem as text, without a line end after it.
pub fn one(diagnostic: &Diagnostic, sources: &SourceMap, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let diagnostic = &harmless(diagnostic);
    let excerpts = excerpts(diagnostic, sources);
    let fixed = fixed_line(diagnostic, sources);
    let mut main = level(diagnostic.severity)
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code.to_string())
        .elements(excerpts.iter().map(Excerpt::snippet));
    for note in notes(diagnostic, sources) {
        main = main.element(Level::NOTE.message(printable(&note)));
    }
    let mut report = vec![main];
    match (&fixed, &diagnostic.hint, &diagnostic.fix) {
        (Some((excerpt, range)), hint, Some(fix)) => {
            let title = hint.as_ref().unwrap_or(&fix.title).as_str();
            let snippet = Snippet::source(excerpt.text.as_str())
                .line_start(excerpt.line)
                .path(excerpt.path.as_str())
                .patch(Patch::new(range.clone(), fix.replacement.as_str()));
            report.push(Group::with_title(Level::HELP.secondary_title(title)).element(snippet));
        }
        (_, Some(hint), _) => report.push(Group::with_title(Level::HELP.secondary_title(hint.as_str()))),
        _ => {}
    }
    let text = renderer.decor_style(DecorStyle::Ascii).render(&report);
    excerpts
        .iter()
        .filter_map(Excerpt::misplaced)
        .fold(text, |text, (shown, place)| text.replacen(&shown, &place, 1))
}

/// The same problem in words that a terminal can show.
fn harmless(diagnostic: &Diagnostic) -> Diagnostic {
    let shown = |text: &Option<String>| text.as_deref().map(printable);
    let mut harmless = diagnostic.clone();
    harmless.message = printable(&diagnostic.message);
    harmless.expected = shown(&diagnostic.expected);
    harmless.found = shown(&diagnostic.found);
    harmless.hint = shown(&diagnostic.hint);
    for label in &mut harmless.labels {
        label.text = printable(&label.text);
    }
    if let Some(fix) = &mut harmless.fix {
        fix.title = printable(&fix.title);
        fix.replacement = printable(&fix.replacement);
    }
    harmless
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

/// Sentences under the excerpt: further notes, and the way the text took.
fn notes(diagnostic: &Diagnostic, sources: &SourceMap) -> Vec<String> {
    let mut notes = diagnostic.notes.clone();
    let Some(primary) = diagnostic.primary else { return notes };
    for origin in sources.origin_chain(primary.origin) {
        match origin.kind {
            OriginKind::Variable(_) => {}
            OriginKind::BuiltIn(name) => notes.push(format!("the text comes from ${{{name}}}")),
            OriginKind::Sequence { name, value } => notes.push(format!("with ${name} = '{value}'")),
        }
    }
    if let Some(end) = diagnostic.block_end(sources).map(|end| sources.line(end))
        && end != sources.line(primary)
    {
        notes.push(format!("the block ends in line {end}"));
    }
    for include in sources.include_chain(primary.file) {
        let place = sources.position(include);
        let path = sources.path(include).display();
        notes.push(format!("included from {path}:{}:{}", place.line, place.column));
    }
    notes
}

/// A stretch of a file that is shown, with its marks.
struct Excerpt {
    path: String,
    /// Number of its first line.
    line: usize,
    text: String,
    marks: Vec<(AnnotationKind, Range<usize>, String)>,
    /// Where the excerpt begins and ends in the file.
    range: Range<usize>,
    /// The column of the spot.
    column: usize,
    /// Whether the line is shown without its beginning.
    is_cut: bool,
}

/// Stands for what is left out of a long line.
const LEFT_OUT: &str = "...";

impl Excerpt {
    /// The place as the renderer works it out from a line that is not shown as it stands, and as it is.
    fn misplaced(&self) -> Option<(String, String)> {
        let (_, first, _) = self.marks.first()?;
        let shown = self.text.get(..first.start)?.chars().count() + 1;
        let place = |column: usize| format!("{}:{}:{column}", self.path, self.line);
        (shown != self.column).then(|| (place(shown), place(self.column)))
    }

    fn snippet(&self) -> Snippet<'_, Annotation<'_>> {
        let marks = self.marks.iter().map(|(kind, range, label)| {
            let label = (!label.is_empty()).then_some(label.as_str());
            kind.span(range.clone()).label(label)
        });
        Snippet::source(self.text.as_str()).line_start(self.line).path(self.path.as_str()).annotations(marks)
    }
}

/// The excerpts of a problem: the spot, other places, and where expanded text stands. One for each line; lines
/// of one file are joined by the renderer only when they are one excerpt, so each stands for itself.
fn excerpts(diagnostic: &Diagnostic, sources: &SourceMap) -> Vec<Excerpt> {
    let mut marks: Vec<(Span, AnnotationKind, String)> = Vec::new();
    if let Some(primary) = diagnostic.primary {
        marks.push((primary, AnnotationKind::Primary, expectation(diagnostic)));
        for origin in sources.origin_chain(primary.origin) {
            if let (OriginKind::Variable(name), Some(span)) = (origin.kind, origin.text) {
                marks.push((span, AnnotationKind::Context, printable(&format!("${name} stands for this"))));
            }
        }
    }
    for label in &diagnostic.labels {
        marks.push((label.span, AnnotationKind::Context, label.text.clone()));
    }
    let mut excerpts: Vec<Excerpt> = Vec::new();
    for (span, kind, label) in marks {
        let Some(excerpt) = excerpt(span, sources) else { continue };
        let same =
            excerpts.iter_mut().find(|other| other.path == excerpt.path && other.range == excerpt.range);
        let range = excerpt.within(span, sources);
        let mark = (kind, range, label);
        match same {
            Some(other) => other.marks.push(mark),
            None => excerpts.push(Excerpt { marks: vec![mark], ..excerpt }),
        }
    }
    excerpts
}

fn expectation(diagnostic: &Diagnostic) -> String {
    match (&diagnostic.expected, &diagnostic.found) {
        (Some(expected), Some(found)) => format!("expected {expected}, found {found}"),
        (Some(expected), None) => format!("expected {expected}"),
        (None, Some(found)) => format!("found {found}"),
        (None, None) => String::new(),
    }
}

/// The line a span begins in, or the part of it around the span.
fn excerpt(span: Span, sources: &SourceMap) -> Option<Excerpt> {
    let text = sources.file(span.file)?.text();
    let at = usize::try_from(span.offset).ok()?.min(text.len());
    // Ends of the line that are further away make it too long to be shown whole, wherever they are.
    let from = at.saturating_sub(MAX_SHOWN_LINE_BYTES + 1);
    let to = at.saturating_add(MAX_SHOWN_LINE_BYTES + 1).min(text.len());
    let before = text.get(from..at)?;
    let line_start = from + before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let after = text.get(at..to)?;
    let line_end = at + after.iter().position(|byte| *byte == b'\n').unwrap_or(after.len());
    let (start, end) = match line_end - line_start <= MAX_SHOWN_LINE_BYTES {
        true => (line_start, line_end),
        false => (
            whole_letter(text, at.saturating_sub(MAX_SHOWN_LINE_BYTES / 2).max(line_start), at),
            whole_letter(text, (at + MAX_SHOWN_LINE_BYTES / 2).min(line_end), line_end),
        ),
    };
    let from_start = start == line_start && (start == 0 || text.get(start - 1) == Some(&b'\n'));
    let mut shown = shown(&sources.without_secrets(span.file, start..end)?);
    if !from_start {
        shown.insert_str(0, LEFT_OUT);
    }
    if text.get(end).is_some_and(|byte| *byte != b'\n') {
        shown.push_str(LEFT_OUT);
    }
    Some(Excerpt {
        path: printable(&sources.path(span).display().to_string()),
        line: usize::try_from(sources.line(span)).ok()?,
        text: shown,
        marks: Vec::new(),
        range: start..end,
        column: usize::try_from(sources.position(span).column).ok()?,
        is_cut: !from_start,
    })
}

/// The first place from `at` on, up to `most`, where no letter of UTF-8 is cut in two.
fn whole_letter(text: &[u8], at: usize, most: usize) -> usize {
    let inside = |place: &usize| text.get(*place).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at..most).find(|place| !inside(place)).unwrap_or(most)
}

impl Excerpt {
    /// The range of the span in the excerpt's text.
    fn within(&self, span: Span, sources: &SourceMap) -> Range<usize> {
        let before = if self.is_cut { LEFT_OUT.len() } else { 0 };
        let place = |offset: u32| {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let up_to = self.range.start..offset.clamp(self.range.start, self.range.end);
            before + sources.without_secrets(span.file, up_to).map_or(0, |bytes| shown(&bytes).len())
        };
        place(span.offset).min(self.text.len())..place(span.end()).min(self.text.len())
    }
}

/// Bytes as text that a terminal can show: what is no UTF-8, and control characters, are replaced.
fn shown(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes)).replace('\n', "\u{fffd}")
}

/// Text without control characters that could steer a terminal.
fn printable(text: &str) -> String {
    let is_harmless = |letter: char| !letter.is_control() || letter == '\t' || letter == '\n';
    text.chars()
        .map(|letter| if is_harmless(letter) { letter } else { char::REPLACEMENT_CHARACTER })
        .collect()
}

/// The excerpt a fix is shown in. Only for text that stands in its file as it is: a change of expanded text
/// would have to be made elsewhere.
fn fixed_line(diagnostic: &Diagnostic, sources: &SourceMap) -> Option<(Excerpt, Range<usize>)> {
    let fix = diagnostic.fix.as_ref().filter(|fix| fix.span.origin.is_none())?;
    let excerpt = excerpt(fix.span, sources)?;
    let range = excerpt.within(fix.span, sources);
    Some((excerpt, range))
}

/// The one-line form, `FILE:LINE:COLUMN: error[SF0101]: message`, for logs.
pub fn line(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let place = diagnostic.primary.map(|span| place(span, sources) + ": ");
    let expectation = match expectation(diagnostic) {
        text if text.is_empty() => text,
        text => format!(" ({text})"),
    };
    printable(&format!(
        "{}{}[{}]: {}{expectation}",
        place.unwrap_or_default(),
        diagnostic.severity,
        diagnostic.code,
        diagnostic.message
    ))
}

/// `FILE:LINE:COLUMN` of a place, for messages that stand outside a report.
pub fn place(span: Span, sources: &SourceMap) -> String {
    let position = sources.position(span);
    format!("{}:{}:{}", sources.path(span).display(), position.line, position.column)
}

#[cfg(test)]
mod tests {
    use crate::{AnyMachine, LoadOptions, Memory, load};

    /// The text of everything that is wrong with a file.
    fn shown(text: &str) -> String {
        let source = Memory::new().file("a.conf", text.to_owned());
        let loaded = load(&source, "a.conf".as_ref(), &AnyMachine, &LoadOptions::default());
        super::text(&loaded.diagnostics, &loaded.sources, false)
    }

    /// What a file and its name hold may not steer the terminal, wherever it is repeated.
    #[test]
    fn no_control_character_is_printed() {
        let text = "$V=pri\u{1b}[2Jor\nvrrp_instance A\u{9b}1m {\n priority 1\u{7}x\n $V\n bog\u{1b}us { x }\n \
                    interface eth0\u{1b}\n state MAS\u{1b}TER\n track_script { c\u{1b}hk }\n}\n\
                    vrrp_sync_group G\u{1b} {\n group { N\u{1b} }\n}\n~SEQ(Y\u{1b}, 1) x\ninclude no\u{1b}ne.conf\n";
        let name = "a\u{1b}]0;b\u{7}.conf";
        let source = Memory::new().file(name, text.to_owned());
        let options = LoadOptions { check_includes: true, ..LoadOptions::default() };
        let loaded = load(&source, name.as_ref(), &AnyMachine, &options);
        assert!(loaded.diagnostics.iter().count() > 5);
        let lines = loaded.diagnostics.iter().map(|one| super::line(one, &loaded.sources));
        for shown in lines.chain([super::text(&loaded.diagnostics, &loaded.sources, false)]) {
            let controls = shown.lines().find(|line| line.chars().any(char::is_control));
            assert_eq!(controls, None, "{shown}");
        }
    }

    /// Lines that are too long to be shown whole, with the spot at their beginning, middle and end.
    #[test]
    fn the_place_in_a_long_line_is_told_right() {
        let blanks = " ".repeat(300);
        let text = shown(&format!("{blanks}prio{blanks}\n# {}\n", "x".repeat(400)));
        assert!(text.contains("--> a.conf:1:301\n"), "{text}");
        let wide = "漢".repeat(101);
        let text = shown(&format!("static_ipaddress {{\n 10.0.0.1 dev eth0 {wide} bogus {wide} x\n}}\n"));
        assert!(text.contains("--> a.conf:2:20\n"), "{text}");
        assert!(text.contains("--> a.conf:2:122\n"), "{text}");
        assert!(text.contains("--> a.conf:2:230\n"), "{text}");
        assert!(!text.contains('\u{fffd}'), "{text}");
        let marked = text.lines().skip_while(|line| !line.ends_with("2:122")).nth(3).unwrap_or_default();
        assert_eq!(marked.matches('^').count(), "bogus".len(), "{text}");
    }

    #[test]
    fn no_password_or_key_is_shown_in_the_line_of_a_problem() {
        let instance = |version: u8, secret: &str| {
            format!(
                "vrrp_instance A {{\n interface eth0\n virtual_router_id 7\n version {version}\n {secret}\n \
                 virtual_ipaddress {{\n 192.0.2.1\n }}\n}}\n"
            )
        };
        let password = "authentication { auth_type PASS\n auth_pass sesameopen }";
        let text = shown(&instance(2, password));
        assert!(text.contains("auth_pass ******** }") && !text.contains("sesame"), "{text}");
        let text = shown(
            &("$WORD=sesameopen\n".to_owned() + &instance(2, &password.replace("sesameopen", "$WORD"))),
        );
        assert!(text.contains("$WORD stands for this") && !text.contains("sesame"), "{text}");
        let text = shown(&instance(2, &password.replace("open }", " open\n }")));
        assert!(text.contains("SF0203") && !text.contains("open"), "{text}");
        let text = shown(&instance(3, "auth_hmac {\n key 1 sesame\n active_key 1\n }"));
        assert!(text.contains("key 1 ********") && !text.contains("sesame"), "{text}");
    }

    /// Passwords of different lengths: everything that is printed is the same, and marks behind them point right.
    #[test]
    fn no_length_of_a_password_is_shown() {
        let loaded = |secret: &str| {
            let text = format!(
                "vrrp_instance A {{\n authentication {{ auth_pass {secret}\n auth_pass {secret}\n bogus\n }}\n}}\n"
            );
            let source = crate::Memory::new().file("a.conf", text);
            crate::load(
                &source,
                std::path::Path::new("a.conf"),
                &crate::AnyMachine,
                &crate::LoadOptions::default(),
            )
        };
        let told = |secret: &str| {
            let loaded = loaded(secret);
            let json = crate::diagnostic::json::document(&loaded.diagnostics, &loaded.sources);
            let sarif = crate::diagnostic::json::sarif(&loaded.diagnostics, &loaded.sources, "1");
            let lengths = |text: String| -> String {
                let is_place = |line: &&str| !line.contains("\"offset\"") && !line.contains("\"byteOffset\"");
                text.lines().filter(is_place).map(|line| format!("{line}\n")).collect()
            };
            let json = lengths(format!("{json:#}"));
            (super::text(&loaded.diagnostics, &loaded.sources, false), json, lengths(format!("{sarif:#}")))
        };
        let (short, long) = (told("abcdefghi"), told("abcdefghijklmnop"));
        assert_eq!(short.0, long.0);
        assert_eq!(short.1, long.1);
        assert_eq!(short.2, long.2);
        let behind = shown("vrrp_instance A {\n auth_hmac { key 1 sesame extra1 }\n}\n");
        assert!(behind.contains("key 1 ********"), "{behind}");
    }
}
