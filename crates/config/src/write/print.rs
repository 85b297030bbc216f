//! A model as text that reads back as the same model.

use std::fmt::Write as _;

use crate::language::addresses::read::show_line as address_line;
use crate::language::bfd::BFD_INSTANCE;
use crate::language::checkers::keywords::{COMMON, CONNECTION, DNS, FILE, GRPC, HTTP, MISC, UDP, URL};
use crate::language::global::keywords::GLOBAL;
use crate::language::instance::keywords::{AUTH_HMAC, AUTHENTICATION, INSTANCE};
use crate::language::root::ROOT;
use crate::language::routes::read::show_line as route_line;
use crate::language::rules::read::show_line as rule_line;
use crate::language::servers::keywords::{REAL_SERVER, SSL, VIRTUAL_SERVER};
use crate::language::servers::read::words_of_address;
use crate::language::trackers::keywords::{SCRIPT, TRACK_FILE, TRACK_PROCESS};
use crate::language::tracking::keywords::{GARP_GROUP, SYNC_GROUP, TRACK_GROUP};
use crate::model::{
    CheckKind, Checker, Global, GroupEntry, InterfaceDelay, LinkbeatInterface, Model, RealServer,
    ServiceTarget, VirtualServer, VrrpInstance,
};
use crate::table::notation::{self, quote};
use crate::table::remembered::AuthenticationDraft;
use crate::table::{Argument, Keyword, Keywords, Store, Support, Unit};

/// The configuration that means this model, every value written out.
pub fn print(model: &Model) -> String {
    let mut printer = Printer::default();
    printer.global(&model.global);
    for file in &model.track_files {
        printer.block("track_file", &file.name, |p| p.keywords(TRACK_FILE, file, None));
    }
    for process in &model.track_processes {
        printer.block("vrrp_track_process", &process.name, |p| p.keywords(TRACK_PROCESS, process, None));
    }
    for bfd in &model.bfd_instances {
        printer.block("bfd_instance", &bfd.name, |p| p.keywords(BFD_INSTANCE, bfd, None));
    }
    for script in &model.scripts {
        printer.block("vrrp_script", &script.name, |p| p.keywords(SCRIPT, script, None));
    }
    for group in &model.track_groups {
        printer.block("track_group", &group.name, |p| p.keywords(TRACK_GROUP, group, None));
    }
    for group in &model.garp_groups {
        printer.block("garp_group", "", |p| p.keywords(GARP_GROUP, group, None));
    }
    printer.lines("static_ipaddress", model.static_addresses.iter().map(address_line));
    printer.lines("static_routes", model.static_routes.iter().map(route_line));
    printer.lines("static_rules", model.static_rules.iter().map(rule_line));
    printer.lines("interface_up_down_delays", model.interface_delays.iter().map(delay_line));
    printer.lines("linkbeat_interfaces", model.linkbeat_interfaces.iter().map(linkbeat_line));
    for instance in &model.instances {
        printer.instance(instance);
    }
    for group in &model.groups {
        printer.block("vrrp_sync_group", &group.name, |p| p.keywords(SYNC_GROUP, group, None));
    }
    if let Some(ssl) = &model.ssl {
        printer.block("SSL", "", |p| p.keywords(SSL, ssl, None));
    }
    for group in &model.virtual_server_groups {
        printer.lines(
            &format!("virtual_server_group {}", quote(&group.name)),
            group.entries.iter().map(group_entry),
        );
    }
    for server in &model.virtual_servers {
        printer.virtual_server(server);
    }
    printer.text
}

/// What stands behind the keyword, once for each time it is to be written.
pub(crate) fn arguments<T>(keyword: &Keyword<T>, target: &T) -> Vec<String> {
    match &keyword.store {
        Store::Field { get, .. } => match (keyword.entry.argument, get(target).show()) {
            (_, None) => Vec::new(),
            (Argument::Time { unit: Unit::Milliseconds, .. }, Some(seconds)) => {
                vec![notation::milliseconds(&seconds)]
            }
            (Argument::Flag, Some(value)) => {
                if value == "true" {
                    vec![String::new()]
                } else {
                    Vec::new()
                }
            }
            (_, Some(value)) => vec![value],
        },
        Store::Custom { show, .. } => show(target),
        Store::Elsewhere => Vec::new(),
    }
}

