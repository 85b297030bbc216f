//! What the RFCs of VRRP demand of a router, where each demand is met, and which test shows it.
//!
//! `rules.tsv` has a line for each demand: RFC, or those that demand the same in a section of the same number, section, the
//! demand in a few words, the file that meets it, and a test.
//! The file cites the section in a comment. A demand that does not concern this program has `-` for a file, and the
//! reason instead of a test. RFC 5798 and RFC 9568 number their sections alike, so a comment that cites either stands for
//! both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const RULES: &str = include_str!("rules.tsv");

/// RFCs, and by which of them their sections may be cited.
const RFCS: [(&str, &[&str]); 3] =
    [("9568", &["9568", "5798"]), ("5798", &["9568", "5798"]), ("3768", &["3768", "2338"])];

/// What an RFC demands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    rfc: String,
    section: String,
    demand: String,
    met: Met,
}

/// How a demand is met.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Met {
    /// Here, as this test shows.
    Shown { code: String, test: String },
    /// By others, or not at all.
    Excepted,
}

/// Compares the table with the code and prints what it covers; whether everything that it names is there.
pub(crate) fn coverage(root: &Path) -> Result<bool> {
    let rules = rules(RULES)?;
    let found = findings(root, &rules)?;
    for finding in &found {
        println!("{finding}");
    }
    for (rfc, _) in RFCS {
        let of = || rules.iter().filter(|rule| rule.rfc == rfc);
        let excepted = of().filter(|rule| rule.met == Met::Excepted).count();
        let sections: BTreeSet<&str> = of().map(|rule| &*rule.section).collect();
        println!(
            "RFC {rfc}: {} demands in {} sections, {} met and shown by a test, {excepted} excepted",
            of().count(),
            sections.len(),
            of().count() - excepted
        );
    }
    Ok(found.is_empty())
}

fn rules(table: &str) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [rfcs, section, demand, code, last] = cells.as_slice() else {
            anyhow::bail!("expected five cells, found {}: {line}", cells.len());
        };
        anyhow::ensure!(!demand.is_empty() && !last.is_empty(), "an empty cell: {line}");
        let met = match *code {
            "-" => Met::Excepted,
            code => Met::Shown { code: code.to_owned(), test: (*last).to_owned() },
        };
        for rfc in rfcs.split(',') {
            anyhow::ensure!(RFCS.iter().any(|(known, _)| *known == rfc), "RFC {rfc} is none of VRRP: {line}");
            let [rfc, section, demand] = [rfc, section, demand].map(str::to_owned);
            rules.push(Rule { rfc, section, demand, met: met.clone() });
        }
    }
    Ok(rules)
}

/// What the table names and the code has not.
fn findings(root: &Path, rules: &[Rule]) -> Result<Vec<String>> {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut findings = Vec::new();
    for rule in rules {
        let Met::Shown { code, test } = &rule.met else { continue };
        let (file, name) = test.split_once("::").with_context(|| format!("no name of a test: {test}"))?;
        let mut text_of = |path| {
            let text =
                texts.entry(path).or_insert_with(|| fs::read_to_string(root.join(path)).unwrap_or_default());
            text.clone()
        };
        let (code_text, test_text) = (text_of(&**code), text_of(file));
        let Rule { rfc, section, demand, .. } = rule;
        let by = RFCS.iter().find(|(known, _)| known == rfc).map(|(_, by)| *by).unwrap_or_default();
        if !comments(&code_text).iter().any(|comment| cites(comment, by, section)) {
            findings.push(format!("{code}: no comment cites RFC {rfc} section {section} ({demand})"));
        }
        if !has_test(&test_text, name) {
            findings.push(format!("{file}: no test {name} (RFC {rfc} section {section}: {demand})"));
        }
    }
    Ok(findings)
}

/// Comments of a file, each with all its lines.
fn comments(text: &str) -> Vec<String> {
    let mut comments = vec![String::new()];
    for line in text.lines() {
        match (line.trim_start().strip_prefix("//"), comments.last_mut()) {
            (Some(comment), Some(last)) => {
                last.push_str(comment.trim_start_matches(['/', '!']));
            }
            // A comment behind code.
            (None, _) if line.contains(" // ") || line.contains("RFC ") => {
                comments.push(line.to_owned());
                comments.push(String::new());
            }
            _ => comments.push(String::new()),
        }
    }
    comments
}

/// Whether a comment cites a section of one of these RFCs.
fn cites(comment: &str, rfcs: &[&str], section: &str) -> bool {
    let words = || comment.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_ascii_digit()));
    rfcs.iter().any(|rfc| words().any(|word| word == *rfc)) && words().any(|word| word == section)
}

fn has_test(text: &str, name: &str) -> bool {
    let declared = format!("fn {name}(");
    let Some(at) = text.find(&declared) else { return false };
    // The attribute stands on a line before it, with nothing but attributes between.
    let before = text.get(..at).unwrap_or_default();
    let mut lines = before.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    lines.by_ref().take_while(|line| line.starts_with("#[")).any(|line| line == "#[test]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn each_demand_of_the_rfcs_is_met_and_shown() {
        let rules = rules(RULES).unwrap();
        let found = findings(root(), &rules).unwrap();
        assert!(found.is_empty(), "{found:#?}");
        let twice: BTreeSet<_> = rules.iter().map(|rule| (&rule.rfc, &rule.section, &rule.demand)).collect();
        assert_eq!(twice.len(), rules.len(), "a demand stands there twice");
        let lines: Vec<&str> = RULES.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
        let alone: BTreeSet<&str> = lines.iter().copied().collect();
        assert_eq!(alone.len(), lines.len(), "what several RFCs demand has a line for each");
    }

    #[test]
    fn what_is_missing_is_found() {
        let table = "head\n9568\t6.4.2\twaits\txtask/src/step.rs\txtask/src/rfc/mod.rs::no_such_test\n\
                     9568\t99.9\tcites\txtask/src/rfc/mod.rs\txtask/src/rfc/mod.rs::what_is_missing_is_found\n\
                     9568\t8\tnothing\t-\tbecause\n";
        let found = findings(root(), &rules(table).unwrap()).unwrap();
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(rules("head\n1\t2\n").is_err());
        assert!(rules("head\n791\t1\ta\t-\tb\n").is_err());
        assert_eq!(rules("head\n9568,3768\t1\ta\t-\tb\n").unwrap().len(), 2);
    }

    #[test]
    fn a_comment_cites_by_number_and_section() {
        let comment = "(RFC 3768 and RFC 9568 sections 6.4.2, 6.4.3 and 7.1).";
        assert!(cites(comment, &["9568"], "6.4.2") && cites(comment, &["3768"], "7.1"));
        assert!(!cites(comment, &["9568"], "6.4") && !cites(comment, &["5798"], "7.1"));
        let text = "/// RFC 9568\n/// section 6.1: so.\nfn a() {}\nlet x = 1; // RFC 3768 section 5\n";
        assert!(comments(text).iter().any(|comment| cites(comment, &["9568"], "6.1")));
        assert!(comments(text).iter().any(|comment| cites(comment, &["3768"], "5")));
    }
}
