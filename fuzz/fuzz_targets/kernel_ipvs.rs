#![no_main]

#[path = "../harness/kernel_ipvs.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| harness::run(octets));
