//! Replays the committed fuzz corpora, so that what a fuzzer once found stays found without one.

#![cfg(test)]

#[path = "../../../fuzz/harness/corpus.rs"]
mod corpus;
#[path = "../../../fuzz/harness/probe_datagram.rs"]
mod probe_datagram;
#[path = "../../../fuzz/harness/probe_grpc.rs"]
mod probe_grpc;
#[path = "../../../fuzz/harness/probe_stream.rs"]
mod probe_stream;

use corpus::replay;

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
