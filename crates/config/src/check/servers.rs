//! Completion of a virtual server and all below it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use steadfast_wire::vrrp::Family;

use crate::code::{Class, Code};
use crate::diagnostic::Diagnostic;
use crate::keyword::checkers::{COMMON, CONNECTION};
use crate::keyword::server_readers::service_name;
use crate::keyword::servers::{REAL_SERVER, VIRTUAL_SERVER};
use crate::lower::servers::{CheckSeen, ServerDraft};
use crate::lower::{Context, Seen};
use crate::model::{
    CheckDefaults, CheckKind, Checker, Forwarding, Global, RealServer, ServerAddress, ServiceTarget,
    Transport, VirtualServer,
};
use crate::span::Span;
use crate::tree::Node;
use crate::value::Interval;

/// Fills in what is inherited and checks it; `None` when the service is dropped.
pub(crate) fn complete(
    draft: ServerDraft,
    node: Node<'_>,
    global: &Global,
    context: &mut Context<'_>,
) -> Option<VirtualServer> {
    let mut draft = draft;
    inherit_into_real_servers(&mut draft, global);
    inherit_into_checkers(&mut draft, global);
    if !draft.seen.has_name(VIRTUAL_SERVER, "smtp_alert") {
        draft.server.smtp_alert = global.mail.alert_checker.or(global.mail.alert).unwrap_or(false);
    }
    let mut check = ServerCheck { name: name(&draft.server), draft, node, context };
    check.all()
}

fn name(server: &VirtualServer) -> String {
    match &server.target {
        ServiceTarget::Address(address) => service_name(*address, server.protocol),
        ServiceTarget::Mark(mark) => format!("FWM {mark}"),
        ServiceTarget::Group(group) => format!("[{group}]"),
    }
}

fn inherit_into_real_servers(draft: &mut ServerDraft, global: &Global) {
    let virtual_server = &draft.server;
    let default_alert = global.mail.alert_checker.or(global.mail.alert).unwrap_or(true);
    let (weight, forwarding) = (virtual_server.weight, virtual_server.forwarding);
    let (alpha, inhibit) = (virtual_server.alpha, virtual_server.inhibit_on_failure);
    let port = match &virtual_server.target {
        ServiceTarget::Address(address) => address.port,
        _ => 0,
    };
    for (server, seen) in draft.server.real_servers.iter_mut().zip(&draft.real_seen) {
        let written = |keyword| seen.has_name(REAL_SERVER, keyword);
        if !written("weight") {
            server.weight = weight;
        }
        if !written("lvs_method") {
            server.forwarding = forwarding;
        }
        if !written("alpha") {
            server.alpha = alpha;
        }
        if !written("inhibit_on_failure") {
            server.inhibit_on_failure = inhibit;
        }
        if !written("smtp_alert") {
            server.smtp_alert = default_alert;
        }
        if server.address.port == 0 {
            server.address.port = port;
        }
    }
    if let Some(sorry) = &mut draft.server.sorry_server {
        if !draft.scratch.sorry_forwarding_given {
            sorry.forwarding = forwarding;
        }
        if sorry.address.port == 0 {
            sorry.address.port = port;
        }
    }
}

/// Positions in the tables, found once a virtual server.
struct CheckPositions {
    retry: usize,
    delay_before_retry: usize,
    warmup: usize,
    delay_loop: usize,
    alpha: usize,
    log_all_failures: usize,
    connect_timeout: usize,
}

impl CheckPositions {
    fn find() -> Self {
        let common = |name| COMMON.find(name).map_or(usize::MAX, |(position, _)| position);
        Self {
            retry: common("retry"),
            delay_before_retry: common("delay_before_retry"),
            warmup: common("warmup"),
            delay_loop: common("delay_loop"),
            alpha: common("alpha"),
            log_all_failures: common("log_all_failures"),
            connect_timeout: CONNECTION.find("connect_timeout").map_or(usize::MAX, |(at, _)| at),
        }
    }
}

fn inherit_into_checkers(draft: &mut ServerDraft, global: &Global) {
    let positions = CheckPositions::find();
    let above = draft.server.checks;
    let mut seen = draft.check_seen.iter();
    for server in &mut draft.server.real_servers {
        let own = server.checks.as_deref().copied().unwrap_or_default();
        let defaults = CheckDefaults {
            retry: own.retry.or(above.retry),
            delay_before_retry: own.delay_before_retry.or(above.delay_before_retry),
            warmup: own.warmup.or(above.warmup),
            connect_timeout: own.connect_timeout.or(above.connect_timeout),
            delay_loop: own.delay_loop.or(above.delay_loop),
        };
        for checker in &mut server.checkers {
            let Some(seen) = seen.next() else { return };
            inherit_into_checker(checker, seen, &positions, &defaults, server.alpha, global);
        }
    }
}

