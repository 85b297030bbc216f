//! Completion of a virtual server and all below it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use steadfast_wire::vrrp::Family;

use super::blocks::{BelowServer, CheckerDraft, RealServerDraft, ServerDraft, SlowCheck};
use super::keywords::{REAL_SERVER, VIRTUAL_SERVER};
use super::read::{head_of_real_server, service_name};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code};
use crate::diagnostic::span::Span;
use crate::language::checkers::keywords::{COMMON, CONNECTION};
use crate::model::{
    CheckDefaults, CheckKind, Checker, Forwarding, Global, RealServer, ServiceTarget, Transport,
    VirtualServer,
};
use crate::table::{Context, Seen};
use crate::text::tree::Node;
use crate::value::Interval;

/// Fills in what is inherited and checks it; whether the service is kept, or dropped. The last value is empty, to
/// be used again.
pub(crate) fn complete(
    draft: ServerDraft,
    node: Node<'_>,
    global: &Global,
    context: &mut Context<'_>,
) -> (VirtualServer, bool, BelowServer) {
    let mut draft = draft;
    inherit_into_real_servers(&mut draft, global);
    inherit_into_checkers(&mut draft, global);
    hand_out_checkers(&mut draft.below);
    if !draft.seen.has_name(VIRTUAL_SERVER, "smtp_alert") {
        draft.server.smtp_alert = global.mail.alert_checker.or(global.mail.alert).unwrap_or(false);
    }
    let mut check = ServerCheck { draft, node, context };
    let kept = check.all();
    let ServerDraft { mut server, mut below, .. } = check.draft;
    server.real_servers = below.real_servers.drain(..).map(|draft| draft.server).collect();
    (server, kept, below)
}

pub(super) fn name(server: &VirtualServer) -> String {
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
    for RealServerDraft { server, seen, .. } in &mut draft.below.real_servers {
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
    let mut checkers = draft.below.checkers.iter_mut();
    for RealServerDraft { server, checkers: count, slow_check, .. } in &mut draft.below.real_servers {
        let own = server.checks.as_deref().copied().unwrap_or_default();
        let defaults = CheckDefaults {
            retry: own.retry.or(above.retry),
            delay_before_retry: own.delay_before_retry.or(above.delay_before_retry),
            warmup: own.warmup.or(above.warmup),
            connect_timeout: own.connect_timeout.or(above.connect_timeout),
            delay_loop: own.delay_loop.or(above.delay_loop),
            check_timeout: own.check_timeout.or(above.check_timeout),
            slow_start: own.slow_start.or(above.slow_start),
        };
        for draft in checkers.by_ref().take(*count) {
            inherit_into_checker(draft, &positions, &defaults, server.alpha, global);
            *slow_check = slow_check.or_else(|| slow(draft));
        }
    }
}

fn inherit_into_checker(
    draft: &mut CheckerDraft,
    at: &CheckPositions,
    defaults: &CheckDefaults,
    alpha: bool,
    global: &Global,
) {
    let CheckerDraft { checker, common, connection, .. } = draft;
    let unwritten = |seen: &Seen, position| !seen.has(position);
    if unwritten(common, at.delay_loop) {
        checker.delay_loop = defaults.delay_loop.unwrap_or(Interval::from_secs(60));
    }
    if unwritten(common, at.warmup) {
        checker.warmup = defaults.warmup.unwrap_or(checker.delay_loop);
    }
    let (retry, delay) = match &checker.kind {
        CheckKind::Misc(_) => (0, Interval::from_secs(1)),
        CheckKind::Dns(_) => (3, checker.delay_loop),
        CheckKind::Http(_) => (1, Interval::from_secs(3)),
        _ => (1, Interval::from_secs(1)),
    };
    checker.check_timeout = checker.check_timeout.or(defaults.check_timeout);
    if unwritten(common, at.retry) {
        checker.retry = defaults.retry.unwrap_or(retry);
    }
    if unwritten(common, at.delay_before_retry) {
        checker.delay_before_retry = defaults.delay_before_retry.unwrap_or(delay);
    }
    if unwritten(connection, at.connect_timeout) {
        checker.connect_timeout = defaults.connect_timeout.unwrap_or(Interval::from_secs(5));
    }
    let starts_by_itself = matches!(checker.kind, CheckKind::Bfd(_) | CheckKind::File(_));
    if unwritten(common, at.alpha) && !starts_by_itself {
        checker.alpha = alpha;
    }
    if unwritten(common, at.log_all_failures) {
        checker.log_all_failures = global.checker_log_all_failures;
    }
}

fn lines(block: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    block.children().into_iter().flatten()
}

/// A check that runs into its timeout is still running when the next is due.
fn slow(draft: &CheckerDraft) -> Option<SlowCheck> {
    let Checker { kind, connect_timeout, delay_loop, .. } = &draft.checker;
    let (what, timeout) = match kind {
        CheckKind::Bfd(_) | CheckKind::File(_) => return None,
        CheckKind::Misc(misc) => ("misc_timeout", misc.timeout?),
        _ => ("connect_timeout", *connect_timeout),
    };
    (timeout > *delay_loop).then_some(SlowCheck { site: draft.site, what, timeout, interval: *delay_loop })
}

/// Gives each real server its checkers. Those of a service mostly say the same, and then they are kept once.
fn hand_out_checkers(below: &mut BelowServer) {
    // A command knows where it stands, and two commands from two places compare as equal.
    let knows_its_place = |draft: &CheckerDraft| matches!(draft.checker.kind, CheckKind::Misc(_));
    let mut checkers = below.checkers.drain(..);
    for RealServerDraft { server, checkers: count, .. } in &mut below.real_servers {
        let own = checkers.as_slice().get(..*count).unwrap_or_default();
        let same = own.iter().map(|draft| &draft.checker).eq(below.shared.iter());
        let own_shares = same && !own.iter().any(knows_its_place);
        let own = checkers.by_ref().take(*count).map(|draft| draft.checker);
        if own_shares {
            own.for_each(drop);
        } else {
            below.shared = own.collect();
        }
        server.checkers = Arc::clone(&below.shared);
    }
}

struct ServerCheck<'c, 'a, 'n> {
    draft: ServerDraft,
    /// As written, to tell where.
    node: Node<'n>,
    context: &'c mut Context<'a>,
}

