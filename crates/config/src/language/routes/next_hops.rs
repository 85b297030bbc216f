//! Readers of tunnels and next hops, which end a route line.

use std::net::IpAddr;

use steadfast_wire::vrrp::Family;

use super::keywords::ENCAP_IP;
use super::keywords::ENCAP_IP6;
use super::read::{claim_family, gateway, read_checked};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::machine::NameTable;
use crate::model::{Encapsulation, NextHop, Route};
use crate::table::notation::quote;
use crate::table::{Argument, Keywords, Statement, Value, named_numbers};
use crate::value::Text;

/// Largest label of MPLS (RFC 3032 section 2.1).
const LARGEST_LABEL: u32 = 0xf_ffff;
/// Most heavy next hop: the kernel keeps the weight less one in an octet.
const HEAVIEST: u64 = 256;

pub(crate) fn read_encap(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    route.encapsulation = encapsulation(line).or(route.encapsulation.take());
}

fn encapsulation(line: Statement<'_, '_, '_, '_>) -> Option<Encapsulation> {
    // A tunnel that is cut short costs keepalived this line only.
    let stops = std::mem::take(&mut line.stops_without);
    let encapsulation = encapsulation_of_kind(line);
    line.stops_without = stops;
    line.context.line_refused |= encapsulation.is_none();
    encapsulation
}

fn encapsulation_of_kind(line: Statement<'_, '_, '_, '_>) -> Option<Encapsulation> {
    let kind = line.option_value()?;
    let options = match kind {
        "ip" => tunnel(line, ENCAP_IP, Family::V4)?,
        "ip6" => tunnel(line, ENCAP_IP6, Family::V6)?,
        "mpls" => labels(line)?,
        "ila" => locator(line)?,
        _ => {
            let diagnostic = Diagnostic::new(
                Code::InvalidChoice,
                line.span(line.option),
                format!("'{kind}' is no encapsulation"),
            );
            line.push_suggesting(
                diagnostic.expected("ip, ip6, mpls or ila"),
                kind,
                ["ip", "ip6", "mpls", "ila"],
            );
            return None;
        }
    };
    Some(Encapsulation { kind: kind.into(), options })
}

/// Options of a tunnel over that family, up to the first word that is none.
fn tunnel(
    line: Statement<'_, '_, '_, '_>,
    keywords: &'static Keywords<()>,
    family: Family,
) -> Option<Vec<(Text, Text)>> {
    let start = line.option;
    let mut options: Vec<(Text, Text)> = Vec::new();
    while let Some((_, keyword)) = line.word(line.option + 1).and_then(|word| keywords.find(word)) {
        line.option += 1;
        let name = keyword.entry.name;
        let value: Text = match name {
            "dst" | "src" => end_of_tunnel(line, family)?.to_string().into(),
            "tos" | "tc" => named_numbers::option_number(NameTable::DsFields, line)?,
            _ => {
                line.option_value()?;
                match line.value(keyword.entry.argument, line.option)? {
                    Value::Unsigned(number) => number.to_string().into(),
                    _ => return None,
                }
            }
        };
        options.push((name.into(), value));
    }
    if !options.iter().any(|(name, _)| matches!(&**name, "id" | "dst")) {
        line.report(Code::InvalidLine, start, "the tunnel has neither id nor dst");
        return None;
    }
    Some(options)
}

fn end_of_tunnel(line: Statement<'_, '_, '_, '_>, family: Family) -> Option<IpAddr> {
    line.option_value()?;
    let Value::Address(address) = line.value(Argument::HostAddress, line.option)? else { return None };
    if Family::of(address) != family {
        line.report_option(Code::FamilyMismatch, format!("{address} cannot be an end of that tunnel"));
        return None;
    }
    Some(address)
}

/// `LABEL[/LABEL]`.
fn labels(line: Statement<'_, '_, '_, '_>) -> Option<Vec<(Text, Text)>> {
    let word = line.option_value()?;
    let is_label = |label: &str| label.parse().is_ok_and(|label: u32| label <= LARGEST_LABEL);
    let (outer, inner) = word.split_once('/').map_or((word, None), |(outer, inner)| (outer, Some(inner)));
    if is_label(outer) && inner.is_none_or(is_label) {
        return Some(vec![(Text::default(), word.into())]);
    }
    let diagnostic =
        Diagnostic::new(Code::InvalidNumber, line.span(line.option), format!("'{word}' is no label of MPLS"));
    line.push(diagnostic.expected(format!("one label from 0 to {LARGEST_LABEL}, or two with '/' between")));
    None
}

/// Four groups of hexadecimal digits.
fn locator(line: Statement<'_, '_, '_, '_>) -> Option<Vec<(Text, Text)>> {
    let word = line.option_value()?;
    let is_group =
        |group: &str| (1..=4).contains(&group.len()) && group.bytes().all(|digit| digit.is_ascii_hexdigit());
    if word.split(':').count() == 4 && word.split(':').all(is_group) {
        return Some(vec![(Text::default(), word.into())]);
    }
    let diagnostic = Diagnostic::new(
        Code::InvalidNumber,
        line.span(line.option),
        format!("'{word}' is no locator of ILA"),
    );
    line.push(diagnostic.expected("four groups of up to four hexadecimal digits, with ':' between"));
    None
}

/// The rest of the line: `nexthop` and its options, again and again.
pub(crate) fn read_next_hops(route: &mut Route, line: Statement<'_, '_, '_, '_>) {
    let mut hop = NextHop::default();
    while let Some(word) = line.word(line.option + 1) {
        line.option += 1;
        match word {
            "nexthop" => route.next_hops.push(std::mem::take(&mut hop)),
            "via" => hop.via = gateway(line),
            "dev" | "oif" => {
                if let Some(Value::Text(name)) = read_checked(line, Argument::Interface) {
                    hop.interface = Some(name.into());
                }
            }
            "weight" => {
                if let Some(Value::Unsigned(weight)) = read_checked(line, Argument::unsigned(1, HEAVIEST)) {
                    hop.weight = u16::try_from(weight).ok();
                }
            }
            "onlink" => hop.onlink = true,
            "encap" => hop.encapsulation = encapsulation(line),
            "realms" => hop.realms = read_realms(line),
            _ => {
                line.context.line_refused = true;
                line.report_option(Code::UnknownOption, format!("'{word}' is no option of a next hop"));
            }
        }
    }
    route.next_hops.push(hop);
}

/// Realms are an attribute of IPv4 routes.
pub(crate) fn read_realms(line: Statement<'_, '_, '_, '_>) -> Option<Text> {
    claim_family(line, Family::V4, "realms");
    let realms = named_numbers::option_number(NameTable::Realms, line);
    line.context.line_refused |= realms.is_none();
    realms
}

pub(crate) fn show_encapsulation(encapsulation: &Encapsulation) -> String {
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

pub(crate) fn show_next_hop(hop: &NextHop) -> String {
    let mut words = vec!["nexthop".to_owned()];
    words.extend(hop.via.map(|via| format!("via {via}")));
    words.extend(hop.interface.iter().map(|interface| format!("dev {}", quote(interface))));
    words.extend(hop.weight.map(|weight| format!("weight {weight}")));
    words.extend(hop.onlink.then(|| "onlink".to_owned()));
    words.extend(hop.encapsulation.iter().map(show_encapsulation));
    words.extend(hop.realms.iter().map(|realms| format!("realms {}", quote(realms))));
    words.join(" ")
}
