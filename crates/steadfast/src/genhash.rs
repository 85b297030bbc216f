//! `steadfast genhash`: the digest of a page, as a check of it would find it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use steadfast_kernel::Errno;
use steadfast_kernel::client::{Stream, Way};
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_probe::http::{Expectation, Http, Request};
use steadfast_probe::tls::{Context, Secured};
use steadfast_probe::{Awaited, Dialogue, Failure as Wrong, Found, Progress};

use crate::command_line::GenhashArguments;
use crate::exit;
use crate::failure::Failure;
use crate::terminal;

/// Octets read at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// Octets of a line of a dump.
const LINE_OCTETS: usize = 16;

/// Prints the digest.
pub(crate) fn run(arguments: &GenhashArguments) -> Result<u8, Failure> {
    let begun = Instant::now();
    let to = SocketAddr::new(arguments.server, arguments.port);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let way = Way { mark: arguments.fwmark, ..Way::to(to) };
    let mut dialogue = dialogue(arguments, to, Arc::clone(&heard))?;
    let found = converse(&way, dialogue.as_mut(), arguments.timeout).map_err(Failure::Page)?;
    let digest = found.digest.ok_or_else(|| Failure::Page("there was no page".to_owned()))?;
    let mut text = String::new();
    if arguments.verbose {
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        report(&mut text, &heard, &digest);
        text.push_str(&digits(&digest));
        // Writing to a String cannot fail.
        let took = begun.elapsed().as_micros();
        let _ = write!(text, "\n\nGlobal response time for [{}] = {took} usecs\n", arguments.url);
    } else {
        text.push_str(&digits(&digest));
        text.push('\n');
    }
    terminal::print(text)?;
    Ok(exit::SUCCESS)
}

fn dialogue(
    arguments: &GenhashArguments,
    server: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
) -> Result<Box<dyn Dialogue>, Failure> {
    let host = arguments.use_virtualhost.as_deref();
    let request = Request::get(&arguments.url, arguments.protocol, host, server);
    // keepalived tells the digest whatever the status is.
    let expectation =
        Expectation { statuses: vec![(0, u16::MAX)], tell_digest: true, ..Expectation::default() };
    let page = Http::new(&request, Arc::new(expectation));
    let page = Recorded { inner: page, heard: arguments.verbose.then_some(heard) };
    if !arguments.use_ssl {
        return Ok(Box::new(page));
    }
    let context =
        Context::new(None).map_err(|error| Failure::Page(format!("there can be no TLS: {error}")))?;
    let name = host.filter(|_| arguments.use_sni);
    Ok(Box::new(Secured::new(&context, page, name, false)))
}

/// A conversation that keeps what it heard; how much that is the conversation inside bounds.
struct Recorded {
    inner: Http,
    heard: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Dialogue for Recorded {
    fn connected(&mut self, out: &mut Vec<u8>) -> Progress {
        self.inner.connected(out)
    }

    fn received(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Progress {
        if let Some(heard) = &self.heard {
            heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        }
        self.inner.received(octets, out)
    }

    fn closed(&mut self) -> Result<Found, Wrong> {
        self.inner.closed()
    }

    fn awaited(&self) -> Awaited {
        self.inner.awaited()
    }
}

/// Drives a conversation to its end.
fn converse(way: &Way, dialogue: &mut dyn Dialogue, limit: Duration) -> Result<Found, String> {
    const STREAM: u64 = 0;
    let until = clock::monotonic().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX));
    let poller = Poller::open().map_err(|error| error.to_string())?;
    let (mut stream, _) = Stream::connect(way).map_err(|unreached| unreached.to_string())?;
    poller.add(&stream, STREAM, Interest::Writable).map_err(|error| error.to_string())?;
    let mut events = Events::default();
    let mut out = Vec::new();
    let mut connected = false;
    loop {
        poller
            .wait(&mut events, Some(until))
            .map_err(|errno| steadfast_kernel::Error::new("wait for descriptors", errno).to_string())?;
        if clock::monotonic() >= until {
            let awaited = if connected { dialogue.awaited() } else { Awaited::Connection };
            return Err(Wrong::TimedOut(awaited).to_string());
        }
        if events.iter().next().is_none() {
            continue;
        }
        if !connected {
            stream.connected().map_err(|unreached| unreached.to_string())?;
            connected = true;
            if let Progress::Done(result) = dialogue.connected(&mut out) {
                return result.map_err(|wrong| wrong.to_string());
            }
        }
        if let Progress::Done(result) = exchange(&mut stream, dialogue, &mut out)? {
            return result.map_err(|wrong| wrong.to_string());
        }
        let interest = if out.is_empty() { Interest::Readable } else { Interest::Both };
        poller.modify(&stream, STREAM, interest).map_err(|error| error.to_string())?;
    }
}

