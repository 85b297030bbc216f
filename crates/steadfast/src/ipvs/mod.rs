//! `steadfast ipvs`: the kernel's table in the language of ipvsadm, without ipvsadm.

mod rule;

use std::fmt::Write as _;
use std::io::Read as _;

use steadfast_kernel::ipvs::{Command, Ipvs, Outcome};

use crate::command_line::{IpvsCommand, RestoreArguments};
use crate::exit;
use crate::failure::Failure;
use crate::terminal::{self, Stream, complain, harmless};

/// Bytes of rules that are read: a hundred for each of 640,000 servers.
const RULES_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Saves or restores the table.
pub(crate) fn run(command: &IpvsCommand) -> Result<u8, Failure> {
    match command {
        IpvsCommand::Save => save(),
        IpvsCommand::Restore(arguments) => restore(arguments),
    }
}

fn save() -> Result<u8, Failure> {
    let mut ipvs = Ipvs::open()?;
    let mut services = ipvs.services()?;
    services.sort_by_key(|listed| listed.key);
    let mut text = String::new();
    for listed in services {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", rule::service(listed.key, &listed.service));
        let mut servers = ipvs.servers(listed.key)?;
        servers.sort_by_key(|server| server.key);
        for server in servers {
            let _ = writeln!(text, "{}", rule::server(listed.key, server.key, server.server));
        }
    }
    terminal::print(text)?;
    Ok(exit::SUCCESS)
}

/// Nothing is done while any line is not understood.
fn restore(arguments: &RestoreArguments) -> Result<u8, Failure> {
    let mut text = String::new();
    std::io::stdin().lock().take(RULES_BYTES_MAX + 1).read_to_string(&mut text).map_err(Failure::Input)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > RULES_BYTES_MAX {
        return Err(Failure::Rules(format!("there are more than {RULES_BYTES_MAX} bytes of rules")));
    }
    let mut commands = Vec::new();
    for (position, line) in text.lines().enumerate() {
        let read = rule::read(line);
        let read = read.map_err(|reason| Failure::Rules(format!("line {}: {reason}", position + 1)))?;
        commands.extend(read);
    }
    let mut ipvs = Ipvs::open()?;
    if arguments.clear {
        ipvs.flush()?;
    }
    let outcomes = ipvs.send(&commands)?;
    let mut status = exit::SUCCESS;
    for (command, outcome) in commands.iter().zip(outcomes) {
        if let Some(reason) = told(command, outcome) {
            status = exit::FAILURE;
            complain(Stream::Error.palette(), &harmless(&reason));
        }
    }
    Ok(status)
}

fn told(command: &Command, outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Done => None,
        Outcome::Refused(refusal) => Some(format!("cannot {command}: {refusal}")),
        Outcome::Unknown => Some(format!("the kernel's answer was lost, it may not {command}")),
    }
}
