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
    /// Path.
    pub path: &'a str,
    /// How it is worded.
    pub version: Version,
    /// Host header; without it the address.
    pub host: Option<&'a str>,
    /// Who is asked.
    pub server: SocketAddr,
}

impl Request<'_> {
    /// The request as it is sent.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, connection) = match self.version {
            Version::Http10 => ("1.0", ""),
            Version::Http10Close => ("1.0", "Connection: close\r\n"),
            Version::Http11 => ("1.1", "Connection: close\r\n"),
        };
        write!(
            f,
            "GET {} HTTP/{number}\r\nUser-Agent: KeepAliveClient\r\n{connection}Host: ",
            Line(self.path)
        )?;
        match self.host {
            Some(host) => write!(f, "{}\r\n\r\n", Line(host)),
            None => write!(f, "{}\r\n\r\n", self.server),
        }
    }
}

/// Text without what would end a line.
struct Line<'a>(&'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.split(['\r', '\n', '\0']).try_for_each(|part| f.write_str(part))
    }
}
