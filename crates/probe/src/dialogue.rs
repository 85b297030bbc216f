//! A conversation over a stream.

use crate::failure::{Awaited, Failure};

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Send what was written, and hand over what comes.
    Wait,
    /// Send what was written, if the connection takes it; the rest does not matter.
    Done(Result<Found, Failure>),
}

/// What a server that is well has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Status of HTTP.
    pub status: Option<u16>,
    /// MD5 of the body, where it was asked for.
    pub digest: Option<[u8; 16]>,
    /// Octets of the body.
    pub body_bytes: u64,
    /// The server promised a body of another length.
    pub length_mismatch: bool,
}

/// A conversation over a stream: the caller connects, sends what is written to `out`, and hands over what comes.
pub trait Dialogue {
    /// The connection stands.
    fn connected(&mut self, out: &mut Vec<u8>) -> Progress;

    /// The server said something.
    fn received(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Progress;

    /// The server has said everything.
    fn closed(&mut self) -> Result<Found, Failure>;

    /// What is being waited for: what is wrong when it does not come in time.
    fn awaited(&self) -> Awaited;
}

/// Being connected is everything (`TCP_CHECK`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Connect;

impl Dialogue for Connect {
    fn connected(&mut self, _: &mut Vec<u8>) -> Progress {
        Progress::Done(Ok(Found::default()))
    }

    fn received(&mut self, _: &[u8], _: &mut Vec<u8>) -> Progress {
        Progress::Done(Ok(Found::default()))
    }

    fn closed(&mut self) -> Result<Found, Failure> {
        Ok(Found::default())
    }

    fn awaited(&self) -> Awaited {
        Awaited::Connection
    }
}
