//! Readers of rule lines.

use std::net::IpAddr;

use steadfast_wire::vrrp::Family;

use super::route_readers::option_words;
use super::rules::RULE;
use super::{Argument, named_numbers};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::load::NameTable;
use crate::lower::{Line, Seen, apply_options_or};
use crate::model::Rule;
use crate::value::{address_and_prefix, quote};

type Statement<'l, 'n, 'c, 'a> = &'l mut Line<'n, 'c, 'a>;

pub(super) fn show_none(_: &Rule) -> Vec<String> {
    Vec::new()
}

/// The lines of a rule block.
pub(crate) fn read_lines(line: Statement<'_, '_, '_, '_>) -> Vec<Rule> {
    let children = line.node.children().into_iter().flatten();
    children
        .filter_map(|child| {
            let mut line = Line::without_keyword(child, line.context);
            line.stops_without = true;
            read_line(&mut line)
        })
        .collect()
}

fn read_line(line: Statement<'_, '_, '_, '_>) -> Option<Rule> {
    let mut rule = Rule { site: line.site(), ..Rule::default() };
    line.context.address_refused = false;
    let mut seen = Seen::default();
    apply_options_or(&mut rule, RULE, &mut seen, line, 0, |_, line, word| {
        line.context.address_refused = true;
        let span = line.span(line.option);
        let names = RULE.iter().map(|keyword| keyword.entry.name);
        line.push_suggesting(
            Diagnostic::new(Code::UnknownOption, span, format!("'{word}' is no option of a rule")),
            word,
            names,
        );
    });
    let forced = line.context.line_family.take();
    if line.context.address_refused {
        return None;
    }
    if rule.action.is_empty() {
        line.report(Code::InvalidLine, 0, "the rule does nothing: it has no table and no other action");
        return None;
    }
    let selector = rule.from.or(rule.to);
    rule.family = forced.or(selector.map(|(address, _)| Family::of(address))).unwrap_or(Family::V4);
    let has_preference = ["preference", "order", "priority"].iter().any(|name| seen.has_name(RULE, name));
    if !has_preference {
        let next = match rule.family {
            Family::V4 => &mut line.context.next_preference.0,
            Family::V6 => &mut line.context.next_preference.1,
        };
        rule.preference = *next;
        *next = next.saturating_sub(1);
        let message = format!("the rule has no preference; {} is used", rule.preference);
        let span = line.node.span();
        line.push(Diagnostic::new(Code::ValueReplaced, span, message).hint("say which with 'preference'"));
    }
    Some(rule)
}

pub(super) fn read_inet(_: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    line.context.line_family = Some(Family::V4);
}

pub(super) fn read_inet6(_: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    line.context.line_family = Some(Family::V6);
}

fn selector(line: Statement<'_, '_, '_, '_>) -> Option<(IpAddr, u8)> {
    let word = line.option_value()?;
    if matches!(word, "default" | "any" | "all") {
        return None;
    }
    match address_and_prefix(word) {
        Ok((address, length)) => Some((address, length.unwrap_or(if address.is_ipv4() { 32 } else { 128 }))),
        Err(mistake) => {
            line.context.address_refused = true;
            let span = line.span(line.option);
            line.push(
                Diagnostic::new(Code::InvalidAddress, span, format!("'{word}' is no selector of a rule"))
                    .expected(mistake.expected),
            );
            None
        }
    }
}

pub(super) fn read_from(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    rule.from = selector(line);
}

fn show_selector(selector: Option<(IpAddr, u8)>) -> Vec<String> {
    selector.map(|(address, length)| format!("{address}/{length}")).into_iter().collect()
}

pub(super) fn show_from(rule: &Rule) -> Vec<String> {
    show_selector(rule.from)
}

pub(super) fn read_to(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    rule.to = selector(line);
}

pub(super) fn show_to(rule: &Rule) -> Vec<String> {
    show_selector(rule.to)
}

fn act(rule: &mut Rule, line: Statement<'_, '_, '_, '_>, action: &str) {
    if rule.action.is_empty() {
        rule.action = action.into();
    } else {
        line.report_option(Code::GivenTwice, format!("the rule has the action '{}' already", rule.action));
    }
}

pub(super) fn read_table(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    act(rule, line, "table");
    let number = named_numbers::option_number(NameTable::RoutingTables, line);
    if number.as_deref() == Some("0") {
        line.report_option(Code::NumberOutOfRange, "a rule cannot look up table 0");
    }
    rule.target = number.filter(|number| &**number != "0");
    // Without a table the rule does nothing; what is wrong was said.
    line.context.address_refused |= rule.target.is_none();
}

pub(super) fn read_goto(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    act(rule, line, "goto");
    if line.option_value().is_some()
        && let Some(target) = line.unsigned(line.option, 0, 4_294_967_295)
    {
        rule.target = Some(target.to_string().into());
    }
}

pub(super) fn read_action(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    if let Some(entry) = line.entry {
        act(rule, line, entry.name);
    }
}

/// A number in C syntax: 0x and 0 prefixes.
pub(super) fn read_preference(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.option_value() else { return };
    match crate::value::c_number(word) {
        Some(number) => rule.preference = number,
        None => {
            line.context.address_refused = true;
            line.report_option(Code::InvalidNumber, format!("'{word}' is no preference"));
        }
    }
}

pub(super) fn show_preference(rule: &Rule) -> Vec<String> {
    vec![rule.preference.to_string()]
}

pub(super) fn read_option(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    let Some(entry) = line.entry else { return };
    if let Some(table) = named_numbers::table_of(entry.name) {
        if let Some(number) = named_numbers::option_number(table, line) {
            rule.options.push((entry.name.into(), number));
        }
        return;
    }
    let Some(word) = line.option_value() else { return };
    if entry.argument == Argument::Text || line.value(entry.argument, line.option).is_some() {
        rule.options.push((entry.name.into(), word.into()));
    }
}

/// The line as the language writes it.
pub(crate) fn show_line(rule: &Rule) -> String {
    let mut words: Vec<String> = Vec::new();
    words.push(if rule.family == Family::V4 { "inet" } else { "inet6" }.to_owned());
    words.extend(rule.not.then(|| "not".to_owned()));
    words.extend(show_from(rule).into_iter().map(|from| format!("from {from}")));
    words.extend(show_to(rule).into_iter().map(|to| format!("to {to}")));
    words.extend(rule.input_interface.iter().map(|name| format!("iif {}", quote(name))));
    words.extend(rule.output_interface.iter().map(|name| format!("oif {}", quote(name))));
    words.push(format!("preference {}", rule.preference));
    words.extend(rule.options.iter().map(|(name, value)| option_words(name, value)));
    words.push(match &rule.target {
        Some(target) => format!("{} {}", rule.action, quote(target)),
        None => rule.action.to_string(),
    });
    words.extend(rule.no_track.then(|| "no_track".to_owned()));
    words.extend(rule.track_group.iter().map(|group| format!("track_group {}", quote(group))));
    words.join(" ")
}
