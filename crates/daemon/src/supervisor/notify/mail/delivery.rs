//! How letters reach a mail server: SMTP (RFC 5321) as keepalived speaks it, HELO and no more. It runs in a process of
//! its own, because names are looked up and answers are waited for.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};

use super::{Letter, Relay};

/// Longest line of a reply that is read (RFC 5321 section 4.5.3.1.5).
const LINE_BYTES_MAX: u64 = 512;
/// Most lines of one reply.
const REPLY_LINES_MAX: usize = 64;

/// Delivers letters in one conversation, and says `taken` after each that the server took.
///
/// # Errors
/// In words, with what the server said.
pub(super) fn deliver(relay: &Relay, letters: &[Letter], mut taken: impl FnMut()) -> Result<(), String> {
    let stream = connect(relay)?;
    converse(BufReader::new(stream), relay, letters, &mut taken)
}

fn connect(relay: &Relay) -> Result<TcpStream, String> {
    let addresses = (relay.server.as_str(), relay.port)
        .to_socket_addrs()
        .map_err(|error| format!("the name of {} cannot be looked up: {error}", relay.server))?;
    let mut failure = format!("{} has no address", relay.server);
    for address in addresses {
        let connected = TcpStream::connect_timeout(&address, relay.timeout).and_then(|stream| {
            stream.set_read_timeout(Some(relay.timeout))?;
            stream.set_write_timeout(Some(relay.timeout))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = format!("no connection to {address}: {}", in_words(&error)),
        }
    }
    Err(failure)
}

fn converse<S: Read + Write>(
    mut stream: BufReader<S>,
    relay: &Relay,
    letters: &[Letter],
    taken: &mut impl FnMut(),
) -> Result<(), String> {
    expect(&mut stream, "the greeting", 220)?;
    ask(&mut stream, &format!("HELO {}", clean(&relay.helo)), 250)?;
    for letter in letters {
        ask(&mut stream, &format!("MAIL FROM:<{}>", envelope(&relay.from)), 250)?;
        for recipient in &relay.to {
            ask(&mut stream, &format!("RCPT TO:<{}>", envelope(recipient)), 250)?;
        }
        ask(&mut stream, "DATA", 354)?;
        ask(&mut stream, &stuffed(&letter.text(relay)), 250)?;
        taken();
    }
    // Everything is delivered; what it says to that changes nothing.
    let _ = ask(&mut stream, "QUIT", 221);
    Ok(())
}

/// Sends a command, or a text with the dot at its end, and reads the reply.
fn ask<S: Read + Write>(stream: &mut BufReader<S>, command: &str, wanted: u16) -> Result<(), String> {
    let what = command.split([':', '\r']).next().unwrap_or_default();
    let what = if wanted == 250 && command.ends_with("\r\n.") { "the text" } else { what };
    let sent = stream.get_mut().write_all(format!("{command}\r\n").as_bytes());
    sent.map_err(|error| format!("{what}: {}", in_words(&error)))?;
    expect(stream, what, wanted)
}

/// Reads a reply of any number of lines (RFC 5321 section 4.2.1).
fn expect<S: Read>(stream: &mut BufReader<S>, what: &str, wanted: u16) -> Result<(), String> {
    for _ in 0..REPLY_LINES_MAX {
        let mut line = Vec::new();
        let read = stream.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(|error| format!("no answer to {what}: {}", in_words(&error)))?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !line.ends_with(b"\n") {
            return Err(format!("the connection ended before the answer to {what}"));
        }
        let code = text.get(..3).and_then(|code| code.parse::<u16>().ok());
        if code != Some(wanted) {
            return Err(format!("expected {wanted} in answer to {what}, found \"{}\"", text.escape_debug()));
        }
        if text.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
    Err(format!("more than {REPLY_LINES_MAX} lines in answer to {what}"))
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "its time is over".to_owned(),
        _ => error.to_string(),
    }
}

/// What stands in brackets, or else all of it.
fn envelope(address: &str) -> String {
    let bracketed = address.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    clean(bracketed.map_or(address, |(address, _)| address))
}

/// Without what would end a line.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).collect()
}

/// A dot at the beginning of a line is doubled (RFC 5321 section 4.5.2), and one alone is the end.
fn stuffed(text: &str) -> String {
    let lines =
        text.split("\r\n").map(|line| if line.starts_with('.') { format!(".{line}") } else { line.into() });
    let lines: Vec<String> = lines.collect();
    format!("{}\r\n.", lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that says what is written here, whatever it hears.
    struct Server(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for &mut Server {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for &mut Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn relay() -> Relay {
        Relay {
            server: "mail".into(),
            port: 25,
            helo: "r1\r\nQUIT".into(),
            from: "Keeper <keep@example.org>".into(),
            to: vec!["root".into(), "<ops@example.org>".into()],
            timeout: Duration::from_secs(1),
            router: "lab".into(),
        }
    }

    fn talk(replies: &str) -> (Result<(), String>, usize, String) {
        let letter =
            Letter { at: jiff::Timestamp::UNIX_EPOCH, subject: "a\r\nX: y".into(), body: "one".into() };
        let mut server = Server(io::Cursor::new(replies.into()), Vec::new());
        let mut taken = 0;
        let result =
            converse(BufReader::new(&mut server), &relay(), &[letter.clone(), letter], &mut || taken += 1);
        (result, taken, String::from_utf8(server.1).unwrap())
    }

    #[test]
    fn letters_are_delivered_in_one_conversation() {
        let each = "250 a\r\n250 b\r\n250 c\r\n354 go\r\n250 taken\r\n";
        let (result, taken, said) =
            talk(&format!("220-one\r\n220 two\r\n250-a\r\n250 b\r\n{each}{each}221 bye\r\n"));
        assert_eq!((result, taken), (Ok(()), 2));
        assert!(said.starts_with(
            "HELO r1QUIT\r\nMAIL FROM:<keep@example.org>\r\nRCPT TO:<root>\r\nRCPT TO:<ops@example.org>\r\nDATA\r\n"
        ));
        assert!(said.contains("Subject: [lab] aX: y\r\n"), "{said}");
        assert!(said.contains("\r\n=> one <=\r\n.\r\nMAIL FROM"), "{said}");
        assert!(said.ends_with("\r\n.\r\nQUIT\r\n"));
    }

    #[test]
    fn what_the_server_refuses_is_said() {
        let greeting = "220 x\r\n250 x\r\n";
        let cases = [
            ("554 no\r\n", "expected 220 in answer to the greeting, found \"554 no\""),
            ("", "the connection ended before the answer to the greeting"),
            (
                &format!("{greeting}250 a\r\n550 who\r\n"),
                "expected 250 in answer to RCPT TO, found \"550 who\"",
            ),
            (&"220-more\r\n".repeat(100), "more than 64 lines in answer to the greeting"),
            (&"2".repeat(2_000), "the connection ended before the answer to the greeting"),
        ];
        for (replies, reason) in cases {
            let (result, taken, _) = talk(replies);
            assert_eq!((result, taken), (Err(reason.to_owned()), 0));
        }
        assert_eq!(stuffed("a\r\n.b\r\n."), "a\r\n..b\r\n..\r\n.");
    }
}
