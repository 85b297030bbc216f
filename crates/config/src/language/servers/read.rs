//! Readers of virtual and real servers.

use std::net::{IpAddr, Ipv4Addr};

use steadfast_wire::vrrp::Family;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::model::{
    Forwarding, ForwardingMethod, GroupEntry, RealServer, ServerAddress, SorryServer, Transport,
    TunnelChecksum, TunnelKind, VirtualServer,
};
use crate::table::{Argument, Statement, Value};
use crate::value::Text;

pub(crate) fn show_nothing(_: &VirtualServer) -> Vec<String> {
    Vec::new()
}

pub(crate) fn read_family(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    if let Some(Value::Text(word)) = line.value(Argument::Choice(&["inet", "inet6"]), 0) {
        server.family = if word == "inet" { Family::V4 } else { Family::V6 };
    }
}

pub(crate) fn show_family(server: &VirtualServer) -> Vec<String> {
    vec![if server.family == Family::V4 { "inet" } else { "inet6" }.to_owned()]
}

/// Schedulers of the kernel.
pub(crate) const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"];

pub(crate) fn read_scheduler(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return };
    if SCHEDULERS.contains(&word) {
        server.scheduler = word.into();
        line.context.server.scheduler_given = true;
        return;
    }
    let span = line.span(0);
    line.push_suggesting(
        Diagnostic::new(Code::InvalidChoice, span, format!("'{word}' is no scheduler"))
            .expected(SCHEDULERS.join(", ")),
        word,
        SCHEDULERS.iter().copied(),
    );
}

pub(crate) fn show_scheduler(server: &VirtualServer) -> Vec<String> {
    vec![server.scheduler.to_string()]
}

pub(crate) fn read_flag(server: &mut VirtualServer, _: Statement<'_, '_, '_, '_>, bit: u8) {
    server.scheduler_flags |= 1 << bit;
}

/// Whether a scheduler that hashes was named before, which the keyword needs.
fn is_hashing(server: &VirtualServer, line: Statement<'_, '_, '_, '_>) -> bool {
    let is_hashing = matches!(&*server.scheduler, "sh" | "mh");
    if !is_hashing {
        let message = format!("'{}' needs lvs_sched sh or mh before it; it is ignored", line.keyword);
        line.report(Code::SettingIgnored, 0, message);
    }
    is_hashing
}

pub(crate) fn read_hash_flag(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>, bit: u8) {
    if is_hashing(server, line) {
        read_flag(server, line, bit);
    }
}

pub(crate) fn read_hashed(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    server.hashed = is_hashing(server, line);
}

pub(crate) fn show_hashed(server: &VirtualServer) -> Vec<String> {
    if server.hashed { vec![String::new()] } else { Vec::new() }
}

pub(crate) fn show_flag(server: &VirtualServer, bit: u8) -> Vec<String> {
    if server.scheduler_flags & (1 << bit) != 0 { vec![String::new()] } else { Vec::new() }
}

