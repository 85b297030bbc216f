//! What people see for typical mistakes: `tests/diagnostics/NAME.conf` and the text in `NAME.txt` beside it.
//! `RECORD=1` writes the texts anew.
#![cfg(test)]

use std::path::{Path, PathBuf};

use steadfast_config::reader::NoGrammar;
use steadfast_config::source::Unreadable;
use steadfast_config::{Diagnostics, Options, Reader, Source, SourceMap, json, render};

/// The files of the folder, as if it were the current one.
struct Folder(PathBuf);

impl Source for Folder {
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unreadable> {
        std::fs::read(path).map_err(|_| Unreadable::Missing)
    }

    fn list(&self, _directory: &Path) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn environment(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }

    fn config_id(&self) -> Option<Vec<u8>> {
        None
    }

    fn current_directory(&self) -> PathBuf {
        self.0.clone()
    }

    fn random_seed(&self) -> u64 {
        0
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

fn read(file: &Path) -> (Diagnostics, SourceMap) {
    let source = Folder(folder());
    let mut diagnostics = Diagnostics::new();
    let name = Path::new(file.file_name().unwrap());
    let mut reader = Reader::new(&source, name, Options::default(), &NoGrammar);
    while let Some(block) = reader.next_block(&mut diagnostics) {
        reader.recycle(block);
    }
    (diagnostics, reader.into_sources())
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

#[test]
fn texts_are_as_recorded() {
    let record = std::env::var_os("RECORD").is_some();
    for case in cases() {
        let (diagnostics, sources) = read(&case);
        let text = render::text(&diagnostics, &sources, false);
        let expected = case.with_extension("txt");
        if record {
            std::fs::write(&expected, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&expected).unwrap_or_default(), "{}", case.display());
    }
}

#[test]
fn every_problem_has_json_and_sarif() {
    for case in cases() {
        let (diagnostics, sources) = read(&case);
        let count = diagnostics.iter().count();
        let document = json::document(&diagnostics, &sources);
        assert_eq!(document["diagnostics"].as_array().unwrap().len(), count);
        let sarif = json::sarif(&diagnostics, &sources, "0.0.0");
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), count);
        for result in results {
            let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
        }
    }
}

#[test]
fn colour_is_only_colour() {
    for case in cases() {
        let (diagnostics, sources) = read(&case);
        let coloured = render::text(&diagnostics, &sources, true);
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            plain += before;
            rest = after.split_once('m').unwrap().1;
        }
        assert_eq!(plain + rest, render::text(&diagnostics, &sources, false));
    }
}
