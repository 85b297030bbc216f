//! Real configurations against keepalived's verdicts on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use steadfast_config::load::{
    InterfaceFacts, KeyFileState, NameFolders, NameTable, NamedNumber, ScriptState,
};
use steadfast_config::model::Account;
use steadfast_config::{Code, LoadOptions, Loaded, Machine, Memory, Mode, load};

/// Files that must agree in how they end: accepted, accepted with reports, refused. The others must be
/// explained by a [`Kind`].
const LEAST_VERDICTS_AGREED: usize = 167;
/// Lines that keepalived names and we name too, as the spot, as another place that belongs to it or as the
/// end of its block. The others must be explained by a [`Kind`].
const LEAST_LINES_AGREED: usize = 501;

/// Where steadfast differs on purpose: headings of docs/differences.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    MailServer,
    Namespace,
    PacketFilters,
    UndefinedVariable,
    UnknownBlock,
}

impl Kind {
    fn heading(self) -> &'static str {
        match self {
            Self::MailServer => "### Names of mail servers",
            Self::Namespace => "### A network namespace that does not exist, with `-t`",
            Self::PacketFilters => "### `vrrp_iptables` and `vrrp_ipsets`",
            Self::UndefinedVariable => "### `${NAME}` that is not defined",
            Self::UnknownBlock => "### Unknown blocks",
        }
    }

    /// Why keepalived alone names a line.
    fn of_line(file: &File<'_>, line: u32) -> Option<Self> {
        let text = file.text.lines().nth(usize::try_from(line).ok()? - 1)?;
        match text.split_whitespace().next().unwrap_or_default() {
            "smtp_server" => Some(Self::MailServer),
            "vrrp_ipsets" => Some(Self::PacketFilters),
            _ if text.trim() == "}" && file.first_undefined.is_some_and(|first| first < line) => {
                Some(Self::UndefinedVariable)
            }
            _ if file.first_unknown_block.is_some_and(|first| first < line) => Some(Self::UnknownBlock),
            _ => None,
        }
    }

    /// Why the statuses differ.
    fn of_verdict(file: &File<'_>) -> Option<Self> {
        // No namespace but the own one existed when the verdicts were taken.
        if file.theirs == 0 && file.text.lines().any(|line| line.starts_with("net_namespace ")) {
            return Some(Self::Namespace);
        }
        let mut lines = file.named.iter();
        let only_mail = lines.all(|line| Self::of_line(file, *line) == Some(Self::MailServer));
        (only_mail && !file.named.is_empty() && file.our_status == 0).then_some(Self::MailServer)
    }
}

/// What is known of one file.
struct File<'f> {
    text: &'f str,
    theirs: u8,
    our_status: u8,
    /// Lines that keepalived names.
    named: BTreeSet<u32>,
    /// Lines that steadfast names.
    ours: BTreeSet<u32>,
    first_unknown_block: Option<u32>,
    /// A reference in braces: keepalived takes them for those of a block.
    first_undefined: Option<u32>,
}

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

    fn key_file(&self, _: &str, _: RangeInclusive<u64>) -> KeyFileState {
        KeyFileState::Unreadable
    }

    fn named_number(&self, _: NameTable, _: &str, _: &NameFolders) -> NamedNumber {
        NamedNumber::Unknown
    }

    fn names(&self, _: NameTable, _: &NameFolders) -> Vec<String> {
        Vec::new()
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

/// Collections of others to compare with, where the developer asks for that by naming their folder; what every change
/// needs is in this project.
fn shared() -> Option<PathBuf> {
    std::env::var_os("STEADFAST_SHARED").map(|folder| PathBuf::from(folder).join("corpus"))
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
        let others = diagnostic.labels.iter().map(|label| label.span);
        for span in diagnostic.primary.into_iter().chain(others).chain(diagnostic.block_end(&loaded.sources))
        {
            lines.insert(loaded.sources.position(span).line);
        }
    }
    lines
}

