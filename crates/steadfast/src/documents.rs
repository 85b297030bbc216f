//! What the documents tell that only the program knows: commands, options, keywords and configurations. Numbers, links and
//! bounds are compared by `cargo xtask docs`, which runs these tests too.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Command;
use steadfast_config::language::rows;
use steadfast_config::{AnyMachine, LoadOptions, Memory, load};
use steadfast_control::event::Worker;
use steadfast_kernel::process::confinement::Call;

use crate::command_line::{Name, command_line, daemon_command, is_subcommand, parse_client, parse_daemon};

/// Of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Names of fuzz targets.
fn fuzz_targets() -> BTreeSet<String> {
    let files = std::fs::read_dir(root().join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".rs")?.to_owned())).collect()
}

/// Pages for those who run the program.
fn pages() -> Vec<(String, String)> {
    let root = root();
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/zh-CN", "examples", "benches"] {
        for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
            let name = Path::new(folder).join(entry.file_name()).display().to_string();
            if name.ends_with(".md") {
                pages.push((name, std::fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 10, "only {} pages", pages.len());
    pages
}

/// Blocks of code of a page, without their indentation.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    let (mut fenced, mut before_is_blank) = (false, true);
    for line in text.lines() {
        let inside = blocks.last().is_some_and(|block| !block.is_empty());
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            blocks.push(String::new());
        } else if fenced || (line.starts_with("    ") && (before_is_blank || inside)) {
            let line = line.strip_prefix("    ").filter(|_| !fenced).unwrap_or(line);
            if let Some(block) = blocks.last_mut() {
                block.push_str(line);
                block.push('\n');
            }
        } else if inside && !line.trim().is_empty() {
            blocks.push(String::new());
        } else if inside && let Some(block) = blocks.last_mut() {
            block.push('\n');
        }
        before_is_blank = line.trim().is_empty();
    }
    blocks.retain(|block| !block.trim().is_empty());
    blocks
}

/// What stands between backquotes outside of blocks of code.
fn spans(text: &str) -> Vec<&str> {
    let prose = text.lines().filter(|line| !line.starts_with("    "));
    prose.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The commands of this program in a line of a shell, one for each of its ways to be read.
pub(crate) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in line.split(['|', ';', '#', '>', '<']).flat_map(|part| part.split("&&")) {
        let part = part.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
        let Some(arguments) = part.strip_prefix("steadfast ") else { continue };
        // Of `2>`, which was split.
        let arguments = arguments.trim_end();
        let arguments = arguments.strip_suffix(" 2").unwrap_or(arguments).replace('…', "");
        // What stands in brackets may be left out.
        let with: Vec<String> = arguments
            .split_whitespace()
            .map(|word| placeholder(word.trim_matches(['[', ']', '"', '\''])))
            .collect();
        let mut optional = 0;
        let without = arguments.split_whitespace().filter(|word| {
            let begins = word.starts_with('[');
            optional += i32::from(begins);
            let kept = optional == 0;
            optional -= i32::from(word.ends_with(']') && optional > 0);
            kept
        });
        let without: Vec<String> = without.map(|word| placeholder(word.trim_matches(['"', '\'']))).collect();
        found.extend([with, without]);
    }
    found
}

/// A word in capitals stands for one of those that are allowed there.
fn placeholder(word: &str) -> String {
    match word {
        "SHELL" => "bash".to_owned(),
        "ADDRESS" => "192.0.2.1".to_owned(),
        "PORT" => "80".to_owned(),
        "CODE" => "SF0201".to_owned(),
        "BLOCK/WORD" => "vrrp_instance/priority".to_owned(),
        _ => word.to_owned(),
    }
}

