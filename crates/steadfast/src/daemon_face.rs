//! The program as daemon: what keepalived's command line asks for.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use steadfast_daemon::Options;

use crate::command_line::unsupported::Treatment;
use crate::command_line::{self, DaemonArguments, DaemonLine, Name};
use crate::terminal::{Stream, complain};
use crate::{config_test, exit, signum, terminal};

/// The version of keepalived whose language, options and files are taken as the reference.
const KEEPALIVED_VERSION: &str = "2.4.3";

/// Does what the options say, and gives the exit status.
pub(crate) fn run(name: Name, arguments: &[OsString]) -> u8 {
    let left = steadfast_daemon::inherited();
    let (state, arguments) = upgrade_check(arguments);
    let line = match command_line::parse_daemon(name, &arguments) {
        Ok(line) => line,
        Err(error) => {
            // Nothing can be said when the terminal is gone.
            let _ = error.print();
            say(&format!("For the options see `{} --help`.", name.text()));
            return exit::DAEMON_USAGE;
        }
    };
    if line.arguments.version {
        say(&version(name));
        return exit::SUCCESS;
    }
    if line.arguments.help {
        say(&command_line::daemon_command(name).render_help().to_string());
        return exit::SUCCESS;
    }
    if let Some(wanted) = &line.arguments.signum {
        return print_signal_number(wanted);
    }
    if left.is_some() || state.is_some() {
        // What there is to say about the arguments was said at the start.
        let options = options(&line.arguments);
        return match (left, state) {
            (Some(left), _) => steadfast_daemon::succeed(options, &left),
            (None, state) => steadfast_daemon::check(options, Path::new(&state.unwrap_or_default())),
        };
    }
    if !acceptable(name, &line) {
        return exit::DAEMON_USAGE;
    }
    start(&line.arguments)
}

/// Where the state is of a daemon that asks whether this program could go on in its place, and the daemon's arguments: the
/// question stands before them.
fn upgrade_check(arguments: &[OsString]) -> (Option<OsString>, Vec<OsString>) {
    let mut arguments = arguments.to_vec();
    let asked = arguments.get(1).and_then(|first| {
        let path = first.as_encoded_bytes().strip_prefix(steadfast_daemon::CHECK_OPTION.as_bytes())?;
        Some(OsString::from(OsStr::from_bytes(path)))
    });
    if asked.is_some() {
        arguments.remove(1);
    }
    (asked, arguments)
}

fn start(arguments: &DaemonArguments) -> u8 {
    let options = options(arguments);
    if let Some(log) = &arguments.config_test {
        let log = (!log.is_empty()).then(|| Path::new(log));
        return config_test::run(&options, log);
    }
    steadfast_daemon::run(options)
}

fn say(text: &str) {
    // Nothing can be said when the terminal is gone.
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

fn error(message: &str) {
    complain(Stream::Error.palette(), message);
}

fn version(name: Name) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    match name {
        Name::Steadfast => format!("steadfast v{ours} (in the place of keepalived v{KEEPALIVED_VERSION})"),
        // Tools look for this beginning.
        Name::Keepalived => format!("Keepalived v{KEEPALIVED_VERSION} (steadfast v{ours})"),
    }
}

fn print_signal_number(wanted: &str) -> u8 {
    let Some(signal) = signum::signal(wanted) else {
        error(&format!("unknown signal name '{wanted}'; expected one of {}", signum::NAMES.join(", ")));
        return exit::DAEMON_USAGE;
    };
    match terminal::print(format!("{}\n", signal.number())) {
        Ok(()) => exit::SUCCESS,
        Err(_) => exit::FAILURE,
    }
}

/// Tells what is refused, ignored or left over; whether the daemon may start all the same.
fn acceptable(name: Name, line: &DaemonLine) -> bool {
    let mut acceptable = true;
    for row in &line.unsupported {
        match row.treatment {
            Treatment::Refused => {
                error(&row.sentence());
                acceptable = false;
            }
            Treatment::Ignored => say(&format!("note: {}", row.sentence())),
        }
    }
    if !line.surplus.is_empty() {
        say(&format!("Unexpected argument(s): {}", line.surplus.join(" ")));
    }
    let late = line.surplus.iter().find(|word| command_line::is_subcommand(word));
    if let (Name::Steadfast, Some(word)) = (name, late) {
        error(&format!("'{word}' is a command and has to come first: steadfast {word} …"));
        acceptable = false;
    }
    acceptable
}

/// What the daemon is told.
fn options(arguments: &DaemonArguments) -> Options {
    let facility = arguments.log_facility.as_deref().map(|text| {
        syslog_facility(text).unwrap_or_else(|| {
            // As keepalived: said, and the default taken.
            error(&format!(
                "invalid log facility '{text}'; expected 0 to 7, local0 to local7, user or daemon; using daemon"
            ));
            SYSLOG_DAEMON
        })
    });
    let umask = arguments.umask.as_deref().and_then(|text| {
        let mask = umask(text);
        if mask.is_none() {
            error(&format!("invalid umask '{text}'; expected 0 to 0777; using 0177"));
        }
        mask
    });
    Options {
        configuration: arguments.configuration.clone(),
        foreground: arguments.foreground,
        log_console: arguments.log_console,
        log_detail: arguments.log_detail,
        syslog_facility: facility.unwrap_or(SYSLOG_DAEMON),
        syslog: !arguments.no_syslog,
        log_file: arguments.log_file.clone(),
        local_time: arguments.local_time,
        flush_log_file: arguments.flush_log_file,
        dump_configuration: arguments.dump_configuration,
        pid_file: arguments.pid_file.clone(),
        vrrp_pid_file: arguments.vrrp_pid_file.clone(),
        checkers_pid_file: arguments.checkers_pid_file.clone(),
        run_vrrp: !arguments.check_only,
        run_bfd: !arguments.no_bfd,
        run_checkers: !arguments.vrrp_only,
        keep_ipvs: arguments.keep_ipvs,
        dont_respawn: arguments.dont_respawn,
        keep_addresses: arguments.keep_addresses,
        log_addresses: arguments.log_addresses,
        umask,
        core_dump: arguments.core_dump,
        namespace: arguments.namespace.clone(),
        config_id: arguments.config_id.clone(),
        strict_includes: arguments.strict_includes,
        allowed: arguments.allow.iter().copied().collect(),
        ignore_interrupt: arguments.ignore_sigint,
        snmp: arguments.unsupported.snmp,
        control_socket: arguments.control_socket.clone(),
        control_group: arguments.control_group.clone(),
        unconfined: arguments.unconfined,
    }
}

