//! What a terminal is like: colours, width, and pipes that close.

use std::io::{self, IsTerminal as _, Write as _};

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

impl Stream {
    /// Colours only for a terminal that can, and never against NO_COLOR (no-color.org).
    pub(crate) fn palette(self) -> Palette {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if self.can_be_drawn_upon() && !refused { Palette::Colours } else { Palette::Plain }
    }

    /// Whether it is a terminal that knows escape sequences.
    pub(crate) fn can_be_drawn_upon(self) -> bool {
        let terminal = match self {
            Self::Output => io::stdout().is_terminal(),
            Self::Error => io::stderr().is_terminal(),
        };
        terminal && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
    }
}

/// Columns of the terminal that standard output is; `None` when it is none, so that nothing is folded.
pub(crate) fn width() -> Option<usize> {
    width_of(Stream::Output)
}

/// Columns of a terminal.
pub(crate) fn width_of(stream: Stream) -> Option<usize> {
    let size = match stream {
        Stream::Output => rustix::termios::tcgetwinsize(io::stdout()),
        Stream::Error => rustix::termios::tcgetwinsize(io::stderr()),
    };
    let columns = size.ok()?.ws_col;
    (columns > 0).then_some(usize::from(columns))
}

/// Writes to standard output all that there is to say. Whoever closed the pipe has seen enough of it, which changes
/// nothing about the exit status: it is the command's answer too.
pub(crate) fn print(text: impl AsRef<[u8]>) -> io::Result<()> {
    match print_more(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes to standard output something that more may follow; a closed pipe is an error like any other, so that the
/// caller ends.
pub(crate) fn print_more(text: impl AsRef<[u8]>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_ref())?;
    output.flush()
}

/// Writes to standard error as it is.
pub(crate) fn tell(text: &str) {
    let mut output = io::stderr().lock();
    // Nothing can be said when the terminal is gone.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// One error on standard error.
pub(crate) fn complain(palette: Palette, message: &str) {
    let heading = palette.paint(Paint::Bad, "error:");
    // Nothing can be said when the terminal is gone.
    let _ = writeln!(io::stderr(), "{heading} {message}");
}

/// Whether to paint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Palette {
    /// No escape sequences.
    Plain,
    /// ANSI colours.
    Colours,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Works, and is at the wheel.
    Good,
    /// Stands by.
    Calm,
    /// Needs attention.
    Warn,
    /// Does not work.
    Bad,
    /// A heading.
    Strong,
    /// Of less weight.
    Faint,
}

impl Palette {
    /// `text` in the colour.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match (self, paint) {
            (Self::Plain, _) => return text.to_owned(),
            (Self::Colours, Paint::Good) => "1;32",
            (Self::Colours, Paint::Calm) => "36",
            (Self::Colours, Paint::Warn) => "33",
            (Self::Colours, Paint::Bad) => "1;31",
            (Self::Colours, Paint::Strong) => "1",
            (Self::Colours, Paint::Faint) => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// `text` with every control character but the line end made visible: what came from a script or the network
/// may not steer the terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() && character != '\n' { char::REPLACEMENT_CHARACTER } else { character }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_no_escapes() {
        assert_eq!(Palette::Plain.paint(Paint::Bad, "x"), "x");
        assert_eq!(Palette::Colours.paint(Paint::Bad, "x"), "\x1b[1;31mx\x1b[0m");
    }

    #[test]
    fn escapes_from_outside_are_disarmed() {
        assert_eq!(harmless("a\x1b[2Jb\nc\u{9b}1m"), "a\u{fffd}[2Jb\nc\u{fffd}1m");
    }
}
