#![no_main]

#[path = "../harness/probe_grpc.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| harness::run(octets));
