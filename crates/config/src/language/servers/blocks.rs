//! The blocks of the load balancer.

use std::net::IpAddr;
use std::sync::Arc;

use super::keywords::{REAL_SERVER, SSL, VIRTUAL_SERVER};
use super::read::{address_and_port, range_end, server_place};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::language::Drafts;
use crate::language::blocks::fill;
use crate::language::checkers::keywords::{
    BFD, COMMON, CONNECTION, DNS, FILE, GRPC, HTTP, MISC, PLAIN, SMTP, TCP, TLS, UDP,
};
use crate::model::{
    CheckKind, Checker, DnsCheck, FileCheck, GroupEntry, GrpcCheck, HttpCheck, MiscCheck, RealServer, Script,
    ServiceTarget, Site, Ssl, TcpCheck, UdpCheck, VirtualServer, VirtualServerGroup,
};
use crate::table::remembered::ServerScratch;
use crate::table::{Context, Keywords, Line, Outcome, Seen, Statement, apply, unknown, unread};
use crate::text::tree::Node;
use crate::value::{Interval, Name, Text};

/// `SMTP_CHECK` as written.
#[derive(Debug, Default)]
pub(crate) struct SmtpCheckDraft {
    pub(crate) helo_name: Option<Text>,
}

/// `BFD_CHECK` as written.
#[derive(Debug, Default)]
pub(crate) struct BfdCheckDraft {
    pub(crate) session: Option<Name>,
    pub(crate) alpha: bool,
}

/// A virtual server with the keywords that were written in it and below.
#[derive(Debug)]
pub(crate) struct ServerDraft {
    /// Without its real servers.
    pub(crate) server: VirtualServer,
    pub(crate) seen: Seen,
    pub(crate) scratch: ServerScratch,
    pub(crate) below: BelowServer,
    pub(crate) span: Span,
}

/// What is below a virtual server; its vectors are used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct BelowServer {
    pub(crate) real_servers: Vec<RealServerDraft>,
    /// Those of all real servers, one server after the other.
    pub(crate) checkers: Vec<CheckerDraft>,
    /// Those of the real server completed last, even of an earlier virtual server.
    pub(crate) shared: Arc<[Checker]>,
}

/// A real server with the keywords that were written in it.
#[derive(Debug)]
pub(crate) struct RealServerDraft {
    pub(crate) server: RealServer,
    pub(crate) seen: Seen,
    /// How many checkers it has.
    pub(crate) checkers: usize,
    /// Its first checker that may still run when it is due again.
    pub(crate) slow_check: Option<SlowCheck>,
}

/// A checker that runs longer than its interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlowCheck {
    /// Its keyword.
    pub(crate) site: Span,
    /// The keyword of the timeout.
    pub(crate) what: &'static str,
    pub(crate) timeout: Interval,
    pub(crate) interval: Interval,
}

/// A checker with the keywords that were written in it.
#[derive(Debug)]
pub(crate) struct CheckerDraft {
    pub(crate) checker: Checker,
    pub(crate) common: Seen,
    pub(crate) connection: Seen,
    /// Its keyword.
    pub(crate) site: Span,
}

impl Drafts {
    pub(crate) fn virtual_server(&mut self, line: Statement<'_, '_, '_, '_>) {
        let (node, context) = (line.node, &mut *line.context);
        let span = node.span();
        let mut line = Line::new(node, context);
        let Some(target) = target(&mut line) else { return unread(node, context) };
        context.server = ServerScratch::default();
        let mut server = VirtualServer::new(target);
        server.site = Site(span);
        let below = std::mem::take(&mut self.below_server);
        let mut draft =
            ServerDraft { server, seen: Seen::default(), scratch: ServerScratch::default(), below, span };
        for child in node.children().into_iter().flatten() {
            let outcome = apply(&mut draft.server, &mut draft.seen, VIRTUAL_SERVER, child, context);
            if let Outcome::Elsewhere(_) = outcome {
                real_server(&mut draft.below, child, context);
            }
        }
        draft.scratch = std::mem::take(&mut context.server);
        let (server, kept, below) = super::check::complete(draft, node, &self.global, context);
        if kept { &mut self.virtual_servers } else { &mut self.dropped_servers }.push(server);
        self.below_server = below;
        let followed = node.children().into_iter().flatten();
        let followed = followed.filter(|line| line.keyword().as_str() == Some("only_while_master")).last();
        if let Some(name) = followed.and_then(|line| line.words().nth(1)) {
            self.masters.insert(span, name.span());
        }
    }

