//! Readers of address lines.

use std::net::{IpAddr, Ipv4Addr};

use super::keywords::ADDRESS;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::model::{Lifetime, Scope, VirtualAddress};
use crate::table::notation::quote;
use crate::table::{Argument, Line, Seen, Statement, Store, Value, apply_options};

/// The lines of an address block.
pub(crate) fn read_lines(line: Statement<'_, '_, '_, '_>, is_static: bool) -> Vec<VirtualAddress> {
    let mut addresses: Vec<VirtualAddress> = Vec::new();
    for child in line.node.children().into_iter().flatten() {
        let mut line = Line::new(child, line.context);
        let Some(address) = read_line(&mut line, is_static) else { continue };
        addresses.push(address);
    }
    addresses
}

fn read_line(line: Statement<'_, '_, '_, '_>, is_static: bool) -> Option<VirtualAddress> {
    let span = line.node.keyword().span();
    let (address, length) = match crate::value::address_and_prefix(line.keyword) {
        Ok(read) => read,
        Err(mistake) => {
            if let Some(address) = with_impossible_length(line.keyword) {
                let message =
                    format!("the prefix length of '{}' is out of range; the longest is used", line.keyword);
                line.push(Diagnostic::new(Code::NumberOutOfRange, span, message));
                return read_options(address, None, line, is_static);
            }
            let message = format!("'{}' is not an address", line.keyword);
            line.push(
                Diagnostic::new(Code::InvalidAddress, span, message)
                    .expected(mistake.expected)
                    .note("the line is passed over"),
            );
            return None;
        }
    };
    read_options(address, length, line, is_static)
}

/// The address of a word whose prefix length is a number, but no prefix length.
fn with_impossible_length(word: &str) -> Option<IpAddr> {
    let (address, length) = word.split_once('/')?;
    length.parse::<i64>().ok().and_then(|_| address.parse().ok())
}

fn read_options(
    address: IpAddr,
    length: Option<u8>,
    line: Statement<'_, '_, '_, '_>,
    is_static: bool,
) -> Option<VirtualAddress> {
    let span = line.node.keyword().span();
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let mut entry = VirtualAddress::new(address, length.unwrap_or(longest));
    entry.site.0 = span;
    let mut seen = Seen::default();
    line.context.line_refused = false;
    apply_options(&mut entry, ADDRESS, &mut seen, line, 0);
    if line.context.line_refused {
        return None;
    }
    check(&mut entry, line, is_static, length.is_some());
    Some(entry)
}

/// What the options of one family mean to the other.
fn check(entry: &mut VirtualAddress, line: Statement<'_, '_, '_, '_>, is_static: bool, has_length: bool) {
    let span = entry.site.0;
    let mut drop_option = |name: &str, why: &str| {
        line.push(Diagnostic::new(Code::SettingIgnored, span, format!("{name} is ignored: {why}")));
    };
    if entry.address.is_ipv6() {
        if entry.scope != Scope::GLOBAL {
            drop_option("scope", "the kernel decides the scope of IPv6 addresses");
            entry.scope = Scope::GLOBAL;
        }
        if entry.label.take().is_some() {
            drop_option("label", "IPv6 addresses have none");
        }
    }
    if let Some(peer) = entry.peer {
        if peer.is_ipv4() != entry.address.is_ipv4() {
            drop_option("peer", "it is of the other family");
            entry.peer = None;
        } else if entry.broadcast.take().is_some() {
            drop_option("broadcast", "a point-to-point address has none");
        } else if has_length {
            drop_option("prefix length", "an address with a peer has none");
        }
    }
    if is_static && entry.use_vmac {
        drop_option("use_vmac", "static addresses have no virtual router");
        entry.use_vmac = false;
    }
    if is_static {
        let group = entry.track_group.take();
        entry.track_group =
            group.filter(|group| crate::language::tracking::read::is_track_group(group, line));
    } else if entry.track_group.take().is_some() {
        drop_option("track_group", "only static addresses follow a group");
    }
}

/// The line as the language writes it.
pub(crate) fn show_line(entry: &VirtualAddress) -> String {
    let mut line = match entry.peer {
        Some(_) => entry.address.to_string(),
        None => format!("{}/{}", entry.address, entry.prefix_length),
    };
    for keyword in ADDRESS.iter() {
        let shown = match &keyword.store {
            Store::Field { get, .. } => get(entry).show().filter(|value| value != "false"),
            Store::Custom { show, .. } => show(entry).pop(),
            Store::Elsewhere | Store::Described => None,
        };
        let Some(value) = shown else { continue };
        line.push(' ');
        line.push_str(keyword.entry.name);
        if keyword.entry.argument != Argument::Flag {
            line.push(' ');
            line.push_str(&value);
        }
    }
    line
}

