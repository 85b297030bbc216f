//! Readers of rule lines.

use std::net::IpAddr;

use steadfast_wire::vrrp::Family;

use super::keywords::RULE;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::Code;
use crate::language::routes::next_hops::read_realms;
use crate::language::routes::read::{claim_family, option_words, read_checked};
use crate::language::tracking::read::{keep_track_group, read_track_group_of_line};
use crate::machine::NameTable;
use crate::model::Rule;
use crate::table::notation::quote;
use crate::table::{Argument, Seen, Statement, Value, apply_options_or, named_numbers};
use crate::value::{address_and_prefix, c_number, unsigned};

pub(crate) fn show_none(_: &Rule) -> Vec<String> {
    Vec::new()
}

/// The lines of a rule block.
pub(crate) fn read_lines(line: Statement<'_, '_, '_, '_>) -> Vec<Rule> {
    line.context.lines_are_static = line.keyword == "static_rules";
    line.read_lines(read_line)
}

/// keepalived drops a line with any mistake as a whole, and so must we: half a rule meets other packets.
fn read_line(line: Statement<'_, '_, '_, '_>) -> Option<Rule> {
    let mut rule = Rule { site: line.site(), ..Rule::default() };
    line.context.line_refused = false;
    line.context.line_family = None;
    let mut seen = Seen::default();
    apply_options_or(&mut rule, RULE, &mut seen, line, 0, |_, line, word| {
        line.context.line_refused = true;
        let span = line.span(line.option);
        let names = RULE.iter().map(|keyword| keyword.entry.name);
        line.push_suggesting(
            Diagnostic::new(Code::UnknownOption, span, format!("'{word}' is no option of a rule")),
            word,
            names,
        );
    });
    if line.context.line_refused {
        return None;
    }
    rule.family = line.context.line_family.take().unwrap_or(Family::V4);
    let has_preference = ["preference", "order", "priority"].iter().any(|name| seen.has_name(RULE, name));
    if !acts(&rule, has_preference, line) {
        return None;
    }
    if !has_preference {
        take_next_preference(&mut rule, line);
    }
    if !rule.no_track && seen.has_name(RULE, "protocol") {
        rule.options.retain(|(name, value)| {
            if &**name == "protocol" && &**value != KEEPALIVED_PROTOCOL {
                let message = "a rule that is followed has the protocol of keepalived, 18";
                line.report(Code::ValueReplaced, 0, message);
            }
            &**name != "protocol"
        });
    }
    let has_interface = rule.input_interface.is_some();
    keep_track_group(&mut rule.track_group, has_interface, line);
    Some(rule)
}

/// Protocol of what keepalived adds, in decimal.
const KEEPALIVED_PROTOCOL: &str = "18";

