//! Phrases that more than one dump has.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use steadfast_config::model::{Lifetime, Scope, Tracked, VirtualAddress, Weight};

use crate::supervisor::scripts::programs::Command;

/// One line of `virtual_ipaddress`, as keepalived writes it back.
pub(super) fn address(line: &VirtualAddress, default_interface: Option<&str>, set: bool) -> String {
    let mut text = line.address.to_string();
    let whole = if line.address.is_ipv4() { 32 } else { 128 };
    if line.prefix_length != whole && line.peer.is_none() {
        push(&mut text, format_args!("/{}", line.prefix_length));
    }
    if let Some(broadcast) = line.broadcast {
        push(&mut text, format_args!(" brd {broadcast}"));
    }
    if let Some(interface) = line.interface.as_deref().or(default_interface) {
        push(&mut text, format_args!(" dev {interface}"));
    }
    push(&mut text, format_args!(" scope {}", scope(line.scope)));
    if let Some(label) = &line.label {
        push(&mut text, format_args!(" label {label}"));
    }
    if let Some(peer) = line.peer {
        push(&mut text, format_args!(" peer {peer}/{}", line.prefix_length));
    }
    let flags = [
        (line.home, " home"),
        (line.duplicate_detection, " -nodad"),
        (line.manage_temporary, " mngtmpaddr"),
        (line.no_prefix_route, " noprefixroute"),
        (line.autojoin, " autojoin"),
    ];
    text.extend(flags.into_iter().filter(|(given, _)| *given).map(|(_, word)| word));
    if line.address.is_ipv6() {
        match line.preferred_lifetime {
            Some(Lifetime::Seconds(0)) => text.push_str(" deprecated"),
            Some(Lifetime::Seconds(seconds)) => push(&mut text, format_args!(" preferred_lft {seconds}")),
            Some(Lifetime::Forever) | None => text.push_str(" preferred_lft forever"),
        }
    }
    if line.no_track {
        text.push_str(" no_track");
    }
    if set {
        text.push_str(" set");
    }
    text
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(what);
}

fn scope(scope: Scope) -> String {
    match scope {
        Scope::GLOBAL => "global".to_owned(),
        Scope::SITE => "site".to_owned(),
        Scope::LINK => "link".to_owned(),
        Scope::HOST => "host".to_owned(),
        Scope::NOWHERE => "nowhere".to_owned(),
        Scope(number) => number.to_string(),
    }
}

/// Each word in single quotes.
pub(super) fn command(command: &Command) -> String {
    let program = resolved(&command.program);
    let mut text = format!("'{}'", program.display());
    for argument in &command.arguments {
        push(&mut text, format_args!(" '{argument}'"));
    }
    text
}

/// The account that runs it.
pub(super) fn account(command: &Command) -> String {
    format!("{}:{}", command.account.uid, command.account.gid)
}

/// keepalived resolves links in the folders of a program's path, not the program itself.
fn resolved(program: &Path) -> PathBuf {
    let folder = program.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
    match (folder, program.file_name()) {
        (Some(folder), Some(name)) if program.is_absolute() => folder.join(name),
        _ => program.to_owned(),
    }
}

/// The name and effect of a tracked object.
pub(super) fn tracked(tracked: &Tracked, separator: &str) -> String {
    format!("{}{separator} weight {}", tracked.name, weight(tracked.weight))
}

/// A weight.
pub(super) fn weight(weight: Weight) -> String {
    format!("{}{}", weight.value, if weight.reverse { " reverse" } else { "" })
}