impl ServerCheck<'_, '_, '_> {
    /// `false`: the service is dropped.
    fn all(&mut self) -> bool {
        if let ServiceTarget::Group(group) = &self.draft.server.target
            && !self.context.known.server_groups.contains_key(group)
        {
            let message = format!("there is no virtual_server_group '{group}'; the service is dropped");
            // keepalived drops the service without a word.
            let name = name(&self.draft.server);
            self.context.push(
                Diagnostic::new(
                    Code::MemberUnknown,
                    self.draft.span,
                    format!("virtual_server {name}: {message}"),
                )
                .class(Class::Silent),
            );
            return false;
        }
        self.family();
        self.granularity();
        if self.draft.below.real_servers.is_empty() {
            let message = "has no real servers; it is dropped";
            self.report(Code::ServerConflict, message);
            return false;
        }
        self.protocol();
        self.defaults();
        self.ports();
        self.repeated();
        self.quorum();
        self.timeouts();
        true
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
        let name = name(&self.draft.server);
        self.context.push(Diagnostic::new(code, span, format!("virtual_server {name}: {message}")));
    }

    fn report_stranger(&mut self, span: Span, message: &str) {
        let name = name(&self.draft.server);
        let message = format!("virtual_server {name}: {message}");
        self.context.push(Diagnostic::new(Code::FamilyMismatch, span, message).of_block());
    }

    fn uses_mark(&self) -> bool {
        matches!(self.draft.server.target, ServiceTarget::Mark(_))
    }

    fn family(&mut self) {
        let ServerDraft { server, seen, below, .. } = &mut self.draft;
        let addressed = below.real_servers.iter().filter(|draft| draft.server.name.is_none());
        let mut families = addressed.map(|draft| Family::of(draft.server.address.address));
        let first = families.next();
        // A mark tells no family: with servers of both it is IPv4, as with keepalived.
        let both = first.is_some_and(|first| families.any(|family| family != first));
        let first =
            if both && matches!(server.target, ServiceTarget::Mark(_)) { Some(Family::V4) } else { first };
        if !matches!(server.target, ServiceTarget::Address(_))
            && !seen.has_name(VIRTUAL_SERVER, "ip_family")
            && let Some(first) = first
        {
            server.family = first;
        }
        let family = server.family;
        if family == Family::V6 {
            let named = below.real_servers.iter_mut().filter(|draft| draft.server.name.is_some());
            named.for_each(|draft| draft.server.address.address = IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        }
        let fits = |server: &RealServer| {
            Family::of(server.address.address) == family || server.forwarding.method == Forwarding::Tun
        };
        let mut strangers = Vec::new();
        below.real_servers.retain(|draft| {
            let kept = fits(&draft.server);
            if !kept {
                strangers.push(draft.server.site.0);
            }
            kept
        });
        if let Some(sorry) = &server.sorry_server
            && Family::of(sorry.address.address) != family
            && sorry.forwarding.method != Forwarding::Tun
        {
            server.sorry_server = None;
            let span = self.draft.scratch.sorry_span.unwrap_or(self.draft.span);
            self.report_stranger(span, "a sorry server of the other family needs TUN; it is dropped");
        }
        for span in strangers {
            self.report_stranger(span, "a real server of the other family needs TUN; it is dropped");
        }
    }

    /// Clients are taken together by a netmask in IPv4, by a prefix length in IPv6.
    fn granularity(&mut self) {
        let server = &mut self.draft.server;
        let length = server.persistence_granularity;
        if server.family == Family::V6 && self.draft.scratch.granularity_is_mask {
            server.persistence_granularity = None;
            let message = "persistence_granularity is a prefix length in IPv6; it is ignored";
            self.report_at(Code::FamilyMismatch, self.place("persistence_granularity"), message);
        } else if server.family == Family::V4 && length.is_some_and(|length| length > 32) {
            server.persistence_granularity = None;
            let message = "persistence_granularity is at most 32 in IPv4; it is ignored";
            self.report_at(Code::FamilyMismatch, self.place("persistence_granularity"), message);
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
            self.report(Code::ServerDefault, "no valid protocol is given; UDP is used");
            self.draft.server.protocol = Some(Transport::Udp);
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
            self.report(Code::ServerDefault, "no valid scheduler is given; wlc is used");
        }
        let mut real_servers = self.draft.below.real_servers.iter();
        let all_have_own = real_servers.all(|draft| draft.seen.has_name(REAL_SERVER, "lvs_method"));
        if !self.draft.scratch.forwarding_given && !all_have_own {
            self.report(Code::ServerDefault, "no valid forwarding method is given; NAT is used");
        }
    }

    /// Direct routing and tunnels leave the port of a packet as it is.
    fn ports(&mut self) {
        let mark = self.uses_mark();
        let port = match &self.draft.server.target {
            ServiceTarget::Address(address) => address.port,
            ServiceTarget::Mark(_) => 0,
            ServiceTarget::Group(_) => return,
        };
        let mut reports = Vec::new();
        for RealServerDraft { server, .. } in &mut self.draft.below.real_servers {
            if server.forwarding.method == Forwarding::Nat || server.address.port == port {
                continue;
            }
            let what = if mark { "cleared" } else { "reset to that of the service" };
            reports.push((
                server.site.0,
                match &server.name {
                    Some(name) => format!("the port of real_server {name} is {what}"),
                    None => format!("the port of real_server {} is {what}", server.address.address),
                },
            ));
            server.address.port = port;
        }
        if let Some(sorry) = &mut self.draft.server.sorry_server
            && sorry.forwarding.method != Forwarding::Nat
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
        let real_servers = &mut self.draft.below.real_servers;
        let key = |server: &RealServer| (server.address, server.name.clone());
        let mut addresses: Vec<_> = real_servers.iter().map(|draft| key(&draft.server)).collect();
        addresses.sort_unstable();
        if addresses.is_sorted_by(|one, next| one < next) {
            return;
        }
        let mut met = BTreeMap::new();
        let mut repeated = Vec::new();
        real_servers.retain(|RealServerDraft { server, .. }| match met.entry(key(server)) {
            Entry::Vacant(place) => {
                place.insert(server.site.0);
                true
            }
            Entry::Occupied(first) => {
                repeated.push((server.site.0, *first.get(), head_of_real_server(server)));
                false
            }
        });
        for (span, first, server) in repeated {
            let name = name(&self.draft.server);
            let message = format!("virtual_server {name}: real_server {server} is given twice");
            self.context.push(Diagnostic::new(Code::ServerTwice, span, message).label(first, "first here"));
        }
    }

    fn quorum(&mut self) {
        let ServerDraft { server, below, .. } = &mut self.draft;
        let weights = below.real_servers.iter().map(|draft| u64::try_from(draft.server.weight).unwrap_or(0));
        let total: u64 = weights.sum();
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        // How many servers a name stands for is not known here.
        let counted = below.real_servers.iter().all(|draft| draft.server.name.is_none());
        if counted && server.quorum > total {
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

    fn timeouts(&mut self) {
        let first = self.draft.below.real_servers.iter().find_map(|draft| draft.slow_check);
        let Some(SlowCheck { site, what, timeout, interval }) = first else { return };
        let (slow, often) = (self.in_force(site, what), self.in_force(site, "delay_loop"));
        let default = if slow.is_none() { ", the default," } else { "" };
        let message = format!(
            "virtual_server {}: {what} {timeout}{default} is above delay_loop {interval}",
            name(&self.draft.server)
        );
        let span = slow.or(often).unwrap_or(site);
        let diagnostic = Diagnostic::new(Code::TimeoutAboveInterval, span, message);
        self.context.push(match often.filter(|often| *often != span) {
            Some(often) => diagnostic.label(often, "the interval"),
            None => diagnostic,
        });
    }

    /// Where a keyword stands that counts for the checker whose own keyword stands at `site`: there, in its
    /// real_server, or in the virtual_server.
    fn in_force(&self, site: Span, keyword: &str) -> Option<Span> {
        let in_block = |block: Node<'_>| {
            lines(block).filter(|line| line.keyword().as_str() == Some(keyword)).last().map(Node::span)
        };
        let is_here = |checker: &Node<'_>| checker.keyword().span() == site;
        let server = lines(self.node).find(|server| lines(*server).any(|checker| is_here(&checker)));
        let checker = server.and_then(|server| lines(server).find(is_here));
        checker.and_then(in_block).or_else(|| server.and_then(in_block)).or_else(|| in_block(self.node))
    }
}