/// Whether another keyword of the table writes the same field.
pub(crate) fn is_alias<T>(keywords: &'static Keywords<T>, keyword: &Keyword<T>) -> bool {
    const ALIASES: &[&str] = &["neighbour_ip", "hoplimit"];
    ALIASES.contains(&keyword.entry.name)
        || keyword.entry.successor.is_some_and(|successor| keywords.find(successor).is_some())
}

#[derive(Default)]
struct Printer {
    text: String,
    depth: usize,
}

impl Printer {
    fn line(&mut self, words: &str) {
        for line in words.trim_end().lines() {
            let indent = self.depth * 4;
            // A string takes any text.
            let _ = writeln!(self.text, "{:indent$}{line}", "");
        }
    }

    fn block(&mut self, keyword: &str, head: &str, body: impl FnOnce(&mut Self)) {
        let head = if head.is_empty() { keyword.to_owned() } else { format!("{keyword} {}", quote(head)) };
        self.block_of(&head, body);
    }

    fn block_of(&mut self, head: &str, body: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}");
    }

    fn lines(&mut self, head: &str, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            self.block_of(head, |printer| lines.for_each(|line| printer.line(&line)));
        }
    }

    /// The keywords of a block; those that hold what `default` holds are left out.
    fn keywords<T>(&mut self, keywords: &'static Keywords<T>, target: &T, default: Option<&T>) {
        for keyword in keywords.iter() {
            if is_alias(keywords, keyword) {
                continue;
            }
            let shown = arguments(keyword, target);
            if default.is_some_and(|default| arguments(keyword, default) == shown) {
                continue;
            }
            self.statements(keyword, shown);
        }
    }

    fn statements<T>(&mut self, keyword: &Keyword<T>, shown: Vec<String>) {
        let is_field = matches!(keyword.store, Store::Field { .. });
        for arguments in shown {
            // Some defaults cannot be written, such as no interval at all.
            if is_field
                && keyword.entry.argument.is_number()
                && keyword.entry.argument.read(&arguments).is_err()
            {
                continue;
            }
            self.line(&format!("{} {arguments}", keyword.entry.name));
        }
    }

    fn global(&mut self, global: &Global) {
        self.global_keywords(ROOT, global);
        self.block("global_defs", "", |p| p.global_keywords(GLOBAL, global));
    }

    /// With their defaults, but for those of what is not active.
    fn global_keywords(&mut self, keywords: &'static Keywords<Global>, global: &Global) {
        let default = Global::default();
        for keyword in keywords.iter().filter(|keyword| !is_alias(keywords, keyword)) {
            let shown = arguments(keyword, global);
            let active = keyword.entry.support == Support::Active;
            if active || arguments(keyword, &default) != shown {
                self.statements(keyword, shown);
            }
        }
    }

    fn instance(&mut self, instance: &VrrpInstance) {
        self.block("vrrp_instance", &instance.name, |p| {
            p.keywords(INSTANCE, instance, None);
            if let Some(authentication) = &instance.authentication {
                let draft = AuthenticationDraft {
                    kind: Some(authentication.kind),
                    password: Some(authentication.password),
                    ..AuthenticationDraft::default()
                };
                p.block("authentication", "", |p| p.keywords(AUTHENTICATION, &draft, None));
            }
            if let Some(hmac) = &instance.auth_hmac {
                p.block("auth_hmac", "", |p| p.keywords(AUTH_HMAC, hmac, None));
            }
        });
    }

    fn virtual_server(&mut self, server: &VirtualServer) {
        let head = match &server.target {
            ServiceTarget::Address(address) => words_of_address(*address),
            ServiceTarget::Mark(mark) => format!("fwmark {mark}"),
            ServiceTarget::Group(name) => format!("group {}", quote(name)),
        };
        self.block_of(&format!("virtual_server {head}"), |p| {
            p.keywords(VIRTUAL_SERVER, server, None);
            for server in &server.real_servers {
                p.real_server(server);
            }
        });
    }

    fn real_server(&mut self, server: &RealServer) {
        self.block_of(&format!("real_server {}", words_of_address(server.address)), |p| {
            p.keywords(REAL_SERVER, server, None);
            for checker in server.checkers.iter() {
                p.checker(checker);
            }
        });
    }

    fn checker(&mut self, checker: &Checker) {
        let connecting = |p: &mut Self| {
            p.keywords(COMMON, checker, None);
            p.keywords(CONNECTION, checker, None);
        };
        match &checker.kind {
            CheckKind::Tcp => self.block("TCP_CHECK", "", connecting),
            CheckKind::Ping => self.block("PING_CHECK", "", connecting),
            CheckKind::Smtp(name) => self.block("SMTP_CHECK", "", |p| {
                connecting(p);
                p.line(&format!("helo_name {}", quote(name)));
            }),
            CheckKind::Udp(udp) => self.block("UDP_CHECK", "", |p| {
                connecting(p);
                p.keywords(UDP, udp, None);
            }),
            CheckKind::Grpc(grpc) => self.block("GRPC_CHECK", "", |p| {
                connecting(p);
                p.keywords(GRPC, grpc, None);
            }),
            CheckKind::Dns(dns) => self.block("DNS_CHECK", "", |p| {
                connecting(p);
                p.keywords(DNS, dns, None);
            }),
            CheckKind::Http(http) => {
                let default = crate::model::HttpCheck { tls: http.tls, ..Default::default() };
                let keyword = if http.tls { "SSL_GET" } else { "HTTP_GET" };
                self.block(keyword, "", |p| {
                    connecting(p);
                    p.keywords(HTTP, http, Some(&default));
                    for url in &http.urls {
                        p.block("url", "", |p| p.keywords(URL, url, None));
                    }
                });
            }
            CheckKind::Misc(misc) => self.block("MISC_CHECK", "", |p| {
                p.keywords(COMMON, checker, None);
                p.keywords(MISC, misc, None);
            }),
            CheckKind::File(file) => self.block("FILE_CHECK", "", |p| p.keywords(FILE, file, None)),
            CheckKind::Bfd(name) => self.block("BFD_CHECK", "", |p| {
                p.line(&format!("name {}", quote(name)));
                p.line(&format!("alpha {}", checker.alpha));
            }),
        }
    }
}

