//! Routes and rules of the configuration, option by option, as the kernel is told them.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use steadfast_config::model::{self, Route, Rule};
use steadfast_kernel::netlink::{
    Action, Encapsulation, Hop, Insertion, Metric, PROTOCOL, RouteSpec, RuleSpec, Tunnel,
};
use steadfast_vrrp::InterfaceId;

/// Table that routes without one are in (RT_TABLE_MAIN).
const MAIN: u32 = 254;
/// The type of most routes (RTN_UNICAST).
const UNICAST: u8 = 1;
/// RTAX_FEATURE_ECN.
const FEATURE_ECN: u32 = 1;

/// Routes in configured order.
pub(super) fn routes(
    lines: &[Route],
    mut interface: impl FnMut(&str) -> InterfaceId,
) -> Vec<Arc<RouteSpec<InterfaceId>>> {
    lines.iter().map(|line| Arc::new(route(line, &mut interface))).collect()
}

/// Rules in configured order.
pub(super) fn rules(lines: &[Rule]) -> Vec<Arc<RuleSpec>> {
    lines.iter().filter_map(rule).map(Arc::new).collect()
}

fn route(line: &Route, interface: &mut impl FnMut(&str) -> InterfaceId) -> RouteSpec<InterfaceId> {
    let has = |wanted: &str| line.options.iter().any(|(name, _)| &**name == wanted);
    let value = |wanted: &[&str]| {
        line.options.iter().rev().find(|(name, _)| wanted.contains(&&**name)).map(|(_, value)| &**value)
    };
    let insertion = match () {
        () if has("add") => Insertion::Alone,
        () if has("append") => Insertion::Append,
        () => Insertion::Prepend,
    };
    // With next hops of its own, a route has no other.
    let is_single = line.next_hops.is_empty();
    let hop = Hop {
        via: line.via.filter(|_| is_single),
        interface: line.interface.as_deref().filter(|_| is_single).map(&mut *interface),
        further_weight: 0,
        on_link: has("onlink"),
        encapsulation: line.encapsulation.as_ref().and_then(encapsulation),
        realms: value(&["realms"]).and_then(realms),
    };
    RouteSpec {
        family: line.family,
        destination: line.destination,
        from: value(&["from"]).and_then(prefix),
        table: value(&["table"]).and_then(number).unwrap_or(MAIN),
        vrf: value(&["vrf"]).map(&mut *interface),
        tos: value(&["tos", "dsfield"]).and_then(number).unwrap_or(0),
        kind: line.kind.as_deref().and_then(kind).unwrap_or(UNICAST),
        scope: value(&["scope"]).and_then(number).unwrap_or(0),
        protocol: value(&["protocol"]).and_then(number).unwrap_or(PROTOCOL),
        metric: value(&["metric", "priority", "preference"]).and_then(number),
        preferred_source: line.source,
        hop,
        hops: line.next_hops.iter().map(|hop| next_hop(hop, interface)).collect(),
        metrics: line.options.iter().filter_map(|(name, value)| metric(name, value)).collect(),
        congestion_control: value(&["congctl"]).map(|value| {
            let (locked, name) = lock(value);
            (name.to_owned(), locked)
        }),
        expires: value(&["expires"]).and_then(number),
        router_preference: value(&["pref"]).and_then(|value| match value {
            // RFC 4191 section 2.1.
            "low" => Some(3),
            "medium" => Some(0),
            "high" => Some(1),
            value => number(value),
        }),
        ttl_propagate: value(&["ttl-propagate"]).map(|value| value == "enabled"),
        insertion,
    }
}

fn next_hop(hop: &model::NextHop, interface: &mut impl FnMut(&str) -> InterfaceId) -> Hop<InterfaceId> {
    Hop {
        via: hop.via,
        interface: hop.interface.as_deref().map(interface),
        further_weight: hop
            .weight
            .and_then(|weight| u8::try_from(weight.saturating_sub(1)).ok())
            .unwrap_or(0),
        on_link: hop.onlink,
        encapsulation: hop.encapsulation.as_ref().and_then(encapsulation),
        realms: hop.realms.as_deref().and_then(realms),
    }
}

fn number<T: FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

