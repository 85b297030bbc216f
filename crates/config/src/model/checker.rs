//! Health checks of real servers.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GrpcCheck, HttpRequest, Script};
use crate::value::{Interval, Name, Secret, Text};

/// A check with what all kinds have in common, inheritance applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checker {
    /// What it does.
    pub kind: CheckKind,
    /// Where it connects, if not simply to the real server.
    pub connection: Option<Box<Connection>>,
    /// Connection and I/O timeout.
    pub connect_timeout: Interval,
    /// Time between checks.
    pub delay_loop: Interval,
    /// Time between attempts.
    pub delay_before_retry: Interval,
    /// Upper bound of the random initial delay.
    pub warmup: Interval,
    /// Extra attempts before it has failed.
    pub retry: u32,
    /// Longest time of a whole check, beside the timeouts of its steps.
    pub check_timeout: Option<Interval>,
    /// Start failed.
    pub alpha: bool,
    /// Log each failure.
    pub log_all_failures: bool,
}

impl Checker {
    /// A check of that kind with everything at its default.
    pub fn new(kind: CheckKind) -> Self {
        Self {
            kind,
            connection: None,
            connect_timeout: Interval::from_secs(5),
            delay_loop: Interval::from_secs(60),
            delay_before_retry: Interval::from_secs(1),
            warmup: Interval::from_secs(60),
            retry: 1,
            check_timeout: None,
            alpha: false,
            log_all_failures: false,
        }
    }
}

/// Where a check connects and whence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// Address; the real server's without it.
    pub address: Option<IpAddr>,
    /// Port; the real server's without it.
    pub port: Option<u16>,
    /// Local address.
    pub bind_address: Option<IpAddr>,
    /// Local port.
    pub bind_port: Option<u16>,
    /// Local interface.
    pub bind_interface: Option<Name>,
    /// Socket mark.
    pub mark: u32,
}

/// The kinds of checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// `TCP_CHECK`: connect.
    Tcp(TcpCheck),
    /// `PING_CHECK`: ICMP echo.
    Ping,
    /// `HTTP_GET` and `SSL_GET`: fetch pages.
    Http(Box<HttpCheck>),
    /// `SMTP_CHECK`: greet a mail server; the name in HELO.
    Smtp(Text),
    /// `DNS_CHECK`: one query.
    Dns(Box<DnsCheck>),
    /// `GRPC_CHECK`: ask the health service.
    Grpc(Box<GrpcCheck>),
    /// `UDP_CHECK`: send a datagram.
    Udp(Box<UdpCheck>),
    /// `MISC_CHECK`: run a program.
    Misc(Box<MiscCheck>),
    /// `BFD_CHECK`: follow a session.
    Bfd(Name),
    /// `FILE_CHECK`: follow a `track_file`.
    File(Box<FileCheck>),
}

/// `TCP_CHECK`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TcpCheck {
    /// The server hears the end of the connection, and is let finish.
    pub close_in_order: bool,
}

/// `MISC_CHECK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MiscCheck {
    /// The program.
    pub script: Script,
    /// Killed after this long; `delay_loop` of the checker without it.
    pub timeout: Option<Interval>,
    /// Its exit status sets the weight.
    pub dynamic: bool,
}

/// `FILE_CHECK`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileCheck {
    /// Name of the `track_file`.
    pub track_file: Name,
    /// Multiplier of its value.
    pub weight: i32,
    /// Good and bad exchanged.
    pub reverse: bool,
}

/// Request version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpProtocol {
    /// 1.0
    #[default]
    #[serde(rename = "1.0")]
    V1_0,
    /// 1.0 with `Connection: close`.
    #[serde(rename = "1.0C")]
    V1_0Close,
    /// 1.1
    #[serde(rename = "1.1")]
    V1_1,
}

/// `HTTP_GET` or `SSL_GET`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpCheck {
    /// TLS.
    pub tls: bool,
    /// Pages, in file order; all must succeed.
    pub urls: Vec<HttpUrl>,
    /// Host header.
    pub virtualhost: Option<Text>,
    /// Request version.
    pub protocol: HttpProtocol,
    /// Send SNI.
    pub sni: bool,
    /// SNI name.
    pub sni_name: Option<Text>,
    /// No delay between pages while recovering.
    pub fast_recovery: bool,
    /// Close TLS properly.
    pub tls_compliant: bool,
}

/// One page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpUrl {
    /// Request target.
    pub path: Text,
    /// MD5 of the body, 32 hex digits.
    pub digest: Option<Text>,
    /// Acceptable status codes, from and to; empty is 200 to 299.
    pub status_codes: Vec<(u16, u16)>,
    /// Host header.
    pub virtualhost: Option<Text>,
    /// Method, headers and body of the request, where they are not those of GET.
    pub request: Option<Box<HttpRequest>>,
    /// Pattern the body must match.
    pub regex: Option<Text>,
    /// It must not match.
    pub regex_no_match: bool,
    /// PCRE2 options by name.
    pub regex_options: Vec<Text>,
    /// A match may not start before this offset, bytes.
    pub regex_min_offset: Option<u64>,
    /// A match may not start after this offset, bytes.
    pub regex_max_offset: Option<u64>,
    /// Matching stack: start and maximum, bytes.
    pub regex_stack: Option<(u64, u64)>,
    /// Close TLS properly.
    pub tls_compliant: Option<bool>,
}

/// `DNS_CHECK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsCheck {
    /// Query type, upper case.
    pub query_type: Text,
    /// Query name.
    pub name: Text,
}

/// `UDP_CHECK`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UdpCheck {
    /// Datagram; `None` is a fixed text.
    pub payload: Option<Vec<u8>>,
    /// An answer is required.
    pub require_reply: bool,
    /// The answer: value and mask of each octet; empty is any.
    pub reply: Vec<(u8, u8)>,
    /// Shortest answer.
    pub min_reply_length: u16,
    /// Longest answer.
    pub max_reply_length: u16,
}

impl Default for DnsCheck {
    fn default() -> Self {
        Self { query_type: "SOA".into(), name: ".".into() }
    }
}

/// `SSL`: material for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ssl {
    /// Passphrase of the key.
    pub password: Option<Secret>,
    /// Trusted certificates.
    pub ca: Option<Text>,
    /// Client certificate.
    pub certificate: Option<Text>,
    /// Client key.
    pub key: Option<Text>,
}
