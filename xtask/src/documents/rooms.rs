//! The map of rooms: each crate of the workspace stands on it, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Finding;
use super::page::Page;

const SECTION: &str = "The house";

/// Compares the map with the crates that exist.
pub(crate) fn check(page: &Page, root: &Path) -> Result<Vec<Finding>> {
    let mut crates = BTreeSet::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").is_file() {
            crates.extend(path.file_name().map(|name| format!("crates/{}", name.to_string_lossy())));
        }
    }
    Ok(compare(page, &crates))
}

fn compare(page: &Page, crates: &BTreeSet<String>) -> Vec<Finding> {
    let mut on_the_map = BTreeSet::new();
    let mut last = 1;
    for line in page.prose().filter(|line| line.section == SECTION && line.text.starts_with("| `")) {
        last = line.number;
        let first = line.text.split('|').nth(1).unwrap_or_default().trim().trim_matches('`');
        on_the_map.extend(first.starts_with("crates/").then(|| first.to_owned()));
    }
    let missing = crates.difference(&on_the_map).map(|room| format!("{room} is not on the map"));
    let gone = on_the_map.difference(crates).map(|room| format!("{room} is on the map and not there"));
    let told = missing.chain(gone);
    told.map(|what| Finding { page: page.name.clone(), line: last, what }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_that_is_missing_or_gone_is_found() {
        let text = "# The house\n\n| room | what |\n|---|---|\n| `crates/wire` | x |\n| `crates/old` | y |\n";
        let page = Page::new("p".to_owned(), text);
        let crates = ["crates/wire", "crates/time"].map(str::to_owned).into();
        let told: Vec<_> = compare(&page, &crates).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["p:6: crates/time is not on the map", "p:6: crates/old is on the map and not there"]
        );
    }
}