/// RFC 5424 section 6.2.1, table 1: system daemons.
const SYSLOG_DAEMON: u8 = 3;
/// Likewise: user-level messages.
const SYSLOG_USER: u8 = 1;
/// Likewise: local use 0; the other seven follow.
const SYSLOG_LOCAL_0: u8 = 16;

fn syslog_facility(text: &str) -> Option<u8> {
    match text {
        "daemon" => Some(SYSLOG_DAEMON),
        "user" => Some(SYSLOG_USER),
        _ => match text.strip_prefix("local").unwrap_or(text).as_bytes() {
            [digit @ b'0'..=b'7'] => Some(SYSLOG_LOCAL_0 + (digit - b'0')),
            _ => None,
        },
    }
}

/// A number as C writes it: 0x for hexadecimal, 0 for octal, else decimal; 0 to 0777.
fn umask(text: &str) -> Option<u32> {
    const LARGEST: u32 = 0o777;
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None if text.starts_with('0') => u32::from_str_radix(text, 8),
        None => text.parse(),
    };
    number.ok().filter(|mask| *mask <= LARGEST)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn options_of(line: &str) -> Options {
        let words: Vec<OsString> = format!("keepalived {line}").split(' ').map(OsString::from).collect();
        options(&command_line::parse_daemon(Name::Keepalived, &words).unwrap().arguments)
    }

    #[test]
    fn without_options_everything_is_default() {
        let words = [OsString::from("keepalived")];
        let line = command_line::parse_daemon(Name::Keepalived, &words).unwrap();
        assert_eq!(options(&line.arguments), Options::default());
        assert!(line.unsupported.is_empty() && line.surplus.is_empty());
    }

    #[test]
    fn a_service_files_usual_line_is_understood() {
        let options = options_of("-nlD -D -f/a.conf -p /run/x.pid -S 1 --use-file=/b.conf -G -mV");
        let expected = Options {
            foreground: true,
            log_console: true,
            log_detail: 2,
            configuration: PathBuf::from("/b.conf"),
            pid_file: Some(PathBuf::from("/run/x.pid")),
            syslog_facility: 17,
            syslog: false,
            core_dump: true,
            keep_addresses: true,
            ..Options::default()
        };
        assert_eq!(options, expected);
    }

    /// Nothing is taken and passed over in silence: an option changes what the daemon does, or is told of.
    #[test]
    fn each_option_is_acted_upon_or_named() {
        // What needs no daemon, and what is so anyway.
        const OTHERS: [&str; 6] = ["config_test", "signum", "version", "help", "all", "surplus"];
        let command = command_line::daemon_command(Name::Keepalived);
        let mut seen = 0;
        for argument in
            command.get_arguments().filter(|argument| !OTHERS.contains(&argument.get_id().as_str()))
        {
            let long = argument.get_long().unwrap();
            let value = match argument.get_id().as_str() {
                _ if !argument.get_action().takes_values() => "",
                "log_facility" | "umask" => "=1",
                "allow" => "=SF0136",
                _ => "=/x",
            };
            let words = ["keepalived".to_owned(), format!("--{long}{value}")].map(OsString::from);
            let line = command_line::parse_daemon(Name::Keepalived, &words).unwrap();
            let acted_upon = options(&line.arguments) != Options::default();
            assert!(acted_upon || !line.unsupported.is_empty(), "--{long} is accepted and does nothing");
            seen += 1;
        }
        assert!(seen > 35, "only {seen} options");
    }

    #[test]
    fn snmp_is_asked_for_in_vain() {
        assert!(options_of("-x").snmp);
        let line = command_line::parse_daemon(Name::Keepalived, &["keepalived", "-x"].map(OsString::from));
        assert!(acceptable(Name::Keepalived, &line.unwrap()));
    }

    #[test]
    fn all_and_the_single_ones_cancel_what_came_before() {
        assert!(!options_of("-C").run_vrrp);
        assert!(options_of("-C --all").run_vrrp);
        assert!(!options_of("--all -C").run_vrrp);
        assert!(options_of("-P").run_vrrp);
    }

    #[test]
    fn facilities_have_syslogs_numbers() {
        let numbers =
            ["daemon", "user", "0", "7", "local0", "local7"].map(|text| syslog_facility(text).unwrap());
        assert_eq!(numbers, [3, 1, 16, 23, 16, 23]);
        for wrong in ["8", "local8", "local", "", "mail", "local00"] {
            assert_eq!(syslog_facility(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn umasks_are_numbers_as_c_writes_them() {
        assert_eq!(umask("0177"), Some(0o177));
        assert_eq!(umask("127"), Some(0o177));
        assert_eq!(umask("0x7f"), Some(0o177));
        assert_eq!(umask("0"), Some(0));
        for wrong in ["01000", "-1", "", "089", "x"] {
            assert_eq!(umask(wrong), None, "{wrong}");
        }
    }
}