/// The keyword of a checker, and the lines in its block.
pub(crate) fn checker_lines(checker: &Checker) -> (String, Vec<String>) {
    let mut printer = Printer::default();
    printer.checker(checker);
    let mut lines = printer.text.lines().map(|line| line.trim().to_owned());
    let keyword = lines.next().unwrap_or_default().trim_end_matches([' ', '{']).to_owned();
    (keyword, lines.filter(|line| line != "}").collect())
}

/// A line of `interface_up_down_delays`.
pub(crate) fn delay_line(delay: &InterfaceDelay) -> String {
    format!("{} {} {}", quote(&delay.interface), delay.down, delay.up)
}

/// A line of `linkbeat_interfaces`.
pub(crate) fn linkbeat_line(linkbeat: &LinkbeatInterface) -> String {
    let method = linkbeat.method.as_deref().unwrap_or_default();
    format!("{} {method}", quote(&linkbeat.interface)).trim_end().to_owned()
}

/// A line of `virtual_server_group`.
pub(crate) fn group_entry(entry: &GroupEntry) -> String {
    use steadfast_wire::vrrp::Family;
    match entry {
        GroupEntry::Addresses { first, last, port } => {
            let port = if *port == 0 { String::new() } else { format!(" {port}") };
            if first == last { format!("{first}{port}") } else { format!("{first}-{last}{port}") }
        }
        GroupEntry::Mark { mark, family } => match family {
            None => format!("fwmark {mark}"),
            Some(Family::V4) => format!("fwmark {mark} inet"),
            Some(Family::V6) => format!("fwmark {mark} inet6"),
        },
    }
}