/// `NAT`, `DR` or `TUN` with its options.
pub(crate) fn forwarding(line: Statement<'_, '_, '_, '_>) -> Option<ForwardingMethod> {
    let Some(word) = line.word(0) else {
        line.missing("NAT, DR or TUN");
        return None;
    };
    let name = match word {
        "NAT" => Forwarding::Nat,
        "DR" => Forwarding::Dr,
        "TUN" => Forwarding::Tun,
        _ => {
            let span = line.span(0);
            line.push_suggesting(
                Diagnostic::new(Code::InvalidChoice, span, format!("'{word}' is no forwarding method"))
                    .expected("NAT, DR or TUN"),
                word,
                ["NAT", "DR", "TUN"],
            );
            return None;
        }
    };
    let mut method = ForwardingMethod { method: name, ..ForwardingMethod::default() };
    let mut place = 1;
    while let Some(word) = line.word(place) {
        match word {
            "type" => {
                place += 1;
                method.tunnel = match line.word(place) {
                    Some("gue") => TunnelKind::Gue,
                    Some("gre") => TunnelKind::Gre,
                    Some("ipip") => TunnelKind::Ipip,
                    _ => {
                        line.report(Code::InvalidChoice, place, "a tunnel is ipip, gue or gre");
                        return None;
                    }
                };
            }
            "port" => {
                place += 1;
                let port = line.unsigned(place, 1, 65_535).and_then(|port| u16::try_from(port).ok());
                method.port = port.unwrap_or(0);
            }
            "nocsum" => method.checksum = TunnelChecksum::Nocsum,
            "csum" => method.checksum = TunnelChecksum::Csum,
            "remcsum" => method.checksum = TunnelChecksum::Remcsum,
            _ => line.report(Code::UnknownOption, place, format!("{} does not know '{word}'", line.keyword)),
        }
        place += 1;
    }
    if (method.tunnel == TunnelKind::Gue) != (method.port != 0) {
        line.report(Code::SettingIgnored, 0, "gue needs a port, and only gue takes one");
        return None;
    }
    // The kernel's tunnels: ipip has no checksum, gre has one, gue has both kinds.
    let has_checksum = match method.tunnel {
        TunnelKind::Ipip => method.checksum == TunnelChecksum::Nocsum,
        TunnelKind::Gre => method.checksum != TunnelChecksum::Remcsum,
        TunnelKind::Gue => true,
    };
    if !has_checksum {
        line.report(Code::SettingIgnored, 0, "such a tunnel has no such checksum");
        return None;
    }
    Some(method)
}

pub(crate) fn words_of(method: ForwardingMethod) -> String {
    let name = match method.method {
        Forwarding::Nat => "NAT",
        Forwarding::Dr => "DR",
        Forwarding::Tun => "TUN",
    };
    let kind = match method.tunnel {
        TunnelKind::Ipip => String::new(),
        TunnelKind::Gue => format!(" type gue port {}", method.port),
        TunnelKind::Gre => " type gre".to_owned(),
    };
    let checksum = match method.checksum {
        TunnelChecksum::Nocsum => "",
        TunnelChecksum::Csum => " csum",
        TunnelChecksum::Remcsum => " remcsum",
    };
    format!("{name}{kind}{checksum}")
}

pub(crate) fn read_forwarding(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    if let Some(method) = forwarding(line) {
        line.context.server.forwarding_given = true;
        server.forwarding = method;
    }
}

pub(crate) fn show_forwarding_of_virtual(server: &VirtualServer) -> Vec<String> {
    vec![words_of(server.forwarding)]
}

/// 31 days, the kernel's bound.
const LONGEST_PERSISTENCE: u64 = 2_678_400;
/// What `persistence_timeout` without a number means, seconds.
const DEFAULT_PERSISTENCE: u32 = 360;

pub(crate) fn read_persistence(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        server.persistence_timeout_seconds = Some(DEFAULT_PERSISTENCE);
    } else if let Some(seconds) = line.unsigned(0, 1, LONGEST_PERSISTENCE) {
        server.persistence_timeout_seconds = u32::try_from(seconds).ok();
    }
}

pub(crate) fn show_persistence(server: &VirtualServer) -> Vec<String> {
    server.persistence_timeout_seconds.iter().map(ToString::to_string).collect()
}

/// A netmask or a prefix length.
pub(crate) fn read_granularity(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return line.missing("NETMASK or PREFIX") };
    let from_mask = |mask: Ipv4Addr| {
        let bits = u32::from(mask);
        (bits.leading_ones() + bits.trailing_zeros() == 32 && bits != 0).then(|| bits.leading_ones())
    };
    let mask = word.parse::<Ipv4Addr>();
    let is_mask = mask.is_ok();
    let length = match mask {
        Ok(mask) => from_mask(mask).and_then(|length| u8::try_from(length).ok()),
        Err(_) => word.parse().ok().filter(|length| (1..=128).contains(length)),
    };
    match length {
        Some(length) => {
            server.persistence_granularity = Some(length);
            line.context.server.granularity_is_mask = is_mask;
            server.persistence_timeout_seconds.get_or_insert(DEFAULT_PERSISTENCE);
        }
        None => {
            let span = line.span(0);
            line.push(
                Diagnostic::new(Code::InvalidAddress, span, format!("'{word}' is no granularity"))
                    .expected("an IPv4 netmask, or a prefix length from 1 to 128"),
            );
        }
    }
}

