//! HTTP/1.x (RFC 9112): one request, and whether the answer is good.

mod request;
mod response;

use std::sync::Arc;

use crate::{Awaited, Dialogue, Failure, Found, Pattern, Progress};

pub use request::{Request, Version};
pub use response::{BODY_BYTES_MAX, HEADER_BYTES_MAX, HEADER_LINES_MAX, KEPT_BYTES_MAX};
use response::{Response, Step};

/// What makes an answer good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Good statuses, from and to; without any 200 to 299.
    pub statuses: Vec<(u16, u16)>,
    /// MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// What the body must match, or not.
    pub pattern: Option<Arc<Pattern>>,
    /// The digest is wanted, whatever it is.
    pub tell_digest: bool,
}

/// One page asked for (`HTTP_GET`, `SSL_GET`).
#[derive(Debug)]
pub struct Http {
    request: Vec<u8>,
    expectation: Arc<Expectation>,
    response: Response,
}

impl Http {
    /// Asks for a page.
    pub fn new(request: &Request<'_>, expectation: Arc<Expectation>) -> Self {
        let digest = expectation.digest.is_some() || expectation.tell_digest;
        let response = Response::new(digest, expectation.pattern.is_some(), request.is_head());
        Self { request: request.to_bytes(), expectation, response }
    }

    fn judge(&self, awaited: Option<Awaited>) -> Result<Found, Failure> {
        let found = self.response.found();
        let Some(status) = found.status else { return Err(Failure::Closed(Awaited::Header)) };
        let good = match self.expectation.statuses.as_slice() {
            [] => (200..=299).contains(&status),
            ranges => ranges.iter().any(|(first, last)| (*first..=*last).contains(&status)),
        };
        if !good {
            return Err(Failure::Status(status));
        }
        if let Some(awaited) = awaited {
            return Err(Failure::TimedOut(awaited));
        }
        if let (Some(expected), Some(digest)) = (self.expectation.digest, found.digest)
            && expected != digest
        {
            return Err(Failure::Digest(digest));
        }
        if let Some(pattern) = &self.expectation.pattern {
            let is_in = pattern
                .is_in(self.response.kept())
                .map_err(|error| Failure::PatternGaveUp(error.to_string()))?;
            match (is_in, pattern.is_inverted()) {
                (true, true) => return Err(Failure::Match),
                (false, false) => return Err(Failure::NoMatch),
                (true, false) | (false, true) => {}
            }
        }
        Ok(found)
    }
}

impl Dialogue for Http {
    fn connected(&mut self, out: &mut Vec<u8>) -> Progress {
        out.extend_from_slice(&self.request);
        Progress::Wait
    }

    fn received(&mut self, octets: &[u8], _: &mut Vec<u8>) -> Progress {
        match self.response.take(octets) {
            Ok(Step::More) => Progress::Wait,
            Ok(Step::Whole) => Progress::Done(self.judge(None)),
            Err(failure) => Progress::Done(Err(failure)),
        }
    }

    /// The end of the connection is the end of the page, whatever length was promised: keepalived takes it so.
    fn closed(&mut self) -> Result<Found, Failure> {
        self.judge(None)
    }

    fn awaited(&self) -> Awaited {
        if self.response.found().status.is_some() { Awaited::Body } else { Awaited::Header }
    }
}

#[cfg(test)]
mod tests;