fn inherit_into_checker(
    checker: &mut Checker,
    seen: &CheckSeen,
    at: &CheckPositions,
    defaults: &CheckDefaults,
    alpha: bool,
    global: &Global,
) {
    let unwritten = |seen: &Seen, position| !seen.has(position);
    if unwritten(&seen.common, at.delay_loop) {
        checker.delay_loop = defaults.delay_loop.unwrap_or(Interval::from_secs(60));
    }
    if unwritten(&seen.common, at.warmup) {
        checker.warmup = defaults.warmup.unwrap_or(checker.delay_loop);
    }
    let (retry, delay) = match &checker.kind {
        CheckKind::Misc(_) => (0, Interval::from_secs(1)),
        CheckKind::Dns(_) => (3, checker.delay_loop),
        CheckKind::Http(_) => (1, Interval::from_secs(3)),
        _ => (1, Interval::from_secs(1)),
    };
    if unwritten(&seen.common, at.retry) {
        checker.retry = defaults.retry.unwrap_or(retry);
    }
    if unwritten(&seen.common, at.delay_before_retry) {
        checker.delay_before_retry = defaults.delay_before_retry.unwrap_or(delay);
    }
    if unwritten(&seen.connection, at.connect_timeout) {
        checker.connect_timeout = defaults.connect_timeout.unwrap_or(Interval::from_secs(5));
    }
    let starts_by_itself = matches!(checker.kind, CheckKind::Bfd(_) | CheckKind::File(_));
    if unwritten(&seen.common, at.alpha) && !starts_by_itself {
        checker.alpha = alpha;
    }
    if unwritten(&seen.common, at.log_all_failures) {
        checker.log_all_failures = global.checker_log_all_failures;
    }
}

fn lines(block: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    block.children().into_iter().flatten()
}

struct ServerCheck<'c, 'a, 'n> {
    name: String,
    draft: ServerDraft,
    /// As written, to tell where.
    node: Node<'n>,
    context: &'c mut Context<'a>,
}

