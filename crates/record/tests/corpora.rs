//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/harness/record_file.rs"]
mod record_file;

use corpus::replay;

#[test]
fn files() {
    replay("record_file", record_file::run);
}
