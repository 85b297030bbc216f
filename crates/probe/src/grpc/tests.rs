//! Answers of servers of gRPC as they were seen, and such as mean harm.

use proptest::prelude::*;

use super::*;

fn health() -> Health {
    let server = "192.0.2.1:50051".parse().unwrap();
    Health::new(&Question { service: "shop", host: None, server, secure: false })
}

fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    frames::write(&mut octets, kind, flags, stream, payload);
    octets
}

/// What comes of these frames behind the settings of the server, and what was said to it.
fn answer(frames_of_server: &[Vec<u8>]) -> (Progress, Vec<u8>) {
    let mut octets = frame(Kind::SETTINGS, 0, 0, &[]);
    octets.extend(frames_of_server.concat());
    let mut found = Vec::new();
    for piece in [1, 7, octets.len()] {
        let (mut health, mut out) = (health(), Vec::new());
        let mut pieces = octets.chunks(piece);
        let progress = pieces.find_map(|piece| {
            let progress = health.received(piece, &mut out);
            (progress != Progress::Wait).then_some(progress)
        });
        found.push((progress.unwrap_or(Progress::Wait), out));
    }
    assert!(found.windows(2).all(|pair| pair[0].0 == pair[1].0), "pieces matter");
    found.swap_remove(0)
}

fn failure(frames_of_server: &[Vec<u8>]) -> String {
    match answer(frames_of_server).0 {
        Progress::Done(Err(failure)) => failure.to_string(),
        other => panic!("{other:?}"),
    }
}

/// :status 200 and content-type application/grpc, as grpc-go writes them.
const HEADERS: &[u8] = b"\x88\x5f\x8b\x1d\x75\xd0\x62\x0d\x26\x3d\x4c\x4d\x65\x64";

fn message(status: &[u8]) -> Vec<u8> {
    let length = u8::try_from(status.len()).unwrap();
    [&[0, 0, 0, 0, length], status].concat()
}

#[test]
fn the_question_is_a_whole_exchange() {
    let (mut health, mut out) = (health(), Vec::new());
    assert_eq!(health.connected(&mut out), Progress::Wait);
    let behind = out.strip_prefix(frames::PREFACE).unwrap();
    let (settings, behind) = Frame::read(behind).unwrap().unwrap();
    assert_eq!(
        (settings.kind, settings.payload),
        (Kind::SETTINGS, &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0][..])
    );
    let (headers, behind) = Frame::read(behind).unwrap().unwrap();
    assert!(headers.kind == Kind::HEADERS && headers.has(frames::END_HEADERS));
    let block = headers.payload;
    assert!(block.starts_with(
        b"\x83\x86\x04\x1c/grpc.health.v1.Health/Check\x01\x0f192.0.2.1:50051\x0f\x10\x10application/grpc"
    ));
    assert!(block.ends_with(b"\x00\x02te\x08trailers"));
    let (data, behind) = Frame::read(behind).unwrap().unwrap();
    assert!(data.kind == Kind::DATA && data.has(frames::END_STREAM));
    assert_eq!((data.payload, behind), (&b"\0\0\0\0\x06\x0a\x04shop"[..], &[][..]));
}

#[test]
fn a_server_that_serves_is_well() {
    let (progress, out) = answer(&[
        frame(Kind::SETTINGS, frames::ACKNOWLEDGED, 0, &[]),
        frame(Kind::PING, 0, 0, b"12345678"),
        frame(Kind::HEADERS, frames::END_HEADERS, STREAM, HEADERS),
        frame(Kind::DATA, 0, STREAM, &message(&[8, 1])),
    ]);
    assert_eq!(progress, Progress::Done(Ok(Found::default())));
    let said = [
        frame(Kind::SETTINGS, frames::ACKNOWLEDGED, 0, &[]),
        frame(Kind::PING, frames::ACKNOWLEDGED, 0, b"12345678"),
        frame(Kind::GOAWAY, 0, 0, &[0; 8]),
    ];
    assert_eq!(out, said.concat());
}