    pub(crate) fn virtual_server_group(&mut self, line: Statement<'_, '_, '_, '_>) {
        let Some((name, span)) = line.name_of_block() else { return };
        if let Some(first) = line.context.known.server_groups.get(&name).copied() {
            return line.pass_over_namesake(&name, span, first);
        }
        let (node, context) = (line.node, &mut *line.context);
        let mut group = VirtualServerGroup { name, site: Site(span), ..VirtualServerGroup::default() };
        for child in node.children().into_iter().flatten() {
            group.entries.extend(group_entry(&mut Line::without_keyword(child, context)));
        }
        if group.entries.is_empty() {
            let message = format!("virtual_server_group '{}' is empty; it is dropped", group.name);
            context.push(Diagnostic::new(Code::EmptyGroup, span, message).of_block());
            return;
        }
        context.known.server_groups.insert(Name::clone(&group.name), span);
        self.virtual_server_groups.push(group);
    }

    pub(crate) fn ssl(&mut self, line: Statement<'_, '_, '_, '_>) {
        let (node, context) = (line.node, &mut *line.context);
        if self.ssl.is_some() {
            let message = "SSL is given already; this one replaces it";
            context.push(Diagnostic::new(Code::GivenTwice, node.span(), message));
        }
        let mut ssl = Ssl::default();
        fill(&mut ssl, SSL, node, context);
        self.ssl = Some(ssl);
    }
}

/// `ADDRESS [PORT]`, `fwmark N` or `group NAME`.
fn target(line: &mut Line<'_, '_, '_>) -> Option<ServiceTarget> {
    match line.word(0) {
        None => {
            line.stops_without = true;
            line.missing("ADDRESS [PORT], fwmark N or group NAME");
            None
        }
        Some("fwmark") => {
            let mark = line.unsigned(1, 1, 4_294_967_295)?;
            u32::try_from(mark).ok().map(ServiceTarget::Mark)
        }
        Some("group") => {
            let name = line.word(1);
            if name.is_none() {
                line.missing("group NAME");
            }
            name.map(|name| ServiceTarget::Group(name.into()))
        }
        Some(_) => address_and_port(line, 0).map(ServiceTarget::Address),
    }
}

fn group_entry(line: &mut Line<'_, '_, '_>) -> Option<GroupEntry> {
    use steadfast_wire::vrrp::Family;
    let word = line.word(0)?;
    if word == "fwmark" {
        line.stops_without = true;
        let mark = u32::try_from(line.unsigned(1, 0, 4_294_967_295)?).ok()?;
        let family = match line.word(2) {
            None => None,
            Some("inet") => Some(Family::V4),
            Some("inet6") => Some(Family::V6),
            Some(other) => {
                line.report(Code::UnknownOption, 2, format!("'{other}' is no address family"));
                None
            }
        };
        return Some(GroupEntry::Mark { mark, family });
    }
    let port = match line.word(1) {
        None => 0,
        Some(_) => u16::try_from(line.unsigned(1, 0, 65_535)?).ok()?,
    };
    line.no_more(2);
    let range = addresses(word);
    if range.is_none() {
        let span = line.span(0);
        line.push(
            Diagnostic::new(Code::InvalidAddress, span, format!("'{word}' is no address, range or prefix"))
                .expected("ADDRESS, ADDRESS-LAST, ADDRESS-ADDRESS or ADDRESS/LENGTH without host bits"),
        );
    }
    range.map(|(first, last)| GroupEntry::Addresses { first, last, port })
}

