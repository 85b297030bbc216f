//! Readers of `use_vmac` and `use_ipvlan`.

use steadfast_wire::vrrp::Family;

use crate::diagnostic::code::Code;
use crate::machine::{InterfaceKind, NameTable};
use crate::model::{Ipvlan, IpvlanMode, Vmac, VrrpInstance};
use crate::table::named_numbers::word_number;
use crate::table::notation::quote;
use crate::table::{Argument, Line, Statement, Value};
use crate::value::Name;

pub(crate) fn read_vmac(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let vmac = instance.vmac.get_or_insert_default();
    let mut place = 0;
    while let Some(word) = line.word(place) {
        match word {
            "name" => {
                place += 1;
                interface_name(&mut vmac.name, &instance.name, place, line);
            }
            "group" => {
                place += 1;
                match line.word(place) {
                    Some(_) => vmac.group = word_number(NameTable::InterfaceGroups, place, line),
                    None => line.missing("group IFGROUP"),
                }
            }
            "netlink_notify_msg" => vmac.netlink_notify = true,
            _ if is_mac(word) => match vmac.mac {
                Some(_) => {
                    line.report(Code::GivenTwice, place, "the MAC is given already; the first one counts")
                }
                None => match unsuitable_mac(word) {
                    Some(why) => {
                        let message = format!("'{word}' {why}; it is ignored");
                        line.report(Code::SettingIgnored, place, message);
                    }
                    None => vmac.mac = Some(word.into()),
                },
            },
            _ if word.contains(':') => {
                line.report(Code::InvalidAddress, place, format!("'{word}' is no MAC; it is ignored"));
            }
            _ => interface_name(&mut vmac.name, &instance.name, place, line),
        }
        place += 1;
    }
}

/// The name of an interface that is to be made for the instance `owner`.
fn interface_name(slot: &mut Option<Name>, owner: &Name, place: usize, line: Statement<'_, '_, '_, '_>) {
    let Some(Value::Text(name)) = line.value(Argument::Interface, place) else { return };
    if name.contains(['/', ' ', '\t', '\n', '\x0b', '\x0c', '\r']) || [".", ".."].contains(&name) {
        line.report(Code::InvalidName, place, format!("'{name}' cannot be the name of an interface"));
    } else if slot.is_some() {
        line.report(Code::GivenTwice, place, "the name is given already; the first one counts");
    } else if let Some(other) = line.context.known.made_interfaces.get(name).filter(|other| *other != owner) {
        let message = format!("'{name}' is the interface of instance '{other}'; the name is ignored");
        line.report(Code::SettingIgnored, place, message);
    } else if is_taken(name, line) {
        let message = format!("the interface '{name}' exists and is of another kind; the name is ignored");
        line.report(Code::SettingIgnored, place, message);
    } else {
        line.context.known.made_interfaces.insert(name.into(), Name::clone(owner));
        *slot = Some(name.into());
    }
}

/// Whether the machine has an interface of that name that no daemon has made.
fn is_taken(name: &str, line: &Line<'_, '_, '_>) -> bool {
    let kind = line.context.machine.interface(name).map(|facts| facts.kind);
    matches!(kind, Some(InterfaceKind::Vrf | InterfaceKind::Other))
}

/// Why a virtual router cannot have that MAC address.
fn unsuitable_mac(word: &str) -> Option<&'static str> {
    let octets: Vec<u8> = word.split(':').filter_map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    // RFC 9568 section 7.3: those follow from family and number.
    match octets.as_slice() {
        [0, 0, 0x5e, 0, 1 | 2, ..] => Some("is the standard MAC address of a virtual router"),
        [first, ..] if first & 1 == 1 => Some("is the MAC address of a group"),
        _ => None,
    }
}

/// Five or six octets with colons between them.
fn is_mac(word: &str) -> bool {
    let is_octet =
        |octet: &str| (1..=2).contains(&octet.len()) && octet.bytes().all(|byte| byte.is_ascii_hexdigit());
    (5..=6).contains(&word.split(':').count()) && word.split(':').all(is_octet)
}

pub(crate) fn show_vmac(instance: &VrrpInstance) -> Vec<String> {
    let words = |vmac: &Vmac| {
        let mut words = Vec::new();
        words.extend(vmac.name.as_ref().map(|name| format!("name {}", quote(name))));
        words.extend(vmac.mac.as_ref().map(ToString::to_string));
        words.extend(vmac.group.as_ref().map(|group| format!("group {}", quote(group))));
        words.extend(vmac.netlink_notify.then(|| "netlink_notify_msg".to_owned()));
        words.join(" ")
    };
    instance.vmac.iter().map(|vmac| words(vmac)).collect()
}

pub(crate) fn read_ipvlan(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let mut ipvlan = Ipvlan::default();
    let mut place = 0;
    while let Some(word) = line.word(place) {
        match word {
            "bridge" => ipvlan.mode = IpvlanMode::Bridge,
            "private" => ipvlan.mode = IpvlanMode::Private,
            "vepa" => ipvlan.mode = IpvlanMode::Vepa,
            "name" | "group" => {
                place += 1;
                match line.word(place) {
                    Some(_) if word == "name" => {
                        interface_name(&mut ipvlan.name, &instance.name, place, line)
                    }
                    Some(_) => ipvlan.group = word_number(NameTable::InterfaceGroups, place, line),
                    None => line.missing(&format!("{word} NAME")),
                }
            }
            _ => match crate::value::address_and_prefix(word) {
                Ok((address, _)) if !line.context.scratch.family_agrees(Family::of(address)) => {
                    let message = format!("use_ipvlan: {address} is of another family than the instance");
                    line.report(Code::FamilyMismatch, place, message);
                }
                Ok((address, length)) => {
                    let longest = if address.is_ipv4() { 32 } else { 128 };
                    ipvlan.address = Some((address, length.unwrap_or(longest)));
                }
                Err(_) => interface_name(&mut ipvlan.name, &instance.name, place, line),
            },
        }
        place += 1;
    }
    instance.ipvlan = Some(Box::new(ipvlan));
}

pub(crate) fn show_ipvlan(instance: &VrrpInstance) -> Vec<String> {
    let words = |ipvlan: &Ipvlan| {
        let mut words = Vec::new();
        words.extend(ipvlan.name.as_ref().map(|name| format!("name {}", quote(name))));
        words.extend(ipvlan.address.map(|(address, length)| format!("{address}/{length}")));
        words.push(match ipvlan.mode {
            IpvlanMode::Bridge => "bridge".to_owned(),
            IpvlanMode::Private => "private".to_owned(),
            IpvlanMode::Vepa => "vepa".to_owned(),
        });
        words.extend(ipvlan.group.as_ref().map(|group| format!("group {}", quote(group))));
        words.join(" ")
    };
    instance.ipvlan.iter().map(|ipvlan| words(ipvlan)).collect()
}
