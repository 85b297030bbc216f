//! What is to be said about a configuration: in full for a console, a line each for logs.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use steadfast_config::{Diagnostic, Loaded, Severity as Gravity, render};
use steadfast_control::event::Severity;
use steadfast_kernel::file;

use super::journal::{self, Journal};

/// All diagnostics of one reading.
#[derive(Debug)]
pub(super) struct Report {
    lines: Vec<(Severity, String)>,
    plain: String,
    coloured: Option<String>,
}

impl Report {
    /// Of what was read.
    pub(super) fn of(loaded: &Loaded) -> Self {
        let lines = loaded.diagnostics.iter().map(|diagnostic| line(loaded, diagnostic)).collect();
        let text = |colour| render::text(&loaded.diagnostics, &loaded.sources, colour);
        Self { lines, plain: text(false), coloured: wants_colours().then(|| text(true)) }
    }

    /// At start: the console gets everything. A start that is `refused` and one from a terminal
    /// have a console even where the log has none.
    pub(super) fn tell_start(&self, journal: &mut Journal, refused: bool) {
        for (severity, line) in &self.lines {
            journal.line_off_console(*severity, line);
        }
        if journal.log().has_console() || refused || std::io::stderr().is_terminal() {
            let text = self.coloured.as_ref().unwrap_or(&self.plain);
            // Nothing can be said when the console is gone.
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    /// At a reload.
    pub(super) fn tell(&self, journal: &mut Journal) {
        for (severity, line) in &self.lines {
            journal.line(*severity, line);
        }
    }

    /// For whoever asked: a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// Appends everything to the log that `reload_check_config` names.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn append(&self, path: &Path, reason: &str) -> std::io::Result<()> {
        let mut log = file::append(path)?;
        let time = journal::now();
        let text = &self.plain;
        log.write_all(format!("{time}: reload refused: {reason}\n{text}").as_bytes())
    }
}

/// A diagnostic on one line.
fn line(loaded: &Loaded, diagnostic: &Diagnostic) -> (Severity, String) {
    let severity = match diagnostic.severity {
        Gravity::Error => Severity::Error,
        Gravity::Warning => Severity::Warning,
        Gravity::Note => Severity::Info,
    };
    let hint = diagnostic.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    (severity, render::line(diagnostic, &loaded.sources) + &hint)
}

/// Colours only for a terminal that can, and never against NO_COLOR (no-color.org).
fn wants_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    std::io::stderr().is_terminal() && !refused && !dumb
}
