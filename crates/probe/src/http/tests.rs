//! Good answers, bad answers, and answers that mean harm.

use proptest::prelude::*;

use super::*;
use crate::PatternOption;

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello";

/// MD5 of "hello".
const HELLO: [u8; 16] =
    [0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92];

fn request<'a>(path: &'a str, version: Version, host: Option<&'a str>) -> Request<'a> {
    Request::get(path, version, host, "[2001:db8::1]:8080".parse().unwrap())
}

/// What comes of an answer in pieces of that many octets, and then the end of the connection.
fn answer(expectation: Expectation, octets: &[u8], piece: usize) -> Result<Found, Failure> {
    let mut http = Http::new(&request("/", Version::Http10, None), Arc::new(expectation));
    let mut out = Vec::new();
    assert_eq!(http.connected(&mut out), Progress::Wait);
    for piece in octets.chunks(piece.max(1)) {
        if let Progress::Done(result) = http.received(piece, &mut out) {
            return result;
        }
    }
    http.closed()
}

fn matching(pattern: &str, inverted: bool) -> Expectation {
    let pattern = Pattern::new(pattern, &[PatternOption::Dotall], inverted, None, None).unwrap();
    Expectation { pattern: Some(Arc::new(pattern)), ..Expectation::default() }
}

#[test]
fn requests_are_worded_as_keepalived_words_them() {
    let cases = [
        (
            request("/a?b", Version::Http10, Some("example.org")),
            "GET /a?b HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: example.org\r\n\r\n",
        ),
        (
            request("/", Version::Http10Close, None),
            "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: [2001:db8::1]:8080\r\n\r\n",
        ),
        (
            request("/x\r\nEvil: y", Version::Http11, Some("h\r\nost")),
            "GET /xEvil: y HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: host\r\n\r\n",
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(request.to_string(), expected);
    }
}

#[test]
fn other_methods_bring_headers_and_a_body() {
    let plain = request("/rpc", Version::Http11, Some("h"));
    let headers = [("Content-Type", "application/json"), ("user-agent", "me"), ("X", "a\r\nb: c")];
    let post = Request { method: "POST", headers: &headers, body: Some("{\"ask\":1}"), ..plain };
    assert_eq!(
        post.to_string(),
        "POST /rpc HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\nuser-agent: me\r\n\
         X: ab: c\r\nContent-Length: 9\r\nHost: h\r\n\r\n{\"ask\":1}"
    );
    let put = Request { method: "PUT", ..plain };
    assert!(put.to_string().contains("\r\nContent-Length: 0\r\n"));
    assert!(!Request { method: "DELETE", ..plain }.to_string().contains("Content-Length"));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let head = Request { method: "HEAD", ..request("/", Version::Http11, None) };
    let mut http = Http::new(&head, Arc::default());
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let Progress::Done(Ok(found)) = http.received(answer, &mut Vec::new()) else { panic!("it waits") };
    assert_eq!((found.status, found.body_bytes), (Some(200), 0));
}

#[test]
fn a_whole_page_is_judged_without_waiting_for_the_end_of_the_connection() {
    let expectation = Arc::new(Expectation { tell_digest: true, ..Expectation::default() });
    let mut http = Http::new(&request("/", Version::Http10, None), expectation);
    let Progress::Done(Ok(found)) = http.received(PAGE, &mut Vec::new()) else { panic!() };
    assert_eq!((found.status, found.digest, found.body_bytes), (Some(200), Some(HELLO), 5));
    assert!(!found.length_mismatch);
}

#[test]
fn statuses_in_a_range_are_good() {
    let of = |status: u16| format!("HTTP/1.0 {status} X\r\n\r\n").into_bytes();
    for (ranges, status, good) in [
        (vec![], 200, true),
        (vec![], 299, true),
        (vec![], 302, false),
        (vec![(301, 302), (404, 404)], 302, true),
        (vec![(301, 302), (404, 404)], 404, true),
        (vec![(301, 302), (404, 404)], 200, false),
    ] {
        let expectation = Expectation { statuses: ranges, ..Expectation::default() };
        let expected = if good { Ok(Some(status)) } else { Err(Failure::Status(status)) };
        assert_eq!(answer(expectation, &of(status), 7).map(|found| found.status), expected);
    }
}

#[test]
fn the_digest_covers_the_promised_length_only() {
    let expectation = Expectation { digest: Some(HELLO), ..Expectation::default() };
    let mut longer = PAGE.to_vec();
    longer.extend_from_slice(b" and more");
    for piece in [1, 3, 1000] {
        assert!(answer(expectation.clone(), &longer, piece).is_ok());
    }
    let other = b"HTTP/1.0 200 OK\r\n\r\nhallo";
    let Err(failure) = answer(expectation, other, 4) else { panic!() };
    assert_eq!(failure.to_string(), "the digest of the page is 598d4c200461b81522a3328565c25f7c");
}

#[test]
fn a_length_that_lies_is_told_and_no_more() {
    let short = b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    assert!(answer(Expectation::default(), short, 5).unwrap().length_mismatch);
    let nonsense = b"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\nhello";
    assert_eq!(answer(Expectation::default(), nonsense, 5).unwrap().body_bytes, 5);
}

#[test]
fn patterns_are_looked_for_in_the_whole_page() {
    for piece in [1, 2, 1000] {
        assert!(answer(matching("h.*o", false), PAGE, piece).is_ok());
        assert_eq!(answer(matching("h.*o", true), PAGE, piece), Err(Failure::Match));
        assert_eq!(answer(matching("bye", false), PAGE, piece), Err(Failure::NoMatch));
        assert!(answer(matching("bye", true), PAGE, piece).is_ok());
        assert_eq!(
            answer(matching("HTTP", false), PAGE, piece),
            Err(Failure::NoMatch),
            "the header is no page"
        );
    }
}

#[test]
fn answers_of_old_and_odd_servers_are_read() {
    for octets in [
        &b"HTTP/1.0 200\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\nServer: x\n\nbody",
        b"HTTP/1.1 200 OK\r\nBroken header\r\nServer: x\r\n\r\nbody",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 77\r\n\r\n",
        b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        for piece in [1, 3] {
            let found = answer(Expectation::default(), octets, piece);
            assert!(found.is_ok(), "{}: {found:?}", String::from_utf8_lossy(octets));
        }
    }
}

#[test]
fn what_is_no_http_behind_empty_lines_means_the_same_in_any_pieces() {
    for piece in [1, 3, 100] {
        let found = answer(Expectation::default(), b"\n\r\n\r\nHTTP/1.H\0", piece);
        assert_eq!(found, Err(Failure::Closed(Awaited::Header)), "{piece}");
    }
}

#[test]
fn what_means_harm_is_refused_at_its_bound() {
    let endless: Vec<u8> = b"HTTP/1.0 200 OK\r\n".iter().copied().chain(b"X: y\r\n".repeat(5_000)).collect();
    let too_long = |what, bytes| Err(Failure::TooLong { what, bytes });
    assert_eq!(answer(Expectation::default(), &endless, 1000), too_long("header", HEADER_BYTES_MAX));
    let mut many = endless.get(..17 + 6 * 200).unwrap().to_vec();
    many.extend_from_slice(b"\r\n");
    assert_eq!(answer(Expectation::default(), &many, 1000), too_long("header", HEADER_BYTES_MAX));
    let mut huge = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
    huge.resize(KEPT_BYTES_MAX + 100, b'x');
    assert_eq!(answer(matching("y", false), &huge, 65_536), too_long("page", KEPT_BYTES_MAX));
    assert!(answer(Expectation::default(), &huge, 65_536).is_ok(), "nobody looks at the page");
    for octets in
        [&b"SSH-2.0-OpenSSH\r\n"[..], b"\x16\x03\x01", b"HTTP/2.0 200 OK\r\n\r\n", b"HTTP/1.1 2 OK\r\n\r\n"]
    {
        assert_eq!(answer(Expectation::default(), octets, 100), Err(Failure::Malformed("HTTP")));
    }
    assert_eq!(answer(Expectation::default(), b"HTTP/1.1 200 O", 3), Err(Failure::Closed(Awaited::Header)));
    assert_eq!(answer(Expectation::default(), b"", 3), Err(Failure::Closed(Awaited::Header)));
}

#[test]
fn what_is_awaited_names_the_part() {
    let mut http = Http::new(&request("/", Version::Http10, None), Arc::default());
    assert_eq!(http.awaited(), Awaited::Header);
    http.received(b"HTTP/1.0 200 OK\r\n\r\nx", &mut Vec::new());
    assert_eq!(http.awaited(), Awaited::Body);
}

proptest! {
    /// In whatever pieces an answer comes, it means the same.
    #[test]
    fn pieces_do_not_matter(
        octets in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "HTTP/1\\.[01] [0-9]{3} ?[a-z]{0,3}\r\n(content-length: [0-9]{1,3}\r\n)?([a-z]{1,5}: [a-z]{0,9}\r\n){0,3}\r\n[a-z]{0,99}"
                .prop_map(String::into_bytes),
        ],
        piece in 1..40_usize,
    ) {
        let expectation = Expectation { digest: Some(HELLO), ..matching("[aeiou]{2}", false) };
        let whole = answer(expectation.clone(), &octets, octets.len());
        prop_assert_eq!(answer(expectation, &octets, piece), whole);
    }
}