/// A number in C notation: 0x and 0 prefixes.
fn c_number(value: &str) -> Option<u32> {
    if let Some(digits) = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok();
    }
    match value.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => number(value),
    }
}

fn prefix(value: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = value.split_once('/').unwrap_or((value, ""));
    let address: IpAddr = address.parse().ok()?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    Some((address, if length.is_empty() { whole } else { number(length)? }))
}

/// `[SOURCE/]DESTINATION`, the source in the upper half.
fn realms(value: &str) -> Option<u32> {
    let (source, destination) = value.split_once('/').unwrap_or(("0", value));
    Some(number::<u32>(source)? << 16 | number::<u32>(destination)?)
}

/// RTN_*.
fn kind(name: &str) -> Option<u8> {
    Some(match name {
        "unicast" => UNICAST,
        "local" => 2,
        "broadcast" => 3,
        "anycast" => 4,
        "multicast" => 5,
        "blackhole" => 6,
        "unreachable" => 7,
        "prohibit" => 8,
        "throw" => 9,
        "nat" => 10,
        "xresolve" => 11,
        name => return c_number(name).and_then(|number| u8::try_from(number).ok()),
    })
}

fn lock(value: &str) -> (bool, &str) {
    value.strip_prefix("lock ").map_or((false, value), |value| (true, value))
}

/// RTAX_*, its value in the kernel's unit.
fn metric(name: &str, value: &str) -> Option<Metric> {
    let (locked, value) = lock(value);
    let (number, value) = match name {
        "mtu" => (2, number(value)?),
        "window" => (3, number(value)?),
        "rtt" => (4, steps(value, 8)?),
        "rttvar" => (5, steps(value, 4)?),
        "ssthresh" => (6, number(value)?),
        "cwnd" => (7, number(value)?),
        "advmss" => (8, number(value)?),
        "reordering" => (9, number(value)?),
        "hoplimit" => (10, number(value)?),
        "initcwnd" => (11, number(value)?),
        "features" => (12, FEATURE_ECN),
        "rto_min" => (13, steps(value, 1)?),
        "initrwnd" => (14, number(value)?),
        "quickack" => (15, number(value)?),
        "fastopen_no_cookie" => (17, number(value)?),
        _ => return None,
    };
    Some(Metric { number, value, locked })
}

/// The shortest and the longest time that TCP is told, as keepalived bounds them: milliseconds.
const TIMES: (u32, u32) = (200, 120_000);

/// A time of TCP; without a unit it is a number of the kernel's own steps, of which so many are a millisecond.
fn steps(value: &str, in_a_millisecond: u32) -> Option<u32> {
    let lower = value.to_ascii_lowercase();
    let milliseconds = ["msecs", "msec", "ms"].iter().find_map(|unit| lower.strip_suffix(unit));
    let seconds = ["secs", "sec", "s"].iter().find_map(|unit| lower.strip_suffix(unit));
    let steps = match (milliseconds, seconds) {
        (Some(milliseconds), _) => number::<u32>(milliseconds)?.saturating_mul(in_a_millisecond),
        (None, Some(seconds)) => thousandths(seconds)?.saturating_mul(in_a_millisecond),
        (None, None) => number(value)?,
    };
    Some(steps.clamp(TIMES.0 * in_a_millisecond, TIMES.1 * in_a_millisecond))
}

/// A number with up to three decimal places, times a thousand.
fn thousandths(value: &str) -> Option<u32> {
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let whole = if whole.is_empty() { 0 } else { number::<u32>(whole)? };
    whole.checked_mul(1_000)?.checked_add(number(&part)?)
}

fn encapsulation(tunnel: &model::Encapsulation) -> Option<Encapsulation> {
    let only = || tunnel.options.first().map(|(_, value)| &**value);
    Some(match &*tunnel.kind {
        "ip" => Encapsulation::Ip(outer(tunnel, "ttl", "tos")),
        "ip6" => Encapsulation::Ip6(outer(tunnel, "hoplimit", "tc")),
        "mpls" => Encapsulation::Mpls(only()?.split('/').filter_map(number).collect()),
        "ila" => {
            let mut groups = only()?.split(':').map(|group| u64::from_str_radix(group, 16).ok());
            Encapsulation::Ila(groups.try_fold(0, |locator, group| Some(locator << 16 | group?))?)
        }
        _ => return None,
    })
}

