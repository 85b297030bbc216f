//! Work that takes long says so: one line on the terminal, and gone when the work is done.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthChar as _;

use crate::terminal::{self, Stream, harmless};

/// Work that is done sooner is not told of.
const QUIET: Duration = Duration::from_millis(400);
/// How often the line is looked at.
const STEP: Duration = Duration::from_millis(100);
/// To the first column, and what stands behind it away (ECMA-48, EL).
const CLEAR: &str = "\r\x1b[K";

/// The line, which ends with this value. What is printed meanwhile would be drawn over.
#[derive(Debug)]
pub(crate) struct Progress {
    drawing: Option<Drawing>,
}

#[derive(Debug)]
struct Drawing {
    told: Sender<String>,
    thread: JoinHandle<()>,
}

impl Progress {
    /// Begins to tell what is done, if standard error is a terminal that can be drawn upon.
    pub(crate) fn of(what: impl Into<String>) -> Self {
        if !Stream::Error.can_be_drawn_upon() {
            return Self::none();
        }
        let (told, heard) = mpsc::channel();
        let what = what.into();
        let draw = move || {
            let started = Instant::now();
            follow(&heard, what, |what| draw(what, started.elapsed()), terminal::tell);
        };
        // Without a thread the work is done all the same.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(draw).ok();
        Self { drawing: thread.map(|thread| Drawing { told, thread }) }
    }

    /// Tells nothing.
    pub(crate) const fn none() -> Self {
        Self { drawing: None }
    }

    /// What is done from here on.
    pub(crate) fn at(&self, what: impl Into<String>) {
        if let Some(drawing) = &self.drawing {
            // A thread that ended draws no more.
            let _ = drawing.told.send(what.into());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(Drawing { told, thread }) = self.drawing.take() {
            drop(told);
            // What comes next is printed where the line was.
            let _ = thread.join();
        }
    }
}

/// Draws until nobody tells any more, and then clears what was drawn.
fn follow(
    heard: &mpsc::Receiver<String>,
    mut what: String,
    draw: impl Fn(&str) -> Option<String>,
    mut show: impl FnMut(&str),
) {
    let mut drawn = None;
    loop {
        match heard.recv_timeout(STEP) {
            Ok(next) => what = next,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let line = draw(&what);
        if line.is_some() && line != drawn {
            show(&format!("{CLEAR}{}", line.as_deref().unwrap_or_default()));
            drawn = line;
        }
    }
    if drawn.is_some() {
        show(CLEAR);
    }
}

/// The line after so long; none at first.
fn draw(what: &str, elapsed: Duration) -> Option<String> {
    if elapsed < QUIET {
        return None;
    }
    let line = match elapsed.as_secs() {
        0 => format!("{what} …"),
        seconds => format!("{what} … {seconds} s"),
    };
    Some(cut(&harmless(&line).replace('\n', " "), terminal::width_of(Stream::Error)))
}

/// What fits into one line: a line that folds could not be cleared.
fn cut(line: &str, width: Option<usize>) -> String {
    let mut room = width.unwrap_or(usize::MAX).saturating_sub(1);
    line.chars()
        .take_while(|character| match room.checked_sub(character.width().unwrap_or_default()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_work_is_not_told_of() {
        assert_eq!(draw("reading a.conf", Duration::from_millis(399)), None);
        assert_eq!(draw("reading a.conf", Duration::from_millis(400)).unwrap(), "reading a.conf …");
        assert_eq!(draw("reading a.conf", Duration::from_millis(2999)).unwrap(), "reading a.conf … 2 s");
    }

    #[test]
    fn each_thing_is_told_once_and_the_last_line_is_cleared() {
        let (told, heard) = mpsc::channel();
        told.send("two".to_owned()).unwrap();
        told.send("two".to_owned()).unwrap();
        drop(told);
        let mut shown = Vec::new();
        follow(&heard, "one".to_owned(), |what| Some(what.to_owned()), |text| shown.push(text.to_owned()));
        assert_eq!(shown, ["\r\x1b[Ktwo", "\r\x1b[K"]);
        follow(&heard, "one".to_owned(), |_| None, |text| panic!("nothing was drawn, and {text:?} is shown"));
    }

    #[test]
    fn a_line_never_folds_nor_steers_the_terminal() {
        assert_eq!(cut("reading", Some(5)), "read");
        assert_eq!(cut("主机主机", Some(6)), "主机");
        assert_eq!(cut("reading", None), "reading");
        assert!(!draw("a\x1b[2J\nb", QUIET).unwrap().contains(['\x1b', '\n']));
    }
}