pub(crate) fn show_granularity(server: &VirtualServer) -> Vec<String> {
    server.persistence_granularity.iter().map(ToString::to_string).collect()
}

pub(crate) fn read_protocol(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return };
    server.protocol = match word.to_ascii_uppercase().as_str() {
        "TCP" => Some(Transport::Tcp),
        "UDP" => Some(Transport::Udp),
        "SCTP" => Some(Transport::Sctp),
        _ => {
            let message = format!("'{word}' is no protocol of virtual servers");
            let span = line.span(0);
            line.push(Diagnostic::new(Code::InvalidChoice, span, message).expected("TCP, UDP or SCTP"));
            return;
        }
    };
}

pub(crate) fn protocol_word(protocol: Transport) -> &'static str {
    match protocol {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
        Transport::Sctp => "SCTP",
    }
}

pub(crate) fn show_protocol(server: &VirtualServer) -> Vec<String> {
    server.protocol.map(|protocol| protocol_word(protocol).to_owned()).into_iter().collect()
}

pub(crate) fn read_quorum(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("NUMBER");
    }
    let quorum = line.unsigned(0, 1, 2_147_483_647).and_then(|quorum| u32::try_from(quorum).ok());
    server.quorum = quorum.unwrap_or(1);
}

pub(crate) fn show_quorum(server: &VirtualServer) -> Vec<String> {
    vec![server.quorum.to_string()]
}

fn weight(line: Statement<'_, '_, '_, '_>, min: u64) -> Option<i32> {
    line.unsigned(0, min, 2_147_483_647).and_then(|weight| i32::try_from(weight).ok())
}

pub(crate) fn read_virtual_weight(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    server.weight = weight(line, 1).unwrap_or(server.weight);
}

pub(crate) fn show_virtual_weight(server: &VirtualServer) -> Vec<String> {
    vec![server.weight.to_string()]
}

pub(crate) fn read_real_weight(server: &mut RealServer, line: Statement<'_, '_, '_, '_>) {
    server.weight = weight(line, 0).unwrap_or(server.weight);
}

pub(crate) fn show_real_weight(server: &RealServer) -> Vec<String> {
    vec![server.weight.to_string()]
}

pub(crate) fn read_real_forwarding(server: &mut RealServer, line: Statement<'_, '_, '_, '_>) {
    server.forwarding = forwarding(line).unwrap_or(server.forwarding);
}

pub(crate) fn show_real_forwarding(server: &RealServer) -> Vec<String> {
    vec![words_of(server.forwarding)]
}

/// `ADDRESS [PORT]` from that place on.
pub(crate) fn address_and_port(line: Statement<'_, '_, '_, '_>, place: usize) -> Option<ServerAddress> {
    let address = match line.value(Argument::Address, place)? {
        Value::Address(address) => address,
        _ => return None,
    };
    Some(ServerAddress { address, port: port(line, place + 1)? })
}

/// The last word, which may be missing: a port, or 0.
fn port(line: Statement<'_, '_, '_, '_>, place: usize) -> Option<u16> {
    let port = match line.word(place) {
        None => 0,
        Some(_) => u16::try_from(line.unsigned(place, 0, 65_535)?).ok()?,
    };
    line.no_more(place + 1);
    Some(port)
}

pub(crate) fn read_sorry_server(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("ADDRESS [PORT]");
    }
    if let Some(address) = address_and_port(line, 0) {
        line.context.server.sorry_span = Some(line.node.span());
        server.sorry_server =
            Some(SorryServer { address, inhibit: false, forwarding: ForwardingMethod::default() });
    }
}

/// `ADDRESS [PORT]`, or `NAME [PORT]` with the address that says nothing: of which family it is, is known when all of
/// the service is.
pub(crate) fn server_place(line: Statement<'_, '_, '_, '_>) -> Option<(ServerAddress, Option<Text>)> {
    // A name of the DNS has a dot in it, and is no address that is misspelt.
    let Some(name) = line.word(0).filter(|word| is_name(word)) else {
        return address_and_port(line, 0).map(|address| (address, None));
    };
    let address = ServerAddress { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: port(line, 1)? };
    Some((address, Some(name.into())))
}

