//! Readers of route lines.

use std::net::IpAddr;

use steadfast_wire::vrrp::Family;

use super::routes::ROUTE;
use super::{Argument, Value, named_numbers};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::load::NameTable;
use crate::lower::{Line, Seen, apply_options_or};
use crate::model::{Encapsulation, NextHop, Route};
use crate::value::{Text, address_and_prefix, quote};

type Statement<'l, 'n, 'c, 'a> = &'l mut Line<'n, 'c, 'a>;

pub(super) fn show_none(_: &Route) -> Vec<String> {
    Vec::new()
}

/// Route types of rtnetlink(7).
const TYPES: &[&str] = &[
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
];

/// The lines of a route block.
pub(crate) fn read_lines(line: Statement<'_, '_, '_, '_>) -> Vec<Route> {
    let children = line.node.children().into_iter().flatten();
    children
        .filter_map(|child| {
            let mut line = Line::without_keyword(child, line.context);
            line.stops_without = true;
            read_line(&mut line)
        })
        .collect()
}

fn read_line(line: Statement<'_, '_, '_, '_>) -> Option<Route> {
    let mut route = Route { site: line.site(), ..Route::default() };
    let mut family = None;
    let mut destination = None;
    let mut refused = false;
    apply_options_or(&mut route, ROUTE, &mut Seen::default(), line, 0, |route, line, word| match word {
        "to" => {}
        "default" | "any" | "all" => destination = Some(None),
        "default6" => {
            destination = Some(None);
            family = Some(Family::V6);
        }
        _ if TYPES.contains(&word) => route.kind = Some(word.into()),
        _ => match address_and_prefix(word) {
            Ok((address, length)) => {
                family = Some(Family::of(address));
                destination =
                    Some(Some((address, length.unwrap_or(if address.is_ipv4() { 32 } else { 128 }))));
            }
            Err(mistake) => {
                refused = true;
                let span = line.span(line.option);
                let names = ROUTE
                    .iter()
                    .map(|keyword| keyword.entry.name)
                    .chain(["default"])
                    .chain(TYPES.iter().copied());
                line.push_suggesting(
                    Diagnostic::new(
                        Code::InvalidLine,
                        span,
                        format!("'{word}' is no destination and no option of a route"),
                    )
                    .expected(mistake.expected),
                    word,
                    names,
                );
            }
        },
    });
    let forced = line.context.line_family.take();
    if refused {
        return None;
    }
    let Some(destination) = destination else {
        line.report(Code::InvalidLine, 0, "the route has no destination");
        return None;
    };
    route.destination = destination;
    let by_address = route.via.or(route.source).map(Family::of);
    route.family = forced.or(family).or(by_address).unwrap_or(Family::V4);
    track(&mut route, line);
    Some(route)
}

/// keepalived follows its own routes, by their interface.
fn track(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    if route.no_track {
        return;
    }
    if route.options.iter().any(|(name, _)| &**name == "protocol") {
        route.options.retain(|(name, _)| &**name != "protocol");
        line.report(Code::ValueReplaced, 0, "a route that is followed has the protocol of keepalived, 18");
    }
    if route.interface.is_none() {
        route.no_track = true;
        let span = line.node.span();
        line.push(
            Diagnostic::new(Code::SettingIgnored, span, "a route without an interface cannot be followed")
                .hint("name the interface with dev, or say no_track"),
        );
    }
}

fn push(route: &mut Route, name: &str, value: impl Into<Text>) {
    route.options.push((name.into(), value.into()));
}

pub(super) fn read_inet(_: &mut Route, line: Statement<'_, '_, '_, '_>) {
    line.context.line_family = Some(Family::V4);
}

pub(super) fn read_inet6(_: &mut Route, line: Statement<'_, '_, '_, '_>) {
    line.context.line_family = Some(Family::V6);
}

/// `[inet|inet6] ADDRESS`.
fn gateway(line: Statement<'_, '_, '_, '_>) -> Option<IpAddr> {
    let word = line.option_value()?;
    if matches!(word, "inet" | "inet6") {
        line.option_value()?;
    }
    match line.value(Argument::HostAddress, line.option)? {
        Value::Address(address) => Some(address),
        _ => None,
    }
}

pub(super) fn read_via(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    route.via = gateway(line).or(route.via);
}

pub(super) fn read_or(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let first = route.via.take();
    if let Some(second) = gateway(line) {
        for via in first.into_iter().chain([second]) {
            route.next_hops.push(NextHop { via: Some(via), ..NextHop::default() });
        }
    }
}

pub(super) fn read_as(_: &mut Route, line: Statement<'_, '_, '_, '_>) {
    line.report_option(Code::UnknownOption, "'as' is read but means nothing to the kernel any more");
    if line.option_value() == Some("to") {
        line.option_value();
    }
}

