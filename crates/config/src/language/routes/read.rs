//! Readers of route lines.

use std::net::IpAddr;

use steadfast_wire::vrrp::Family;

use super::keywords::ROUTE;
use super::next_hops::{read_realms, show_encapsulation, show_next_hop};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::machine::InterfaceKind;
use crate::model::{NextHop, Route};
use crate::table::notation::quote;
use crate::table::{Argument, Line, Seen, Statement, Unit, Value, apply_options_or, named_numbers};
use crate::value::{Text, address_and_prefix, c_number, time, unsigned};

pub(crate) fn show_none(_: &Route) -> Vec<String> {
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
    line.context.lines_are_static = line.keyword == "static_routes";
    line.read_lines(read_line)
}

/// keepalived drops a line with any mistake as a whole, and so must we: half a route leads elsewhere.
fn read_line(line: Statement<'_, '_, '_, '_>) -> Option<Route> {
    let mut route = Route { site: line.site(), ..Route::default() };
    let mut destination = None;
    line.context.line_refused = false;
    line.context.line_family = None;
    apply_options_or(&mut route, ROUTE, &mut Seen::default(), line, 0, |route, line, word| {
        destination = read_destination(route, destination, line, word);
    });
    if line.context.line_refused {
        return None;
    }
    let Some(destination) = destination else {
        line.report(Code::InvalidLine, 0, "the route has no destination");
        return None;
    };
    route.destination = destination;
    route.family = line.context.line_family.take().unwrap_or(Family::V4);
    track(&mut route, line);
    let has_interface = route.interface.is_some();
    crate::language::tracking::read::keep_track_group(&mut route.track_group, has_interface, line);
    Some(route)
}

/// What a route leads to; `None` inside is the default route.
type Destination = Option<(IpAddr, u8)>;

/// A word that is no option: type or destination.
fn read_destination(
    route: &mut Route,
    before: Option<Destination>,
    line: Statement<'_, '_, '_, '_>,
    word: &str,
) -> Option<Destination> {
    match word {
        "to" => {
            // It is read with what stands behind it.
            if line.word(line.option + 1).is_none() {
                line.context.line_refused = true;
                line.option_value();
            }
            before
        }
        "default" | "any" | "all" => Some(None),
        "default6" => {
            claim_family(line, Family::V6, word);
            Some(None)
        }
        _ if TYPES.contains(&word) => {
            route.kind = Some(word.into());
            before
        }
        _ if before.is_none() && c_number(word).is_some_and(|kind| kind <= 255) => {
            route.kind = Some(word.into());
            before
        }
        _ => match address_and_prefix(word) {
            Ok((address, length)) => {
                claim_family(line, Family::of(address), word);
                Some(Some((address, length.unwrap_or(if address.is_ipv4() { 32 } else { 128 }))))
            }
            Err(mistake) => {
                refuse_destination(line, word, mistake.expected);
                before
            }
        },
    }
}

fn refuse_destination(line: Statement<'_, '_, '_, '_>, word: &str, expected: String) {
    line.context.line_refused = true;
    let span = line.span(line.option);
    let names = ROUTE.iter().map(|keyword| keyword.entry.name);
    let names = names.chain(["default"]).chain(TYPES.iter().copied());
    let message = format!("'{word}' is no destination and no option of a route");
    line.push_suggesting(Diagnostic::new(Code::InvalidLine, span, message).expected(expected), word, names);
}

/// The first word that belongs to a family settles that of the whole line; another is a mistake.
pub(crate) fn claim_family(line: Statement<'_, '_, '_, '_>, family: Family, what: &str) {
    let settled = *line.context.line_family.get_or_insert(family);
    if settled != family {
        line.context.line_refused = true;
        let name = |family| if family == Family::V4 { "IPv4" } else { "IPv6" };
        let message = format!("'{what}' is of {}, the line of {}", name(family), name(settled));
        line.report_option(Code::FamilyMismatch, message);
    }
}

