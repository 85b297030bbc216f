#![no_main]

#[path = "../harness/wire_bfd.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| harness::run(octets));
