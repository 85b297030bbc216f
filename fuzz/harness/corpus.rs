//! Replays a committed corpus without a fuzzer.

use std::path::Path;

/// Runs `run` over every file of the corpus of a target.
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
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