/// The value of the option under reading; a mistake in it makes the line void.
pub(crate) fn read_checked<'n>(line: &mut Line<'n, '_, '_>, argument: Argument) -> Option<Value<'n>> {
    let value = match line.option_value() {
        Some(_) => line.value(argument, line.option),
        None => None,
    };
    line.context.line_refused |= value.is_none();
    value
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

pub(crate) fn read_inet(_: &mut Route, line: Statement<'_, '_, '_, '_>) {
    claim_family(line, Family::V4, "inet");
}

pub(crate) fn read_inet6(_: &mut Route, line: Statement<'_, '_, '_, '_>) {
    claim_family(line, Family::V6, "inet6");
}

/// An address of the family of the line.
fn address(line: Statement<'_, '_, '_, '_>) -> Option<IpAddr> {
    let Some(Value::Address(address)) = read_checked(line, Argument::HostAddress) else { return None };
    claim_family(line, Family::of(address), &address.to_string());
    Some(address)
}

/// `[inet|inet6] ADDRESS`.
pub(crate) fn gateway(line: Statement<'_, '_, '_, '_>) -> Option<IpAddr> {
    if let Some(word @ ("inet" | "inet6")) = line.word(line.option + 1) {
        line.option += 1;
        claim_family(line, if word == "inet" { Family::V4 } else { Family::V6 }, word);
    }
    address(line)
}

pub(crate) fn read_via(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    route.via = gateway(line).or(route.via);
}

pub(crate) fn read_source(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    route.source = address(line).or(route.source);
}

/// Only the kernel's IPv6 routes have a source.
pub(crate) fn read_from(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.option_value() else { return };
    match address_and_prefix(word) {
        Ok((address, _)) if address.is_ipv6() => {
            claim_family(line, Family::V6, word);
            push(route, "from", word);
        }
        _ => {
            line.context.line_refused = true;
            let message = format!("'{word}' cannot be the source of a route");
            let diagnostic = Diagnostic::new(Code::InvalidAddress, line.span(line.option), message);
            line.push(diagnostic.expected("an IPv6 address, with a prefix length or without"));
        }
    }
}

pub(crate) fn read_or(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let first = route.via.take();
    if let Some(second) = gateway(line) {
        for via in first.into_iter().chain([second]) {
            route.next_hops.push(NextHop { via: Some(via), ..NextHop::default() });
        }
    }
}

pub(crate) fn read_as(_: &mut Route, line: Statement<'_, '_, '_, '_>) {
    line.report_option(Code::UnknownOption, "'as' is read but means nothing to the kernel any more");
    if line.option_value() == Some("to") {
        line.option_value();
    }
}

/// An option that is kept by its name, its value checked by the table; names of numbers become numbers.
pub(crate) fn read_option(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let Some(entry) = line.entry else { return };
    if entry.argument == Argument::Flag {
        return push(route, entry.name, "");
    }
    if let Argument::Named(table, _) = entry.argument {
        match named_numbers::option_number(table, line) {
            Some(number) => push(route, entry.name, number),
            None => line.context.line_refused = true,
        }
        return;
    }
    match read_checked(line, entry.argument) {
        Some(Value::Unsigned(number)) => push(route, entry.name, number.to_string()),
        Some(Value::Text(word)) => push(route, entry.name, word),
        _ => {}
    }
}

pub(crate) fn read_vrf(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let place = line.option + 1;
    let Some(Value::Text(name)) = read_checked(line, Argument::Interface) else { return };
    let message = match line.context.machine.interface(name).map(|facts| facts.kind) {
        Some(InterfaceKind::Vrf | InterfaceKind::Any) => return push(route, "vrf", name),
        Some(_) => format!("'{name}' is no VRF"),
        None => format!("there is no VRF '{name}'"),
    };
    line.context.line_refused = true;
    line.report(Code::InvalidLine, place, message);
}

