//! The keyword table against the survey of keepalived's keywords and against the list kept here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use steadfast_config::language::rows as table;
use steadfast_config::table::{Feature, Support};

fn rows() -> BTreeSet<String> {
    table().map(|row| format!("{}\t{}", row.block, row.entry.name)).collect()
}

/// Collections of others to compare with, where the developer asks for that by naming their folder; what every change
/// needs is in this project.
fn shared() -> Option<PathBuf> {
    std::env::var_os("STEADFAST_SHARED").map(PathBuf::from)
}

/// Keywords, in whichever block, that the survey of keepalived cannot have.
const BEYOND_KEEPALIVED: &[&str] = &[
    "preempt incumbent_wins_ties",
    "nopreempt yields_to_health",
    "fence_lease",
    "removed_address",
    "split_brain_check",
    "split_brain_check link",
    "split_brain_check arbiter",
    "split_brain_check tcp",
    "split_brain_check within",
    "split_brain_check every",
    "split_brain_check yield",
    "fast_detection",
    "flight_recorder",
    "notify_master_prepare",
    "notify_master_prepare_timeout",
    "notify_master_prepare_failure",
    "lvs_expire_nodest_conn",
    "lvs_expire_quiescent_template",
    "resolve_interval",
    "check_timeout",
    "close_in_order",
    "slow_start",
    "only_while_master",
    "install_after_first_check",
    "GRPC_CHECK",
    "method",
    "header",
    "body",
];

#[test]
fn every_keyword_of_the_survey_is_in_the_table() {
    let Some(shared) = shared() else { return };
    let survey = std::fs::read_to_string(shared.join("reference/keywords.tsv")).unwrap();
    let mut rows = rows();
    rows.retain(|row| {
        !BEYOND_KEEPALIVED.iter().any(|ours| row.ends_with(&format!("\t{ours}")) && !row.starts_with("("))
    });
    rows.retain(|row| !row.starts_with("virtual_server/real_server/GRPC_CHECK\t"));
    for ours in ["authentication", "echo_rx", "echo_tx"] {
        rows.remove(&format!("bfd_instance\t{ours}"));
    }
    let surveyed: BTreeSet<String> = survey
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some(format!("{}\t{}", cells.next()?, cells.next()?))
        })
        .collect();
    let missing: Vec<_> = surveyed.difference(&rows).collect();
    let surplus: Vec<_> = rows.difference(&surveyed).collect();
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
    assert!(surplus.is_empty(), "only in the table: {surplus:#?}");
}

#[test]
fn the_table_holds_what_the_kept_list_holds() {
    let kept: BTreeSet<String> = include_str!("keywords.list").lines().map(str::to_owned).collect();
    let rows = rows();
    let lost: Vec<_> = kept.difference(&rows).collect();
    let unlisted: Vec<_> = rows.difference(&kept).collect();
    assert!(lost.is_empty() && unlisted.is_empty(), "lost: {lost:#?}, not listed: {unlisted:#?}");
}

#[test]
fn every_row_is_documented() {
    for row in table() {
        let name = row.entry.name;
        let doc = row.entry.doc;
        assert!(doc.len() > 3, "{name} has no doc");
        assert!(!doc.starts_with("Per-instance"), "{name} of an instance has only the doc of another");
        assert!(!row.entry.default.is_empty(), "{name} has no default");
    }
}

/// Words that stand for themselves are named, so that nobody has to look for them elsewhere.
#[test]
fn the_grammar_names_the_words_that_are_possible() {
    for (block, name, words) in [
        ("vrrp_instance", "state", "MASTER or BACKUP"),
        ("vrrp_instance/authentication", "auth_type", "PASS or AH"),
        ("virtual_server", "protocol", "TCP, UDP or SCTP"),
        ("virtual_server", "lb_algo", "rr, wrr, lc"),
        ("global_defs", "reload_file", "[PATH]"),
    ] {
        let row = table().find(|row| row.block == block && row.entry.name == name).unwrap();
        let grammar = row.entry.argument.grammar();
        assert!(grammar.starts_with(words), "{name}: {grammar}");
    }
}

#[test]
fn what_is_not_active_is_counted() {
    let named: BTreeSet<Feature> = table()
        .filter_map(|row| match row.entry.support {
            Support::Accepted(feature) => Some(feature),
            Support::Active => None,
        })
        .collect();
    let all: BTreeSet<Feature> = Feature::ALL.iter().copied().collect();
    assert_eq!(named, all, "features without a keyword, or not in the list of features");
    let accepted = table().filter(|row| row.entry.support != Support::Active).count();
    println!("{} keywords wait for {} features", accepted, named.len());
}

/// Keywords of VRRP without an end-to-end test that sees what they do on the wire or in the kernel.
const WITHOUT_TEST: usize = 13;

/// The same of the load balancer: mostly when and from where a server is asked, and options of patterns.
const BALANCING_WITHOUT_TEST: usize = 238;

/// Blocks whose keywords are all the load balancer's.
const OF_BALANCING: &[&str] = &["virtual_server", "SSL\t"];

/// Blocks whose keywords are all VRRP's.
const OF_VRRP: &[&str] = &["vrrp_", "track_group", "garp_group", "address-line", "route-line", "rule-line"];

