//! The request.

use std::fmt;
use std::net::SocketAddr;

/// How the request is worded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    #[default]
    Http10,
    /// HTTP/1.0, asking for the end of the connection.
    Http10Close,
    /// HTTP/1.1, asking for the end of the connection.
    Http11,
}

/// A page to ask for. What would end a line inside of it is left out of the request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// GET, or another method.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// How it is worded.
    pub version: Version,
    /// Host header; without it the address.
    pub host: Option<&'a str>,
    /// Who is asked.
    pub server: SocketAddr,
    /// Further header fields, name and value.
    pub headers: &'a [(&'a str, &'a str)],
    /// Body.
    pub body: Option<&'a str>,
}

/// The method of most requests.
const GET: &str = "GET";

impl<'a> Request<'a> {
    /// Asks for a page with nothing beyond.
    pub const fn get(path: &'a str, version: Version, host: Option<&'a str>, server: SocketAddr) -> Self {
        Self { method: GET, path, version, host, server, headers: &[], body: None }
    }
}

impl Request<'_> {
    /// The request as it is sent.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    /// Answers have no body, whatever length they promise (RFC 9110 section 9.3.2).
    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    fn has_header(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    }

    /// How long its body is, where that is to be said (RFC 9110 section 8.6).
    fn content_length(&self) -> Option<usize> {
        let length = self.body.map(str::len);
        length.or_else(|| matches!(self.method, "POST" | "PUT" | "PATCH").then_some(0))
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, connection) = match self.version {
            Version::Http10 => ("1.0", ""),
            Version::Http10Close => ("1.0", "Connection: close\r\n"),
            Version::Http11 => ("1.1", "Connection: close\r\n"),
        };
        write!(f, "{} {} HTTP/{number}\r\n", Line(self.method), Line(self.path))?;
        if !self.has_header("user-agent") {
            f.write_str("User-Agent: KeepAliveClient\r\n")?;
        }
        f.write_str(connection)?;
        for (name, value) in self.headers {
            write!(f, "{}: {}\r\n", Line(name), Line(value))?;
        }
        if let Some(length) = self.content_length() {
            write!(f, "Content-Length: {length}\r\n")?;
        }
        match self.host {
            Some(host) => write!(f, "Host: {}\r\n\r\n", Line(host))?,
            None => write!(f, "Host: {}\r\n\r\n", self.server)?,
        }
        f.write_str(self.body.unwrap_or_default())
    }
}

/// Text without what would end a line.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split(['\r', '\n', '\0']).try_for_each(|part| f.write_str(part))
    }
}
