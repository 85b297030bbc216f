//! What a terminal sees while something takes long, and that nobody else sees it.

#![cfg(test)]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal of 40 columns, and a program whose standard error it is.
struct Terminal {
    screen: File,
    seen: String,
    child: Child,
}

impl Terminal {
    fn of(mut command: Command) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        tcsetwinsize(&screen, Winsize { ws_row: 24, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let line = File::options()
            .read(true)
            .write(true)
            .open(Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())))
            .unwrap();
        let child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(line)).spawn().unwrap();
        Self { screen: screen.into(), seen: String::new(), child }
    }

    /// What is new on the screen; `None` when nobody has the terminal any more.
    fn more(&mut self) -> Option<()> {
        let mut octets = [0; 4096];
        let count = self.screen.read(&mut octets).ok().filter(|count| *count > 0)?;
        self.seen += &String::from_utf8_lossy(octets.get(..count)?);
        Some(())
    }

    fn shows(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(self.more().is_some(), "it ended and showed only {:?}", self.seen);
        }
    }

    /// Ends its input, and gives what was on the screen and in standard output.
    fn end(mut self, input: &str) -> (String, String) {
        // A program that has ended reads nothing.
        let _ = self.child.stdin.take().unwrap().write_all(input.as_bytes());
        while self.more().is_some() {}
        let output = self.child.wait_with_output().unwrap();
        (self.seen, String::from_utf8(output.stdout).unwrap())
    }
}

fn steadfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(arguments).env("TERM", "xterm");
    command
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("steadfast-terminal-{name}-{}", std::process::id()))
}

/// What is on the screen at the end is what was printed last, in an empty line.
fn is_cleared(seen: &str, line: &str) -> bool {
    seen.rsplit_once(line).is_some_and(|(_, after)| after.contains("\r\x1b[K"))
}

#[test]
fn a_configuration_that_takes_long_is_told_of_on_a_terminal_that_can_be_drawn_upon() {
    let check = ["check", "--any-machine", "-"];
    let mut dumb = steadfast(&check);
    dumb.env("TERM", "dumb");
    let dumb = Terminal::of(dumb);
    let piped = steadfast(&check)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever writes with colours or without sees it.
    let mut plain = steadfast(&check);
    plain.env("NO_COLOR", "1");
    let mut plain = Terminal::of(plain);
    plain.shows("reading - …");
    let (seen, out) = plain.end("global_defs {\n}\n");
    assert!(is_cleared(&seen, "reading - …"), "{seen:?}");
    assert!(out.contains("-: is in order") && !out.contains("reading"), "{out}");

    // The others began before: they had the time to tell of it.
    let (seen, out) = dumb.end("global_defs {\n}\n");
    assert_eq!(seen, "");
    assert!(out.contains("-: is in order"), "{out}");
    let output = piped.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn each_question_that_waits_for_the_daemon_says_so() {
    let socket = scratch("slow.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let path = socket.to_str().unwrap().to_owned();
    for (question, line) in [
        (&["status"][..], "asking the daemon …"),
        (&["peers"], "asking the daemon …"),
        (&["show", "config"], "asking the daemon …"),
        (&["plan", "/etc/hostname"], "waiting for the daemon's plan …"),
        // The line is longer than the terminal is wide, and is cut.
        (&["reload"], "waiting until the daemon has read its c"),
    ] {
        let mut words = question.to_vec();
        words.extend(["--control-socket", &path]);
        let mut terminal = Terminal::of(steadfast(&words));
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut request = String::new();
        stream.read_line(&mut request).unwrap();
        terminal.shows(line);
        drop(stream);
        let (seen, out) = terminal.end("");
        assert!(is_cleared(&seen, line), "{question:?}: {seen:?}");
        assert!(seen.trim_end().ends_with("the daemon hung up before its answer was complete"), "{seen:?}");
        assert_eq!(out, "", "{question:?}");
    }
    std::fs::remove_file(&socket).unwrap();
}