fn addresses(word: &str) -> Option<(std::net::IpAddr, std::net::IpAddr)> {
    use std::net::IpAddr;
    if let Some((first, last)) = word.split_once('-') {
        let first: IpAddr = first.parse().ok()?;
        return range_end(first, last).map(|last| (first, last));
    }
    let Some((first, length)) = word.split_once('/') else {
        let address = word.parse().ok()?;
        return Some((address, address));
    };
    let length: u32 = length.parse().ok()?;
    match first.parse().ok()? {
        IpAddr::V4(first) if (1..=32).contains(&length) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            let bits = u32::from(first);
            (bits & host == 0).then(|| (IpAddr::V4(first), IpAddr::V4((bits | host).into())))
        }
        IpAddr::V6(first) if (1..=128).contains(&length) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            let bits = u128::from(first);
            (bits & host == 0).then(|| (IpAddr::V6(first), IpAddr::V6((bits | host).into())))
        }
        _ => None,
    }
}

fn real_server(below: &mut BelowServer, node: Node<'_>, context: &mut Context<'_>) {
    let mut line = Line::new(node, context);
    if line.word(0).is_none() {
        line.stops_without = true;
        return line.missing("ADDRESS [PORT]");
    }
    let Some((address, name)) = server_place(&mut line) else { return unread(node, context) };
    context.server.real_address = name.is_none().then_some(address.address);
    let mut server = RealServer::new(address);
    server.name = name.map(Box::new);
    server.site = Site(node.span());
    let mut draft = RealServerDraft { server, seen: Seen::default(), checkers: 0, slow_check: None };
    for child in node.children().into_iter().flatten() {
        let outcome = apply(&mut draft.server, &mut draft.seen, REAL_SERVER, child, context);
        if let Outcome::Elsewhere(entry) = outcome
            && let Some(checker) = checker(entry.name, child, context)
        {
            let own = below.checkers.len() - draft.checkers;
            if let CheckKind::Bfd(session) = &checker.checker.kind
                && below.checkers.iter().skip(own).any(|other| other.checker.kind == checker.checker.kind)
            {
                let message = format!("the real server follows the BFD session '{session}' already");
                context.push(Diagnostic::new(Code::TrackedTwice, child.span(), message).of_block());
                continue;
            }
            below.checkers.push(checker);
            draft.checkers += 1;
        }
    }
    below.real_servers.push(draft);
}

fn checker(name: &str, node: Node<'_>, context: &mut Context<'_>) -> Option<CheckerDraft> {
    let mut draft = CheckerDraft {
        checker: Checker::new(CheckKind::Ping),
        common: Seen::default(),
        connection: Seen::default(),
        site: node.keyword().span(),
    };
    match name {
        "PING_CHECK" => statements::<()>(node, &mut draft, &mut (), &[], true, context),
        "TCP_CHECK" => {
            let mut tcp = TcpCheck::default();
            statements(node, &mut draft, &mut tcp, &[TCP], true, context);
            draft.checker.kind = CheckKind::Tcp(tcp);
        }
        "UDP_CHECK" => {
            let mut udp = UdpCheck { max_reply_length: 255, ..UdpCheck::default() };
            statements(node, &mut draft, &mut udp, &[UDP], true, context);
            if udp.min_reply_length > udp.max_reply_length {
                let (min, max) = (udp.min_reply_length, udp.max_reply_length);
                let message =
                    format!("min_reply_length {min} is above max_reply_length {max}: no reply is right");
                context.push(Diagnostic::new(Code::ServerConflict, node.span(), message));
            }
            draft.checker.kind = CheckKind::Udp(Box::new(udp));
        }
        "GRPC_CHECK" => {
            let mut grpc = GrpcCheck::default();
            statements(node, &mut draft, &mut grpc, &[GRPC], true, context);
            draft.checker.kind = CheckKind::Grpc(Box::new(grpc));
        }
        "DNS_CHECK" => {
            let mut dns = DnsCheck::default();
            statements(node, &mut draft, &mut dns, &[DNS], true, context);
            draft.checker.kind = CheckKind::Dns(Box::new(dns));
        }
        "SMTP_CHECK" => {
            let mut smtp = SmtpCheckDraft::default();
            statements(node, &mut draft, &mut smtp, &[SMTP], true, context);
            several_hosts(node, context);
            let helo = smtp.helo_name.unwrap_or_else(|| "smtpchecker.keepalived.org".into());
            draft.checker.kind = CheckKind::Smtp(helo);
        }
        "HTTP_GET" | "SSL_GET" => {
            let mut http = HttpCheck { tls: name == "SSL_GET", ..HttpCheck::default() };
            let more = if http.tls { TLS } else { PLAIN };
            statements(node, &mut draft, &mut http, &[HTTP, more], true, context);
            if http.urls.is_empty() {
                let message = format!("{name} without a url checks nothing; it is dropped");
                context.push(Diagnostic::new(Code::IncompleteBlock, node.span(), message).of_block());
                return None;
            }
            http.urls.shrink_to_fit();
            draft.checker.kind = CheckKind::Http(Box::new(http));
        }
        "MISC_CHECK" => return misc(draft, node, context),
        "FILE_CHECK" => return file(draft, node, context),
        "BFD_CHECK" => {
            let mut bfd = BfdCheckDraft::default();
            fill(&mut bfd, BFD, node, context);
            let session = bfd.session.filter(|session| context.known.bfds.contains_key(session));
            let Some(session) = session else {
                let message = "BFD_CHECK names no bfd_instance that is defined; it is dropped";
                let span = place_of(node, "name");
                context.push(Diagnostic::new(Code::TrackedUnknown, span, message).of_block());
                return None;
            };
            draft.checker.alpha = bfd.alpha;
            draft.checker.kind = CheckKind::Bfd(session);
        }
        _ => return None,
    }
    is_reachable(&draft.checker, node, context).then_some(draft)
}