#[test]
fn what_is_not_serving_is_told() {
    let headers = || frame(Kind::HEADERS, frames::END_HEADERS, STREAM, HEADERS);
    let says = |status: &[u8]| failure(&[headers(), frame(Kind::DATA, 0, STREAM, &message(status))]);
    assert_eq!(says(&[8, 2]), "the health service says NOT_SERVING");
    assert_eq!(says(&[]), "the health service says UNKNOWN");
    assert_eq!(says(&[8, 9]), "the health service says something that it should not");
    let end = frames::END_HEADERS | frames::END_STREAM;
    let trailers = |block: &[u8]| failure(&[frame(Kind::HEADERS, end, STREAM, block)]);
    // As it is, and by the code of RFC 7541: 5, 12 and 14.
    assert_eq!(trailers(b"\x88\x40\x0bgrpc-status\x015"), "the status of gRPC is 5, NOT_FOUND");
    let coded = b"\x88\x40\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f";
    assert_eq!(trailers(&[&coded[..], b"\x81\x6f"].concat()), "the status of gRPC is 5, NOT_FOUND");
    assert_eq!(trailers(&[&coded[..], b"\x82\x08\xbf"].concat()), "the status of gRPC is 12, UNIMPLEMENTED");
    assert_eq!(trailers(&[&coded[..], b"\x82\x0b\x5f"].concat()), "the status of gRPC is 14, UNAVAILABLE");
    assert_eq!(trailers(b"\x8d"), "the status is 404");
    assert_eq!(trailers(b"\x48\x03502"), "the status is 502");
    assert_eq!(trailers(b"\x88"), "the server closed the connection before the answer came");
    let reset = frame(Kind::RST_STREAM, 0, STREAM, &[0, 0, 0, 7]);
    assert_eq!(failure(&[reset]), "the server gave the question up with error 7 of HTTP/2");
    let away = frame(Kind::GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11]);
    assert_eq!(failure(&[away]), "the server gave the question up with error 11 of HTTP/2");
}

#[test]
fn what_means_harm_is_refused_at_its_bound() {
    let malformed = "the answer is no gRPC over HTTP/2";
    let Progress::Done(Err(other)) = health().received(b"HTTP/1.1 400 Bad Request\r\n\r\n", &mut Vec::new())
    else {
        panic!("it waits");
    };
    assert_eq!(other.to_string(), malformed);
    for (what, octets) in [
        ("longer than may be", vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("padding longer than the frame", frame(Kind::DATA, 8, STREAM, &[9, 1])),
        ("a number without end", frame(Kind::HEADERS, frames::END_HEADERS, STREAM, &[0xff; 9])),
        ("a compressed message", frame(Kind::DATA, 0, STREAM, &[1, 0, 0, 0, 0])),
        (
            "a header in a header",
            [frame(Kind::HEADERS, 0, STREAM, &[]), frame(Kind::PING, 0, 0, &[0; 8])].concat(),
        ),
        ("a gift", frame(Kind::PUSH_PROMISE, 0, STREAM, &[])),
    ] {
        assert_eq!(failure(&[octets]), malformed, "{what}");
    }
    let endless = vec![frame(Kind::PING, 0, 0, &[0; 8]); 4_000];
    assert_eq!(failure(&endless), "the answer is longer than 65536 bytes");
    let long = frame(Kind::DATA, 0, STREAM, &[&[0, 0, 0, 4, 0][..], &[0x42; 2_000]].concat());
    assert_eq!(failure(&[long]), "the message is longer than 1024 bytes");
}

proptest! {
    #[test]
    fn any_octets_are_judged(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut health = health();
        let _ = health.received(&[&frame(Kind::SETTINGS, 0, 0, &[]), octets.as_slice()].concat(), &mut Vec::new());
        let _ = health.closed();
    }
}
