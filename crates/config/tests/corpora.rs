//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/config_model.rs"]
mod config_model;
#[path = "../../../fuzz/harness/config_tokens.rs"]
mod config_tokens;
#[path = "../../../fuzz/harness/config_tree.rs"]
mod config_tree;

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    for file in files {
        let octets = std::fs::read(&file).unwrap();
        // Named before it runs: a panic tells which file it was.
        println!("{}", file.display());
        run(&octets);
    }
}

#[test]
fn tokens() {
    replay("config_tokens", config_tokens::run);
}

#[test]
fn tree() {
    replay("config_tree", config_tree::run);
}

#[test]
fn model() {
    replay("config_model", config_model::run);
}