/// keepalived 2.2.7 checks each `host`; later versions and this one check one server, as the last of them says.
fn several_hosts(node: Node<'_>, context: &mut Context<'_>) {
    let hosts = node.children().into_iter().flatten();
    let mut hosts = hosts.filter(|line| line.keyword().as_str() == Some("host")).map(Node::span);
    if let (Some(first), Some(second)) = (hosts.next(), hosts.next()) {
        let message = "SMTP_CHECK has several hosts, and asks one server only: what is written last holds";
        let diagnostic = Diagnostic::new(Code::GivenTwice, second, message).of_block();
        context.push(diagnostic.label(first, "the first").hint("write one SMTP_CHECK for each host"));
    }
}

/// A link-local address means nothing without its link (RFC 4007 section 6).
fn is_reachable(checker: &Checker, node: Node<'_>, context: &mut Context<'_>) -> bool {
    if matches!(checker.kind, CheckKind::Bfd(_)) {
        return true;
    }
    let connection = checker.connection.as_ref();
    let interface = connection.and_then(|connection| connection.bind_interface.as_ref());
    let address = connection.and_then(|connection| connection.address).or(context.server.real_address);
    let Some(IpAddr::V6(address)) = address.filter(|_| interface.is_none()) else { return true };
    if address.is_unicast_link_local() {
        let message =
            format!("the link-local address {address} is checked from no bind_if; the check is dropped");
        context.push(Diagnostic::new(Code::IncompleteBlock, node.span(), message).of_block());
        return false;
    }
    true
}

/// Where the first line of that keyword stands in the block, else the block.
fn place_of(block: Node<'_>, keyword: &str) -> Span {
    let mut lines = block.children().into_iter().flatten();
    lines.find(|line| line.keyword().as_str() == Some(keyword)).map_or(block.span(), Node::span)
}

fn misc(draft: CheckerDraft, node: Node<'_>, context: &mut Context<'_>) -> Option<CheckerDraft> {
    let mut draft = draft;
    let mut misc = MiscCheck { script: Script::default(), timeout: None, dynamic: false };
    statements(node, &mut draft, &mut misc, &[MISC], false, context);
    if misc.script.words.is_empty() {
        let message = "MISC_CHECK without misc_path runs nothing; it is dropped";
        context.push(Diagnostic::new(Code::IncompleteBlock, node.span(), message).of_block());
        return None;
    }
    draft.checker.kind = CheckKind::Misc(Box::new(misc));
    Some(draft)
}

