#![no_main]

#[path = "../harness/probe_stream.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| harness::run(octets));
