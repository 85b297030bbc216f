//! The check worker alone: `cargo bench --package steadfast-benches --bench probes -- --help`.
//!
//! Thousands of servers on the loopback interface of one host, without IPVS: what a check costs, whether it comes when it is due,
//! and whether anything grows.

#[path = "side_by_side/usage.rs"]
mod usage;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use steadfast_lab::{Daemon, Program, Segment, permission};

/// Measure checks of thousands of servers, once a second each
#[derive(Debug, Parser)]
struct Arguments {
    /// How servers are checked [default: 10,000 by TCP, then 5,000 by HTTP]
    #[arg(value_enum)]
    kinds: Vec<Kind>,
    /// Servers, instead of those numbers
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    servers: Option<u32>,
    /// Seconds over which everything is counted
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// The binary of steadfast [default: the release build of this workspace]
    #[arg(long, value_name = "FILE")]
    steadfast: Option<PathBuf>,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A connection
    Tcp,
    /// A page
    Http,
}

/// Of one virtual server.
const SERVERS_OF_A_SERVICE: u32 = 100;
/// From the end of a check to the next.
const DELAY: Duration = Duration::from_secs(1);
const PORT: u16 = 8080;
/// Until every check has its place in the second.
const SETTLED_AFTER: Duration = Duration::from_secs(8);
const ANSWERING_THREADS: u32 = 4;
const PAGE: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

/// What a daemon has.
#[derive(Debug)]
struct Holdings {
    descriptors: usize,
    memory_kib: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    permission::obtain()?;
    let built = || std::env::current_exe().ok()?.ancestors().nth(2).map(|profile| profile.join("steadfast"));
    let path = arguments.steadfast.clone().or_else(built).and_then(|path| path.canonicalize().ok());
    let program = Program::Steadfast(path.context("run cargo build --release, or say --steadfast FILE")?);
    let kinds = if arguments.kinds.is_empty() { Kind::value_variants() } else { &arguments.kinds };
    for kind in kinds {
        let servers = arguments.servers.unwrap_or(match kind {
            Kind::Tcp => 10_000,
            Kind::Http => 5_000,
        });
        measure(&program, *kind, servers, Duration::from_secs(arguments.seconds))?;
    }
    Ok(())
}

fn measure(program: &Program, kind: Kind, servers: u32, span: Duration) -> Result<()> {
    let segment = Segment::new()?;
    let host = segment.host("balancer")?;
    let answered = Arc::new(AtomicU64::new(0));
    let listener = host.network().run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
    for _ in 0..ANSWERING_THREADS {
        let (listener, answered) = (listener.try_clone()?, Arc::clone(&answered));
        std::thread::spawn(move || answer(&listener, kind, &answered));
    }
    let daemon = Daemon::start(&host, program, &configuration(kind, servers))?;
    std::thread::sleep(SETTLED_AFTER);
    let (before, used, counted) = (holdings(&daemon)?, usage::processor_time(&daemon)?, count(&answered));
    let begun = Instant::now();
    std::thread::sleep(span);
    let checks = count(&answered) - counted;
    let used = usage::processor_time(&daemon)?.saturating_sub(used);
    let (took, after) = (begun.elapsed().as_secs_f64(), holdings(&daemon)?);
    let checks_a_second = checks / took;
    ensure!(checks > 0.0, "nobody asked: {}", daemon.log_tail());
    // A check that is due at once after the last one's delay comes so much later, its own time included.
    let late = f64::from(servers) / checks_a_second - DELAY.as_secs_f64();
    println!("{servers} servers, {kind:?}, {span:?}");
    println!("  checks a second                        {checks_a_second:>10.0}");
    println!("  processor time a check, µs             {:>10.1}", used.as_secs_f64() * 1e6 / checks);
    println!("  a check with its answer, and late, ms  {:>10.1}", late * 1e3);
    println!("  descriptors, before and after          {:>10} {:>10}", before.descriptors, after.descriptors);
    println!("  memory (PSS), KiB, before and after    {:>10} {:>10}", before.memory_kib, after.memory_kib);
    Ok(())
}

fn answer(listener: &TcpListener, kind: Kind, answered: &AtomicU64) {
    let mut buffer = [0; 4_096];
    loop {
        let Ok((mut stream, _)) = listener.accept() else { continue };
        answered.fetch_add(1, Ordering::Relaxed);
        if kind == Kind::Http {
            let _ = reply(&mut stream, &mut buffer);
        }
    }
}

fn reply(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<()> {
    let _ = stream.read(buffer)?;
    stream.write_all(PAGE)
}

#[expect(clippy::cast_precision_loss, reason = "a number for people")]
fn count(answered: &AtomicU64) -> f64 {
    answered.load(Ordering::Relaxed) as f64
}

fn holdings(daemon: &Daemon) -> Result<Holdings> {
    let mut descriptors = 0;
    for pid in daemon.processes()? {
        descriptors += std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    }
    Ok(Holdings { descriptors, memory_kib: usage::memory_kib(daemon)? })
}

fn configuration(kind: Kind, servers: u32) -> String {
    let check = match kind {
        Kind::Tcp => "TCP_CHECK {\n connect_timeout 3\n }",
        Kind::Http => "HTTP_GET {\n url {\n path /\n status_code 200\n }\n connect_timeout 3\n }",
    };
    let mut text = String::from("global_defs {\n checker_log_all_failures\n}\n");
    for number in 0..servers {
        if number % SERVERS_OF_A_SERVICE == 0 {
            let service = Ipv4Addr::from(0x0a0a_0000 + number / SERVERS_OF_A_SERVICE);
            let end = if number == 0 { "" } else { "}\n" };
            let _ = write!(
                text,
                "{end}virtual_server {service} 80 {{\n delay_loop 1\n lb_algo rr\n lb_kind NAT\n"
            );
        }
        let server = Ipv4Addr::from(0x7f01_0001 + number);
        let _ = write!(text, " real_server {server} {PORT} {{\n weight 1\n {check}\n }}\n");
    }
    text.push_str("}\n");
    text
}
