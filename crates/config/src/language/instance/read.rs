//! Readers of the instance keywords whose grammar is their own.

use steadfast_wire::vrrp::{Family, Priority, Version};

use crate::diagnostic::code::{Class, Code};
use crate::language::global::read::{at_least_one, extra_announce, words_of_extra_announce};
use crate::language::tracking;
use crate::model::{UnicastPeer, VrrpInstance};
use crate::options::Mode;
use crate::table::notation::{quote, quote_script};
use crate::table::shown::block;
use crate::table::{Argument, Line, Seen, Statement, Value, apply_options};

pub(crate) fn show_nothing(_: &VrrpInstance) -> Vec<String> {
    Vec::new()
}

fn flag(set: bool) -> Vec<String> {
    if set { vec![String::new()] } else { Vec::new() }
}

pub(crate) fn read_peers(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    note_unicast(line);
    for child in line.node.children().into_iter().flatten() {
        let mut line = Line::new(child, line.context);
        let span = child.keyword().span();
        let Ok(address) = crate::value::address(line.keyword) else {
            let message = format!("'{}' is not the address of a peer", line.keyword);
            line.push(
                crate::diagnostic::Diagnostic::new(Code::InvalidAddress, span, message)
                    .expected("an IPv4 or IPv6 address"),
            );
            continue;
        };
        line.warn_of_prefix(line.keyword, span);
        if !line.context.scratch.family_agrees(Family::of(address)) {
            let message = format!("peer {address} is of another family than the instance");
            line.push(crate::diagnostic::Diagnostic::new(Code::FamilyMismatch, span, message));
            continue;
        }
        let mut peer = UnicastPeer { address, min_ttl: 0, max_ttl: 255 };
        apply_options(&mut peer, super::keywords::PEER, &mut Seen::default(), &mut line, 0);
        if peer.min_ttl != 0 || peer.max_ttl != 255 {
            instance.check_unicast_source = true;
        }
        if instance.unicast_peers.iter().any(|other| other.address == address) {
            let message = format!("peer {address} is given twice");
            let diagnostic = crate::diagnostic::Diagnostic::new(Code::GivenTwice, span, message);
            line.push(match child.first_of_its_keyword() {
                Some(first) => diagnostic.label(first.span(), "first here"),
                None => diagnostic,
            });
            continue;
        }
        instance.unicast_peers.push(peer);
    }
}

pub(crate) fn show_peers(instance: &VrrpInstance) -> Vec<String> {
    let words = |peer: &UnicastPeer| {
        let mut words = peer.address.to_string();
        if peer.min_ttl != 0 {
            words.push_str(&format!(" min_ttl {}", peer.min_ttl));
        }
        if peer.max_ttl != 255 {
            words.push_str(&format!(" max_ttl {}", peer.max_ttl));
        }
        words
    };
    block(instance.unicast_peers.iter().map(words))
}

/// Takes up that the instance has a keyword of unicast, which wants a peer.
fn note_unicast(line: Statement<'_, '_, '_, '_>) {
    line.context.scratch.unicast_keyword.get_or_insert(line.node.span());
}

pub(crate) fn read_check_unicast_source(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    note_unicast(line);
    line.no_more(0);
    instance.check_unicast_source = true;
}

pub(crate) fn show_check_unicast_source(instance: &VrrpInstance) -> Vec<String> {
    flag(instance.check_unicast_source)
}

/// What it asks for has a block of its own outside of instances.
pub(crate) fn read_linkbeat(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let span = line.node.keyword().span();
    let message = "'linkbeat_use_polling' in an instance is deprecated";
    line.push(
        crate::diagnostic::Diagnostic::new(Code::DeprecatedKeyword, span, message)
            .class(Class::Deprecated)
            .hint("name the interface in a block 'linkbeat_interfaces'"),
    );
    instance.linkbeat_use_polling = true;
}

pub(crate) fn show_linkbeat(instance: &VrrpInstance) -> Vec<String> {
    flag(instance.linkbeat_use_polling)
}

pub(crate) fn read_old_checksum(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    note_unicast(line);
    match line.word(0) {
        None => instance.old_unicast_checksum = Some(true),
        Some("never") => instance.old_unicast_checksum = Some(false),
        Some(word) => {
            line.report(Code::UnknownOption, 0, format!("old_unicast_checksum does not know '{word}'"));
        }
    }
}

pub(crate) fn show_old_checksum(instance: &VrrpInstance) -> Vec<String> {
    let word = |old: bool| if old { String::new() } else { "never".to_owned() };
    instance.old_unicast_checksum.map(word).into_iter().collect()
}

pub(crate) fn read_native_ipv6(_: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if !line.context.scratch.family_agrees(Family::V6) {
        line.report(Code::FamilyMismatch, 0, "native_ipv6, but the instance has IPv4 addresses already");
    }
}