#[test]
fn each_command_in_the_documents_is_one_of_this_program() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (page, text) in pages() {
        let blocks = blocks(&text);
        let lines = blocks.iter().flat_map(|block| block.lines()).map(str::to_owned);
        let typed = spans(&text)
            .into_iter()
            .filter(|span| span.starts_with("steadfast ") && !span.contains('→'))
            .map(str::to_owned);
        for line in lines.chain(typed) {
            for arguments in commands(&line) {
                seen += 1;
                // A sentence may speak of a subcommand as such.
                if let [only] = arguments.as_slice()
                    && is_subcommand(only)
                {
                    continue;
                }
                let words: Vec<OsString> = ["steadfast".to_owned()]
                    .into_iter()
                    .chain(arguments.clone())
                    .map(OsString::from)
                    .collect();
                let told = match arguments.first() {
                    Some(first) if !first.starts_with('-') => parse_client(&words).map(drop),
                    _ => parse_daemon(Name::Steadfast, &words).map(drop),
                };
                if let Some(error) = told.err().filter(clap::Error::use_stderr) {
                    wrong.push(format!("{page}: {line}\n{error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "only {seen} commands found");
}

/// Options of other programs, and of tests.
const OTHERS: [&str; 6] = ["--quick", "--write", "--workspace", "--lib", "--bins", "--seeds"];

fn options(command: &Command, known: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        known.extend(argument.get_short().map(|short| format!("-{short}")));
        known.extend(argument.get_long().map(|long| format!("--{long}")));
    }
    for subcommand in command.get_subcommands() {
        options(subcommand, known);
    }
}

#[test]
fn each_option_in_the_documents_is_one_of_this_program() {
    let mut known: BTreeSet<String> = OTHERS.map(str::to_owned).into();
    options(&command_line(), &mut known);
    options(&daemon_command(Name::Keepalived), &mut known);
    let mut wrong = Vec::new();
    for (page, text) in pages().into_iter().filter(|(page, _)| !page.starts_with("benches")) {
        for span in spans(&text).into_iter().filter(|span| span.starts_with('-') && span.len() > 1) {
            let option = span.split([' ', '=', '[']).next().unwrap_or_default();
            // The short ones of the daemon take their value attached.
            let attached = option.starts_with("--") || option.len() == 2;
            if !known.contains(option)
                && option != "--"
                && (attached || !known.contains(option.get(..2).unwrap_or_default()))
            {
                wrong.push(format!("{page}: there is no option {option}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words with an underscore that are none of the language.
const NO_KEYWORDS: [&str; 22] = [
    "planned_stop",
    "left_out",
    "next_on_grid",
    "block_end",
    "instance_state",
    "advert_interval_err",
    "inet_aton",
    "epoll_pwait2",
    "inet_rtm_newaddr",
    "fib_sync_up",
    "keepalived_ipvs",
    "keepalived_script",
    "keepalived_vrrp",
    "no_new_privs",
    "ip_vs",
    "ip_forward",
    "arp_ignore",
    "arp_announce",
    "arp_filter",
    "rp_filter",
    "oom_score_adj",
    "netlink_notify_msg",
];

#[test]
fn each_keyword_in_the_documents_is_one_of_the_language() {
    let mut wrong = Vec::new();
    let known: BTreeSet<&str> = rows().map(|row| row.entry.name).chain(rows().map(|row| row.block)).collect();
    let fuzz_targets = fuzz_targets();
    for (page, text) in pages() {
        // docs/architecture.md names what is in the code; reference.md is made from the table.
        if ["docs/architecture.md", "docs/reference.md", "CONTRIBUTING.md"].contains(&page.as_str()) {
            continue;
        }
        for span in spans(&text) {
            let word = span.split(' ').next().unwrap_or_default();
            let plain =
                word.contains('_') && word.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_');
            if plain
                && !word.starts_with('_')
                && !word.ends_with('_')
                && !NO_KEYWORDS.contains(&word)
                && !known.contains(word)
                && !fuzz_targets.contains(word)
            {
                wrong.push(format!("{page}: {word} is no keyword"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A block is a configuration, or what belongs into an instance.
#[test]
fn what_each_worker_keeps_stands_in_the_table_of_security() {
    let (_, text) = pages().into_iter().find(|(name, _)| name.ends_with("security.md")).unwrap();
    for (worker, title) in [(Worker::Vrrp, "VRRP worker"), (Worker::Check, "check worker")] {
        let row = text.lines().find(|line| line.starts_with(&format!("| {title} |"))).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let needs = steadfast_daemon::needs(worker);
        let rights: Vec<&str> = needs.capabilities.iter().map(|capability| capability.name()).collect();
        assert_eq!(cells[2], rights.join(", "), "{title}");
        let families: Vec<&str> = needs.families.iter().map(|family| family.name()).collect();
        assert_eq!(cells[3], families.join(", "), "{title}");
        let files: Vec<String> =
            needs.files.iter().map(|files| format!("{} `{}`", files.access.name(), files.below)).collect();
        assert_eq!(cells[4], files.join(", "), "{title}");
        // To servers, and to the hosts that the sentence below the table speaks of.
        assert!(needs.calls.contains(&Call::Connect), "{title}");
    }
}

#[test]
fn each_configuration_in_the_documents_is_read_without_a_complaint() {
    let words = |block: &str| -> BTreeSet<&str> {
        rows().filter(|row| row.block == block).map(|row| row.entry.name).collect()
    };
    let (top, instance) = (words("(root)"), words("vrrp_instance"));
    let mut seen = 0;
    for (page, text) in pages() {
        for block in blocks(&text).into_iter().filter(|block| block.contains('{')) {
            let word = block.split_whitespace().find(|word| !word.starts_with('#')).unwrap_or_default();
            let whole = if top.contains(word) {
                block
            } else if instance.contains(word) {
                let minimal = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\npriority 100\nvirtual_ipaddress { 192.0.2.100 }\n";
                format!("{minimal}{block}}}\n")
            } else {
                continue;
            };
            seen += 1;
            let source = Memory::new().file("etc/keepalived/keepalived.conf", whole.clone()).id("a");
            let path = Path::new("/etc/keepalived/keepalived.conf");
            let loaded = load(&source, path, &AnyMachine, &LoadOptions::default());
            let problems =
                loaded.diagnostics.iter().filter(|told| told.severity > steadfast_config::Severity::Note);
            let told: Vec<String> = problems.map(|problem| problem.message.to_string()).collect();
            assert!(told.is_empty(), "{page}: {told:#?}\n{whole}");
        }
    }
    assert!(seen > 0, "no configuration found");
}
