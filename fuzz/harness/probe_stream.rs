//! Any octets as the answers of a web server and of a mail server: in whatever pieces they come, they mean the same.
//! Also run over the committed corpus by the ordinary tests.

use std::sync::Arc;

use steadfast_probe::http::{Expectation, Http, Request, Version};
use steadfast_probe::smtp::Smtp;
use steadfast_probe::{Dialogue, Failure, Found, Pattern, Progress};

pub(crate) fn run(octets: &[u8]) {
    let Some((piece, octets)) = octets.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    let pattern = Pattern::new("a.?b", &[], false, None, None).unwrap();
    let expectation = Arc::new(Expectation {
        pattern: Some(Arc::new(pattern)),
        tell_digest: true,
        ..Expectation::default()
    });
    let server = "192.0.2.1:80".parse().unwrap();
    let request = Request::get("/", Version::Http11, None, server);
    let http = || Http::new(&request, expectation.clone());
    assert_eq!(talk(http(), octets, piece), talk(http(), octets, octets.len().max(1)));
    let smtp = || Smtp::new("example.org");
    assert_eq!(talk(smtp(), octets, piece), talk(smtp(), octets, octets.len().max(1)));
}

fn talk(mut dialogue: impl Dialogue, octets: &[u8], piece: usize) -> Result<Found, Failure> {
    let mut out = Vec::new();
    if let Progress::Done(result) = dialogue.connected(&mut out) {
        return result;
    }
    for piece in octets.chunks(piece) {
        if let Progress::Done(result) = dialogue.received(piece, &mut out) {
            return result;
        }
        assert!(out.len() < 1_000, "what is sent grows with what comes");
    }
    dialogue.closed()
}
