#![no_main]

#[path = "../harness/config_tree.rs"]
mod config_tree;

libfuzzer_sys::fuzz_target!(|text: &[u8]| config_tree::run(text));
