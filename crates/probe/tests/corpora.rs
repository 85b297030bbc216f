//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/probe_datagram.rs"]
mod probe_datagram;
#[path = "../../../fuzz/harness/probe_grpc.rs"]
mod probe_grpc;
#[path = "../../../fuzz/harness/probe_stream.rs"]
mod probe_stream;

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    for file in files {
        let octets = std::fs::read(&file).unwrap();
        // Named before it runs: a panic tells which file it was.
        println!("{}", file.display());
        run(&octets);
    }
}

#[test]
fn streams() {
    replay("probe_stream", probe_stream::run);
}

#[test]
fn datagrams() {
    replay("probe_datagram", probe_datagram::run);
}

#[test]
fn health_of_grpc() {
    replay("probe_grpc", probe_grpc::run);
}