#[test]
fn verdicts_agree_with_keepalived() {
    let Some(corpus) = shared() else { return };
    let text = |name: &str| std::fs::read_to_string(corpus.join(name)).unwrap();
    let machine = Oracle { interfaces: text("interfaces.txt").lines().map(str::to_owned).collect() };
    let (mut files, mut agreed, mut lines) = (0, 0, 0);
    let mut lines_agreed = 0;
    let mut unexplained = Vec::new();
    let mut report = String::new();
    for row in text("index.tsv").lines().skip(1) {
        let cells: Vec<&str> = row.split('\t').collect();
        let (name, theirs) = (cells[0], cells[5].parse::<u8>().unwrap());
        // keepalived hung or killed itself: that says nothing of the file.
        if theirs > 6 {
            continue;
        }
        let written = text(name);
        let loaded = read(written.as_bytes(), &machine);
        show_if_wanted(name, &loaded);
        let messages = text(&format!("verdicts/{}.txt", name.trim_end_matches(".conf")));
        let file = File {
            text: &written,
            theirs,
            our_status: loaded.test_status(),
            named: named_lines(&messages),
            ours: our_lines(&loaded),
            first_unknown_block: first_unknown_block(&loaded),
            first_undefined: first_undefined(&loaded),
        };
        files += 1;
        lines += file.named.len();
        if verdict(theirs) == verdict(file.our_status) {
            agreed += 1;
        } else {
            let what = format!("{name}: keepalived {theirs}, steadfast {}", file.our_status);
            explain(what, Kind::of_verdict(&file), &mut report, &mut unexplained);
        }
        let mut missed: BTreeMap<Option<Kind>, Vec<u32>> = BTreeMap::new();
        for line in file.named.difference(&file.ours) {
            missed.entry(Kind::of_line(&file, *line)).or_default().push(*line);
        }
        lines_agreed += file.named.len() - missed.values().map(Vec::len).sum::<usize>();
        for (kind, lines) in missed {
            let what = format!("{name}: keepalived alone names the lines {lines:?}");
            explain(what, kind, &mut report, &mut unexplained);
        }
    }
    println!(
        "{report}verdicts: {agreed} of {files} agree; of the lines that keepalived names, {lines_agreed} of {lines}"
    );
    assert!(agreed >= LEAST_VERDICTS_AGREED, "agreement fell");
    assert!(lines_agreed >= LEAST_LINES_AGREED, "agreement on lines fell");
    assert!(unexplained.is_empty(), "differs, and no kind of difference covers it: {unexplained:#?}");
}

fn explain(what: String, kind: Option<Kind>, report: &mut String, unexplained: &mut Vec<String>) {
    match kind {
        // A string takes any text.
        Some(kind) => {
            let _ = writeln!(report, "{what} ({})", kind.heading().trim_start_matches("### "));
        }
        None => unexplained.push(what),
    }
}

fn show_if_wanted(name: &str, loaded: &Loaded) {
    if std::env::var("SHOW").is_ok_and(|wanted| name.starts_with(&wanted)) {
        for diagnostic in &loaded.diagnostics {
            let line = diagnostic.primary.map(|span| loaded.sources.position(span).line);
            println!("{line:?} {} {:?} {}", diagnostic.code, diagnostic.class, diagnostic.message);
        }
    }
}

fn first_unknown_block(loaded: &Loaded) -> Option<u32> {
    let unknown = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::UnknownKeyword);
    let blocks = unknown.filter(|diagnostic| !diagnostic.labels.is_empty());
    blocks.filter_map(|diagnostic| Some(loaded.sources.position(diagnostic.primary?).line)).min()
}

fn first_undefined(loaded: &Loaded) -> Option<u32> {
    let undefined = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::UndefinedVariable);
    let spans = undefined.filter_map(|diagnostic| diagnostic.primary);
    let in_braces = spans.filter(|span| loaded.sources.bytes(*span).starts_with(b"${"));
    in_braces.map(|span| loaded.sources.line(span)).min()
}

#[test]
fn every_kind_of_difference_is_documented() {
    let differences = include_str!("../../../docs/differences.md");
    for kind in
        [Kind::MailServer, Kind::Namespace, Kind::PacketFilters, Kind::UndefinedVariable, Kind::UnknownBlock]
    {
        assert!(differences.lines().any(|line| line == kind.heading()), "{kind:?}");
    }
}

fn read(text: &[u8], machine: &Oracle) -> Loaded {
    let source = Memory::new().file("etc/keepalived/keepalived.conf", text).id("lb1");
    let options = LoadOptions { mode: Mode::Test, ..LoadOptions::default() };
    load(&source, Path::new("/etc/keepalived/keepalived.conf"), machine, &options)
}

#[test]
fn the_examples_run_unchanged() {
    let machine = Oracle { interfaces: ["eth0", "eth1", "ens33", "ens160"].map(str::to_owned).into() };
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"));
    let mut folders: Vec<PathBuf> = std::fs::read_dir(own)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.extend(shared().map(|corpus| corpus.with_file_name("examples")));
    let mut seen = 0;
    for entry in folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            seen += 1;
            let loaded = read(&std::fs::read(&path).unwrap(), &machine);
            assert_eq!(loaded.start_status(), Ok(()), "{}: {:#?}", path.display(), loaded.diagnostics);
        }
    }
    assert!(seen >= 14, "only {seen} examples found");
}
