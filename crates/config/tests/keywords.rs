//! The keyword table against the survey of keepalived's keywords and against the list kept here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use steadfast_config::keyword::{Feature, Support, table};

fn rows() -> BTreeSet<String> {
    table().map(|row| format!("{}\t{}", row.block, row.entry.name)).collect()
}

/// The folder of material that is shared beside the project, where it exists.
fn shared() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = std::env::var_os("STEADFAST_SHARED").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    folder.is_dir().then_some(folder)
}

#[test]
fn every_keyword_of_the_survey_is_in_the_table() {
    let Some(shared) = shared() else {
        println!("left out: keywords.tsv is not here; set STEADFAST_SHARED");
        return;
    };
    let survey = std::fs::read_to_string(shared.join("reference/keywords.tsv")).unwrap();
    let rows = rows();
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
        assert!(row.entry.doc.len() > 3, "{name} has no doc");
        assert!(!row.entry.default.is_empty(), "{name} has no default");
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