pub(crate) fn show_nothing(_: &VirtualAddress) -> Vec<String> {
    Vec::new()
}

const SCOPES: [(&str, Scope); 5] = [
    ("global", Scope::GLOBAL),
    ("site", Scope::SITE),
    ("link", Scope::LINK),
    ("host", Scope::HOST),
    ("nowhere", Scope::NOWHERE),
];

pub(crate) fn read_scope(entry: &mut VirtualAddress, line: Statement<'_, '_, '_, '_>) {
    entry.scope = crate::table::named_numbers::option_scope(line).map_or(entry.scope, Scope);
}

pub(crate) fn show_scope(entry: &VirtualAddress) -> Vec<String> {
    if entry.scope == Scope::GLOBAL {
        return Vec::new();
    }
    let named = SCOPES.iter().find(|(_, scope)| *scope == entry.scope);
    vec![named.map_or_else(|| entry.scope.0.to_string(), |(name, _)| (*name).to_owned())]
}

/// keepalived drops an address that is to be on two interfaces.
pub(crate) fn read_interface(entry: &mut VirtualAddress, line: Statement<'_, '_, '_, '_>) {
    let place = line.option;
    if line.option_value().is_none() {
        return;
    }
    let Some(Value::Text(name)) = line.value(Argument::Interface, line.option) else { return };
    if entry.interface.is_some() {
        line.context.line_refused = true;
        return line.report(
            Code::GivenTwice,
            place,
            "the address has an interface already; the line is passed over",
        );
    }
    entry.interface = Some(name.into());
}

pub(crate) fn show_interface(entry: &VirtualAddress) -> Vec<String> {
    entry.interface.iter().map(|name| quote(name)).collect()
}

/// `+` sets the host bits, `-` clears them.
pub(crate) fn read_broadcast(entry: &mut VirtualAddress, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.option_value() else { return };
    let IpAddr::V4(address) = entry.address else {
        line.context.line_refused = true;
        return line
            .report_option(Code::InvalidLine, "IPv6 has no broadcast address; the line is passed over");
    };
    if matches!(word, "+" | "-") && entry.prefix_length > 30 {
        let message = format!("a network of {address} alone has no broadcast address; it is ignored");
        return line.report_option(Code::SettingIgnored, message);
    }
    let host_bits = u32::MAX.checked_shr(u32::from(entry.prefix_length)).unwrap_or(0);
    let bits = u32::from(address);
    let broadcast = match word {
        "+" => Some(Ipv4Addr::from(bits | host_bits)),
        "-" => Some(Ipv4Addr::from(bits & !host_bits)),
        _ => word.parse().ok(),
    };
    match broadcast {
        Some(broadcast) => entry.broadcast = Some(broadcast),
        None => {
            line.context.line_refused = true;
            line.report_option(
                Code::InvalidAddress,
                format!("'{word}' is no broadcast address of {address}"),
            );
        }
    }
}

pub(crate) fn show_broadcast(entry: &VirtualAddress) -> Vec<String> {
    entry.broadcast.iter().map(ToString::to_string).collect()
}

pub(crate) fn read_label(entry: &mut VirtualAddress, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.option_value() else { return };
    if word.len() > 15 {
        line.context.line_refused = true;
        line.report_option(Code::InvalidName, format!("label '{word}' is longer than 15 characters"));
    } else {
        entry.label = Some(word.into());
    }
}

pub(crate) fn show_label(entry: &VirtualAddress) -> Vec<String> {
    entry.label.iter().map(|label| quote(label)).collect()
}

pub(crate) fn read_lifetime(entry: &mut VirtualAddress, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.option_value() else { return };
    let lifetime = match word {
        "forever" => Some(Lifetime::Forever),
        _ => word.parse().ok().map(Lifetime::Seconds),
    };
    match lifetime {
        Some(lifetime) => entry.preferred_lifetime = Some(lifetime),
        None => line.report_option(Code::InvalidNumber, format!("'{word}' is no number of seconds")),
    }
}

pub(crate) fn show_lifetime(entry: &VirtualAddress) -> Vec<String> {
    let words = |lifetime| match lifetime {
        Lifetime::Forever => "forever".to_owned(),
        Lifetime::Seconds(seconds) => seconds.to_string(),
    };
    let default = Lifetime::default_of(entry.address, entry.prefix_length);
    let given = entry.preferred_lifetime.filter(|lifetime| Some(*lifetime) != default);
    given.map(words).into_iter().collect()
}