/// The table names for each keyword the end-to-end test that sees its effect, or `-` for none, with the reason where there
/// can be none: what is added needs a test, and a test that goes leaves a hole.
#[test]
fn each_keyword_names_the_test_that_sees_its_effect() {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../steadfast/tests");
    let table_of_tests = std::fs::read_to_string(tests.join("coverage.tsv")).unwrap();
    let mut listed = BTreeSet::new();
    let of = |blocks: &[&str], row: &str| blocks.iter().any(|block| row.starts_with(block));
    let (mut holes, mut holes_of_balancing) = (0, 0);
    for line in table_of_tests.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [block, keyword, test] = cells[..] else { panic!("three cells: {line}") };
        assert!(listed.insert(format!("{block}\t{keyword}")), "twice: {line}");
        if let Some(why) = test.strip_prefix('-') {
            assert!(why.is_empty() || why.starts_with(' '), "- and why: {line}");
            *if of(OF_BALANCING, line) { &mut holes_of_balancing } else { &mut holes } += 1;
            continue;
        }
        let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("file::test: {line}"));
        let text = std::fs::read_to_string(tests.join(file)).unwrap_or_else(|_| panic!("no file: {line}"));
        assert!(text.contains(&format!("#[test]\nfn {name}()")), "no such test: {line}");
    }
    let rows = rows();
    let strange: Vec<_> = listed.difference(&rows).collect();
    assert!(strange.is_empty(), "no keywords: {strange:#?}");
    let listed_whole = |row: &&String| of(OF_VRRP, row) || of(OF_BALANCING, row);
    let accepted: BTreeSet<String> = table()
        .filter(|row| row.entry.support != Support::Active)
        .map(|row| format!("{}\t{}", row.block, row.entry.name))
        .collect();
    let missing: Vec<_> = rows.iter().filter(listed_whole).filter(|row| !listed.contains(*row)).collect();
    let missing: Vec<_> = missing.into_iter().filter(|row| !accepted.contains(*row)).collect();
    assert!(missing.is_empty(), "not in the table of tests: {missing:#?}");
    assert_eq!(holes, WITHOUT_TEST, "a keyword more or less has a test: say so in WITHOUT_TEST");
    assert_eq!(
        holes_of_balancing, BALANCING_WITHOUT_TEST,
        "a keyword more or less has a test: say so in BALANCING_WITHOUT_TEST"
    );
}

/// How both READMEs name a feature in their tables of what keepalived does and this version does not yet.
fn in_readme(feature: Feature) -> (&'static str, &'static str) {
    match feature {
        Feature::Firewall => ("`vrrp_iptables`, `vrrp_ipsets`", "`vrrp_iptables`、`vrrp_ipsets`"),
        Feature::Snmp => ("SNMP", "SNMP"),
        Feature::Dbus => ("D-Bus", "D-Bus"),
    }
}

/// How the first screen of the README names what most would look for.
fn in_short(feature: Feature) -> Option<&'static str> {
    Some(match feature {
        Feature::Snmp => "SNMP",
        Feature::Dbus => "D-Bus",
        _ => return None,
    })
}

const NOT_THERE_YET: &str = "**Not there yet:** ";
const NOT_THERE_YET_CHINESE: &str = "**尚未实现:** ";
/// What stands behind it in the same line.
const CHINESE_LIST: &str = "[完整列表](#已有的功能与尚未实现的功能)";

/// The first screens name it in sentences that `cargo xtask docs --write` makes from the features.
#[test]
fn the_readmes_say_in_a_sentence_what_is_not_there_yet() {
    let named: Vec<&str> = Feature::ALL.iter().filter_map(|feature| in_short(*feature)).collect();
    let rows: BTreeSet<_> = Feature::ALL.iter().map(|feature| in_readme(*feature)).collect();
    let more = rows.len() - named.len();
    let smaller = if more == 1 { "one smaller thing".to_owned() } else { format!("{more} smaller things") };
    let english = format!("{}, and {smaller}.", named.join(", "));
    let chinese = format!("{},以及另外 {more} 项较小的功能。{CHINESE_LIST}", named.join(" 与 "));
    let pages = [("README.md", NOT_THERE_YET, english), ("README.zh-CN.md", NOT_THERE_YET_CHINESE, chinese)];
    for (page, beginning, rest) in pages {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        let line = text.lines().find(|line| line.starts_with(beginning)).unwrap();
        let sentence = beginning.to_owned() + &rest;
        if line != sentence {
            assert!(std::env::var_os("RECORD").is_some(), "cargo xtask docs --write makes: {sentence}");
            std::fs::write(&path, text.replace(line, &sentence)).unwrap();
        }
    }
}

/// The first cells of the rows that end with `mark`, split where several features share a row.
fn rows_of_readme(name: &str, mark: &str, between: &str) -> BTreeSet<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    // Without the file there are no rows, and the comparison fails.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(&format!(" | {mark} |")));
    rows.flat_map(|row| row.split(between)).map(str::to_owned).collect()
}

#[test]
fn the_readmes_name_what_is_not_active() {
    let (english, chinese): (BTreeSet<String>, BTreeSet<String>) = Feature::ALL
        .iter()
        .map(|feature| in_readme(*feature))
        .map(|(en, zh)| (en.to_owned(), zh.to_owned()))
        .unzip();
    assert_eq!(rows_of_readme("README.md", "not yet", "; "), english);
    assert_eq!(rows_of_readme("README.zh-CN.md", "尚未实现", ";"), chinese);
}
