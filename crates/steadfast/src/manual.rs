//! Manual pages: the commands from the command line's model, the configuration from the keyword table.

use std::fmt::Write as _;

use clap::Command;
use clap_mangen::Man;
use roff::{Inline, Roff, bold, italic, roman};
use steadfast_config::language::rows;
use steadfast_config::table::{Reload, Repeat, Row, Support};

use crate::command_line::{ManArguments, Page, command_line};
use crate::exit;
use crate::failure::Failure;
use crate::language::{LANGUAGE, NOT_APPLICABLE, at_reload, blocks, heading, repetition};
use crate::signum;
use crate::terminal;

/// `steadfast man`
pub(crate) fn run(arguments: &ManArguments) -> Result<u8, Failure> {
    let page = match arguments.page {
        Page::Steadfast => commands()?,
        Page::Configuration => configuration(),
    };
    terminal::print(in_ascii(&page))?;
    Ok(exit::SUCCESS)
}

/// The page with other characters by their names in roff (groff_char(7)), which every formatter reads.
fn in_ascii(page: &str) -> String {
    page.chars().fold(String::with_capacity(page.len()), |mut text, sign| {
        if sign.is_ascii() {
            text.push(sign);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\[u{:04X}]", u32::from(sign));
        }
        text
    })
}

/// steadfast(8)
fn commands() -> Result<String, Failure> {
    let mut command = command_line().version(env!("CARGO_PKG_VERSION"));
    command.build();
    let man = Man::new(command.clone()).section("8").date(" ").manual("System administration");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    after_help(&command).to_writer(&mut page)?;
    Roff::new().control("SH", ["COMMANDS"]).to_writer(&mut page)?;
    for subcommand in command.get_subcommands() {
        describe(subcommand, &mut page)?;
    }
    signals().to_writer(&mut page)?;
    files().to_writer(&mut page)?;
    let mut end = Roff::new();
    end.control("SH", ["SEE ALSO"]);
    end.text(vec![bold("keepalived.conf"), roman("(5)")]);
    end.to_writer(&mut page)?;
    // clap_mangen names a page for each subcommand; here they are all in one.
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// A subcommand, and those below it.
fn describe(command: &Command, page: &mut Vec<u8>) -> Result<(), Failure> {
    if command.is_hide_set() || command.get_name() == "help" {
        return Ok(());
    }
    let below: Vec<&Command> =
        command.get_subcommands().filter(|command| command.get_name() != "help").collect();
    if !below.is_empty() {
        return below.into_iter().try_for_each(|command| describe(command, page));
    }
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut head = Roff::new();
    head.control("SS", [name]);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    head.text(vec![bold(usage(command))]);
    head.control("PP", []);
    head.text(vec![roman(format!("{about}."))]);
    head.to_writer(page)?;
    let mut options = Vec::new();
    Man::new(command.clone()).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", "");
    page.extend_from_slice(options.as_bytes());
    after_help(command).to_writer(page)?;
    Ok(())
}

/// How the command is typed.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.strip_prefix("Usage: ").unwrap_or(&usage).trim_end().to_owned()
}

/// The signals that have a name for `--signum`.
fn signals() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SIGNALS"]);
    let rows = rows().filter(|row| row.block == "(signal)");
    for row in rows.filter(|row| signum::NAMES.contains(&&*row.entry.argument.grammar())) {
        roff.control("TP", []);
        roff.text(vec![bold(row.entry.name), roman(format!(" ({})", row.entry.argument.grammar()))]);
        roff.text(vec![roman(row.entry.doc)]);
    }
    roff
}

/// Where the daemon keeps what, as far as no option or keyword says otherwise.
const FILES: [(&str, &str); 7] = [
    ("/etc/keepalived/keepalived.conf", "The configuration; -f names another."),
    ("/run/keepalived.pid", "Process id of the supervisor; -p names another file."),
    ("/run/vrrp.pid", "Process id of the vrrp worker; -r names another file."),
    ("/run/steadfast.sock", "The control socket of the commands; --control-socket names another."),
    (
        "/run/keepalived",
        "Folder of the files of /run with use_pid_dir, instance or net_namespace; see keepalived.conf(5).",
    ),
    ("/tmp/keepalived.data, /tmp/keepalived.stats, /tmp/keepalived.json", "Written at signals, see SIGNALS."),
    ("/etc/default/steadfast", "Options of the service of systemd, as DAEMON_ARGS."),
];

fn files() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    for (name, doc) in FILES {
        roff.control("TP", []);
        roff.text(vec![bold(name)]);
        roff.text(vec![roman(doc)]);
    }
    roff
}

