#![no_main]

#[path = "../harness/record_file.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| harness::run(octets));