/// Sends what is to be said, and takes a piece of what came.
fn exchange(stream: &mut Stream, dialogue: &mut dyn Dialogue, out: &mut Vec<u8>) -> Result<Progress, String> {
    speak(stream, out)?;
    let mut piece = [0; PIECE_BYTES];
    let progress = match stream.read(&mut piece) {
        Ok(0) => Progress::Done(dialogue.closed()),
        Ok(length) => dialogue.received(piece.get(..length).unwrap_or_default(), out),
        Err(Errno::AGAIN) => Progress::Wait,
        Err(errno) => return Err(errno.to_string()),
    };
    if progress == Progress::Wait {
        speak(stream, out)?;
    }
    Ok(progress)
}

fn speak(stream: &mut Stream, out: &mut Vec<u8>) -> Result<(), String> {
    while !out.is_empty() {
        match stream.write(out) {
            Ok(length) => drop(out.drain(..length.min(out.len()))),
            Err(Errno::AGAIN) => return Ok(()),
            Err(errno) => return Err(errno.to_string()),
        }
    }
    Ok(())
}

/// The header, the page and the digest under keepalived's titles.
fn report(text: &mut String, heard: &[u8], digest: &[u8]) {
    let end = heard.windows(4).position(|octets| octets == b"\r\n\r\n").map_or(heard.len(), |at| at + 4);
    let (header, body) = heard.split_at_checked(end).unwrap_or((heard, &[]));
    text.push_str("-----------------------[    HTTP Header Buffer    ]-----------------------\n");
    dump(text, header);
    text.push_str("-----------------------[ HTTP Header Ascii Buffer ]-----------------------\n");
    text.push_str(&terminal::harmless(&String::from_utf8_lossy(header).replace("\r\n", "\n")));
    text.push_str("\n-----------------------[        HTML Buffer        ]-----------------------\n");
    dump(text, body);
    text.push_str("\n-----------------------[    HTML hash resulting    ]-----------------------\n");
    dump(text, digest);
    text.push_str("-----------------------[ HTML hash final resulting ]-----------------------\n");
}

fn dump(text: &mut String, octets: &[u8]) {
    for (line, octets) in octets.chunks(LINE_OCTETS).enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{:04}  ", line * LINE_OCTETS);
        for place in 0..LINE_OCTETS {
            match octets.get(place) {
                Some(octet) => drop(write!(text, "{octet:02x} ")),
                None => text.push_str("   "),
            }
            if place == LINE_OCTETS / 2 - 1 {
                text.push_str("- ");
            }
        }
        text.push_str("  ");
        for place in 0..LINE_OCTETS {
            let octet = octets.get(place).copied().unwrap_or(b' ');
            let shown = if octet.is_ascii_graphic() || octet == b' ' { char::from(octet) } else { '.' };
            text.push(shown);
        }
        text.push('\n');
    }
}

fn digits(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_look_as_keepalived_has_them() {
        let mut text = String::new();
        dump(&mut text, b"HTTP/1.0 200 OK\r\n GMT...");
        assert_eq!(
            text,
            "0000  48 54 54 50 2f 31 2e 30 - 20 32 30 30 20 4f 4b 0d   HTTP/1.0 200 OK.\n\
             0016  0a 20 47 4d 54 2e 2e 2e -                           . GMT...        \n"
        );
    }
}
