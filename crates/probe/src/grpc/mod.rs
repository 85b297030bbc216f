//! The health service of gRPC (`grpc.health.v1.Health/Check`) over HTTP/2 (RFC 9113): one question, one answer.
//!
//! A connection carries this one exchange, so that of HTTP/2 no more is here than that needs: one stream, no window to
//! be opened, and of compressed header fields (RFC 7541) only those that tell what went wrong.

mod fields;
mod frames;

use std::net::SocketAddr;

use self::fields::Told;
use self::frames::{Frame, Kind};
use crate::{Awaited, Dialogue, Failure, Found, Progress};

/// Octets that are read of a server before it is given up.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Longest message; one of the health service has two octets.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// A stream that a client opens first (RFC 9113 section 5.1.1).
const STREAM: u32 = 1;

const PATH: &str = "/grpc.health.v1.Health/Check";

/// Status of a service that is well.
const SERVING: u64 = 1;

const MALFORMED: Failure = Failure::Malformed("gRPC over HTTP/2");

/// One question (`GRPC_CHECK`).
#[derive(Debug)]
pub struct Health {
    question: Vec<u8>,
    /// What came and is not read yet.
    buffer: Vec<u8>,
    /// Octets that came.
    heard: usize,
    /// The server has told its settings.
    greeted: bool,
    /// Header fields of which the end has not come.
    fields: Option<Vec<u8>>,
    told: Told,
    message: Vec<u8>,
}

/// Whom to ask, and about what.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The service; empty is the server as a whole.
    pub service: &'a str,
    /// What the server is called; without it the address.
    pub host: Option<&'a str>,
    /// Who is asked.
    pub server: SocketAddr,
    /// Inside of TLS.
    pub secure: bool,
}

impl Health {
    /// Asks that.
    pub fn new(question: &Question<'_>) -> Self {
        let address = question.server.to_string();
        let host = question.host.unwrap_or(&address);
        let mut octets = frames::PREFACE.to_vec();
        frames::settings(&mut octets);
        frames::write(
            &mut octets,
            Kind::HEADERS,
            frames::END_HEADERS,
            STREAM,
            &fields::request(question.secure, host, PATH),
        );
        frames::write(
            &mut octets,
            Kind::DATA,
            frames::END_STREAM,
            STREAM,
            &request_message(question.service),
        );
        Self {
            question: octets,
            buffer: Vec::new(),
            heard: 0,
            greeted: false,
            fields: None,
            told: Told::default(),
            message: Vec::new(),
        }
    }

