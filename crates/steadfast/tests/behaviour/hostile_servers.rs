//! Servers that mean harm, each in its own way, and one that is well beside them: all are checked by one worker, on a machine
//! that cannot balance.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use steadfast_control::status::{Check, Service};
use steadfast_lab::{Host, wait};
use steadfast_vrrp::State;

use crate::stage::{LIMIT, Router, Stage, Virtual};

/// Seconds that each step of a check may take here, and all of a check.
const STEP: u64 = 1;
const WHOLE: u64 = 2;

/// Between two checks of the server that is well.
const RHYTHM: Duration = Duration::from_secs(1);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(700);

/// How long the rhythm is watched.
const WATCHED: Duration = Duration::from_secs(6);

/// Memory that the daemon may take more while it is under attack, kB.
const GROWTH_MAX: u64 = 24 * 1024;

/// What a hostile server does with a connection, what a check of it has beyond a page, and what is told of it.
type Harm = (fn(TcpStream), &'static str, &'static str, &'static str);

/// Writes until the other side has had enough.
fn pour(mut stream: TcpStream, first: &[u8], octets: &[u8]) {
    let mut begun = stream.write_all(first);
    while begun.is_ok() {
        begun = stream.write_all(octets);
    }
}

fn request(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 1024]);
}

const PAGE: &str = "HTTP_GET";
const TLS: &str = "SSL_GET";

const HARMS: [Harm; 8] = [
    (
        |stream| pour(stream, b"HTTP/1.1 200 OK\r\n", &b"X-More: and more\r\n".repeat(400)),
        PAGE,
        "",
        "the header is longer than 16384 bytes",
    ),
    (
        |stream| pour(stream, b"HTTP/1.1 200 OK\r\n\r\n", &[b'a'; 60_000]),
        PAGE,
        "regex \"z\"",
        "the page is longer than 4194304 bytes",
    ),
    (
        // One octet a second or so, for ever: each step is in time, the whole is not.
        |mut stream| {
            let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
            while written.is_ok() {
                thread::sleep(Duration::from_millis(500));
                written = stream.write_all(b"x");
            }
        },
        PAGE,
        "",
        "the header did not come in time",
    ),
    (
        |stream| {
            pour(
                stream,
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                b"-1\r\n",
            )
        },
        PAGE,
        "digest 00000000000000000000000000000000",
        "the end of the page did not come in time",
    ),
    (|stream| pour(stream, &[], &[0x16; 50_000]), TLS, "", "the answer is no TLS that steadfast speaks"),
    (
        // Steps of a search that doubles with every octet.
        |mut stream| {
            request(&mut stream);
            let page = "a".repeat(5_000);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        },
        PAGE,
        "regex \"(a+)+(a+)+[^a]$\"",
        "the pattern gave up",
    ),
    (
        // Each leads on to the next, were somebody to follow.
        |mut stream| {
            request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /1\r\nContent-Length: 0\r\n\r\n");
        },
        PAGE,
        "",
        "the status is 302",
    ),
    (|mut stream| request(&mut stream), PAGE, "", "the server closed the connection before the header came"),
];

/// Serves on port 8001 and those behind it, one harm each, until the process ends.
fn harm(host: &Host) -> Arc<AtomicU64> {
    let connections = Arc::new(AtomicU64::new(0));
    for (port, (act, ..)) in (8001..).zip(HARMS) {
        let listener = host.network().run(|| TcpListener::bind(("127.0.0.1", port))).unwrap().unwrap();
        let connections = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || act(stream));
            }
        });
    }
    // A name that is a pointer to itself (RFC 1035 section 4.1.4), in the answer to whatever is asked.
    let names = host.network().run(|| UdpSocket::bind("127.0.0.1:8053")).unwrap().unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((_, from)) = names.recv_from(&mut question) {
            let answer =
                [question[0], question[1], 0x81, 0x80, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0xc0, 0x0c, 0, 6, 0, 1];
            let _ = names.send_to(&answer, from);
        }
    });
    connections
}

/// A server that is well, and the longest time that it was not asked.
struct Well {
    longest: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
    watched: Arc<AtomicBool>,
}