/// An option that is kept as written, its value checked by the table; names of numbers become numbers.
pub(super) fn read_option(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let Some(entry) = line.entry else { return };
    if entry.argument == Argument::Flag {
        return push(route, entry.name, "");
    }
    if let Some(table) = named_numbers::table_of(entry.name) {
        if let Some(number) = named_numbers::option_number(table, line) {
            push(route, entry.name, number);
        }
        return;
    }
    let Some(word) = line.option_value() else { return };
    if word == "lock" {
        let Some(value) = line.option_value() else { return };
        return push(route, entry.name, format!("lock {value}"));
    }
    if line.value(entry.argument, line.option).is_some() {
        push(route, entry.name, word);
    }
}

pub(super) fn read_encap(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    route.encapsulation = encapsulation(line).or(route.encapsulation.take());
}

fn encapsulation(line: Statement<'_, '_, '_, '_>) -> Option<Encapsulation> {
    let kind = line.option_value()?;
    let names: &[&str] = match kind {
        "ip" => &["id", "dst", "src", "tos", "ttl", "flags"],
        "ip6" => &["id", "dst", "src", "tc", "hoplimit", "flags"],
        "mpls" | "ila" => &[],
        _ => {
            line.report_option(Code::InvalidChoice, format!("'{kind}' is no encapsulation"));
            return None;
        }
    };
    let mut encapsulation = Encapsulation { kind: kind.into(), options: Vec::new() };
    if names.is_empty() {
        let value = line.option_value()?;
        encapsulation.options.push((Text::default(), value.into()));
    }
    while let Some(name) = line.word(line.option + 1).filter(|word| names.contains(word)) {
        line.option += 1;
        let value = line.option_value()?;
        encapsulation.options.push((name.into(), value.into()));
    }
    Some(encapsulation)
}

/// The rest of the line: `nexthop` and its options, again and again.
pub(super) fn read_next_hops(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let mut hop = NextHop::default();
    while let Some(word) = line.word(line.option + 1) {
        line.option += 1;
        match word {
            "nexthop" => route.next_hops.push(std::mem::take(&mut hop)),
            "via" => hop.via = gateway(line),
            "dev" => hop.interface = line.option_value().map(Into::into),
            "weight" => {
                if line.option_value().is_some() {
                    let weight = line.unsigned(line.option, 1, 256);
                    hop.weight = weight.and_then(|weight| u16::try_from(weight).ok());
                }
            }
            "onlink" => hop.onlink = true,
            "encap" => hop.encapsulation = encapsulation(line),
            "realms" => hop.realms = named_numbers::option_number(NameTable::Realms, line),
            _ => line.report_option(Code::UnknownOption, format!("'{word}' is no option of a next hop")),
        }
    }
    route.next_hops.push(hop);
}

/// The line as the language writes it.
pub(crate) fn show_line(route: &Route) -> String {
    let mut words: Vec<String> = Vec::new();
    words.push(if route.family == Family::V4 { "inet" } else { "inet6" }.to_owned());
    words.extend(route.kind.iter().map(ToString::to_string));
    words.push(match route.destination {
        Some((address, length)) => format!("{address}/{length}"),
        None => "default".to_owned(),
    });
    words.extend(route.source.map(|source| format!("src {source}")));
    words.extend(route.via.map(|via| format!("via {via}")));
    words.extend(route.interface.iter().map(|interface| format!("dev {}", quote(interface))));
    words.extend(route.encapsulation.iter().map(show_encapsulation));
    words.extend(route.options.iter().map(|(name, value)| option_words(name, value)));
    words.extend(route.no_track.then(|| "no_track".to_owned()));
    words.extend(route.track_group.iter().map(|group| format!("track_group {}", quote(group))));
    words.extend(route.next_hops.iter().map(show_next_hop));
    words.join(" ")
}

pub(super) fn option_words(name: &str, value: &str) -> String {
    match value.strip_prefix("lock ") {
        _ if value.is_empty() => name.to_owned(),
        Some(value) => format!("{name} lock {}", quote(value)),
        None => format!("{name} {}", quote(value)),
    }
}

fn show_encapsulation(encapsulation: &Encapsulation) -> String {
    let mut words = format!("encap {}", encapsulation.kind);
    for (name, value) in &encapsulation.options {
        words.push(' ');
        if !name.is_empty() {
            words.push_str(name);
            words.push(' ');
        }
        words.push_str(value);
    }
    words
}

fn show_next_hop(hop: &NextHop) -> String {
    let mut words = vec!["nexthop".to_owned()];
    words.extend(hop.via.map(|via| format!("via {via}")));
    words.extend(hop.interface.iter().map(|interface| format!("dev {}", quote(interface))));
    words.extend(hop.weight.map(|weight| format!("weight {weight}")));
    words.extend(hop.onlink.then(|| "onlink".to_owned()));
    words.extend(hop.encapsulation.iter().map(show_encapsulation));
    words.extend(hop.realms.iter().map(|realms| format!("realms {}", quote(realms))));
    words.join(" ")
}
