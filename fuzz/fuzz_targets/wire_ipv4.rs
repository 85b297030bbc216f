#![no_main]

#[path = "../harness/wire_ipv4.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| harness::run(octets));
