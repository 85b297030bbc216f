//! What a check says and expects, read from its settings once for all checks that have the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use steadfast_config::model::{
    CheckKind, Checker, Connection, DnsCheck, GrpcCheck, HttpCheck, HttpProtocol, HttpUrl,
};
use steadfast_health::CheckKey;
use steadfast_kernel::client::{DatagramKind, Way};
use steadfast_probe::grpc::{Health, Question};
use steadfast_probe::http::{Expectation, Http, Request, Version};
use steadfast_probe::smtp::Smtp;
use steadfast_probe::tls::{Context, Secured};
use steadfast_probe::{Connect, Dialogue, Pattern, PatternOption, udp};

/// A conversation may go on for so many times the timeout of one of its steps, unless `check_timeout` says otherwise.
const STEPS_OF_A_CHECK: u32 = 10;

const WITHOUT_TLS: &str = "there can be no TLS: see the log at the start";

/// How a check is made.
#[derive(Debug)]
pub(super) struct Spec {
    checker: Checker,
    /// What is expected of each page.
    pages: Vec<Arc<Expectation>>,
}

/// What to begin with.
pub(super) enum Begin {
    /// A conversation over a stream.
    Stream(Box<dyn Dialogue>),
    /// One question, and what a datagram means.
    Datagram(DatagramKind, Asking),
    /// A program, which others run.
    Program,
}

/// How answers in datagrams are understood.
#[derive(Debug)]
pub(super) enum Asking {
    /// Of the DNS.
    Dns(steadfast_probe::dns::Question),
    /// Any.
    Udp(Vec<u8>, udp::Expectation),
    /// ICMP.
    Ping(steadfast_probe::ping::Ping),
}

impl Spec {
    fn read(settings: &str) -> Result<Self, String> {
        let checker: Checker = serde_json::from_str(settings).map_err(|error| error.to_string())?;
        let pages = match &checker.kind {
            CheckKind::Http(http) => http.urls.iter().map(expectation).collect::<Result<_, _>>()?,
            _ => Vec::new(),
        };
        Ok(Self { checker, pages })
    }

    /// What it does.
    pub(super) const fn kind(&self) -> &CheckKind {
        &self.checker.kind
    }

    /// How long each step of it may take.
    pub(super) fn step_timeout(&self) -> Duration {
        self.checker.connect_timeout.duration()
    }

    /// How long all of it may take.
    pub(super) fn whole_timeout(&self) -> Duration {
        match self.checker.check_timeout {
            Some(timeout) => timeout.duration(),
            None => self.step_timeout() * STEPS_OF_A_CHECK,
        }
    }

    /// Whether a server that is well is let finish.
    pub(super) fn closes_in_order(&self) -> bool {
        matches!(&self.checker.kind, CheckKind::Tcp(tcp) if tcp.close_in_order)
    }

    /// Where it goes, and whence.
    pub(super) fn way(&self, target: SocketAddr) -> Way {
        let Some(Connection { bind_address, bind_port, bind_interface, mark, .. }) =
            self.checker.connection.as_deref()
        else {
            return Way::to(target);
        };
        let any = match target {
            SocketAddr::V4(_) => std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        };
        let bound = bind_address.is_some() || bind_port.is_some();
        let from = bound.then(|| SocketAddr::new(bind_address.unwrap_or(any), bind_port.unwrap_or_default()));
        let interface = bind_interface.as_deref().map(str::to_owned);
        Way { to: target, from, interface, mark: *mark }
    }

