//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/harness/kernel_ipvs.rs"]
mod kernel_ipvs;

use corpus::replay;

#[test]
fn ipvs() {
    replay("kernel_ipvs", kernel_ipvs::run);
}
