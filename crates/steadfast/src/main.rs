//! The steadfast command: the daemon with keepalived's command line, and subcommands that ask it.
#![forbid(unsafe_code)]

mod ask;
mod check;
mod clock;
mod command_line;
mod config_test;
mod daemon_face;
#[cfg(test)]
mod documents;
mod events;
mod exit;
mod failure;
mod fmt;
mod genhash;
mod ipvs;
mod lab;
mod language;
mod manual;
mod operate;
mod peers;
mod plan;
mod progress;
mod reader;
mod record;
mod reference;
mod reload;
mod replay;
mod show;
mod signum;
mod status;
mod table;
mod terminal;
mod upgrade;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use command_line::Subcommand;
use steadfast_control::operation::Operation;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let status = match face(&arguments) {
        Face::Daemon(name) => daemon_face::run(name, &arguments),
        Face::Client => client(&arguments),
        Face::Genhash => client(&command_line::genhash_words(&arguments)),
    };
    ExitCode::from(status)
}

/// What the program was started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    /// The daemon, under this name.
    Daemon(command_line::Name),
    /// A subcommand.
    Client,
    /// One subcommand, which keepalived has as a program of its own.
    Genhash,
}

/// A subcommand is what comes first and is no option; under keepalived's name there is none.
fn face(arguments: &[OsString]) -> Face {
    let program = arguments.first().map(Path::new).and_then(Path::file_name);
    if program == Some(OsStr::new("keepalived")) {
        return Face::Daemon(command_line::Name::Keepalived);
    }
    if program == Some(OsStr::new("genhash")) {
        return Face::Genhash;
    }
    match arguments.get(1) {
        Some(word) if !word.as_encoded_bytes().starts_with(b"-") => Face::Client,
        _ => Face::Daemon(command_line::Name::Steadfast),
    }
}

fn client(arguments: &[OsString]) -> u8 {
    let subcommand = match command_line::parse_client(arguments) {
        Ok(subcommand) => subcommand,
        Err(error) => {
            // Nothing can be said when the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() { usage(arguments) } else { exit::SUCCESS };
        }
    };
    let result = match subcommand {
        Subcommand::Status(arguments) => status::run(&arguments),
        Subcommand::Events(arguments) => events::run(&arguments),
        Subcommand::Peers(arguments) => peers::run(&arguments),
        Subcommand::Reload(arguments) => reload::run(&arguments),
        Subcommand::Upgrade(arguments) => upgrade::run(&arguments),
        Subcommand::Record(arguments) => record::run(&arguments.command),
        Subcommand::Replay(arguments) => replay::run(&arguments),
        Subcommand::Drain(arguments) => operate::take(Operation::Drain, &arguments),
        Subcommand::Undrain(arguments) => operate::give_back(Operation::Undrain, &arguments),
        Subcommand::Disable(arguments) => operate::take(Operation::Disable, &arguments),
        Subcommand::Enable(arguments) => operate::give_back(Operation::Enable, &arguments),
        Subcommand::Weight(arguments) => operate::weigh(&arguments),
        Subcommand::Genhash(arguments) => genhash::run(&arguments),
        Subcommand::Ipvs(arguments) => ipvs::run(&arguments.command),
        Subcommand::Check(arguments) => check::run(&arguments),
        Subcommand::Plan(arguments) => plan::run(&arguments),
        Subcommand::Show(arguments) => show::run(&arguments),
        Subcommand::Schema => show::schema(),
        Subcommand::Fmt(arguments) => fmt::run(&arguments),
        Subcommand::Explain(arguments) => language::explain(&arguments),
        Subcommand::Keywords(arguments) => language::keywords(&arguments),
        Subcommand::Lab(arguments) => lab::run(&arguments),
        Subcommand::Completion(arguments) => command_line::completion(&arguments),
        Subcommand::Man(arguments) => manual::run(&arguments),
    };
    result.unwrap_or_else(|failure| failure.report())
}

/// What wrong usage ends with. A monitoring plugin says 3, UNKNOWN: 2 would be CRITICAL, and wake somebody.
fn usage(arguments: &[OsString]) -> u8 {
    let is_plugin = arguments.get(1).is_some_and(|word| word == "status")
        && arguments.iter().any(|word| word == "--check");
    if is_plugin { exit::PLUGIN_UNKNOWN } else { exit::USAGE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use command_line::Name;

    fn face_of(arguments: &[&str]) -> Face {
        face(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_name_keepalived_never_has_subcommands() {
        assert_eq!(face_of(&["/usr/sbin/keepalived"]), Face::Daemon(Name::Keepalived));
        assert_eq!(face_of(&["keepalived", "status"]), Face::Daemon(Name::Keepalived));
    }

    #[test]
    fn the_name_genhash_is_one_of_them() {
        assert_eq!(face_of(&["/usr/bin/genhash", "-s", "10.0.0.1"]), Face::Genhash);
    }

    #[test]
    fn the_name_steadfast_has_them_in_first_place_only() {
        assert_eq!(face_of(&["steadfast"]), Face::Daemon(Name::Steadfast));
        assert_eq!(face_of(&["/usr/bin/steadfast", "-n", "status"]), Face::Daemon(Name::Steadfast));
        assert_eq!(face_of(&["steadfast", "status"]), Face::Client);
        assert_eq!(face_of(&["steadfast", "statsu"]), Face::Client);
    }
}
