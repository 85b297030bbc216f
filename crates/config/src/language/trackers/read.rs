//! Readers of `vrrp_script`, `vrrp_track_process` and `track_file`.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::code::{Class, Code};
use crate::language::tracking::read::read_weight as read_weight_at;
use crate::model::{ParameterMatch, TrackFile, TrackProcess, VrrpScript, Weight};
use crate::table::notation::{quote, quote_account, quote_command, quote_words};
use crate::table::{Argument, Line, Statement, Unit, Value};
use crate::value::{Interval, Text};

/// A time of a script: milliseconds are the finest, and 0 is taken for 1 second.
fn script_time(line: &mut Line<'_, '_, '_>) -> Option<Interval> {
    let argument = Argument::Time { min: 0, max: 4_294_000_000, unit: Unit::Seconds };
    match line.value(argument, 0)? {
        Value::Interval(interval) if interval.is_zero() => {
            let message = format!("{} must be above 0; 1 second is used", line.keyword);
            line.report(Code::ValueReplaced, 0, message);
            Some(Interval::from_secs(1))
        }
        Value::Interval(interval) => Some(interval.rounded_to(Interval::from_millis(1))),
        _ => None,
    }
}

pub(crate) fn read_interval(script: &mut VrrpScript, line: Statement<'_, '_, '_, '_>) {
    script.interval = script_time(line).unwrap_or(script.interval);
}

pub(crate) fn show_interval(script: &VrrpScript) -> Vec<String> {
    vec![script.interval.to_string()]
}

pub(crate) fn read_timeout(script: &mut VrrpScript, line: Statement<'_, '_, '_, '_>) {
    script.timeout = script_time(line).unwrap_or(script.timeout);
}

pub(crate) fn show_timeout(script: &VrrpScript) -> Vec<String> {
    vec![script.timeout.to_string()]
}

/// `INTEGER [reverse]`.
pub(crate) fn weight(line: &mut Line<'_, '_, '_>, reduced: bool) -> Option<Weight> {
    if line.word(0).is_none() {
        line.missing("INTEGER -253..253 [reverse]");
        return None;
    }
    let mut weight = read_weight_at(line, 0, reduced)?;
    match line.word(1) {
        Some("reverse") => weight.reverse = true,
        Some(word) => line.report(Code::UnknownOption, 1, format!("weight does not know '{word}'")),
        None => {}
    }
    Some(weight)
}

pub(crate) fn show_words(weight: Weight) -> Vec<String> {
    vec![format!("{}{}", weight.value, if weight.reverse { " reverse" } else { "" })]
}

pub(crate) fn read_weight(script: &mut VrrpScript, line: Statement<'_, '_, '_, '_>) {
    script.weight = weight(line, true).unwrap_or(script.weight);
}

pub(crate) fn show_weight(script: &VrrpScript) -> Vec<String> {
    show_words(script.weight)
}

pub(crate) fn read_command(script: &mut VrrpScript, line: Statement<'_, '_, '_, '_>) {
    line.read_command(&mut script.script);
}

pub(crate) fn show_command(script: &VrrpScript) -> Vec<String> {
    vec![quote_command(&script.script.words)]
}

pub(crate) fn read_user(script: &mut VrrpScript, line: Statement<'_, '_, '_, '_>) {
    line.read_account(&mut script.script, "the script is dropped");
}

pub(crate) fn show_user(script: &VrrpScript) -> Vec<String> {
    script.script.account.iter().map(quote_account).collect()
}

pub(crate) fn read_process(process: &mut TrackProcess, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("PATH_OR_NAME [ARG...]");
    }
    let Some(script) = line.script() else { return };
    let mut words = script.words.into_iter();
    process.process = words.next().unwrap_or_default();
    process.arguments = words.chain(line.words().into_iter().skip(1).map(Text::from)).collect();
    if !process.arguments.is_empty() {
        process.full_command = true;
        process.parameter_match = ParameterMatch::Exact;
    }
}

pub(crate) fn show_process(process: &TrackProcess) -> Vec<String> {
    let arguments = process.arguments.iter().map(|argument| &**argument);
    vec![quote_words(std::iter::once(&*process.process).chain(arguments))]
}

pub(crate) fn read_param_match(process: &mut TrackProcess, line: Statement<'_, '_, '_, '_>) {
    process.parameter_match = match line.word(0) {
        None => ParameterMatch::Exact,
        Some("initial") => ParameterMatch::Initial,
        Some("partial") => ParameterMatch::Partial,
        Some(word) => {
            return line.report(Code::InvalidChoice, 0, format!("param_match does not know '{word}'"));
        }
    };
    process.full_command = true;
}

pub(crate) fn show_param_match(process: &TrackProcess) -> Vec<String> {
    match process.parameter_match {
        ParameterMatch::None => Vec::new(),
        ParameterMatch::Exact => vec![String::new()],
        ParameterMatch::Partial => vec!["partial".to_owned()],
        ParameterMatch::Initial => vec!["initial".to_owned()],
    }
}

pub(crate) fn read_process_weight(process: &mut TrackProcess, line: Statement<'_, '_, '_, '_>) {
    process.weight = weight(line, false).unwrap_or(process.weight);
}

pub(crate) fn show_process_weight(process: &TrackProcess) -> Vec<String> {
    show_words(process.weight)
}

pub(crate) fn read_delay(process: &mut TrackProcess, line: Statement<'_, '_, '_, '_>) {
    let argument = Argument::decimal(1, 3_600_000_000);
    if let Some(Value::Interval(delay)) = line.value(argument, 0) {
        process.fork_delay = delay;
        process.terminate_delay = delay;
    }
}

pub(crate) fn show_no_delay(_: &TrackProcess) -> Vec<String> {
    Vec::new()
}

pub(crate) fn read_file(file: &mut TrackFile, line: Statement<'_, '_, '_, '_>) {
    if let Some(path) = line.word(0) {
        file.path = path.into();
    }
}

pub(crate) fn show_file(file: &TrackFile) -> Vec<String> {
    vec![quote(&file.path)]
}

pub(crate) fn read_file_weight(file: &mut TrackFile, line: Statement<'_, '_, '_, '_>) {
    file.weight = weight(line, false).unwrap_or(file.weight);
}

pub(crate) fn show_file_weight(file: &TrackFile) -> Vec<String> {
    show_words(file.weight)
}

pub(crate) fn read_init_file(file: &mut TrackFile, line: Statement<'_, '_, '_, '_>) {
    file.init_value = Some(0);
    for (place, word) in line.words().into_iter().enumerate() {
        if word == "overwrite" {
            file.init_overwrite = true;
        } else if let Some(value) = line.integer(place, -2_147_483_648, 2_147_483_647) {
            file.init_value = i32::try_from(value).ok();
            if !(-254..=254).contains(&value) {
                let message = format!("{value} is beyond every priority");
                // keepalived says so in its test too.
                let diagnostic = Diagnostic::new(Code::NumberSuspicious, line.span(place), message);
                line.push(diagnostic.class(Class::General));
            }
        }
    }
}

pub(crate) fn show_init_file(file: &TrackFile) -> Vec<String> {
    let words = |value: i32| format!("{value}{}", if file.init_overwrite { " overwrite" } else { "" });
    file.init_value.map(words).into_iter().collect()
}
