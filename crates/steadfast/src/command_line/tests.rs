//! The faces of the command line.

use std::path::PathBuf;

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

#[test]
fn clap_finds_no_fault() {
    command_line().debug_assert();
    daemon_command(Name::Keepalived).debug_assert();
}

#[test]
fn help_of_steadfast() {
    insta::assert_snapshot!(daemon_command(Name::Steadfast).render_help());
}

#[test]
fn help_of_keepalived() {
    insta::assert_snapshot!(daemon_command(Name::Keepalived).render_help());
}

#[test]
fn help_of_each_subcommand() {
    let mut command = command_line();
    command.build();
    for subcommand in command.get_subcommands_mut().filter(|subcommand| subcommand.get_name() != "help") {
        let name = subcommand.get_name().to_owned();
        insta::assert_snapshot!(format!("help_of_{name}"), subcommand.render_help());
    }
}

/// Every command that has help of its own, below `command`.
fn with_help_of_their_own(command: &clap::Command) -> Vec<&clap::Command> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.flat_map(|below| std::iter::once(below).chain(with_help_of_their_own(below))).collect()
}

#[test]
fn each_help_has_examples_and_each_example_is_a_command_of_this_program() {
    let mut command = command_line();
    command.build();
    let mut told = with_help_of_their_own(&command);
    assert!(told.len() > 14, "only {} commands", told.len());
    told.push(&command);
    for told in told {
        let name = told.get_bin_name().unwrap_or("steadfast");
        let text = told.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<Vec<String>> = text
            .lines()
            .skip_while(|line| !line.starts_with("Example"))
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("  "))
            // What it does stands behind it.
            .map(|line| line.split("  ").next().unwrap_or_default())
            .flat_map(crate::documents::commands)
            .collect();
        assert!(!examples.is_empty(), "{name} --help has no example");
        assert!(
            examples.iter().any(|words| format!("steadfast {}", words.join(" ")).starts_with(name)),
            "no example of {name} is one of it"
        );
        for example in examples {
            let words: Vec<OsString> =
                ["steadfast".to_owned()].into_iter().chain(example.clone()).map(OsString::from).collect();
            let error = match example.first() {
                Some(first) if !first.starts_with('-') => parse_client(&words).err(),
                _ => parse_daemon(Name::Steadfast, &words).err(),
            };
            assert!(error.is_none(), "{name}: {}\n{}", example.join(" "), error.unwrap());
        }
    }
    for line in KEEPALIVED_EXAMPLES.lines().filter_map(|line| line.strip_prefix("  ")) {
        let example = line.split("  ").next().unwrap_or_default();
        let parsed = parse_daemon(Name::Keepalived, &words(example)).unwrap();
        assert!(parsed.surplus.is_empty() && parsed.unsupported.is_empty(), "{example}");
    }
}

#[test]
fn two_ways_to_name_the_daemon_are_one_too_many() {
    for subcommand in ["status", "events", "peers", "reload", "plan NEW", "show config"] {
        for line in
            ["-p /run/a.pid -s blue", "-s blue --control-socket /run/b.sock", "-p a --control-socket b"]
        {
            let line = format!("steadfast {subcommand} {line}");
            assert!(parse_client(&words(&line)).is_err(), "{line}");
        }
    }
    for line in ["status --all -s blue", "show config a.conf -p /run/a.pid", "status --check --utc"] {
        assert!(parse_client(&words(&format!("steadfast {line}"))).is_err(), "{line}");
    }
}

#[test]
fn a_misspelt_subcommand_is_answered_by_the_right_one() {
    let error = parse_client(&words("steadfast statsu")).unwrap_err();
    assert!(error.to_string().contains("'status'"), "{error}");
}

#[test]
fn subcommands_find_the_daemon_by_its_pid_file() {
    let Subcommand::Status(status) = parse_client(&words("steadfast status -p /run/a.pid VI_1")).unwrap()
    else {
        panic!("expected status");
    };
    assert_eq!(status.daemon.socket(), PathBuf::from("/run/a.sock"));
    assert_eq!(status.instances, ["VI_1"]);
}

#[test]
fn subcommands_find_the_daemon_by_its_network_namespace() {
    let Subcommand::Status(status) = parse_client(&words("steadfast status -s blue")).unwrap() else {
        panic!("expected status");
    };
    assert_eq!(status.daemon.socket(), PathBuf::from("/run/keepalived/blue/keepalived.sock"));
}

#[test]
fn words_left_over_are_kept_for_a_report() {
    let line = parse_daemon(Name::Keepalived, &words("keepalived -n one -D two")).unwrap();
    assert_eq!(line.surplus, ["one", "two"]);
    assert_eq!(line.arguments.log_detail, 1);
}

#[test]
fn wrong_options_are_refused() {
    for wrong in ["-Z", "--nosuch", "-f", "--pid", "--log", "--dont-fork=1"] {
        assert!(parse_daemon(Name::Keepalived, &words(&format!("keepalived {wrong}"))).is_err(), "{wrong}");
    }
}

#[test]
fn every_row_of_the_unsupported_table_is_an_option_with_one_sentence() {
    for row in unsupported::TABLE {
        for option in row.option.split(", ") {
            let value = if matches!(option, "-A" | "--snmp-agent-socket" | "--config-fd" | "-b" | "--bfd_pid")
            {
                " 1"
            } else {
                ""
            };
            let line = words(&format!("keepalived {option}{value}"));
            let given = parse_daemon(Name::Keepalived, &line).unwrap().unsupported;
            assert_eq!(given, [row], "{option}");
        }
        let sentence = row.sentence();
        assert!(sentence.len() < 160 && !sentence.ends_with('.'), "{sentence}");
    }
}

/// Every option in the reference is either acted upon or in the table, under both its names.
#[test]
fn every_option_of_keepalived_is_accepted_or_in_the_table() {
    let mut seen = 0;
    for row in steadfast_config::language::rows().filter(|row| row.block == "(command-line)") {
        let (names, arguments) = (row.entry.name, row.entry.argument.grammar());
        let arguments = arguments.as_str();
        // genhash is another program.
        if names.starts_with("genhash ") {
            continue;
        }
        seen += 1;
        for name in names.split(", ") {
            let value = match arguments {
                _ if arguments.starts_with("flag") || arguments.starts_with('[') => "",
                _ => " 1",
            };
            for line in spellings(name, arguments, value) {
                let parsed = parse_daemon(Name::Keepalived, &words(&line));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                assert!(parsed.unwrap().surplus.is_empty(), "{line} leaves a word over");
            }
        }
    }
    assert!(seen > 35, "only {seen} options found in the reference");
}

/// The ways to write an option: for an optional value also with the value attached.
fn spellings(name: &str, arguments: &str, value: &str) -> Vec<String> {
    let mut lines =
        vec![format!("keepalived {name}{value}"), format!("keepalived {name}{value} {name}{value}")];
    if arguments.starts_with('[') {
        let glue = if name.starts_with("--") { "=" } else { "" };
        lines.push(format!("keepalived {name}{glue}value"));
    }
    lines
}
