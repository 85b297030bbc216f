//! Numbers that iproute2 has names for: routing tables, protocols, scopes and the like.

use super::Line;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::machine::{NameTable, NamedNumber};
use crate::value::Text;

/// What a table of names is for, and what it holds where no file says otherwise.
struct Kind {
    title: &'static str,
    most: u32,
    built_in: &'static [(&'static str, u32)],
}

fn kind(table: NameTable) -> Kind {
    match table {
        NameTable::RoutingTables => Kind {
            title: "routing table",
            most: u32::MAX,
            built_in: &[("default", 253), ("main", 254), ("local", 255)],
        },
        NameTable::Protocols => Kind {
            title: "route protocol",
            most: 255,
            built_in: &[
                ("redirect", 1),
                ("kernel", 2),
                ("boot", 3),
                ("static", 4),
                ("ra", 9),
                ("dhcp", 16),
                ("keepalived", 18),
            ],
        },
        NameTable::Scopes => Kind {
            title: "scope",
            most: 255,
            built_in: &[("global", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)],
        },
        NameTable::DsFields => Kind { title: "DS field", most: 255, built_in: &[] },
        NameTable::Realms => Kind { title: "realm", most: 65_535, built_in: &[] },
        NameTable::InterfaceGroups => {
            Kind { title: "interface group", most: u32::MAX, built_in: &[("default", 0)] }
        }
    }
}

/// The number that the value of the option under reading stands for. `None`: it was reported, or is missing.
pub(crate) fn option_number(table: NameTable, line: &mut Line<'_, '_, '_>) -> Option<Text> {
    let word = line.option_value()?;
    if table == NameTable::Realms
        && let Some((from, to)) = word.split_once('/')
    {
        let (from, to) = (kept(table, from, line)?, kept(table, to, line)?);
        return Some(format!("{from}/{to}").into());
    }
    kept(table, word, line)
}

/// The same of the word at a place of the line.
pub(crate) fn word_number(table: NameTable, place: usize, line: &mut Line<'_, '_, '_>) -> Option<Text> {
    let word = line.word(place)?;
    line.option = place;
    kept(table, word, line)
}

/// A scope, which is kept as a number on any machine.
pub(crate) fn option_scope(line: &mut Line<'_, '_, '_>) -> Option<u8> {
    let word = line.option_value()?;
    let read = read(NameTable::Scopes, word, line);
    reported(NameTable::Scopes, word, read, line).and_then(|number| u8::try_from(number).ok())
}

/// A word as it is kept: decimal, or as it is written where nobody knows the names of the machine.
fn kept(table: NameTable, word: &str, line: &mut Line<'_, '_, '_>) -> Option<Text> {
    match read(table, word, line) {
        NamedNumber::Any => Some(word.into()),
        read => reported(table, word, read, line).map(|number| number.to_string().into()),
    }
}

/// A number, or what a name stands for; what iproute2 knows without a file is known on any machine.
fn read(table: NameTable, word: &str, line: &Line<'_, '_, '_>) -> NamedNumber {
    if let Some(number) = crate::value::c_number(word) {
        return NamedNumber::Is(number);
    }
    // What begins as a number does is none of the names, on any machine.
    if word.is_empty() || word.starts_with(['-', '+']) || word.bytes().all(|byte| byte.is_ascii_digit()) {
        return NamedNumber::Unknown;
    }
    let told = line.context.machine.named_number(table, word, &line.context.known.name_folders);
    let built_in = || kind(table).built_in.iter().find(|(name, _)| *name == word);
    match told {
        NamedNumber::Is(_) => told,
        _ => built_in().map_or(told, |(_, number)| NamedNumber::Is(*number)),
    }
}

/// The number, if it is one and in range.
fn reported(table: NameTable, word: &str, read: NamedNumber, line: &mut Line<'_, '_, '_>) -> Option<u32> {
    let Kind { title, most, built_in } = kind(table);
    let span = line.span(line.option);
    match read {
        NamedNumber::Is(number) if number <= most => return Some(number),
        NamedNumber::Is(_) => {
            let message = format!("'{word}' is out of range for a {title}");
            line.push(
                Diagnostic::new(Code::NumberOutOfRange, span, message)
                    .expected(format!("0 to {most}, or a name")),
            );
        }
        NamedNumber::Any | NamedNumber::Unknown => {
            let names = line.context.machine.names(table, &line.context.known.name_folders);
            let names = names.iter().map(String::as_str).chain(built_in.iter().map(|(name, _)| *name));
            let message = format!("'{word}' is no {title}");
            line.push_suggesting(
                Diagnostic::new(Code::InvalidChoice, span, message)
                    .expected(format!("a number, or a name that {} of iproute2 has", table.file())),
                word,
                names,
            );
        }
    }
    None
}
