//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/config_model.rs"]
mod config_model;
#[path = "../../../fuzz/harness/config_tokens.rs"]
mod config_tokens;
#[path = "../../../fuzz/harness/config_tree.rs"]
mod config_tree;
#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;

use corpus::replay;

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
