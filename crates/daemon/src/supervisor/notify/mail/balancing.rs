//! Letters about real and virtual servers, in keepalived's words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use steadfast_config::model::Model;
use steadfast_health::{Cause, Happening};

use super::{Letter, Relay};
use crate::digest::check::{Names, server_addresses};
use crate::supervisor::Supervisor;

/// Who is written of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subjects {
    services: BTreeSet<Arc<str>>,
    servers: BTreeMap<Arc<str>, BTreeSet<SocketAddr>>,
}

impl Subjects {
    /// Those with `smtp_alert`; nobody where there is nobody to write to.
    pub(super) fn of(model: &Model) -> Self {
        let mut subjects = Self::default();
        if Relay::of(&model.global).is_none() {
            return subjects;
        }
        let mut names = Names::default();
        for server in &model.virtual_servers {
            let name = names.next(server);
            let alerting = server.real_servers.iter().filter(|real| real.smtp_alert);
            let servers: BTreeSet<SocketAddr> =
                alerting.map(|real| SocketAddr::new(real.address.address, real.address.port)).collect();
            if server.smtp_alert {
                subjects.services.insert(Arc::clone(&name));
            }
            if !servers.is_empty() {
                subjects.servers.insert(name, servers);
            }
        }
        subjects
    }

    /// Those that are not in the model any more.
    pub(super) fn without(mut self, model: &Model) -> Self {
        let mut names = Names::default();
        for server in &model.virtual_servers {
            let name = names.next(server);
            self.services.remove(&name);
            if let Some(servers) = self.servers.get_mut(&name) {
                server_addresses(server).for_each(|address| {
                    servers.remove(&address);
                });
            }
        }
        self
    }

    fn has_server(&self, service: &str, server: SocketAddr) -> bool {
        self.servers.get(service).is_some_and(|servers| servers.contains(&server))
    }
}

impl Supervisor {
    /// Writes of what happened where that is wanted; `check` is what the check is called that it speaks of.
    pub(crate) fn mail_of_balancing(&mut self, happening: &Happening, check: &str) {
        let subjects = [&self.mail.subjects.balancing, &self.mail.subjects.former];
        let subject_of = |service: &str, server: SocketAddr, up: bool| {
            let of = (self.balancing.server_name(service, server), self.balancing.fifo_name(service));
            format!("Realserver {} of virtual server {} - {}", of.0, of.1, state(up))
        };
        let (subject, body) = match happening {
            Happening::Check { server, service, up, reason, server_follows, .. } => {
                let every = !self.loaded.global.mail.no_checkers;
                let wanted = subjects.into_iter().any(|subjects| subjects.has_server(service, *server));
                if !wanted || !(every || *server_follows) {
                    return;
                }
                // Where the server does not follow, another check holds it down.
                let subject = subject_of(service, *server, *up && *server_follows);
                (subject, words_of(check, *up, reason.as_deref()))
            }
            // Of one that stays its checks are written of.
            Happening::Server { server, service, up: false, cause: Cause::Reload, notify: true } => {
                if !self.mail.subjects.former.has_server(service, *server) {
                    return;
                }
                (subject_of(service, *server, false), "Removing".to_owned())
            }
            Happening::Quorum { service, up, starting, quorum, hysteresis, sum, cause, notify: true } => {
                if !subjects.into_iter().any(|subjects| subjects.services.contains(service)) {
                    return;
                }
                let name = self.balancing.fifo_name(service);
                let subject = format!("Virtualserver {name} - {}", state(*up));
                let body = match cause {
                    Cause::Stop => "Shutting down".to_owned(),
                    _ => arithmetic(*starting, *up, *quorum, *hysteresis, *sum),
                };
                (subject, body)
            }
            _ => return,
        };
        self.post(Letter { at: Timestamp::now(), subject, body });
    }
}

const fn state(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

/// keepalived writes the signs of a gain also at a loss, where what stands behind them is that of the loss.
fn arithmetic(starting: bool, up: bool, quorum: u32, hysteresis: u32, sum: u64) -> String {
    let opening = match (starting, up) {
        (true, true) => "Starting with quorum up",
        (true, false) => "Starting with quorum down",
        (false, true) => "Gained quorum",
        (false, false) => "Lost quorum",
    };
    let (needed, margin) = (u64::from(quorum), u64::from(hysteresis));
    let threshold = if up { needed + margin } else { needed.saturating_sub(margin) };
    format!("{opening} {quorum}+{hysteresis}={threshold} <= {sum}")
}

/// What keepalived says of a check of that kind.
fn words_of(check: &str, up: bool, reason: Option<&str>) -> String {
    let mut words = check.split(' ');
    let kind = words.next().unwrap_or_default();
    let (plain, participle) = if up { ("succeed", "succeeded") } else { ("failed", "failed") };
    match kind {
        "TCP_CHECK" => format!("TCP CHECK {plain} on service"),
        "UDP_CHECK" => format!("UDP CHECK {plain} on service"),
        "PING_CHECK" => format!("ICMP CHECK {plain} on service"),
        "DNS_CHECK" => format!("DNS_CHECK: {plain} on service"),
        "MISC_CHECK" => format!("MISC CHECK {participle} on service"),
        "BFD_CHECK" => format!("BFD CHECK {} {participle} on service", words.next().unwrap_or_default()),
        "HTTP_GET" | "SSL_GET" if !up => "CHECK failed on service : HTTP request failed".to_owned(),
        _ if up => "CHECK succeed on service".to_owned(),
        _ => format!("CHECK failed on service : {}", reason.unwrap_or("no reason is known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_keepalived() {
        let cases = [
            ("TCP_CHECK of 10.0.0.1:80", true, "TCP CHECK succeed on service"),
            ("HTTP_GET of 10.0.0.1:80", false, "CHECK failed on service : HTTP request failed"),
            ("SSL_GET of 10.0.0.1:443", true, "CHECK succeed on service"),
            ("SMTP_CHECK of 10.0.0.1:25", false, "CHECK failed on service : why"),
            ("MISC_CHECK of 10.0.0.1:80", false, "MISC CHECK failed on service"),
            ("DNS_CHECK of 10.0.0.1:53", true, "DNS_CHECK: succeed on service"),
            ("PING_CHECK of 10.0.0.1", false, "ICMP CHECK failed on service"),
            ("BFD_CHECK to-web1 of 10.0.0.1:80", true, "BFD CHECK to-web1 succeeded on service"),
        ];
        for (check, up, words) in cases {
            assert_eq!(words_of(check, up, Some("why")), words);
        }
        assert_eq!(arithmetic(false, true, 2, 1, 5), "Gained quorum 2+1=3 <= 5");
        assert_eq!(arithmetic(false, false, 2, 1, 0), "Lost quorum 2+1=1 <= 0");
    }
}