pub(crate) fn show_native_ipv6(instance: &VrrpInstance) -> Vec<String> {
    flag(instance.family == Family::V6)
}

pub(crate) fn read_state(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.word(0) else { return };
    match word {
        "MASTER" => instance.initial_master = true,
        "BACKUP" => {}
        _ => {
            let span = line.span(0);
            line.push_suggesting(
                crate::diagnostic::Diagnostic::new(
                    Code::ValueReplaced,
                    span,
                    format!("'{word}' is no state to start in; BACKUP is used"),
                )
                .expected("MASTER or BACKUP"),
                word,
                ["MASTER", "BACKUP"],
            );
        }
    }
}

pub(crate) fn show_state(instance: &VrrpInstance) -> Vec<String> {
    vec![if instance.initial_master { "MASTER" } else { "BACKUP" }.to_owned()]
}

pub(crate) fn read_interface(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if let Some(Value::Text(name)) = line.value(Argument::Interface, 0) {
        line.context.scratch.interface_span = Some(line.span(0));
        instance.interface = Some(name.into());
    }
}

pub(crate) fn show_interface(instance: &VrrpInstance) -> Vec<String> {
    instance.interface.iter().map(|name| quote(name)).collect()
}

pub(crate) fn read_vrf(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if let Some(Value::Text(name)) = line.value(Argument::Interface, 0) {
        line.context.scratch.vrf_span = Some(line.span(0));
        instance.vrf = Some(name.into());
    }
}

pub(crate) fn show_vrf(instance: &VrrpInstance) -> Vec<String> {
    instance.vrf.iter().map(|name| quote(name)).collect()
}

macro_rules! track {
    ($field:ident: $read:ident $show:ident) => {
        pub(crate) fn $read(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
            tracking::read::$read(&mut instance.tracks.$field, line);
        }

        pub(crate) fn $show(instance: &VrrpInstance) -> Vec<String> {
            tracking::read::show_tracked(&instance.tracks.$field)
        }
    };
}

track!(interfaces: read_track_interface show_track_interface);
track!(scripts: read_track_script show_track_script);
track!(files: read_track_file show_track_file);
track!(processes: read_track_process show_track_process);
track!(bfds: read_track_bfd show_track_bfd);

pub(crate) fn read_source(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let Some(Value::Address(address)) = line.value(Argument::Address, 0) else { return };
    if line.context.scratch.family_agrees(Family::of(address)) {
        instance.source_address = Some(address);
    } else {
        let message = format!("{}: {address} is of another family than the instance", line.keyword);
        line.report(Code::FamilyMismatch, 0, message);
    }
}

pub(crate) fn show_source(instance: &VrrpInstance) -> Vec<String> {
    let source = instance.source_address.filter(|_| !instance.is_unicast());
    source.iter().map(ToString::to_string).collect()
}

pub(crate) fn show_unicast_source(instance: &VrrpInstance) -> Vec<String> {
    let source = instance.source_address.filter(|_| instance.is_unicast());
    source.iter().map(ToString::to_string).collect()
}

pub(crate) fn read_unicast_source(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    note_unicast(line);
    read_source(instance, line);
}

pub(crate) fn read_group(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let Some(Value::Address(address)) = line.value(Argument::Address, 0) else { return };
    if !address.is_multicast() {
        let message = format!("mcast_dst_ip: {address} is no multicast address");
        return line.report(Code::InvalidAddress, 0, message);
    }
    if line.context.scratch.family_agrees(Family::of(address)) {
        instance.multicast_group = address;
    } else {
        let message = format!("mcast_dst_ip: {address} is of another family than the instance");
        line.report(Code::FamilyMismatch, 0, message);
    }
}

pub(crate) fn show_group(instance: &VrrpInstance) -> Vec<String> {
    vec![instance.multicast_group.to_string()]
}

pub(crate) fn read_version(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let version = match line.unsigned(0, 2, 3) {
        Some(2) => Version::V2,
        Some(_) => Version::V3,
        None => return,
    };
    if line.context.scratch.version.is_some_and(|given| given != version) {
        let message = format!("version {} contradicts the earlier one, which counts", version.number());
        return line.report(Code::VersionConflict, 0, message);
    }
    if version == Version::V2 && line.context.scratch.family == Some(Family::V6) {
        let message = "the instance is IPv6 by the lines above, which is version 3; this line is ignored";
        return line.report(Code::VersionConflict, 0, message);
    }
    line.context.scratch.version = Some(version);
    instance.version = version;
}

pub(crate) fn show_version(instance: &VrrpInstance) -> Vec<String> {
    vec![instance.version.number().to_string()]
}

