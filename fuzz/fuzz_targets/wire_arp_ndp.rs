#![no_main]

#[path = "../harness/wire_arp_ndp.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| harness::run(octets));
