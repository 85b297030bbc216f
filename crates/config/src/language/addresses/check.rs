//! Checks of the addresses of an instance.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use steadfast_wire::vrrp::{Family, Version};

use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::diagnostic::span::Span;
use crate::language::drafts::InstanceDraft;
use crate::language::instance::keywords::INSTANCE;
use crate::model::{Global, VirtualAddress, VrrpInstance};
use crate::table::Context;
use crate::value::Name;

/// Most addresses that the count field of an advert can tell (RFC 9568 section 5.2.5).
const MOST_IN_COUNT: usize = 255;
/// Ethernet header, which keepalived counts as part of the MTU.
const ETHERNET_HEADER: usize = 14;

pub(crate) fn check(
    draft: &mut InstanceDraft,
    global: &Global,
    context: &mut Context<'_>,
    unusable: &mut bool,
) {
    let instance = &mut draft.draft.value;
    let written = |keyword| draft.draft.places.get(INSTANCE, keyword);
    // An empty block, or one whose lines were all refused.
    let span = written("virtual_ipaddress").unwrap_or(draft.draft.span);
    let version = written("version");
    let name = Name::clone(&instance.name);
    remove_repeated(instance, context);
    interfaces(instance, global, context, unusable);
    move_surplus(instance, context);
    if instance.addresses.is_empty() && !instance.no_addresses_intended {
        if instance.version == Version::V3 || instance.strict {
            *unusable = true;
            let message = format!("({name}) version 3 needs an address");
            let diagnostic = Diagnostic::new(Code::NoAddresses, span, message)
                .hint("add virtual_ipaddress, or say no_virtual_ipaddress");
            context.push(match version {
                Some(version) => diagnostic.label(version, "version 3 is asked for here"),
                None => diagnostic,
            });
        } else {
            let message = format!("({name}) has no virtual address");
            context.push(Diagnostic::new(Code::NoAddressesV2, span, message));
        }
    }
    if instance.strict
        && instance.family == Family::V6
        && let Some(first) = instance.addresses.first()
        && !is_link_local(first)
    {
        let message = format!("({name}) the first address of an IPv6 instance must be link-local");
        context.push(
            Diagnostic::new(Code::StrictModeConflict, first.site.0, message)
                .note("RFC 9568 section 5.2.9 puts the link-local address first"),
        );
    }
}

fn is_link_local(address: &VirtualAddress) -> bool {
    match address.address {
        IpAddr::V6(address) => address.segments().first().is_some_and(|s| s & 0xffc0 == 0xfe80),
        IpAddr::V4(_) => false,
    }
}

fn remove_repeated(instance: &mut VrrpInstance, context: &mut Context<'_>) {
    let mut met: BTreeMap<(IpAddr, Option<Name>), Span> = BTreeMap::new();
    let name = Name::clone(&instance.name);
    for list in [&mut instance.addresses, &mut instance.excluded_addresses] {
        list.retain(|entry| match met.entry((entry.address, entry.interface.clone())) {
            Entry::Vacant(place) => {
                place.insert(entry.site.0);
                true
            }
            Entry::Occupied(first) => {
                let message = format!("({name}) {} is given twice", entry.address);
                context.push(
                    Diagnostic::new(Code::AddressTwice, entry.site.0, message)
                        .label(*first.get(), "first here"),
                );
                false
            }
        });
    }
}

/// Addresses without `dev` go on the instance's interface.
fn interfaces(instance: &mut VrrpInstance, global: &Global, context: &mut Context<'_>, unusable: &mut bool) {
    let own = instance.interface.clone();
    let name = Name::clone(&instance.name);
    let mut complete = |entry: &mut VirtualAddress| {
        if entry.interface.is_none() {
            entry.interface.clone_from(&own);
            if entry.interface.is_none() {
                let message = format!("({name}) {} has no interface; it is dropped", entry.address);
                context.push(Diagnostic::new(Code::NoInterface, entry.site.0, message));
                return false;
            }
            return true;
        }
        let Some(interface) = entry.interface.clone().filter(|_| !global.dynamic_interfaces) else {
            return true;
        };
        let what = format!("({name}) {}", entry.address);
        *unusable |= crate::language::interfaces::missing(&interface, entry.site.0, &what, context);
        true
    };
    instance.addresses.retain_mut(&mut complete);
    instance.excluded_addresses.retain_mut(&mut complete);
}

/// Addresses beyond what a packet holds become excluded ones.
fn move_surplus(instance: &mut VrrpInstance, context: &mut Context<'_>) {
    let mtu = instance
        .interface
        .as_deref()
        .and_then(|name| context.machine.interface(name))
        .map_or(1500, |facts| usize::try_from(facts.mtu).unwrap_or(usize::MAX));
    let (ip_header, address_size, trailer) = match (instance.family, instance.version) {
        (Family::V4, Version::V2) => (20, 4, 8),
        (Family::V4, Version::V3) => (20, 4, 0),
        (Family::V6, _) => (40, 16, 0),
    };
    let room = mtu.saturating_sub(ETHERNET_HEADER + ip_header + 8 + trailer) / address_size;
    let most = room.min(MOST_IN_COUNT);
    if instance.addresses.len() <= most {
        return;
    }
    let surplus = instance.addresses.split_off(most);
    let Some(first) = surplus.first() else { return };
    let message = format!(
        "({}) {} addresses are more than the {most} a packet holds; from {} on they are not advertised",
        instance.name,
        most + surplus.len(),
        first.address,
    );
    context.push(Diagnostic::new(Code::TooManyAddresses, first.site.0, message));
    instance.excluded_addresses.splice(0..0, surplus);
}