impl ServerCheck<'_, '_, '_> {
    fn all(&mut self) -> Option<VirtualServer> {
        if let ServiceTarget::Group(group) = &self.draft.server.target
            && !self.context.known.server_groups.contains_key(group)
        {
            let message = format!("there is no virtual_server_group '{group}'; the service is dropped");
            // keepalived drops the service without a word.
            let name = &self.name;
            self.context.push(
                Diagnostic::new(
                    Code::MemberUnknown,
                    self.draft.span,
                    format!("virtual_server {name}: {message}"),
                )
                .class(Class::Silent),
            );
            return None;
        }
        if self.draft.server.real_servers.is_empty() {
            let message = "has no real servers; it is dropped";
            self.report(Code::ServerConflict, message);
            return None;
        }
        self.family();
        self.protocol();
        self.defaults();
        self.ports();
        self.repeated();
        self.quorum();
        self.timeouts();
        self.draft.server.real_servers.shrink_to_fit();
        let empty = VirtualServer::new(ServiceTarget::Mark(0));
        Some(std::mem::replace(&mut self.draft.server, empty))
    }

    fn report(&mut self, code: Code, message: impl std::fmt::Display) {
        self.report_at(code, self.draft.span, message);
    }

    /// Where a keyword of the virtual server was written last, else where the server begins.
    fn place(&self, keyword: &str) -> Span {
        let line = lines(self.node).filter(|line| line.keyword().as_str() == Some(keyword)).last();
        line.map_or(self.draft.span, Node::span)
    }

    fn report_at(&mut self, code: Code, span: Span, message: impl std::fmt::Display) {
        let name = &self.name;
        self.context.push(Diagnostic::new(code, span, format!("virtual_server {name}: {message}")));
    }

    fn uses_mark(&self) -> bool {
        matches!(self.draft.server.target, ServiceTarget::Mark(_))
    }

    fn family(&mut self) {
        let server = &mut self.draft.server;
        let first = server.real_servers.first().map(|server| Family::of(server.address.address));
        if !matches!(server.target, ServiceTarget::Address(_))
            && !self.draft.seen.has_name(VIRTUAL_SERVER, "ip_family")
            && let Some(first) = first
        {
            server.family = first;
        }
        let family = server.family;
        let tunnelled = |server: &RealServer| server.forwarding.method == Forwarding::Tun;
        let strangers: Vec<Span> = server
            .real_servers
            .iter()
            .filter(|server| Family::of(server.address.address) != family && !tunnelled(server))
            .map(|server| server.site.0)
            .collect();
        server
            .real_servers
            .retain(|server| Family::of(server.address.address) == family || tunnelled(server));
        for span in strangers {
            self.report_at(Code::FamilyMismatch, span, "a real server of the other family needs TUN");
        }
    }

    fn protocol(&mut self) {
        let written = self.draft.seen.has_name(VIRTUAL_SERVER, "protocol");
        if self.uses_mark() {
            if written && self.draft.server.protocol.take().is_some() {
                self.report_at(
                    Code::ServerConflict,
                    self.place("protocol"),
                    "services of firewall marks have no protocol; it is ignored",
                );
            }
        } else if self.draft.server.protocol.is_none() {
            self.report(Code::ServerDefault, "no protocol is given; UDP is used");
            self.draft.server.protocol = Some(Transport::Udp);
            self.name = name(&self.draft.server);
        }
        let needs_port = matches!(&self.draft.server.target, ServiceTarget::Address(at) if at.port == 0);
        if needs_port && self.draft.server.persistence_timeout_seconds.is_none() {
            self.report(Code::ServerConflict, "a service of all ports must be persistent; it is made so");
            self.draft.server.persistence_timeout_seconds = Some(360);
        }
        if self.draft.server.one_packet
            && !self.uses_mark()
            && self.draft.server.protocol != Some(Transport::Udp)
        {
            self.draft.server.one_packet = false;
            self.report_at(Code::ServerConflict, self.place("ops"), "ops is for UDP only; it is cleared");
        }
    }

    fn defaults(&mut self) {
        if !self.draft.scratch.scheduler_given {
            self.report(Code::ServerDefault, "no scheduler is given; wlc is used");
        }
        let all_have_own = self.draft.real_seen.iter().all(|seen| seen.has_name(REAL_SERVER, "lvs_method"));
        if !self.draft.scratch.forwarding_given && !all_have_own {
            self.report(Code::ServerDefault, "no forwarding method is given; NAT is used");
        }
    }

    /// Direct routing leaves the port of a packet as it is.
    fn ports(&mut self) {
        let mark = self.uses_mark();
        let port = match &self.draft.server.target {
            ServiceTarget::Address(address) => address.port,
            ServiceTarget::Mark(_) => 0,
            ServiceTarget::Group(_) => return,
        };
        let mut reports = Vec::new();
        for server in &mut self.draft.server.real_servers {
            if server.forwarding.method != Forwarding::Dr || server.address.port == port {
                continue;
            }
            let what = if mark { "cleared" } else { "reset to that of the service" };
            reports.push((
                server.site.0,
                format!("the port of real_server {} is {what}", server.address.address),
            ));
            server.address.port = port;
        }
        if let Some(sorry) = &mut self.draft.server.sorry_server
            && sorry.forwarding.method == Forwarding::Dr
            && sorry.address.port != port
        {
            let span = self.draft.scratch.sorry_span.unwrap_or(self.draft.span);
            let what = if mark { "cleared" } else { "reset to that of the service" };
            reports.push((span, format!("the port of the sorry_server is {what}")));
            sorry.address.port = port;
        }
        for (span, message) in reports {
            self.report_at(Code::ServerConflict, span, message);
        }
    }

    fn repeated(&mut self) {
        let mut met = BTreeMap::new();
        let mut repeated = Vec::new();
        self.draft.server.real_servers.retain(|server| match met.entry(server.address) {
            Entry::Vacant(place) => {
                place.insert(server.site.0);
                true
            }
            Entry::Occupied(first) => {
                repeated.push((server.site.0, *first.get(), server.address));
                false
            }
        });
        for (span, first, address) in repeated {
            let (name, ServerAddress { address, port }) = (&self.name, address);
            let message = format!("virtual_server {name}: real_server {address} {port} is given twice");
            self.context.push(Diagnostic::new(Code::ServerTwice, span, message).label(first, "first here"));
        }
    }

    fn quorum(&mut self) {
        let server = &mut self.draft.server;
        let total: u64 =
            server.real_servers.iter().map(|server| u64::try_from(server.weight).unwrap_or(0)).sum();
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        if server.quorum > total {
            let message = format!("quorum {} is above the weight of all servers, {total}", server.quorum);
            server.quorum = total.max(1);
            self.report_at(Code::QuorumReduced, self.place("quorum"), message);
        }
        let server = &mut self.draft.server;
        if server.hysteresis >= server.quorum && server.hysteresis != 0 {
            server.hysteresis = server.quorum.saturating_sub(1);
            let message = "hysteresis must be below quorum; it is lowered";
            self.report_at(Code::ServerConflict, self.place("hysteresis"), message);
        }
    }

    /// A check that runs into its timeout is still running when the next is due.
    fn timeouts(&mut self) {
        let connects = |checker: &Checker| {
            !matches!(checker.kind, CheckKind::Misc(_) | CheckKind::Bfd(_) | CheckKind::File(_))
        };
        let slow: Vec<(Span, Interval, Interval)> = self
            .draft
            .server
            .real_servers
            .iter()
            .flat_map(|server| &server.checkers)
            .filter(|checker| connects(checker) && checker.connect_timeout > checker.delay_loop)
            .map(|checker| (checker.site.0, checker.connect_timeout, checker.delay_loop))
            .take(1)
            .collect();
        for (site, timeout, interval) in slow {
            let message = format!("connect_timeout {timeout} is above delay_loop {interval}");
            let span = self.inside(site, "connect_timeout").unwrap_or(site);
            self.report_at(Code::TimeoutAboveInterval, span, message);
        }
    }

    /// Where a keyword stands in the checker whose own keyword stands at `site`.
    fn inside(&self, site: Span, keyword: &str) -> Option<Span> {
        let checkers = lines(self.node).flat_map(lines);
        let checker = checkers.into_iter().find(|checker| checker.keyword().span() == site)?;
        lines(checker).find(|line| line.keyword().as_str() == Some(keyword)).map(Node::span)
    }
}
