//! Real configurations against keepalived's verdicts on them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use steadfast_config::load::{InterfaceFacts, ScriptState};
use steadfast_config::model::Account;
use steadfast_config::{LoadOptions, Loaded, Machine, Memory, Mode, load};

/// Files that must agree in how they end: accepted, accepted with reports, refused.
const LEAST_VERDICTS_AGREED: usize = 167;
/// Lines that keepalived names and we name too, in per mille of all it names.
const LEAST_LINES_AGREED_PER_MILLE: usize = 955;

/// The machine that the verdicts were taken on.
struct Oracle {
    interfaces: BTreeSet<String>,
}

/// Accounts of a fresh Debian 12.
const ACCOUNTS: &[&str] = &[
    "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy",
    "www-data", "backup", "list", "irc", "_apt", "nobody", "nogroup", "adm", "tty", "disk", "kmem",
    "dialout", "users",
];

impl Machine for Oracle {
    fn interface(&self, name: &str) -> Option<InterfaceFacts> {
        self.interfaces
            .contains(name)
            .then_some(InterfaceFacts { loopback: name == "lo", ..InterfaceFacts::ETHERNET })
    }

    fn interface_names(&self) -> Vec<String> {
        self.interfaces.iter().cloned().collect()
    }

    fn user_exists(&self, user: &str) -> bool {
        ACCOUNTS.contains(&user) || user.parse::<u32>().is_ok()
    }

    fn group_exists(&self, group: &str) -> bool {
        ACCOUNTS.contains(&group) || group.parse::<u32>().is_ok()
    }

    fn script(&self, program: &str, _: Option<&Account>) -> ScriptState {
        // What every Debian has.
        const PRESENT: &[&str] = &[
            "/bin/true",
            "/bin/sh",
            "/usr/bin/killall",
            "/sbin/ip",
            "/usr/sbin/ip",
            "/bin/sleep",
            "/bin/pidof",
        ];
        let name = program.rsplit('/').next().unwrap_or(program);
        let present =
            PRESENT.iter().any(|path| *path == program || (!program.contains('/') && path.ends_with(name)));
        if present { ScriptState::Good } else { ScriptState::Missing }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Reports,
    Refused,
}

fn verdict(status: u8) -> Verdict {
    match status {
        0 => Verdict::Accepted,
        5 | 6 => Verdict::Reports,
        _ => Verdict::Refused,
    }
}

fn shared() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = std::env::var_os("STEADFAST_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    folder.join("corpus").is_dir().then(|| folder.join("corpus"))
}

/// Lines that a verdict names; `(Line N)` too when only one file is read.
fn named_lines(messages: &str) -> BTreeSet<u32> {
    messages
        .lines()
        .filter_map(|message| {
            let rest = message.split_once("Line ")?.1;
            rest.split_once(')')?.0.parse().ok()
        })
        .collect()
}

fn our_lines(loaded: &Loaded) -> BTreeSet<u32> {
    let mut lines = BTreeSet::new();
    for diagnostic in &loaded.diagnostics {
        let spans = diagnostic.primary.into_iter().chain(diagnostic.labels.iter().map(|label| label.span));
        for span in spans {
            lines.insert(loaded.sources.position(span).line);
        }
    }
    lines
}

/// keepalived names a problem of a whole block by the line of its last brace; steadfast by the line of the
/// block's name or of the word that is wrong.
fn ends_a_block_we_named(text: &str, line: u32, covered: &BTreeSet<u32>) -> bool {
    let lines: Vec<(u32, &str)> = (1..=line).zip(text.lines()).collect();
    if !lines.last().is_some_and(|(_, last)| last.trim_start().starts_with('}')) {
        return false;
    }
    let mut depth = 0_isize;
    for (number, text) in lines.iter().rev() {
        let text = text.split(['#', '!']).next().unwrap_or_default();
        let count = |brace| text.matches(brace).count().cast_signed();
        depth += count('}') - count('{');
        if depth <= 0 {
            return covered.range(*number..=line).next().is_some();
        }
    }
    false
}

#[test]
fn verdicts_agree_with_keepalived() {
    let Some(corpus) = shared() else {
        println!("left out: the corpus is not here; set STEADFAST_SHARED");
        return;
    };
    let text = |name: &str| std::fs::read_to_string(corpus.join(name)).unwrap();
    let machine = Oracle { interfaces: text("interfaces.txt").lines().map(str::to_owned).collect() };
    let (mut files, mut agreed, mut lines, mut lines_agreed) = (0, 0, 0, 0);
    let mut report = String::new();
    for row in text("index.tsv").lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let (name, status) = (cells[0], cells[5].parse::<u8>().unwrap());
        // keepalived hung or killed itself: that says nothing of the file.
        if status > 6 {
            continue;
        }
        let written = text(name);
        let loaded = read(&std::fs::read(corpus.join(name)).unwrap(), &machine);
        files += 1;
        let (theirs, ours) = (verdict(status), verdict(loaded.test_status()));
        let messages = text(&format!("verdicts/{}.txt", name.trim_end_matches(".conf")));
        let (named, covered) = (named_lines(&messages), our_lines(&loaded));
        let missed: Vec<u32> = named
            .difference(&covered)
            .copied()
            .filter(|line| !ends_a_block_we_named(&written, *line, &covered))
            .collect();
        lines += named.len();
        lines_agreed += named.len() - missed.len();
        if theirs == ours {
            agreed += 1;
        } else {
            writeln!(report, "{name}: keepalived {status}, ours {}", loaded.test_status()).unwrap();
        }
        if !missed.is_empty() {
            writeln!(report, "{name}: lines named by keepalived only: {missed:?}").unwrap();
        }
        if std::env::var("SHOW").is_ok_and(|wanted| name.starts_with(&wanted)) {
            for diagnostic in &loaded.diagnostics {
                let line = diagnostic.primary.map(|span| loaded.sources.position(span).line);
                println!("{line:?} {} {:?} {}", diagnostic.code, diagnostic.class, diagnostic.message);
            }
        }
    }
    println!("{report}verdicts: {agreed} of {files} agree; lines: {lines_agreed} of {lines}");
    assert!(agreed >= LEAST_VERDICTS_AGREED, "agreement fell");
    assert!(lines_agreed * 1000 >= lines * LEAST_LINES_AGREED_PER_MILLE, "agreement on lines fell");
}

fn read(text: &[u8], machine: &Oracle) -> Loaded {
    let source = Memory::new().file("etc/keepalived/keepalived.conf", text).id("lb1");
    let options = LoadOptions { mode: Mode::Test, ..LoadOptions::default() };
    load(&source, Path::new("/etc/keepalived/keepalived.conf"), machine, &options)
}

#[test]
fn the_examples_run_unchanged() {
    let Some(corpus) = shared() else {
        println!("left out: the examples are not here; set STEADFAST_SHARED");
        return;
    };
    let machine = Oracle { interfaces: ["eth0", "eth1", "ens33", "ens160"].map(str::to_owned).into() };
    for entry in std::fs::read_dir(corpus.with_file_name("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            let loaded = read(&std::fs::read(&path).unwrap(), &machine);
            assert_eq!(loaded.start_status(), Ok(()), "{}: {:#?}", path.display(), loaded.diagnostics);
        }
    }
}
