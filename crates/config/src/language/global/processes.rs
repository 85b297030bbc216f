//! Readers of what global keywords say of the processes: names, priorities, processors, rights of the files they make.

use crate::diagnostic::code::Code;
use crate::model::{Affinity, Global, ProcessSettings};
use crate::table::notation::quote;
use crate::table::{Line, Statement};
use crate::value::Text;

/// Priorities beyond the bounds of SCHED_RR are moved to the bound.
fn realtime(line: &mut Line<'_, '_, '_>, process: &mut ProcessSettings) {
    if line.word(0).is_none() {
        return line.missing("PRIORITY 1..99");
    }
    if let Some(number) = line.integer(0, -2_147_483_648, 2_147_483_647) {
        let taken = number.clamp(1, 99);
        if taken != number {
            let message = format!("{}: {number} is not from 1 to 99; {taken} is used", line.keyword);
            line.report(Code::ValueReplaced, 0, message);
        }
        process.realtime_priority = u8::try_from(taken).ok();
    }
}

/// Length of a process's name in the kernel without its end (TASK_COMM_LEN).
const LONGEST_PROCESS_NAME: usize = 15;

fn process_name(line: &mut Line<'_, '_, '_>) -> Option<Text> {
    let name = line.word(0)?;
    let end = name.floor_char_boundary(LONGEST_PROCESS_NAME);
    let taken = name.get(..end)?;
    if taken != name {
        let message = format!(
            "{}: a name has at most {LONGEST_PROCESS_NAME} characters; '{taken}' is used",
            line.keyword
        );
        line.report(Code::ValueReplaced, 0, message);
    }
    Some(taken.into())
}

pub(crate) fn read_process_name(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    global.process_name = process_name(line);
}

pub(crate) fn show_process_name(global: &Global) -> Vec<String> {
    global.process_name.iter().map(|name| quote(name)).collect()
}

fn affinity(line: &mut Line<'_, '_, '_>, process: &mut ProcessSettings) {
    if line.word(0).is_none() {
        return line.missing("CPU...");
    }
    let count = line.words().len();
    let highest = line.context.machine.processors().map_or(8_191, |processors| processors.saturating_sub(1));
    let cpus: Option<Vec<u32>> = (0..count)
        .map(|place| line.unsigned(place, 0, highest.into()).and_then(|n| u32::try_from(n).ok()))
        .collect();
    if let Some(cpus) = cpus {
        process.affinity = Affinity(cpus);
    }
}

fn words_of_affinity(process: &ProcessSettings) -> Vec<String> {
    let cpus: Vec<_> = process.affinity.0.iter().map(ToString::to_string).collect();
    if cpus.is_empty() { Vec::new() } else { vec![cpus.join(" ")] }
}

macro_rules! process {
    ($field:ident: $read_name:ident $show_name:ident $read_rt:ident $show_rt:ident $read_cpus:ident $show_cpus:ident) => {
        pub(crate) fn $read_name(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
            global.$field.name = process_name(line);
        }

        pub(crate) fn $show_name(global: &Global) -> Vec<String> {
            global.$field.name.iter().map(|name| quote(name)).collect()
        }

        pub(crate) fn $read_rt(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
            realtime(line, &mut global.$field);
        }

        pub(crate) fn $show_rt(global: &Global) -> Vec<String> {
            global.$field.realtime_priority.iter().map(ToString::to_string).collect()
        }

        pub(crate) fn $read_cpus(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
            affinity(line, &mut global.$field);
        }

        pub(crate) fn $show_cpus(global: &Global) -> Vec<String> {
            words_of_affinity(&global.$field)
        }
    };
}

process!(vrrp_process: read_vrrp_name show_vrrp_name read_vrrp_rt show_vrrp_rt read_vrrp_cpus show_vrrp_cpus);
process!(checker_process: read_checker_name show_checker_name read_checker_rt show_checker_rt read_checker_cpus show_checker_cpus);
process!(bfd_process: read_bfd_name show_bfd_name read_bfd_rt show_bfd_rt read_bfd_cpus show_bfd_cpus);

/// The symbols of umask, as stat.h names the bits.
const UMASK: [(&str, u32); 12] = [
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRWXU", 0o700),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IRWXG", 0o070),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
    ("IRWXO", 0o007),
];

pub(crate) fn read_umask(global: &mut Global, line: Statement<'_, '_, '_, '_>) {
    if line.word(0).is_none() {
        return line.missing("MASK");
    }
    let text = line.words().concat();
    let number = if let Some(digits) = text.strip_prefix("0x") {
        u32::from_str_radix(digits, 16).ok()
    } else if text.starts_with('0') {
        u32::from_str_radix(&text, 8).ok()
    } else {
        text.parse().ok()
    };
    let symbols = || {
        text.split('|').try_fold(0, |bits, symbol| {
            UMASK.iter().find(|(name, _)| *name == symbol).map(|(_, bit)| bits | bit)
        })
    };
    match number.or_else(symbols).filter(|mask| *mask <= 0o777) {
        Some(mask) => global.umask = Some(mask),
        None => line.report(Code::InvalidNumber, 0, format!("umask: '{text}' is no mask up to 0777")),
    }
}

pub(crate) fn show_umask(global: &Global) -> Vec<String> {
    global.umask.iter().map(|mask| format!("0{mask:o}")).collect()
}
