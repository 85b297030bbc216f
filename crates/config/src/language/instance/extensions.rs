//! What an instance may ask for beyond keepalived.

use crate::diagnostic::code::Code;
use crate::model::{
    FastDetection, InstanceExtensions, PrepareFailure, RemovedAddress, ServerAddress, SplitBrainCheck,
    VrrpInstance,
};
use crate::table::notation::quote_script;
use crate::table::{Argument, Statement, Value};
use crate::value::{Interval, Unit};

fn of(instance: &mut VrrpInstance) -> &mut InstanceExtensions {
    instance.extensions.get_or_insert_default()
}

/// The one word that may follow; keepalived passes over others.
fn asks_for(line: Statement<'_, '_, '_, '_>, word: &str) -> bool {
    let asked = line.word(0) == Some(word);
    line.no_more(usize::from(asked));
    asked
}

pub(crate) fn read_preempt(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    instance.nopreempt = false;
    if asks_for(line, "incumbent_wins_ties") {
        of(instance).incumbent_wins_ties = true;
    }
}

pub(crate) fn show_preempt(instance: &VrrpInstance) -> Vec<String> {
    let asked = instance.extensions.as_ref().is_some_and(|extensions| extensions.incumbent_wins_ties);
    if asked { vec!["incumbent_wins_ties".to_owned()] } else { Vec::new() }
}

pub(crate) fn read_nopreempt(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    instance.nopreempt = true;
    if asks_for(line, "yields_to_health") {
        of(instance).yields_to_health = true;
    }
}

pub(crate) fn show_nopreempt(instance: &VrrpInstance) -> Vec<String> {
    let yields = instance.extensions.as_ref().is_some_and(|extensions| extensions.yields_to_health);
    match (instance.nopreempt, yields) {
        (true, true) => vec!["yields_to_health".to_owned()],
        (true, false) => vec![String::new()],
        (false, _) => Vec::new(),
    }
}

pub(crate) fn read_removed_address(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    match line.value(Argument::Choice(&["put_back", "backup"]), 0) {
        Some(Value::Text("put_back")) => of(instance).removed_address = RemovedAddress::PutBack,
        Some(Value::Text("backup")) => of(instance).removed_address = RemovedAddress::Backup,
        _ => {}
    }
}

pub(crate) fn show_removed_address(instance: &VrrpInstance) -> Vec<String> {
    let extensions = instance.extensions.as_ref();
    let gives_up = extensions.is_some_and(|asked| asked.removed_address == RemovedAddress::Backup);
    if gives_up { vec!["backup".to_owned()] } else { Vec::new() }
}

pub(crate) fn read_split_brain_check(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    let mut check = SplitBrainCheck::default();
    let mut place = 0;
    while let Some(word) = line.word(place) {
        match word {
            "link" => check.link = true,
            "yield" => check.yields = true,
            "arbiter" => {
                place += 1;
                let Some(Value::Address(address)) = line.value(Argument::HostAddress, place) else { return };
                check.arbiter = Some(address);
            }
            "tcp" => {
                let Some(Value::Address(address)) = line.value(Argument::HostAddress, place + 1) else {
                    return;
                };
                let port = line.unsigned(place + 2, 1, 65_535).and_then(|port| u16::try_from(port).ok());
                let Some(port) = port else { return };
                check.service = Some(ServerAddress { address, port });
                place += 2;
            }
            "within" => {
                place += 1;
                let argument = Argument::Time { min: 10_000, max: 5_000_000, unit: Unit::Milliseconds };
                let Some(Value::Interval(within)) = line.value(argument, place) else { return };
                check.within = within;
            }
            "every" => {
                place += 1;
                let Some(Value::Interval(every)) = line.value(Argument::seconds(1, 3600), place) else {
                    return;
                };
                check.every = every;
            }
            _ => {
                let message = format!(
                    "'{word}' is no way to check; there are link, arbiter, tcp, within, every and yield"
                );
                return line.report(Code::UnknownOption, place, message);
            }
        }
        place += 1;
    }
    check.link |= check.arbiter.is_none() && check.service.is_none();
    of(instance).split_brain_check = Some(check);
}