pub(crate) fn read_priority(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    instance.priority_site = line.site();
    let read = Argument::unsigned(1, 255).read(line.word(0).unwrap_or_default());
    let number = match read {
        Ok(value) => Some(value),
        Err(mistake) if mistake.salvage.is_some() && line.context.options.mode == Mode::Run => {
            line.salvage(mistake, 0)
        }
        Err(mistake) => {
            let span = line.span(0);
            let word = line.word(0).unwrap_or_default();
            line.push(
                crate::diagnostic::Diagnostic::new(
                    Code::PriorityInvalid,
                    span,
                    format!("'{word}' is no priority; 100 is used"),
                )
                .expected(mistake.expected)
                .found(format!("'{word}'")),
            );
            None
        }
    };
    instance.priority = match number {
        Some(Value::Unsigned(number)) => u8::try_from(number).map_or(Priority::DEFAULT, Priority::new),
        _ => Priority::DEFAULT,
    };
}

pub(crate) fn show_priority(instance: &VrrpInstance) -> Vec<String> {
    vec![instance.priority.to_string()]
}

pub(crate) fn read_addresses(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let read = crate::language::addresses::read::read_lines(line, false);
    for address in read {
        let family = Family::of(address.address);
        if line.context.scratch.family_agrees(family) {
            instance.addresses.push(address);
        } else {
            let message = format!("{} is of another family than the instance", address.address);
            line.push(
                crate::diagnostic::Diagnostic::new(Code::FamilyMismatch, address.site.0, message)
                    .hint("put it into virtual_ipaddress_excluded, or into an instance of its own"),
            );
        }
    }
}

pub(crate) fn show_addresses(instance: &VrrpInstance) -> Vec<String> {
    block(instance.addresses.iter().map(crate::language::addresses::read::show_line))
}

pub(crate) fn read_excluded(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let read = crate::language::addresses::read::read_lines(line, false);
    instance.excluded_addresses.extend(read);
}

pub(crate) fn show_excluded(instance: &VrrpInstance) -> Vec<String> {
    block(instance.excluded_addresses.iter().map(crate::language::addresses::read::show_line))
}

pub(crate) fn read_routes(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    instance.routes.extend(crate::language::routes::read::read_lines(line));
}

pub(crate) fn show_routes(instance: &VrrpInstance) -> Vec<String> {
    block(instance.routes.iter().map(crate::language::routes::read::show_line))
}

pub(crate) fn read_rules(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    instance.rules.extend(crate::language::rules::read::read_lines(line));
}

pub(crate) fn show_rules(instance: &VrrpInstance) -> Vec<String> {
    block(instance.rules.iter().map(crate::language::rules::read::show_line))
}

pub(crate) fn read_no_accept(instance: &mut VrrpInstance, _: Statement<'_, '_, '_, '_>) {
    instance.accept = false;
}

pub(crate) fn show_no_accept(instance: &VrrpInstance) -> Vec<String> {
    flag(!instance.accept)
}

/// keepalived takes a false value for true.
pub(crate) fn read_skip_check(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() || line.value(Argument::Switch, 0).is_some() {
        instance.skip_check_addresses = true;
    }
}

pub(crate) fn show_skip_check(instance: &VrrpInstance) -> Vec<String> {
    flag(instance.skip_check_addresses)
}

pub(crate) fn read_notify_deleted(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    instance.notify_deleted = true;
    if line.word(0).is_some() {
        instance.notify.deleted = line.script().map(Box::new);
    }
}

pub(crate) fn show_notify_deleted(instance: &VrrpInstance) -> Vec<String> {
    match (&instance.notify.deleted, instance.notify_deleted) {
        (Some(script), _) => vec![quote_script(script)],
        (None, set) => flag(set),
    }
}

pub(crate) fn read_master_repeat(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if let Some(count) = at_least_one(line) {
        instance.announce.master_repeat = count;
    }
}

pub(crate) fn show_master_repeat(instance: &VrrpInstance) -> Vec<String> {
    vec![instance.announce.master_repeat.to_string()]
}

pub(crate) fn read_refresh_repeat(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if let Some(count) = at_least_one(line) {
        instance.announce.refresh_repeat = count;
    }
}

pub(crate) fn show_refresh_repeat(instance: &VrrpInstance) -> Vec<String> {
    // 0 comes from vrrp_min_garp only and cannot be written.
    let count = Some(instance.announce.refresh_repeat).filter(|count| *count != 0);
    count.map(|count| count.to_string()).into_iter().collect()
}

pub(crate) fn read_timer_expired(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        instance.timer_expired_backup = Some(254);
    } else if let Some(number) = line.unsigned(0, 1, 254) {
        instance.timer_expired_backup = u8::try_from(number).ok();
    }
}

pub(crate) fn show_timer_expired(instance: &VrrpInstance) -> Vec<String> {
    instance.timer_expired_backup.iter().map(ToString::to_string).collect()
}

pub(crate) fn read_extra_announce(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    instance.extra_announce = extra_announce(line, 0).or(instance.extra_announce);
}

pub(crate) fn show_extra_announce(instance: &VrrpInstance) -> Vec<String> {
    words_of_extra_announce(instance.extra_announce)
}
