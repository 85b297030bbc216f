//! Any octets as the answer of a server of gRPC: in whatever pieces they come, they mean the same. Also run over the
//! committed corpus by the ordinary tests.

use steadfast_probe::grpc::{Health, Question};
use steadfast_probe::{Dialogue, Failure, Found, Progress};

pub(crate) fn run(octets: &[u8]) {
    let Some((piece, octets)) = octets.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    assert_eq!(talk(octets, piece), talk(octets, octets.len().max(1)));
}

fn talk(octets: &[u8], piece: usize) -> Result<Found, Failure> {
    let server = "192.0.2.1:50051".parse().unwrap();
    let mut health = Health::new(&Question { service: "", host: None, server, secure: false });
    let mut out = Vec::new();
    assert_eq!(health.connected(&mut out), Progress::Wait);
    for piece in octets.chunks(piece) {
        let progress = health.received(piece, &mut out);
        assert!(out.len() < 500 + 3 * octets.len(), "more is said than was heard");
        if let Progress::Done(result) = progress {
            return result;
        }
    }
    health.closed()
}
