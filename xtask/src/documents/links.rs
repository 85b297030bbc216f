//! Links, anchors and paths: what a page points at is there.

use std::path::Path;

use super::Finding;
use super::page::{Line, Page};

/// Folders of the workspace that a code span may name.
const FOLDERS: [&str; 8] =
    ["benches/", "crates/", "docs/", "examples/", "fuzz/", "packaging/", "xtask/", ".ci/"];

/// What a page points at and is not there.
pub(crate) fn check(page: &Page, pages: &[Page], root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for line in page.prose() {
        let broken = targets(line).into_iter().filter(|target| !resolves(page, target, pages, root));
        let missing = line.spans().into_iter().filter(|span| !exists(span, root));
        let told = broken.map(|target| format!("the link to {target} leads nowhere"));
        for what in told.chain(missing.map(|path| format!("there is no {path}"))) {
            findings.push(Finding { page: page.name.clone(), line: line.number, what });
        }
    }
    findings
}

/// The targets of links and pictures.
fn targets(line: &Line) -> Vec<&str> {
    line.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

fn resolves(page: &Page, target: &str, pages: &[Page], root: &Path) -> bool {
    if target.starts_with("https://") {
        return true;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(&page.name).parent().unwrap_or(Path::new(""));
    let wanted = if path.is_empty() { page.name.clone() } else { normal(&folder.join(path)) };
    if anchor.is_empty() {
        return root.join(&wanted).exists();
    }
    let other = pages.iter().find(|other| other.name == wanted);
    other.is_some_and(|other| other.anchors().iter().any(|known| known == anchor))
}

/// Without `..`.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.iter().map(|part| part.to_string_lossy().into_owned()) {
        if part == ".." {
            parts.pop();
        } else if part != "." {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Whether a code span that names a path of the workspace names one that is there; `*` stands for any end.
fn exists(span: &str, root: &Path) -> bool {
    if !FOLDERS.iter().any(|folder| span.starts_with(folder)) || span.contains([' ', '…']) {
        return true;
    }
    match span.split_once('*') {
        None => root.join(span).exists(),
        Some((begin, _)) => {
            let (folder, prefix) = begin.rsplit_once('/').unwrap_or(("", begin));
            let entries = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_nowhere_is_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = |name: &str, text: &str| Page::new(name.to_owned(), text);
        let pages = [
            page("src/a.md", "[b](b.md#one) [c](../src/main.rs) [d](#two) ![e](https://x/y)\n## Two\n"),
            page("src/b.md", "# One\n[a](a.md#three) [c](nowhere.md) `crates/nosuch` `cargo x`\n"),
        ];
        assert_eq!(check(&pages[0], &pages, root), []);
        let told: Vec<_> = check(&pages[1], &pages, root).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "src/b.md:2: the link to a.md#three leads nowhere",
                "src/b.md:2: the link to nowhere.md leads nowhere",
                "src/b.md:2: there is no crates/nosuch"
            ]
        );
    }
}
