//! What can be wrong with a server.

use std::fmt;

/// What is wrong with a server, in words that stand alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It did not come in time.
    #[error("{0} did not come in time")]
    TimedOut(Awaited),
    /// It closed the connection before.
    #[error("the server closed the connection before {0} came")]
    Closed(Awaited),
    /// Something other than the protocol.
    #[error("the answer is no {0}")]
    Malformed(&'static str),
    /// More than is taken.
    #[error("the {what} is longer than {bytes} bytes")]
    TooLong {
        /// What.
        what: &'static str,
        /// The bound.
        bytes: usize,
    },
    /// Another status of HTTP than those that are good.
    #[error("the status is {0}")]
    Status(u16),
    /// Another body.
    #[error("the digest of the page is {}", Hex(.0))]
    Digest([u8; 16]),
    /// The pattern was not found.
    #[error("the page does not match the pattern")]
    NoMatch,
    /// The pattern that must not be there was found.
    #[error("the page matches the pattern that it must not match")]
    Match,
    /// Looking for the pattern took too long.
    #[error("the pattern gave up: {0}")]
    PatternGaveUp(String),
    /// Another reply code of SMTP.
    #[error("the reply is {found} where {expected} is good")]
    Reply {
        /// What was good.
        expected: u16,
        /// What came.
        found: u16,
    },
    /// The health service of gRPC calls it other than serving.
    #[error("the health service says {}", health(*.0))]
    Health(u64),
    /// A status of gRPC that is no success.
    #[error("the status of gRPC is {0}{name}", name = grpc(*.0))]
    Grpc(u16),
    /// An end of HTTP/2 before the answer (RFC 9113 section 7).
    #[error("the server gave the question up with error {0} of HTTP/2")]
    GaveUp(u32),
    /// Another response code of DNS (RFC 1035 section 4.1.1).
    #[error("the response code is {0}")]
    ResponseCode(u8),
    /// An answer that a datagram has no room for (TC, RFC 1035 section 4.1.1).
    #[error("the answer was cut")]
    Cut,
    /// An answer of a length that is not good.
    #[error("the answer has {0} bytes")]
    ReplyLength(usize),
    /// An answer with other octets.
    #[error("the answer differs at byte {0}")]
    ReplyDiffers(usize),
}

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// The connection.
    Connection,
    /// The end of the handshake of TLS.
    Handshake,
    /// The end of the header of HTTP.
    Header,
    /// The end of the page.
    Body,
    /// The greeting of SMTP.
    Greeting,
    /// The answer to HELO.
    Helo,
    /// The answer to QUIT.
    Farewell,
    /// An answer.
    Reply,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "the connection",
            Self::Handshake => "the end of the handshake",
            Self::Header => "the header",
            Self::Body => "the end of the page",
            Self::Greeting => "the greeting",
            Self::Helo => "the answer to HELO",
            Self::Farewell => "the answer to QUIT",
            Self::Reply => "the answer",
        })
    }
}

/// Octets as digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What a status of the health service is called.
const fn health(status: u64) -> &'static str {
    match status {
        0 => "UNKNOWN",
        2 => "NOT_SERVING",
        3 => "SERVICE_UNKNOWN",
        _ => "something that it should not",
    }
}

/// What the statuses are called that a health service answers with.
const fn grpc(status: u16) -> &'static str {
    match status {
        1 => ", CANCELLED",
        4 => ", DEADLINE_EXCEEDED",
        5 => ", NOT_FOUND",
        7 => ", PERMISSION_DENIED",
        8 => ", RESOURCE_EXHAUSTED",
        12 => ", UNIMPLEMENTED",
        13 => ", INTERNAL",
        14 => ", UNAVAILABLE",
        16 => ", UNAUTHENTICATED",
        _ => "",
    }
}
