//! Real servers: nginx with and without TLS, as the readers meet it.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at what it does not expect")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use steadfast_kernel::Errno;
use steadfast_kernel::client::{Stream, Unreached, Way};
use steadfast_kernel::namespace::Network;
use steadfast_kernel::testbed::Wiring;
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Interest, Poller};
use steadfast_probe::http::{Expectation, Http, Request, Version};
use steadfast_probe::tls::{Context, Secured};
use steadfast_probe::{Connect, Dialogue, Failure, Found, Pattern, Progress};

const SECONDS: u64 = 1_000_000_000;

const HTTP: &str = "127.0.0.1:8080";
const HTTPS: &str = "127.0.0.1:8443";

const PAGE: &str = "all is well\n";

/// nginx in the network of the calling thread, with its files in a folder that goes with it.
struct Nginx {
    child: Child,
    folder: PathBuf,
}

impl Nginx {
    fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("steadfast-nginx-{}", std::process::id()));
        fs::create_dir_all(folder.join("pages")).unwrap();
        fs::write(folder.join("pages/index.html"), PAGE).unwrap();
        let testdata = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
        for (name, label) in [("certificate", "CERTIFICATE"), ("key", "PRIVATE KEY")] {
            let der = fs::read(format!("{testdata}/{name}.der")).unwrap();
            let text = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(&der));
            fs::write(folder.join(format!("{name}.pem")), text).unwrap();
        }
        let home = folder.display();
        let configuration = format!(
            "daemon off; master_process off; pid {home}/pid; error_log {home}/errors;
             events {{}}
             http {{
               access_log off; client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
               uwsgi_temp_path {home}; scgi_temp_path {home};
               server {{
                 listen {HTTP}; listen {HTTPS} ssl;
                 ssl_certificate {home}/certificate.pem; ssl_certificate_key {home}/key.pem;
                 root {home}/pages;
                 location /moved {{ return 302 http://elsewhere/; }}
                 location /named {{ return 200 \"$host $ssl_server_name\"; }}
               }}
             }}"
        );
        fs::write(folder.join("conf"), configuration).unwrap();
        let child = Command::new("nginx")
            .args(["-c", &format!("{home}/conf"), "-p", &home.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self { child, folder };
        let deadline = clock::monotonic() + 10 * SECONDS;
        while ask(HTTP, Connect).is_err() {
            assert!(clock::monotonic() < deadline, "nginx does not listen");
            std::thread::yield_now();
        }
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[usize::try_from(bits >> (18 - 6 * place) & 63).unwrap()];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// Drives a conversation to its end.
fn ask(server: &str, mut dialogue: impl Dialogue) -> Result<Found, String> {
    let far = |unreached: Unreached| unreached.to_string();
    let (mut stream, _) = Stream::connect(&Way::to(server.parse().unwrap())).map_err(far)?;
    let poller = Poller::open().unwrap();
    poller.add(&stream, 0, Interest::Writable).unwrap();
    let deadline = clock::monotonic() + 5 * SECONDS;
    let wait = |dialogue: &dyn Dialogue| {
        let mut events = Events::default();
        poller.wait(&mut events, Some(deadline)).unwrap();
        if events.is_empty() { Err(Failure::TimedOut(dialogue.awaited()).to_string()) } else { Ok(()) }
    };
    wait(&dialogue)?;
    stream.connected().map_err(far)?;
    let mut out = Vec::new();
    let mut progress = dialogue.connected(&mut out);
    poller.modify(&stream, 0, Interest::Readable).unwrap();
    loop {
        // What is said in a check fits the buffer of any socket.
        stream.write(&std::mem::take(&mut out)).unwrap();
        if let Progress::Done(result) = progress {
            return result.map_err(|failure| failure.to_string());
        }
        wait(&dialogue)?;
        let mut buffer = [0; 4096];
        progress = match stream.read(&mut buffer) {
            Ok(0) => Progress::Done(dialogue.closed()),
            Ok(length) => dialogue.received(&buffer[..length], &mut out),
            Err(Errno::AGAIN) => Progress::Wait,
            Err(errno) => return Err(errno.to_string()),
        };
    }
}

fn page(path: &str, version: Version, expectation: &Expectation) -> Http {
    let server: SocketAddr = HTTP.parse().unwrap();
    Http::new(&Request::get(path, version, Some("www.example.org"), server), Arc::new(expectation.clone()))
}

/// In a network of its own, so that nothing else is asked and nobody else asks.
fn with_nginx(test: impl FnOnce() + Send) {
    if !std::path::Path::new("/usr/sbin/nginx").exists() {
        println!("left out: servers: no nginx");
        return;
    }
    let network = match Network::anonymous() {
        Ok(network) => network,
        Err(reason) => return println!("left out: servers: {reason}"),
    };
    Wiring::open(&network).unwrap().set_up("lo").unwrap();
    network
        .run(|| {
            let nginx = Nginx::start();
            test();
            drop(nginx);
        })
        .unwrap();
}

#[test]
fn nginx_is_asked_in_every_way() {
    with_nginx(|| {
        let context = Context::new(None).unwrap();
        // What md5sum says of the page.
        let digest = 0x2670_f929_ce8c_93af_815b_a0ae_8fd5_91ff_u128.to_be_bytes();
        let told = Expectation { tell_digest: true, ..Expectation::default() };
        let found = ask(HTTP, page("/", Version::Http10, &told)).unwrap();
        assert_eq!((found.status, found.body_bytes, found.digest), (Some(200), 12, Some(digest)));
        let exact = Expectation { digest: Some(digest), ..Expectation::default() };
        for version in [Version::Http10, Version::Http10Close, Version::Http11] {
            ask(HTTP, page("/", version, &exact)).unwrap();
            for compliant in [false, true] {
                let inner = page("/", version, &exact);
                ask(HTTPS, Secured::new(&context, inner, Some("www.example.org"), compliant)).unwrap();
            }
        }
        let none = Expectation::default();
        assert_eq!(ask(HTTP, page("/missing", Version::Http11, &none)).unwrap_err(), "the status is 404");
        let moved = Expectation { statuses: vec![(302, 302)], ..Expectation::default() };
        ask(HTTP, page("/moved", Version::Http11, &moved)).unwrap();
        let named = |text: &str| {
            let pattern = Pattern::new(text, &[], false, None, None).unwrap();
            Expectation { pattern: Some(Arc::new(pattern)), ..Expectation::default() }
        };
        let tls = |name, expectation: &Expectation| {
            Secured::new(&context, page("/named", Version::Http11, expectation), name, false)
        };
        ask(HTTP, page("/named", Version::Http11, &named("^www.example.org $"))).unwrap();
        ask(HTTPS, tls(Some("sni.example.org"), &named("^www.example.org sni.example.org$"))).unwrap();
        ask(HTTPS, tls(None, &named("^www.example.org $"))).unwrap();
        // Clear text to a port of TLS, and the other way round.
        assert_eq!(ask(HTTPS, page("/", Version::Http11, &none)).unwrap_err(), "the status is 400");
        let failure = ask(HTTP, tls(None, &none)).unwrap_err();
        assert_eq!(failure, "the answer is no TLS that steadfast speaks");
        assert_eq!(ask("127.0.0.1:9", Connect).unwrap_err(), "Connection refused (os error 111)");
    });
}