    /// Begins to ask page `step`; `number` tells one question from another.
    pub(super) fn begin(
        &self,
        target: SocketAddr,
        step: u16,
        number: u16,
        tls: Option<&Context>,
    ) -> Result<Begin, String> {
        Ok(match &self.checker.kind {
            CheckKind::Tcp(_) => Begin::Stream(Box::new(Connect)),
            CheckKind::Http(http) => Begin::Stream(self.page(http, target, step, tls)?),
            CheckKind::Smtp(name) => Begin::Stream(Box::new(Smtp::new(name))),
            CheckKind::Dns(dns) => {
                let DnsCheck { query_type, name } = dns.as_ref();
                let question = steadfast_probe::dns::Question::new(number, query_type, name)
                    .map_err(|error| error.to_string())?;
                Begin::Datagram(DatagramKind::Udp, Asking::Dns(question))
            }
            CheckKind::Udp(check) => {
                let payload = check.payload.clone().unwrap_or_else(|| udp::DEFAULT_PAYLOAD.to_vec());
                let expectation = udp::Expectation {
                    require_reply: check.require_reply,
                    min_length: usize::from(check.min_reply_length),
                    max_length: usize::from(check.max_reply_length),
                    octets: check.reply.clone(),
                };
                Begin::Datagram(DatagramKind::Udp, Asking::Udp(payload, expectation))
            }
            CheckKind::Ping => {
                let family = steadfast_wire::vrrp::Family::of(target.ip());
                let ping = steadfast_probe::ping::Ping::new(family, number);
                Begin::Datagram(DatagramKind::Echo, Asking::Ping(ping))
            }
            CheckKind::Misc(_) => Begin::Program,
            CheckKind::Grpc(check) => Begin::Stream(health(check, target, tls)?),
            CheckKind::Bfd(_) | CheckKind::File(_) => {
                return Err("checks of this kind are not made here".to_owned());
            }
        })
    }

    fn page(
        &self,
        http: &HttpCheck,
        target: SocketAddr,
        step: u16,
        tls: Option<&Context>,
    ) -> Result<Box<dyn Dialogue>, String> {
        let place = usize::from(step);
        let (Some(url), Some(expectation)) = (http.urls.get(place), self.pages.get(place)) else {
            return Err("there is no such page".to_owned());
        };
        let host = url.virtualhost.as_deref().or(http.virtualhost.as_deref());
        let version = match http.protocol {
            HttpProtocol::V1_0 => Version::Http10,
            HttpProtocol::V1_0Close => Version::Http10Close,
            HttpProtocol::V1_1 => Version::Http11,
        };
        let mut request = Request::get(&url.path, version, host, target);
        let own = url.request.as_deref();
        let headers: Vec<(&str, &str)> = own
            .map(|own| own.headers.iter().map(|(name, value)| (&**name, &**value)).collect())
            .unwrap_or_default();
        request.headers = &headers;
        if let Some(own) = own {
            request.method = own.method.as_deref().unwrap_or(request.method);
            request.body = own.body.as_deref();
        }
        let page = Http::new(&request, Arc::clone(expectation));
        if !http.tls {
            return Ok(Box::new(page));
        }
        let tls = tls.ok_or(WITHOUT_TLS)?;
        let name = if http.sni { http.sni_name.as_deref().or(host) } else { None };
        let compliant = url.tls_compliant.unwrap_or(http.tls_compliant);
        Ok(Box::new(Secured::new(tls, page, name, compliant)))
    }
}

fn health(check: &GrpcCheck, server: SocketAddr, tls: Option<&Context>) -> Result<Box<dyn Dialogue>, String> {
    let host = check.virtualhost.as_deref();
    let health = Health::new(&Question { service: &check.service, host, server, secure: check.tls });
    if !check.tls {
        return Ok(Box::new(health));
    }
    let tls = tls.ok_or(WITHOUT_TLS)?;
    Ok(Box::new(Secured::http2(tls, health, host)))
}

impl Asking {
    /// What to send.
    pub(super) fn question(&self) -> Vec<u8> {
        match self {
            Self::Dns(question) => question.bytes().to_vec(),
            Self::Udp(payload, _) => payload.clone(),
            Self::Ping(ping) => ping.bytes().to_vec(),
        }
    }

    /// What a datagram means; nothing if it is no answer.
    pub(super) fn judge(&self, datagram: &[u8]) -> Option<Result<(), steadfast_probe::Failure>> {
        match self {
            Self::Dns(question) => question.judge(datagram).map(|found| found.map(drop)),
            Self::Udp(_, expectation) => Some(expectation.judge(datagram).map(drop)),
            Self::Ping(ping) => ping.judge(datagram).map(|_| Ok(())),
        }
    }

