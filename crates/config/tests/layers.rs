//! The modules of the crate stand on one another: none knows one that comes after it.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// From the lowest to the highest.
const ORDER: &[&str] = &[
    "limits",
    "diagnostic",
    "text",
    "value",
    "model",
    "machine",
    "options",
    "table",
    "language",
    "write",
    "plan",
    "load",
    "known_errors",
    "compare",
];

fn sources(path: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sources(&entry?.path(), into)?;
        }
    } else {
        into.push(path.to_owned());
    }
    Ok(())
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

#[test]
fn no_module_knows_one_that_stands_on_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files).unwrap();
    files.sort();
    let mut wrong = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap();
        let module = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" || path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        let own = place(module).unwrap_or_else(|| panic!("{module} has no place in the order"));
        let text = fs::read_to_string(&file).unwrap();
        // Tests of a module may use the whole crate.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for used in text.split("crate::").skip(1) {
            let end = used.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(used.len());
            let used = used.get(..end).unwrap_or_default();
            if place(used).is_some_and(|used| used > own) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Words that are spelt like a keyword and mean something else: titles of features for people, what iproute2 has names
/// for, and what an account lacks.
const SAME_WORDS: &[(&str, &str)] = &[
    ("table/features.rs", "interface_up_down_delays"),
    ("table/features.rs", "random_seed"),
    ("table/named_numbers.rs", "scope"),
    ("table/named_numbers.rs", "host"),
    ("table/line.rs", "group"),
];

/// The mechanism knows no keyword: what tells one from another is data in the table.
#[test]
fn no_keyword_is_named_where_keywords_are_worked_with() {
    let is_keyword: std::collections::BTreeSet<&str> = steadfast_config::language::rows()
        .filter(|row| row.block == "(root)" || !row.block.starts_with('('))
        .map(|row| row.entry.name)
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for module in ["table", "text", "write", "plan"] {
        sources(&root.join(module), &mut files).unwrap();
    }
    assert!(files.len() > 20, "{files:?}");
    let mut named = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).unwrap().display().to_string();
        if path.starts_with("text/reader/") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let literals = line.split('"').skip(1).step_by(2).filter(|literal| is_keyword.contains(literal));
            named.extend(literals.map(|literal| (path.clone(), literal.to_owned())));
        }
    }
    named.retain(|(path, literal)| !SAME_WORDS.contains(&(path, literal)));
    assert!(named.is_empty(), "{named:#?}");
}
