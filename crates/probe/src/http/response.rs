//! The answer: its status, and as much of its body as is needed.

use md5::{Digest as _, Md5};

use crate::{Failure, Found};

/// Longest header; keepalived takes a quarter of it.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Most lines of a header.
pub const HEADER_LINES_MAX: usize = 128;

/// Longest body; what is longer fails.
pub const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// As much of a body as is kept for a pattern; what is longer fails.
pub const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Of a body that nobody looks at no more than this is waited for.
const UNSEEN_BYTES_MAX: u64 = 256 * 1024;

/// What became of the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// More is needed.
    More,
    /// Everything that counts is here.
    Whole,
}

#[derive(Debug)]
pub(super) struct Response {
    /// The header until its end has come, then what is kept of the body.
    buffer: Vec<u8>,
    status: Option<u16>,
    length: Option<u64>,
    body_bytes: u64,
    digest: Option<Md5>,
    keep: bool,
    /// There is no body, whatever the header says.
    bodiless: bool,
}

impl Response {
    pub(super) fn new(digest: bool, keep: bool, bodiless: bool) -> Self {
        Self {
            buffer: Vec::new(),
            status: None,
            length: None,
            body_bytes: 0,
            digest: digest.then(Md5::new),
            keep,
            bodiless,
        }
    }

    pub(super) fn take(&mut self, octets: &[u8]) -> Result<Step, Failure> {
        if self.status.is_some() {
            return self.take_body(octets);
        }
        let octets = if self.buffer.is_empty() { without_empty_lines(octets) } else { octets };
        let room = HEADER_BYTES_MAX.saturating_sub(self.buffer.len());
        let (first, rest) = octets.split_at_checked(room).unwrap_or((octets, &[]));
        self.buffer.extend_from_slice(first);
        match self.read_header(first.len())? {
            Some(header_bytes) => {
                let body = self.buffer.split_off(header_bytes);
                self.buffer.clear();
                match self.take_body(&body)? {
                    Step::More => self.take_body(rest),
                    Step::Whole => Ok(Step::Whole),
                }
            }
            None if room <= octets.len() => Err(Failure::TooLong { what: "header", bytes: HEADER_BYTES_MAX }),
            None => Ok(Step::More),
        }
    }

    /// The length of the header, when its end has come; the last `fresh` octets are new.
    fn read_header(&mut self, fresh: usize) -> Result<Option<usize>, Failure> {
        // A look for the end among what is new: or every octet of a slow header would be read again with each that follows.
        let from = self.buffer.len().saturating_sub(fresh + 3);
        if !ends_header(self.buffer.get(from..).unwrap_or_default()) {
            return self.plausible().map(|()| None);
        }
        let mut lines = [httparse::EMPTY_HEADER; HEADER_LINES_MAX];
        let mut response = httparse::Response::new(&mut lines);
        match httparse::ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response(&mut response, &self.buffer)
        {
            Ok(httparse::Status::Complete(bytes)) => {
                self.status = response.code;
                let length =
                    response.headers.iter().find(|line| line.name.eq_ignore_ascii_case("content-length"));
                self.length =
                    length.and_then(|line| std::str::from_utf8(line.value).ok()?.trim().parse().ok());
                // RFC 9110 sections 15.3.5 and 15.4.5: these have no body.
                if self.bodiless || matches!(self.status, Some(204 | 304)) {
                    self.length = Some(0);
                }
                Ok(Some(bytes))
            }
            Ok(httparse::Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                Err(Failure::TooLong { what: "header", bytes: HEADER_BYTES_MAX })
            }
            Err(_) => Err(Failure::Malformed("HTTP")),
        }
    }

    /// What does not begin as HTTP is told at once, not when it does not end.
    fn plausible(&self) -> Result<(), Failure> {
        let known = b"HTTP/1.";
        let length = self.buffer.len().min(known.len());
        if self.buffer.get(..length) == known.get(..length) {
            Ok(())
        } else {
            Err(Failure::Malformed("HTTP"))
        }
    }

    fn take_body(&mut self, octets: &[u8]) -> Result<Step, Failure> {
        let left = self.length.map(|length| length.saturating_sub(self.body_bytes));
        let count = left
            .and_then(|left| usize::try_from(left).ok())
            .map_or(octets.len(), |left| left.min(octets.len()));
        let octets = octets.get(..count).unwrap_or_default();
        self.body_bytes = self.body_bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if self.length.is_some_and(|length| self.body_bytes >= length) {
            self.see(octets)?;
            return Ok(Step::Whole);
        }
        if self.digest.is_none() && !self.keep && self.body_bytes >= UNSEEN_BYTES_MAX {
            return Ok(Step::Whole);
        }
        self.see(octets)?;
        Ok(Step::More)
    }

    fn see(&mut self, octets: &[u8]) -> Result<(), Failure> {
        if self.body_bytes > u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX) {
            return Err(Failure::TooLong { what: "page", bytes: BODY_BYTES_MAX });
        }
        if let Some(digest) = &mut self.digest {
            digest.update(octets);
        }
        if self.keep {
            if self.buffer.len() + octets.len() > KEPT_BYTES_MAX {
                return Err(Failure::TooLong { what: "page", bytes: KEPT_BYTES_MAX });
            }
            self.buffer.extend_from_slice(octets);
        }
        Ok(())
    }

    /// The body as it was kept.
    pub(super) fn kept(&self) -> &[u8] {
        if self.keep && self.status.is_some() { &self.buffer } else { &[] }
    }

    pub(super) fn found(&self) -> Found {
        Found {
            status: self.status,
            digest: self.digest.as_ref().map(|digest| digest.clone().finalize().into()),
            body_bytes: self.body_bytes,
            length_mismatch: self.length.is_some_and(|length| length != self.body_bytes),
        }
    }
}

/// Empty lines before the first are passed over, as RFC 9112 section 2.2 has it for requests. They would be taken for the end of the
/// header.
fn without_empty_lines(octets: &[u8]) -> &[u8] {
    let begin = octets.iter().position(|octet| !matches!(octet, b'\r' | b'\n'));
    begin.and_then(|begin| octets.get(begin..)).unwrap_or_default()
}

/// Whether there is an empty line behind the first.
fn ends_header(octets: &[u8]) -> bool {
    octets.windows(2).any(|pair| pair == b"\n\n")
        || octets.windows(4).any(|four| four == b"\r\n\r\n")
        || octets.windows(3).any(|three| three == b"\n\r\n")
}