    fn take(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Result<Progress, Failure> {
        self.heard = self.heard.saturating_add(octets.len());
        if self.heard > ANSWER_BYTES_MAX {
            return Err(Failure::TooLong { what: "answer", bytes: ANSWER_BYTES_MAX });
        }
        self.buffer.extend_from_slice(octets);
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        while let Some((frame, behind)) = Frame::read(rest).map_err(|_| MALFORMED)? {
            rest = behind;
            if let Some(result) = self.hear(&frame, out)? {
                return Ok(Progress::Done(result));
            }
        }
        let read = buffer.len() - rest.len();
        drop(buffer.drain(..read));
        self.buffer = buffer;
        Ok(Progress::Wait)
    }

    /// What a frame means, if it decides.
    fn hear(
        &mut self,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Result<Found, Failure>>, Failure> {
        // RFC 9113 section 3.4: the settings of the server are the first that it sends.
        if !self.greeted && frame.kind != Kind::SETTINGS {
            return Err(MALFORMED);
        }
        self.greeted = true;
        // RFC 9113 section 6.10: nothing comes between the parts of a header.
        if self.fields.is_some() && frame.kind != Kind::CONTINUATION {
            return Err(MALFORMED);
        }
        match frame.kind {
            Kind::SETTINGS if !frame.has(frames::ACKNOWLEDGED) => {
                frames::write(out, Kind::SETTINGS, frames::ACKNOWLEDGED, 0, &[]);
            }
            Kind::PING if !frame.has(frames::ACKNOWLEDGED) => {
                frames::write(out, Kind::PING, frames::ACKNOWLEDGED, 0, frame.payload);
            }
            Kind::GOAWAY => return Err(Failure::GaveUp(frames::error_code(frame.payload.get(4..)))),
            Kind::RST_STREAM if frame.stream == STREAM => {
                // After an answer without a message this only ends the stream (RFC 9113 section 8.1).
                return Ok(Some(Err(self.missing(Failure::GaveUp(frames::error_code(Some(frame.payload)))))));
            }
            Kind::HEADERS | Kind::CONTINUATION if frame.stream == STREAM => {
                let block = frame.content().ok_or(MALFORMED)?;
                self.fields.get_or_insert_default().extend_from_slice(block);
                if frame.has(frames::END_HEADERS) {
                    let block = self.fields.take().unwrap_or_default();
                    self.told.read(&block).ok_or(MALFORMED)?;
                }
            }
            Kind::DATA if frame.stream == STREAM => {
                self.message.extend_from_slice(frame.content().ok_or(MALFORMED)?);
                if self.message.len() > MESSAGE_BYTES_MAX {
                    return Err(Failure::TooLong { what: "message", bytes: MESSAGE_BYTES_MAX });
                }
            }
            Kind::PUSH_PROMISE => return Err(MALFORMED),
            _ => {}
        }
        if let Some(status) = health_status(&self.message).map_err(|()| MALFORMED)? {
            return Ok(Some(if status == SERVING {
                Ok(Found::default())
            } else {
                Err(Failure::Health(status))
            }));
        }
        let ends = matches!(frame.kind, Kind::HEADERS | Kind::DATA)
            && frame.stream == STREAM
            && frame.has(frames::END_STREAM)
            && self.fields.is_none();
        Ok(ends.then(|| Err(self.missing(Failure::Closed(Awaited::Reply)))))
    }

    /// Why there is no message.
    fn missing(&self, otherwise: Failure) -> Failure {
        match (self.told.http_status, self.told.grpc_status) {
            (_, Some(status)) if status != 0 => Failure::Grpc(status),
            (Some(status), _) if status != 200 => Failure::Status(status),
            _ => otherwise,
        }
    }
}

impl Dialogue for Health {
    fn connected(&mut self, out: &mut Vec<u8>) -> Progress {
        out.append(&mut self.question);
        Progress::Wait
    }

    fn received(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Progress {
        let progress = self.take(octets, out).unwrap_or_else(|failure| Progress::Done(Err(failure)));
        if progress != Progress::Wait {
            // RFC 9113 section 5.4.1: whoever closes says so.
            frames::write(out, Kind::GOAWAY, 0, 0, &[0; 8]);
        }
        progress
    }

    fn closed(&mut self) -> Result<Found, Failure> {
        Err(self.missing(Failure::Closed(Awaited::Reply)))
    }

    fn awaited(&self) -> Awaited {
        Awaited::Reply
    }
}

/// `HealthCheckRequest` as one message: not compressed, its length, field 1 as text.
fn request_message(service: &str) -> Vec<u8> {
    let mut text = Vec::new();
    if !service.is_empty() {
        text.push(0x0a);
        let mut length = service.len();
        while length > 0x7f {
            text.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        text.push(u8::try_from(length).unwrap_or_default());
        text.extend_from_slice(service.as_bytes());
    }
    let mut message = vec![0];
    message.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(&text);
    message
}

/// The status in a `HealthCheckResponse`, once all of it has come; 0 (UNKNOWN) where it has none.
fn health_status(message: &[u8]) -> Result<Option<u64>, ()> {
    let Some((head, rest)) = message.split_first_chunk::<5>() else { return Ok(None) };
    let [compressed, length @ ..] = *head;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| ())?;
    if compressed != 0 || length > MESSAGE_BYTES_MAX {
        return Err(());
    }
    let Some(mut fields) = rest.get(..length) else { return Ok(None) };
    let mut status = 0;
    while !fields.is_empty() {
        let tag = varint(&mut fields)?;
        match tag & 7 {
            0 => {
                let value = varint(&mut fields)?;
                if tag >> 3 == 1 {
                    status = value;
                }
            }
            1 => fields = fields.get(8..).ok_or(())?,
            2 => {
                let length = usize::try_from(varint(&mut fields)?).map_err(|_| ())?;
                fields = fields.get(length..).ok_or(())?;
            }
            5 => fields = fields.get(4..).ok_or(())?,
            _ => return Err(()),
        }
    }
    Ok(Some(status))
}

/// A number in groups of seven bits, the lowest first.
fn varint(octets: &mut &[u8]) -> Result<u64, ()> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = octets.split_first().ok_or(())?;
        *octets = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(())
}

#[cfg(test)]
mod tests;