impl Well {
    fn serve(host: &Host) -> Self {
        let listener = host.network().run(|| TcpListener::bind("127.0.0.1:8000")).unwrap().unwrap();
        let well = Self { longest: Arc::default(), asked: Arc::default(), watched: Arc::default() };
        let (longest, asked, watched) =
            (Arc::clone(&well.longest), Arc::clone(&well.asked), Arc::clone(&well.watched));
        thread::spawn(move || {
            let mut last: Option<Instant> = None;
            for mut stream in listener.incoming().flatten() {
                if watched.load(Ordering::Relaxed) {
                    if let Some(last) = last {
                        let gap = u64::try_from(last.elapsed().as_millis()).unwrap();
                        longest.fetch_max(gap, Ordering::Relaxed);
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                    last = Some(Instant::now());
                }
                request(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        well
    }
}

fn configuration() -> String {
    let mut servers = String::new();
    let mut server = |port: u16, kind: &str, more: &str| {
        let url = if kind == "DNS_CHECK" { String::new() } else { format!("url {{\n path /\n {more}\n }}") };
        servers.push_str(&format!(
            "real_server 127.0.0.1 {port} {{\n {kind} {{\n connect_timeout {STEP}\n check_timeout {WHOLE}\n retry 0\n {url}\n }}\n }}\n"
        ));
    };
    server(8000, PAGE, "status_code 200");
    for (port, (_, kind, more, _)) in (8001..).zip(HARMS) {
        server(port, kind, more);
    }
    server(8053, "DNS_CHECK", "");
    let service = format!(
        "virtual_server 10.9.0.1 80 {{\n delay_loop {}\n warmup 0\n lb_algo rr\n lb_kind NAT\n protocol TCP\n {servers}}}\n",
        RHYTHM.as_secs()
    );
    format!("{}{service}", Virtual::default())
}

fn services(router: &Router) -> Vec<Service> {
    router.services()
}

fn check(router: &Router, port: u16) -> Option<Check> {
    let servers = services(router).into_iter().flat_map(|service| service.servers);
    let server = servers.into_iter().find(|server| server.address.port() == port)?;
    server.checks.into_iter().next()
}

/// Anonymous memory of all processes of the daemon, kB.
fn memory(router: &Router) -> u64 {
    let resident = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    router.processes().unwrap().into_iter().filter_map(resident).sum()
}

#[test]
fn hostile_servers_are_bounded_and_told_and_delay_nobody() {
    let test = "hostile_servers_are_bounded_and_told_and_delay_nobody";
    let Some(stage) = Stage::set(test) else { return };
    let host = stage.host("checker");
    let connections = harm(&host);
    let well = Well::serve(&host);
    let router = stage.start(&host, &configuration());

    // Each has been judged, for the reason that is its own.
    for (port, (_, _, _, reason)) in (8001_u16..).zip(HARMS) {
        let told = || check(&router, port).and_then(|check| (!check.up).then_some(check.last_failure));
        let found = wait::value(LIMIT, told).flatten();
        let found =
            found.unwrap_or_else(|| panic!("port {port}: {:?}\n{}", check(&router, port), router.log_tail()));
        assert!(found.contains(reason), "port {port}: '{found}' where '{reason}' is expected");
    }
    // Nobody reads names: an answer to the question is an answer.
    assert!(wait::until(LIMIT, || check(&router, 8053).is_some_and(|check| check.up && check.has_run)));

    // While all of them go on, the one that is well is asked in its rhythm, and nothing grows.
    let before = memory(&router);
    let begun = connections.load(Ordering::Relaxed);
    well.watched.store(true, Ordering::Relaxed);
    thread::sleep(WATCHED);
    well.watched.store(false, Ordering::Relaxed);
    let grown = memory(&router).saturating_sub(before);
    let longest = Duration::from_millis(well.longest.load(Ordering::Relaxed));
    let asked = well.asked.load(Ordering::Relaxed);
    println!("asked {asked} times, longest pause {longest:?}, {grown} kB more");
    assert!(connections.load(Ordering::Relaxed) > begun + 8, "the hostile servers are not asked any more");
    assert!(
        asked >= WATCHED.as_secs() - 2 && longest < RHYTHM + SLACK,
        "{asked} times, once {longest:?} not"
    );
    assert!(grown < GROWTH_MAX, "{grown} kB more");
    assert!(check(&router, 8000).is_some_and(|check| check.up && check.bad_results == 0));

    // What is missing is told once, and virtual routers go on without it.
    if !std::path::Path::new("/proc/net/ip_vs").exists() {
        let sentence = "this kernel has no IPVS (module ip_vs); `modprobe ip_vs` loads it";
        assert!(router.logged(sentence, LIMIT), "{}", router.log_tail());
        assert_eq!(router.log().matches(sentence).count(), 1, "{}", router.log_tail());
    }
    router.reaches("V1", State::Master);
}
