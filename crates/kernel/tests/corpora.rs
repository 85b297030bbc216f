//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/kernel_ipvs.rs"]
mod kernel_ipvs;

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
fn ipvs() {
    replay("kernel_ipvs", kernel_ipvs::run);
}