fn take_next_preference(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
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

/// Options that judge or mark the route which a table gave.
const OF_TABLES: [&str; 5] = ["suppress_prefixlength", "sup_pl", "suppress_ifgroup", "sup_group", "realms"];

fn goes_forward(rule: &Rule) -> bool {
    let target = rule.target.as_deref().and_then(|target| target.parse().ok());
    target.is_none_or(|target: u32| target > rule.preference)
}

/// Whether the rule does something that the kernel can do.
fn acts(rule: &Rule, has_preference: bool, line: Statement<'_, '_, '_, '_>) -> bool {
    let message = match &*rule.action {
        "" => "the rule does nothing: it has no table and no other action".to_owned(),
        "goto" if !has_preference => {
            "a rule that goes to another needs a preference, below that of the other".to_owned()
        }
        "goto" if !goes_forward(rule) => format!(
            "a rule can only go forward: {} is not above its preference, {}",
            rule.target.as_deref().unwrap_or_default(),
            rule.preference
        ),
        "table" | "l3mdev" => return true,
        action => {
            let option = rule.options.iter().find(|(name, _)| OF_TABLES.contains(&&**name));
            let Some((name, _)) = option else { return true };
            format!("'{name}' needs a table, and the action is '{action}'")
        }
    };
    line.report(Code::InvalidLine, 0, message);
    false
}

pub(crate) fn read_inet(_: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    claim_family(line, Family::V4, "inet");
}

pub(crate) fn read_inet6(_: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    claim_family(line, Family::V6, "inet6");
}

fn selector(line: Statement<'_, '_, '_, '_>) -> Option<(IpAddr, u8)> {
    let word = line.option_value()?;
    if matches!(word, "default" | "any" | "all") {
        return None;
    }
    match address_and_prefix(word) {
        Ok((address, length)) => {
            claim_family(line, Family::of(address), word);
            Some((address, length.unwrap_or(if address.is_ipv4() { 32 } else { 128 })))
        }
        Err(mistake) => {
            line.context.line_refused = true;
            let span = line.span(line.option);
            line.push(
                Diagnostic::new(Code::InvalidAddress, span, format!("'{word}' is no selector of a rule"))
                    .expected(mistake.expected),
            );
            None
        }
    }
}

pub(crate) fn read_from(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    rule.from = selector(line);
}

fn show_selector(selector: Option<(IpAddr, u8)>) -> Vec<String> {
    selector.map(|(address, length)| format!("{address}/{length}")).into_iter().collect()
}

pub(crate) fn show_from(rule: &Rule) -> Vec<String> {
    show_selector(rule.from)
}

pub(crate) fn read_to(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    rule.to = selector(line);
}

pub(crate) fn show_to(rule: &Rule) -> Vec<String> {
    show_selector(rule.to)
}

fn act(rule: &mut Rule, line: Statement<'_, '_, '_, '_>, action: &str) {
    if rule.action.is_empty() {
        rule.action = action.into();
    } else {
        line.context.line_refused = true;
        line.report_option(Code::GivenTwice, format!("the rule has the action '{}' already", rule.action));
    }
}

pub(crate) fn read_table(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    act(rule, line, "table");
    let number = named_numbers::option_number(NameTable::RoutingTables, line);
    if number.as_deref() == Some("0") {
        line.report_option(Code::NumberOutOfRange, "a rule cannot look up table 0");
    }
    rule.target = number.filter(|number| &**number != "0");
    // Without a table the rule does nothing; what is wrong was said.
    line.context.line_refused |= rule.target.is_none();
}

pub(crate) fn read_goto(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    act(rule, line, "goto");
    if let Some(Value::Unsigned(target)) = read_checked(line, Argument::COUNT) {
        rule.target = Some(target.to_string().into());
    }
}

/// `type` may stand before any action but those that look a route up.
pub(crate) fn read_type(_: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    if let Some("goto" | "nop" | "blackhole" | "unreachable" | "prohibit") = line.word(line.option + 1) {
        return;
    }
    line.context.line_refused = true;
    let Some(word) = line.option_value() else { return };
    line.report_option(Code::UnknownOption, format!("'{word}' is no type of a rule"));
}

pub(crate) fn read_action(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    if let Some(entry) = line.entry {
        act(rule, line, entry.name);
    }
}

/// A number in C syntax: 0x and 0 prefixes.
pub(crate) fn read_preference(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    let Some(word) = line.option_value() else { return };
    match c_number(word) {
        Some(number) => rule.preference = number,
        None => {
            line.context.line_refused = true;
            line.report_option(Code::InvalidNumber, format!("'{word}' is no preference"));
        }
    }
}

pub(crate) fn show_preference(rule: &Rule) -> Vec<String> {
    vec![rule.preference.to_string()]
}

/// An option that is kept by its name, its value checked by the table; names of numbers become numbers.
pub(crate) fn read_option(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    let Some(entry) = line.entry else { return };
    if let Argument::Named(table, _) = entry.argument {
        match named_numbers::option_number(table, line) {
            Some(number) => rule.options.push((entry.name.into(), number)),
            None => line.context.line_refused = true,
        }
        return;
    }
    if let Some(Value::Unsigned(number)) = read_checked(line, entry.argument) {
        rule.options.push((entry.name.into(), number.to_string().into()));
    }
}

pub(crate) fn read_rule_realms(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    if let Some(realms) = read_realms(line) {
        rule.options.push(("realms".into(), realms));
    }
}

/// The word behind the option, when it is good; else what belongs there is said.
fn read_word(
    rule: &mut Rule,
    line: Statement<'_, '_, '_, '_>,
    expected: &str,
    is_good: impl FnOnce(&str) -> bool,
) {
    let (Some(entry), Some(word)) = (line.entry, line.option_value()) else { return };
    if is_good(word) {
        return rule.options.push((entry.name.into(), word.into()));
    }
    line.context.line_refused = true;
    let message = format!("{}: '{word}' cannot be taken", entry.name);
    line.push(Diagnostic::new(Code::InvalidNumber, line.span(line.option), message).expected(expected));
}

/// `MARK[/MASK]`; keepalived takes nothing for 0.
pub(crate) fn read_mark(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    let is_number = |word: &str| word.is_empty() || c_number(word).is_some();
    read_word(rule, line, "a mark, and behind a slash its mask: 32 bits each, in C notation", |word| {
        let (mark, mask) = word.split_once('/').unwrap_or((word, "0"));
        !word.is_empty() && is_number(mark) && is_number(mask)
    });
}

/// `START-END`, the end not below the start.
fn is_range(word: &str, most: u64) -> bool {
    let number = |word| unsigned(word, 0, most).ok();
    word.split_once('-')
        .is_some_and(|(start, end)| number(start).zip(number(end)).is_some_and(|(start, end)| start <= end))
}

pub(crate) fn read_users(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    let expected = "the first and the last user by number, with '-' between them";
    read_word(rule, line, expected, |word| is_range(word, 4_294_967_295));
}

pub(crate) fn read_ports(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    let expected =
        "the first and the last port, up to 65535, with '-' between them even if they are the same";
    read_word(rule, line, expected, |word| is_range(word, 65_535));
}

/// A protocol above IP, by number or by its name in protocols(5), which is looked up where the rule is made.
pub(crate) fn read_ip_protocol(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    read_word(rule, line, "a number from 0 to 255, or a name of /etc/protocols", |word| {
        unsigned(word, 0, 255).is_ok() || word.starts_with(|first: char| first.is_ascii_alphabetic())
    });
}

pub(crate) fn read_track_group(rule: &mut Rule, line: Statement<'_, '_, '_, '_>) {
    read_track_group_of_line(&mut rule.track_group, line);
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