/// Longest name, and longest part of one (RFC 1035 section 2.3.4).
const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

/// RFC 1123 section 2.1: the last part is not all of digits. Underscores begin the parts of a service (RFC 2782).
fn is_name(word: &str) -> bool {
    let name = word.strip_suffix('.').unwrap_or(word);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    word.contains('.')
        && name.len() <= NAME_BYTES
        && name.split('.').all(is_label)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// What stands behind `real_server`.
pub(crate) fn head_of_real_server(server: &RealServer) -> String {
    match (&server.name, server.address.port) {
        (None, _) => words_of_address(server.address),
        (Some(name), 0) => name.to_string(),
        (Some(name), port) => format!("{name} {port}"),
    }
}

pub(crate) fn words_of_address(server: ServerAddress) -> String {
    match server.port {
        0 => server.address.to_string(),
        port => format!("{} {port}", server.address),
    }
}

pub(crate) fn show_sorry_server(server: &VirtualServer) -> Vec<String> {
    server.sorry_server.iter().map(|sorry| words_of_address(sorry.address)).collect()
}

fn sorry<'s>(server: &'s mut VirtualServer, line: Statement<'_, '_, '_, '_>) -> Option<&'s mut SorryServer> {
    if server.sorry_server.is_none() {
        let message = format!("'{}' needs a sorry_server before it", line.keyword);
        line.report(Code::SettingIgnored, 0, message);
    }
    server.sorry_server.as_mut()
}

pub(crate) fn read_sorry_inhibit(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    if let Some(sorry) = sorry(server, line) {
        sorry.inhibit = true;
    }
}

pub(crate) fn show_sorry_inhibit(server: &VirtualServer) -> Vec<String> {
    let inhibit = server.sorry_server.iter().filter(|sorry| sorry.inhibit);
    inhibit.map(|_| String::new()).collect()
}

pub(crate) fn read_sorry_forwarding(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    if let Some(sorry) = sorry(server, line)
        && let Some(method) = forwarding(line)
    {
        sorry.forwarding = method;
        line.context.server.sorry_forwarding_given = true;
    }
}

pub(crate) fn show_sorry_forwarding(server: &VirtualServer) -> Vec<String> {
    server.sorry_server.iter().map(|sorry| words_of(sorry.forwarding)).collect()
}

/// `[ADDRESS]:PROTOCOL:PORT`, as keepalived's messages and notifications name a service.
pub(crate) fn service_name(address: ServerAddress, protocol: Option<Transport>) -> String {
    let protocol = protocol.map_or("none".to_owned(), |p| protocol_word(p).to_ascii_lowercase());
    format!("[{}]:{protocol}:{}", address.address, address.port)
}

/// An address that ends a range: `first-LAST`, where LAST is an address or its last part.
pub(crate) fn range_end(first: IpAddr, last: &str) -> Option<IpAddr> {
    if let Ok(last) = last.parse::<IpAddr>() {
        return (last.is_ipv4() == first.is_ipv4() && last > first).then_some(last);
    }
    let end = match first {
        IpAddr::V4(first) => {
            let [a, b, c, _] = first.octets();
            IpAddr::from([a, b, c, last.parse().ok()?])
        }
        IpAddr::V6(first) => {
            let mut segments = first.segments();
            *segments.last_mut()? = u16::from_str_radix(last, 16).ok()?;
            IpAddr::from(segments)
        }
    };
    (end > first).then_some(end)
}

pub(crate) fn read_install_after(server: &mut VirtualServer, line: Statement<'_, '_, '_, '_>) {
    let on = match line.word(0) {
        None => Some(Value::Switch(true)),
        Some(_) => line.value(Argument::Switch, 0),
    };
    if let Some(Value::Switch(on)) = on {
        server.extensions.get_or_insert_default().install_after_first_check = on;
    }
}

pub(crate) fn show_install_after(server: &VirtualServer) -> Vec<String> {
    let on = server.extensions.as_ref().is_some_and(|extensions| extensions.install_after_first_check);
    if on { vec![String::new()] } else { Vec::new() }
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
