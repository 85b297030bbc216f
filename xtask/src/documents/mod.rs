//! What the documents tell is compared with the code: `cargo xtask docs`.
//!
//! A number in a page stands with where it comes from, in a comment that no reader sees: `20 ms<!-- HANDOVER_GRACE -->`.
//! CONTRIBUTING.md tells the marks there are. What needs the program itself (commands, options, keywords, configurations)
//! is tested in `crates/steadfast`, module `documents`.

mod bounds;
mod expression;
mod generated;
mod links;
mod marks;
mod page;
mod quantity;
mod rooms;
mod source;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use page::Page;
use source::Source;

/// Pages whose numbers were measured or are made by the program, beside those that other checks read.
const WITHOUT_MARKS: [&str; 4] =
    ["docs/performance.md", "docs/reference.md", "benches/README.md", "CHANGELOG.md"];

/// Where the table of bounds and the map of rooms stand.
const ARCHITECTURE: &str = "docs/architecture.md";

/// What is wrong in a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    page: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.page, self.line, self.what)
    }
}

/// What to do with the parts of pages that are made from something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generated {
    /// Compare them.
    Compare,
    /// Write them anew.
    Write,
}

/// Everything that is wrong in the documents of the workspace at `root`.
pub(crate) fn check(root: &Path, generated: Generated) -> Result<Vec<Finding>> {
    let source = Source::read(root)?;
    if generated == Generated::Write {
        for name in names(root)? {
            generated::write(root, &name)?;
        }
    }
    let pages = pages(root)?;
    let mut findings = Vec::new();
    let told: Vec<String> = pages.iter().flat_map(marks::all).collect();
    for page in &pages {
        findings.extend(links::check(page, &pages, root));
        findings.extend(generated::check(page, root)?);
        findings.extend(marks::check(page, &source));
        if !WITHOUT_MARKS.contains(&page.name.as_str()) {
            findings.extend(quantity::without_mark(page));
        }
        if page.name == ARCHITECTURE {
            findings.extend(bounds::check(page, &source, &told));
            findings.extend(rooms::check(page, root)?);
        }
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

fn pages(root: &Path) -> Result<Vec<Page>> {
    let read = |name: String| {
        let text = std::fs::read_to_string(root.join(&name)).with_context(|| name.clone())?;
        Ok(Page::new(name, &text))
    };
    names(root)?.into_iter().map(read).collect()
}

/// Every Markdown page, by its path in the workspace.
fn names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "corpus"].contains(&name) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                names.push(path.strip_prefix(root)?.to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_of_this_workspace_agree_with_its_code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let findings = check(root, Generated::Compare).unwrap();
        let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
    }
}
