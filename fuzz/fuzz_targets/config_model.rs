#![no_main]

#[path = "../harness/config_model.rs"]
mod config_model;

libfuzzer_sys::fuzz_target!(|text: &[u8]| config_model::run(text));