fn file(draft: CheckerDraft, node: Node<'_>, context: &mut Context<'_>) -> Option<CheckerDraft> {
    let mut draft = draft;
    let mut file = FileCheck::default();
    context.file_weight_given = false;
    fill(&mut file, FILE, node, context);
    let Some(weight) = context.known.files.get(&file.track_file).map(|known| known.weight) else {
        let message = format!("FILE_CHECK: track_file '{}' is not defined; it is dropped", file.track_file);
        let span = place_of(node, "track_file");
        context.push(Diagnostic::new(Code::TrackedUnknown, span, message).of_block());
        return None;
    };
    if !context.file_weight_given {
        file.weight = i32::from(weight.value);
        file.reverse = weight.reverse;
    }
    draft.checker.kind = CheckKind::File(Box::new(file));
    Some(draft)
}

/// The statements of a checker: those of its kind, and those that all have.
fn statements<K>(
    node: Node<'_>,
    draft: &mut CheckerDraft,
    kind: &mut K,
    lists: &[&'static Keywords<K>],
    connects: bool,
    context: &mut Context<'_>,
) {
    let mut kind_seen = vec![Seen::default(); lists.len()];
    for child in node.children().into_iter().flatten() {
        let name = child.keyword().as_str().unwrap_or_default();
        let own = kind_seen.iter_mut().zip(lists).find(|(_, list)| list.find(name).is_some());
        if COMMON.find(name).is_some() {
            apply(&mut draft.checker, &mut draft.common, COMMON, child, context);
        } else if connects && CONNECTION.find(name).is_some() {
            apply(&mut draft.checker, &mut draft.connection, CONNECTION, child, context);
            // keepalived says nothing of SMTP_CHECK, whose hosts say where to connect.
            if name == "bindto" && node.keyword().as_str() != Some("SMTP_CHECK") {
                fit_local_address(&mut draft.checker, child, context);
            }
        } else if let Some((seen, list)) = own {
            match apply(kind, seen, list, child, context) {
                Outcome::Elsewhere(entry) if entry.argument.is_block() => {
                    statements::<()>(child, draft, &mut (), &[], true, context);
                }
                Outcome::Elsewhere(_) => {
                    // The old name of a keyword that all have.
                    let retry = Line::new(child, context).unsigned(0, 0, 4_294_967_295);
                    let retry = retry.and_then(|n| u32::try_from(n).ok());
                    draft.checker.retry = retry.unwrap_or(draft.checker.retry);
                    draft.common.add_name(COMMON, "retry");
                }
                Outcome::Done | Outcome::Unknown => {}
            }
        } else {
            let common = COMMON.iter().chain(if connects { CONNECTION } else { Keywords::EMPTY }.iter());
            let names = common.map(|keyword| keyword.entry.name);
            let own = lists.iter().flat_map(|list| list.iter()).map(|keyword| keyword.entry.name);
            unknown(child, names.chain(own), context);
        }
    }
}

/// A check goes from an address of the family that it goes to, as far as that is said before.
fn fit_local_address(checker: &mut Checker, line: Node<'_>, context: &mut Context<'_>) {
    let Some(connection) = &mut checker.connection else { return };
    let Some(target) = connection.address.or(context.server.real_address) else { return };
    if connection.bind_address.is_some_and(|local| local.is_ipv4() != target.is_ipv4()) {
        connection.bind_address = None;
        let message = format!("bindto is not of the family of {target}, which is checked; it is ignored");
        context.push(Diagnostic::new(Code::FamilyMismatch, line.span(), message));
    }
}

impl Drafts {
    /// A service that follows an instance that does not exist would never be installed.
    pub(crate) fn check_masters(&mut self, context: &mut Context<'_>) {
        for server in &mut self.virtual_servers {
            let Some(extensions) = server.extensions.as_deref_mut() else { continue };
            let Some(name) = &extensions.only_while_master else { continue };
            if !context.known.instances.contains_key(name) {
                let message = format!("only_while_master: there is no vrrp_instance '{name}'");
                let place = self.masters.get(&server.site.0).copied().unwrap_or(server.site.0);
                let names = context.known.instances.keys().map(Name::clone).collect::<Vec<_>>();
                let diagnostic = Diagnostic::new(Code::TrackedUnknown, place, message);
                context.push_suggesting(diagnostic, name, names.iter().map(|name| &**name));
                extensions.only_while_master = None;
            }
        }
    }
}
