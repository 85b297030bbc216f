//! The table of bounds: each row has the value of the constant that it names, and no bound of the code is missing.

use super::Finding;
use super::page::Page;
use super::quantity::{ends_with, renderings};
use super::source::Source;

const SECTION: &str = "Bounds";

/// What is called like a bound and is none: values of the language, of files, of protocols and of the kernel.
const NO_BOUNDS: [&str; 5] = ["LABEL_BYTES_MAX", "LINE_END_MAX", "NAME_BYTES_MAX", "TIMER_MAX", "WEIGHT_MAX"];

/// Compares the table with the code, both ways; bounds that are told `elsewhere` need no row.
pub(crate) fn check(page: &Page, source: &Source, elsewhere: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told = |line: usize, what: String| {
        findings.push(Finding { page: page.name.clone(), line, what });
    };
    let mut named = Vec::new();
    let mut last = 1;
    for line in page.prose().filter(|line| line.section == SECTION && line.text.starts_with("| ")) {
        last = line.number;
        let cells: Vec<&str> = line.text.split('|').map(str::trim).collect();
        let [_, _, bound, place, _] = cells.as_slice() else {
            told(line.number, "a row of the table of bounds has three cells".to_owned());
            continue;
        };
        let room = words(place.rsplit('`').next().unwrap_or_default());
        for name in line.spans() {
            named.push(name.to_owned());
            if let Err(what) = agrees(bound, name, &room, source) {
                told(line.number, what);
            }
        }
    }
    named.extend(elsewhere.iter().cloned());
    let is_named = |bound: &str| NO_BOUNDS.contains(&bound) || named.iter().any(|name| name.ends_with(bound));
    for bound in source.bounds().filter(|bound| !is_named(bound)) {
        told(last, format!("{bound} bounds something and is not in the table"));
    }
    findings
}

/// Whether one of the values in a cell is that of the constant. What is no constant has to exist at least.
fn agrees(bound: &str, name: &str, room: &[&str], source: &Source) -> Result<(), String> {
    let last = name.rsplit("::").next().unwrap_or_default();
    if !last.chars().all(|sign| sign.is_ascii_uppercase() || sign.is_ascii_digit() || sign == '_') {
        return if source.knows(last) {
            Ok(())
        } else {
            Err(format!("nothing in the code is called {name}"))
        };
    }
    let value = source.value(name).or_else(|error| {
        // The place helps where several have the name.
        let mut paths = room.iter().map(|part| format!("{part}::{name}"));
        paths.find_map(|path| source.value(&path).ok()).ok_or(error)
    })?;
    let forms = renderings(&value);
    let mut pieces = bound.split([';', ',']).chain(bound.split("; ")).chain(bound.split(", "));
    let begins = |piece: &str| {
        let ends = piece.char_indices().map(|(at, _)| at).chain([piece.len()]);
        ends.filter_map(|end| Some((piece.get(..end)?, piece.get(end..)?)))
            .any(|(text, rest)| !rest.starts_with(char::is_alphanumeric) && ends_with(text, &forms))
    };
    if pieces.any(begins) {
        return Ok(());
    }
    let shown = forms.get(1).or(forms.first()).map(String::as_str).unwrap_or_default();
    Err(format!("{name} is {shown}, and the table says '{bound}'"))
}

fn words(text: &str) -> Vec<&str> {
    text.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_')
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn findings(kept: &str, table: &str) -> Vec<String> {
        let mut source = Source::default();
        source.take(Path::new("crates/daemon/src/journal.rs"), &format!("const KEPT_MAX: usize = {kept};\n"));
        source.take(
            Path::new("crates/kernel/src/a.rs"),
            "const BUFFER_BYTES: usize = 4 << 20;\nfn request() {}\n",
        );
        source.take(Path::new("crates/kernel/src/b.rs"), "const BUFFER_BYTES: usize = 1 << 20;\n");
        let page = Page::new(
            "p".to_owned(),
            &format!("# Bounds\n\n| what | bound | where |\n|---|---|---|\n{table}"),
        );
        check(&page, &source, &[]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bound_that_changed_or_is_missing_is_found() {
        let table = "| events | 1,000 | `KEPT_MAX`, daemon |\n| buffer; other | 4 MiB; once | `BUFFER_BYTES`, `Pacer::request`, kernel a |\n";
        assert_eq!(findings("1_000", table), [""; 0]);
        assert_eq!(findings("2_000", table), ["p:5: KEPT_MAX is 2,000, and the table says '1,000'"]);
        assert_eq!(findings("1_000", ""), ["p:3: KEPT_MAX bounds something and is not in the table"]);
        let wrong_room = findings("1_000", &table.replace("kernel a", "kernel b"));
        assert!(wrong_room[0].contains("the table says '4 MiB; once'"), "{wrong_room:?}");
    }
}