/// The value behind `lock`, which keeps the kernel from changing it, and the word that says so.
fn lock(line: Statement<'_, '_, '_, '_>) -> &'static str {
    if line.word(line.option + 1) != Some("lock") {
        return "";
    }
    line.option += 1;
    "lock "
}

/// `[lock] NUMBER`.
pub(crate) fn read_lockable_number(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let Some(entry) = line.entry else { return };
    let lock = lock(line);
    if let Some(Value::Unsigned(number)) = read_checked(line, Argument::COUNT) {
        push(route, entry.name, format!("{lock}{number}"));
    }
}

/// `[lock] NAME`.
pub(crate) fn read_lockable_name(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let Some(entry) = line.entry else { return };
    let lock = lock(line);
    if let Some(name) = line.option_value() {
        push(route, entry.name, format!("{lock}{name}"));
    }
}

/// Endings of a time of TCP, the longer ones first, and which of them mean seconds.
const UNITS: [(&str, bool); 6] =
    [("msecs", false), ("msec", false), ("ms", false), ("secs", true), ("sec", true), ("s", true)];

/// `[lock] NUMBER[UNIT]`; without a unit it is a number of the kernel's own steps.
pub(crate) fn read_lockable_time(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let Some(entry) = line.entry else { return };
    // Steps in a millisecond, as iproute2 has them, and the longest time that keepalived takes.
    let (steps, most_seconds) = match entry.name {
        "rtt" => (8, 960),
        "rttvar" => (4, 480),
        _ => (1, 120),
    };
    let lock = lock(line);
    let Some(word) = line.option_value() else { return };
    let lower = word.to_ascii_lowercase();
    let unit = UNITS.iter().find_map(|(name, is_seconds)| Some((lower.strip_suffix(name)?, *is_seconds)));
    let (number, is_seconds) = unit.unwrap_or((&lower, false));
    let milliseconds = most_seconds * 1_000;
    let read = if is_seconds {
        let time = time(number, 0, most_seconds * 1_000_000, Unit::Seconds);
        time.is_ok_and(|time| time.as_micros().is_multiple_of(1_000))
    } else {
        unsigned(number, 0, milliseconds).is_ok()
    };
    if read {
        return push(route, entry.name, format!("{lock}{word}"));
    }
    line.context.line_refused = true;
    let message = format!("{}: '{word}' is no time for it", entry.name);
    let step = if steps == 1 { "milliseconds".to_owned() } else { format!("1/{steps} milliseconds") };
    line.push(Diagnostic::new(Code::InvalidNumber, line.span(line.option), message).expected(format!(
        "a whole number of {step} up to {milliseconds}, or seconds behind 's', or whole milliseconds behind 'ms'"
    )));
}

/// How much a router advertises itself, RFC 4191 section 2.1.
pub(crate) fn read_router_preference(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    claim_family(line, Family::V6, "pref");
    if let Some(word @ ("low" | "medium" | "high")) = line.word(line.option + 1) {
        line.option += 1;
        return push(route, "pref", word);
    }
    if let Some(Value::Unsigned(number)) = read_checked(line, Argument::unsigned(0, 255)) {
        push(route, "pref", number.to_string());
    }
}

/// Only the kernel's IPv6 routes end by themselves.
pub(crate) fn read_expires(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    claim_family(line, Family::V6, "expires");
    read_option(route, line);
}

pub(crate) fn read_route_realms(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    if let Some(realms) = read_realms(line) {
        push(route, "realms", realms);
    }
}

pub(crate) fn read_track_group(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    crate::language::tracking::read::read_track_group_of_line(&mut route.track_group, line);
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

pub(crate) fn option_words(name: &str, value: &str) -> String {
    match value.strip_prefix("lock ") {
        _ if value.is_empty() => name.to_owned(),
        Some(value) => format!("{name} lock {}", quote(value)),
        None => format!("{name} {}", quote(value)),
    }
}