    /// What it means that nothing came.
    pub(super) fn silence(&self) -> Result<(), steadfast_probe::Failure> {
        match self {
            Self::Udp(_, expectation) => expectation.silence().map(drop),
            Self::Dns(_) | Self::Ping(_) => {
                Err(steadfast_probe::Failure::TimedOut(steadfast_probe::Awaited::Reply))
            }
        }
    }
}

fn expectation(url: &HttpUrl) -> Result<Arc<Expectation>, String> {
    let digest = match url.digest.as_deref() {
        Some(digits) => {
            let number = u128::from_str_radix(digits, 16)
                .map_err(|_| format!("{digits} is no digest of 32 hexadecimal digits"))?;
            Some(number.to_be_bytes())
        }
        None => None,
    };
    let pattern = match url.regex.as_deref() {
        Some(text) => {
            let options = url.regex_options.iter().map(|name| {
                PatternOption::named(name)
                    .ok_or_else(|| format!("regex_options {name}: this version does not know it"))
            });
            let options: Vec<_> = options.collect::<Result<_, _>>()?;
            let (first, last) = (url.regex_min_offset, url.regex_max_offset);
            let pattern = Pattern::new(text, &options, url.regex_no_match, first, last)
                .map_err(|error| format!("regex {text}: {error}"))?;
            Some(Arc::new(pattern))
        }
        None => None,
    };
    Ok(Arc::new(Expectation { statuses: url.status_codes.clone(), digest, pattern, tell_digest: false }))
}

/// Settings that were read.
#[derive(Debug, Default)]
pub(super) struct Specs {
    read: BTreeMap<Arc<str>, Result<Arc<Spec>, Arc<str>>>,
}

impl Specs {
    /// How the check of that key is made.
    ///
    /// # Errors
    /// What is wrong with its settings.
    pub(super) fn of(&mut self, key: &CheckKey) -> Result<Arc<Spec>, Arc<str>> {
        if let Some(known) = self.read.get(&key.settings) {
            return known.clone();
        }
        let read = Spec::read(&key.settings).map(Arc::new).map_err(|reason| reason.as_str().into());
        self.read.insert(Arc::clone(&key.settings), read.clone());
        read
    }

    /// After a reload: what nobody uses any more goes, and is read again where it is.
    pub(super) fn forget(&mut self) {
        self.read.clear();
    }
}

/// What a check is called: its kind by keepalived's keyword, what it follows, and whom it asks.
pub(super) fn name(key: &CheckKey) -> String {
    // Of the whole only the kind is wanted, and that stands at the beginning.
    #[derive(serde::Deserialize)]
    struct Kind {
        kind: serde_json::Value,
    }
    let read = serde_json::from_str::<Kind>(&key.settings).ok();
    let (kind, settings) = match read.map(|read| read.kind) {
        Some(serde_json::Value::String(kind)) => (kind, serde_json::Value::Null),
        Some(serde_json::Value::Object(fields)) => fields.into_iter().next().unwrap_or_default(),
        _ => Default::default(),
    };
    let whom = key.target;
    let followed =
        |name: Option<&serde_json::Value>| name.and_then(|name| name.as_str()).unwrap_or_default().to_owned();
    match kind.as_str() {
        "tcp" => format!("TCP_CHECK of {whom}"),
        "ping" => format!("PING_CHECK of {}", whom.ip()),
        "http" if settings.get("tls") == Some(&serde_json::Value::Bool(true)) => format!("SSL_GET of {whom}"),
        "http" => format!("HTTP_GET of {whom}"),
        "smtp" => format!("SMTP_CHECK of {whom}"),
        "dns" => format!("DNS_CHECK of {whom}"),
        "grpc" => format!("GRPC_CHECK of {whom}"),
        "udp" => format!("UDP_CHECK of {whom}"),
        "misc" => format!("MISC_CHECK of {whom}"),
        "bfd" => format!("BFD_CHECK {} of {whom}", followed(Some(&settings))),
        "file" => format!("FILE_CHECK {} of {whom}", followed(settings.get("track_file"))),
        _ => format!("check of {whom}"),
    }
}
