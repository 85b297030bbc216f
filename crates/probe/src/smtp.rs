//! SMTP (RFC 5321): the greeting, HELO, QUIT.

use crate::{Awaited, Dialogue, Failure, Found, Progress};

/// Longest line of a reply (RFC 5321 section 4.5.3.1.5).
pub const LINE_BYTES_MAX: usize = 512;

/// Most lines of one reply.
pub const REPLY_LINES_MAX: usize = 64;

/// The name in HELO, unless another is given.
pub const DEFAULT_NAME: &str = "smtpchecker.keepalived.org";

/// A conversation with a mail server (`SMTP_CHECK`).
#[derive(Debug)]
pub struct Smtp {
    helo: Vec<u8>,
    stage: Stage,
    line: Vec<u8>,
    lines: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    Helo,
    Farewell,
}

impl Smtp {
    /// Greets as `name`; what would end a line inside of it is left out.
    pub fn new(name: &str) -> Self {
        let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
        let helo = format!("HELO {name}\r\n").into_bytes();
        Self { helo, stage: Stage::Greeting, line: Vec::new(), lines: 0 }
    }

    /// A whole line of a reply. What follows its code tells whether it is the last (RFC 5321 section 4.2.1).
    fn take_line(&mut self, out: &mut Vec<u8>) -> Progress {
        let line = std::mem::take(&mut self.line);
        let expected = match self.stage {
            // Whatever it says, it has answered.
            Stage::Farewell => return Progress::Done(Ok(Found::default())),
            Stage::Greeting => 220,
            Stage::Helo => 250,
        };
        let code =
            line.get(..3).and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok());
        let Some(found) = code else { return Progress::Done(Err(Failure::Malformed("reply of SMTP"))) };
        let last = match line.get(3) {
            Some(b'-') => false,
            Some(b' ') | None => true,
            Some(_) => return Progress::Done(Err(Failure::Malformed("reply of SMTP"))),
        };
        if found != expected {
            return Progress::Done(Err(Failure::Reply { expected, found }));
        }
        self.lines += 1;
        if !last && self.lines < REPLY_LINES_MAX {
            return Progress::Wait;
        }
        if !last {
            return Progress::Done(Err(Failure::TooLong {
                what: "reply",
                bytes: REPLY_LINES_MAX * LINE_BYTES_MAX,
            }));
        }
        self.lines = 0;
        match self.stage {
            Stage::Greeting => {
                out.extend_from_slice(&self.helo);
                self.stage = Stage::Helo;
            }
            Stage::Helo | Stage::Farewell => {
                out.extend_from_slice(b"QUIT\r\n");
                self.stage = Stage::Farewell;
            }
        }
        Progress::Wait
    }
}

impl Dialogue for Smtp {
    fn connected(&mut self, _: &mut Vec<u8>) -> Progress {
        Progress::Wait
    }

    fn received(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Progress {
        for octet in octets {
            match octet {
                b'\n' => {
                    if self.line.last() == Some(&b'\r') {
                        self.line.pop();
                    }
                    let progress = self.take_line(out);
                    if progress != Progress::Wait {
                        return progress;
                    }
                }
                _ if self.line.len() >= LINE_BYTES_MAX => {
                    return Progress::Done(Err(Failure::TooLong { what: "line", bytes: LINE_BYTES_MAX }));
                }
                octet => self.line.push(*octet),
            }
        }
        Progress::Wait
    }

    fn closed(&mut self) -> Result<Found, Failure> {
        Err(Failure::Closed(self.awaited()))
    }

    fn awaited(&self) -> Awaited {
        match self.stage {
            Stage::Greeting => Awaited::Greeting,
            Stage::Helo => Awaited::Helo,
            Stage::Farewell => Awaited::Farewell,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands each reply over when the one before has been answered; what was sent, and what came of it.
    fn talk(replies: &[&str]) -> (String, Result<Found, Failure>) {
        let mut smtp = Smtp::new("me.example\r\n");
        let mut out = Vec::new();
        smtp.connected(&mut out);
        for reply in replies {
            if let Progress::Done(result) = smtp.received(reply.as_bytes(), &mut out) {
                return (String::from_utf8(out).unwrap(), result);
            }
        }
        (String::from_utf8(out).unwrap(), smtp.closed())
    }

    #[test]
    fn a_server_that_greets_and_answers_is_well() {
        let sent = "HELO me.example\r\nQUIT\r\n".to_owned();
        for replies in [
            &["220 hello\r\n", "250 me\r\n", "221 bye\r\n"][..],
            &["220\r\n", "250\n", "what?\r\n"],
            &["22", "0-hello\r\n220-and", " more\r\n220 welcome\r\n", "250-a\r\n250 b\r\n", "221 bye\r\n"],
        ] {
            assert_eq!(talk(replies), (sent.clone(), Ok(Found::default())), "{replies:?}");
        }
    }

    #[test]
    fn anything_else_is_a_failure_that_says_where() {
        let long = "2".repeat(LINE_BYTES_MAX + 1);
        let many = "220-x\r\n".repeat(REPLY_LINES_MAX);
        for (replies, expected) in [
            (&["554 no\r\n"][..], "the reply is 554 where 220 is good"),
            (&["220 hello\r\n", "502 what\r\n"], "the reply is 502 where 250 is good"),
            (&["hello\r\n"], "the answer is no reply of SMTP"),
            (&["220hello\r\n"], "the answer is no reply of SMTP"),
            (&[long.as_str()], "the line is longer than 512 bytes"),
            (&[many.as_str()], "the reply is longer than 32768 bytes"),
            (&[], "the server closed the connection before the greeting came"),
            (
                &["220 hello\r\n", "250 me\r\n"],
                "the server closed the connection before the answer to QUIT came",
            ),
        ] {
            assert_eq!(talk(replies).1.unwrap_err().to_string(), expected, "{replies:?}");
        }
    }
}
