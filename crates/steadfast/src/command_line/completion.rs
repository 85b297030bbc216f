//! `steadfast completion`: completion scripts for shells, from the command line's model.

use std::fmt::Write as _;

use clap_complete::Shell;

use super::{CompletionArguments, command_line};
use crate::exit;
use crate::failure::Failure;
use crate::terminal;

/// `steadfast completion`
pub(crate) fn completion(arguments: &CompletionArguments) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command_line(), NAME, &mut script);
    if arguments.shell == Shell::Fish {
        script.extend_from_slice(positional_values(&command_line()).as_bytes());
    }
    terminal::print(&script)?;
    Ok(exit::SUCCESS)
}

const NAME: &str = "steadfast";

/// The values of arguments without an option, which clap_complete leaves out for fish alone. Their words hold nothing
/// that fish would read as more than a word.
fn positional_values(command: &clap::Command) -> String {
    let mut lines = String::new();
    for subcommand in command.get_subcommands() {
        let arguments = subcommand.get_positionals();
        let values = arguments.flat_map(clap::Arg::get_possible_values);
        let values: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        if !values.is_empty() {
            let condition = format!("__fish_{NAME}_using_subcommand {}", subcommand.get_name());
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "complete -c {NAME} -n \"{condition}\" -f -a \"{}\"", values.join(" "));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fish_completes_words_without_an_option() {
        let lines = positional_values(&command_line());
        for (subcommand, word) in [
            ("explain", "SF0201"),
            ("keywords", "advert_int"),
            ("completion", "fish"),
            ("man", "keepalived.conf"),
        ] {
            let begins =
                format!("complete -c steadfast -n \"__fish_steadfast_using_subcommand {subcommand}\" ");
            let line = lines.lines().find(|line| line.starts_with(&begins)).unwrap();
            let words = line.split_once("-f -a ").unwrap().1.trim_matches('"');
            assert!(words.split(' ').any(|offered| offered == word), "{line}");
            assert!(
                words.chars().all(|sign| sign.is_ascii_alphanumeric() || " _-.".contains(sign)),
                "{line}"
            );
        }
    }
}
