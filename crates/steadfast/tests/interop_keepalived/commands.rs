//! Quotes and escapes of commands: both daemons start the same program with the same arguments.

use steadfast_lab::{Daemon, Segment, wait};

use crate::pair::{LIMIT, programs};

const RECORDED: &str = include_str!("../../../config/tests/commands.tsv");

/// Writes its arguments, each in brackets, beside itself.
const PROGRAM: &str = "for argument; do printf '[%s]' \"$argument\"; done > \"$0.new\"
mv \"$0.new\" \"$0.arguments\"";

/// Commands as written, and the arguments that reach the program, where it is started.
fn started() -> Vec<(&'static str, String)> {
    let lines = RECORDED.lines().filter(|line| !line.starts_with('#'));
    let split = lines.map(|line| line.rsplit_once('\t').unwrap());
    split
        .filter(|(_, arguments)| *arguments != "-")
        .map(|(command, arguments)| {
            let arguments: Vec<String> = serde_json::from_str(arguments).unwrap();
            (command, arguments.iter().map(|argument| format!("[{argument}]")).collect())
        })
        .collect()
}

fn configuration(commands: &[(&str, String)]) -> String {
    let instances = commands.iter().enumerate().map(|(number, (command, _))| {
        let command = command.replacen('P', &program(number), 1);
        let vrid = number + 1;
        format!(
            "vrrp_instance V{vrid} {{
    interface eth0
    virtual_router_id {vrid}
    priority 100
    virtual_ipaddress {{
        10.0.9.{vrid}
    }}
    notify_backup {command}
}}
"
        )
    });
    let globals = "global_defs {\n    script_user root\n    enable_script_security\n}\n".to_owned();
    globals + &instances.collect::<String>()
}

fn program(number: usize) -> String {
    format!("/run/program{number}")
}

#[test]
fn a_command_reaches_its_program_exactly() {
    let Some([programs, _]) = programs("a_command_reaches_its_program_exactly") else { return };
    let commands = started();
    for program_of in programs {
        let segment = Segment::new().unwrap();
        let host = segment.host("r1").unwrap();
        for number in 0..commands.len() {
            host.write_script(&program(number), PROGRAM).unwrap();
        }
        let daemon = Daemon::start(&host, &program_of, &configuration(&commands)).unwrap();
        for (number, (command, arguments)) in commands.iter().enumerate() {
            let path = format!("{}.arguments", program(number));
            let found = wait::value(LIMIT, || host.read(&path).ok());
            assert_eq!(
                found.as_deref(),
                Some(arguments.as_str()),
                "{} and {command}\n{}",
                program_of.name(),
                daemon.log_tail()
            );
        }
    }
}