/// Examples and exit statuses, whose lines stay as they are.
fn after_help(command: &Command) -> Roff {
    let mut roff = Roff::new();
    if let Some(text) = command.get_after_help() {
        roff.control("PP", []);
        roff.control("nf", []);
        for line in text.to_string().lines() {
            // An empty line of input is one of output.
            roff.text(vec![roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

/// keepalived.conf(5)
fn configuration() -> String {
    let mut page = Roff::new();
    let source = concat!("steadfast ", env!("CARGO_PKG_VERSION"));
    // The blank stands for the date, which would make every build another.
    page.control("TH", ["KEEPALIVED.CONF", "5", " ", source, "File formats"]);
    page.control("SH", ["NAME"]);
    page.text(vec![roman("keepalived.conf - configuration of steadfast")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text(vec![
        roman("Every keyword as steadfast reads it. Where nothing else is said, the last one counts when a "),
        roman("keyword is written more than once. What a keyword marked as "),
        italic("not active yet"),
        roman(" asks for is read and checked, and not carried out in this version. "),
        bold("steadfast check"),
        roman(" says what is wrong with a file, and "),
        bold("steadfast plan"),
        roman(" what a reload would change."),
    ]);
    for (block, rows) in blocks() {
        let title = heading(block);
        // In capitals only where it is no word of the language.
        let title = if title == block { title.to_owned() } else { title.to_uppercase() };
        page.control("SH", [title.as_str()]);
        for row in rows {
            page.control("TP", []);
            page.text(head(&row));
            page.text(vec![roman(body(&row))]);
        }
    }
    page.control("SH", ["SEE ALSO"]);
    page.text(vec![bold("steadfast"), roman("(8)")]);
    page.render()
}

fn head(row: &Row) -> Vec<Inline> {
    let mut head = vec![bold(row.entry.name)];
    let argument = row.entry.argument.grammar();
    if !argument.is_empty() {
        head.extend([roman(" "), italic(argument)]);
    }
    head
}

fn body(row: &Row) -> String {
    let entry = row.entry;
    let mut sentences = vec![sentence(entry.doc)];
    if entry.default != NOT_APPLICABLE {
        sentences.push(sentence(&format!("Default: {}", entry.default)));
    }
    if row.block != LANGUAGE {
        if entry.repeat != Repeat::Last {
            sentences.push(sentence(&format!("Written again: {}", repetition(entry.repeat))));
        }
        if entry.reload != Reload::NextUse {
            sentences.push(sentence(&format!("At a reload: {}", at_reload(entry.reload))));
        }
    }
    if let Some(successor) = entry.successor {
        sentences.push(sentence(&format!("Deprecated: write {successor}")));
    }
    if let Support::Accepted(feature) = entry.support {
        sentences.push(sentence(&format!("Not active yet: {}", feature.title())));
    }
    sentences.join(" ")
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use steadfast_config::language::rows;

    use super::*;

    #[test]
    fn every_command_is_in_the_page() {
        let page = commands().unwrap();
        for command in ["status", "events", "check", "plan", "show config", "fmt", "lab", "man", "schema"] {
            assert!(page.contains(&format!(".SS \"steadfast {command}\"")), "{command}: {page}");
        }
        for usage in ["steadfast plan [OPTIONS] [OLD] NEW", "steadfast check [OPTIONS] <FILE>..."] {
            assert!(page.contains(&format!("\\fB{usage}\\fR")), "{usage}: {page}");
        }
        for name in signum::NAMES {
            assert!(page.contains(&format!(" ({name})")), "{name}: {page}");
        }
        for (name, _) in FILES {
            assert!(page.contains(&format!("\\fB{name}\\fR")), "{name}: {page}");
        }
        assert!(!page.contains("steadfast\\-status"), "a page that does not exist is named");
        assert_eq!(page.matches(".TH ").count(), 1);
    }

    #[test]
    fn pages_are_in_ascii() {
        assert_eq!(in_ascii("a … b"), "a \\[u2026] b");
    }

    #[test]
    fn every_keyword_is_in_the_page() {
        let page = configuration();
        for row in rows().filter(|row| !row.block.starts_with('(')) {
            let name = row.entry.name.replace('-', "\\-");
            assert!(page.contains(&format!("\\fB{name}\\fR")), "{}", row.entry.name);
        }
        insta::assert_snapshot!(
            page.lines()
                .skip_while(|line| *line != ".SH vrrp_script")
                .take(30)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }
}
