#![no_main]

#[path = "../harness/config_tokens.rs"]
mod config_tokens;

libfuzzer_sys::fuzz_target!(|text: &[u8]| config_tokens::run(text));