fn outer<Address: FromStr>(tunnel: &model::Encapsulation, limit: &str, class: &str) -> Tunnel<Address> {
    let value =
        |wanted: &str| tunnel.options.iter().find(|(name, _)| &**name == wanted).map(|(_, value)| &**value);
    Tunnel {
        id: value("id").and_then(number),
        destination: value("dst").and_then(number),
        source: value("src").and_then(number),
        hop_limit: value(limit).and_then(number),
        class: value(class).and_then(number),
        flags: value("flags").and_then(number),
    }
}

fn rule(line: &Rule) -> Option<RuleSpec> {
    let value = |wanted: &[&str]| {
        line.options.iter().rev().find(|(name, _)| wanted.contains(&&**name)).map(|(_, value)| &**value)
    };
    let target = || line.target.as_deref().and_then(number);
    let action = match &*line.action {
        "table" => Action::Table(target()?),
        "l3mdev" => Action::Vrf,
        "goto" => Action::Goto(target()?),
        "nop" => Action::Nop,
        "blackhole" => Action::Blackhole,
        "unreachable" => Action::Unreachable,
        "prohibit" => Action::Prohibit,
        _ => return None,
    };
    let mark = value(&["fwmark"]).and_then(|value| {
        let (mark, mask) = value.split_once('/').map_or((value, None), |(mark, mask)| (mark, Some(mask)));
        let part = |word: &str| if word.is_empty() { Some(0) } else { c_number(word) };
        Some((part(mark)?, mask.and_then(part)))
    });
    Some(RuleSpec {
        family: line.family,
        preference: line.preference,
        action,
        invert: line.not,
        from: line.from,
        to: line.to,
        input_interface: line.input_interface.as_deref().map(str::to_owned),
        output_interface: line.output_interface.as_deref().map(str::to_owned),
        tos: value(&["tos", "dsfield"]).and_then(number).unwrap_or(0),
        mark,
        realms: value(&["realms"]).and_then(realms),
        suppress_prefix_length: value(&["suppress_prefixlength", "sup_pl"]).and_then(number),
        suppress_group: value(&["suppress_ifgroup", "sup_group"]).and_then(number),
        tunnel: value(&["tunnel-id"]).and_then(number),
        users: value(&["uidrange"]).and_then(range),
        ip_protocol: value(&["ipproto"]).and_then(ip_protocol),
        source_ports: value(&["sport"]).and_then(range),
        destination_ports: value(&["dport"]).and_then(range),
        protocol: value(&["protocol"]).and_then(number).unwrap_or(PROTOCOL),
    })
}

fn range<T: FromStr>(value: &str) -> Option<(T, T)> {
    let (first, last) = value.split_once('-')?;
    Some((number(first)?, number(last)?))
}

/// A number, or a name of protocols(5): its name, its number, its other names.
fn ip_protocol(value: &str) -> Option<u8> {
    number(value).or_else(|| {
        let table = std::fs::read_to_string("/etc/protocols").ok()?;
        table.lines().find_map(|line| {
            let mut words = line.split('#').next()?.split_ascii_whitespace();
            let (name, number) = (words.next()?, words.next()?);
            (name == value || words.any(|other| other == value)).then(|| number.parse().ok())?
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_the_steps_of_the_kernel() {
        let cases = [
            ("300ms", 8, 2_400),
            ("0.25s", 8, 2_000),
            ("2s", 1, 2_000),
            ("40", 4, 800),
            ("40ms", 4, 800),
            ("4000", 8, 4_000),
            ("1.5sec", 4, 6_000),
        ];
        for (value, in_a_millisecond, expected) in cases {
            assert_eq!(steps(value, in_a_millisecond), Some(expected), "{value}");
        }
    }

    #[test]
    fn realms_and_marks_have_two_parts() {
        assert_eq!(realms("4/5"), Some(0x4_0005));
        assert_eq!(realms("7"), Some(7));
        assert_eq!((c_number("0x1f"), c_number("010"), c_number("0")), (Some(31), Some(8), Some(0)));
    }
}