pub(crate) fn show_split_brain_check(instance: &VrrpInstance) -> Vec<String> {
    let Some(check) =
        instance.extensions.as_ref().and_then(|extensions| extensions.split_brain_check.as_ref())
    else {
        return Vec::new();
    };
    let link = check.link.then(|| "link".to_owned());
    let arbiter = check.arbiter.map(|address| format!("arbiter {address}"));
    let service = check.service.map(|service| format!("tcp {} {}", service.address, service.port));
    let usual = SplitBrainCheck::default();
    let within = (check.within != usual.within).then(|| format!("within {}", milliseconds(check.within)));
    let seconds = check.every.as_micros() / 1_000_000;
    let every = (check.every != usual.every).then(|| format!("every {seconds}"));
    let yields = check.yields.then(|| "yield".to_owned());
    vec![[link, arbiter, service, within, every, yields].into_iter().flatten().collect::<Vec<_>>().join(" ")]
}

/// `[INTERVAL [MULTIPLIER]]`, of instances and of global_defs.
pub(crate) fn fast_detection(line: Statement<'_, '_, '_, '_>) -> Option<FastDetection> {
    let mut detection = FastDetection::default();
    if line.word(0).is_some() {
        let argument = Argument::Time { min: 1_000, max: 10_000_000, unit: Unit::Milliseconds };
        let Some(Value::Interval(interval)) = line.value(argument, 0) else { return None };
        detection.interval = interval;
    }
    if line.word(1).is_some() {
        detection.multiplier = u8::try_from(line.unsigned(1, 1, 255)?).ok()?;
    }
    line.no_more(2);
    Some(detection)
}

/// As [`fast_detection`] reads it.
pub(crate) fn words_of_detection(detection: FastDetection) -> String {
    format!("{} {}", milliseconds(detection.interval), detection.multiplier)
}

fn milliseconds(interval: Interval) -> String {
    let micros = interval.as_micros();
    match micros % 1_000 {
        0 => (micros / 1_000).to_string(),
        rest => format!("{}.{}", micros / 1_000, format!("{rest:03}").trim_end_matches('0')),
    }
}

pub(crate) fn read_fast_detection(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if let Some(detection) = fast_detection(line) {
        of(instance).fast_detection = Some(detection);
    }
}

pub(crate) fn show_fast_detection(instance: &VrrpInstance) -> Vec<String> {
    let detection = instance.extensions.as_ref().and_then(|extensions| extensions.fast_detection);
    detection.map(words_of_detection).into_iter().collect()
}

pub(crate) fn read_master_prepare(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    if let Some(script) = line.script() {
        of(instance).master_prepare = Some(Box::new(script));
    }
}

pub(crate) fn show_master_prepare(instance: &VrrpInstance) -> Vec<String> {
    let script = instance.extensions.as_ref().and_then(|extensions| extensions.master_prepare.as_deref());
    script.map(quote_script).into_iter().collect()
}

pub(crate) fn read_prepare_failure(instance: &mut VrrpInstance, line: Statement<'_, '_, '_, '_>) {
    match line.value(Argument::Choice(&["announce", "fault"]), 0) {
        Some(Value::Text("announce")) => of(instance).master_prepare_failure = PrepareFailure::Announce,
        Some(Value::Text("fault")) => of(instance).master_prepare_failure = PrepareFailure::Fault,
        _ => {}
    }
}

pub(crate) fn show_prepare_failure(instance: &VrrpInstance) -> Vec<String> {
    let fault = instance
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.master_prepare_failure == PrepareFailure::Fault);
    if fault { vec!["fault".to_owned()] } else { Vec::new() }
}
