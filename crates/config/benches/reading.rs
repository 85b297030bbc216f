//! Cost of reading against the size of the configuration: `cargo bench -p steadfast-config --bench reading`.
//!
//! Prints lines, megabytes, seconds and the cost of a line at 1×, 4× and 16×: the last column should not grow.
#![allow(clippy::print_stdout, reason = "a benchmark reports to its terminal")]

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use steadfast_config::reader::NoGrammar;
use steadfast_config::{AnyMachine, Diagnostics, LoadOptions, Memory, Options, Reader, Severity, load};

const RUNS: usize = 5;

fn main() {
    println!("{:>16} {:>9} {:>7} {:>9} {:>9}", "text", "lines", "MB", "ms", "ns/line");
    for factor in [1, 4, 16] {
        measure("plain", &virtual_servers(300 * factor, 20));
    }
    for factor in [1, 4, 16] {
        measure_load("plain to model", &virtual_servers(300 * factor, 20));
    }
    for factor in [1, 4, 16] {
        measure_load("routers to model", &virtual_routers(1_000 * factor));
    }
    for factor in [1, 4, 16] {
        measure("variables", &variables(20_000 * factor));
    }
    for factor in [1, 4, 16] {
        measure("sequences", &sequences(20_000 * factor));
    }
}

fn measure(name: &str, text: &str) {
    let source = Memory::new().file("k.conf", text);
    report(name, text, || {
        let start = Instant::now();
        let mut diagnostics = Diagnostics::new();
        let mut reader = Reader::new(&source, Path::new("k.conf"), Options::default(), &NoGrammar);
        let mut lines = 0;
        while let Some(block) = reader.next_block(&mut diagnostics) {
            lines += block.len();
            reader.recycle(block);
        }
        assert_eq!(diagnostics.iter().count(), 0, "{name}");
        (start.elapsed(), lines)
    });
}

/// The whole way to the model.
fn measure_load(name: &str, text: &str) {
    let source = Memory::new().file("k.conf", text);
    let lines = text.lines().count();
    report(name, text, || {
        let start = Instant::now();
        let loaded = load(&source, Path::new("k.conf"), &AnyMachine, &LoadOptions::default());
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).take(1).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        (start.elapsed(), lines)
    });
}

fn report(name: &str, text: &str, run: impl Fn() -> (Duration, usize)) {
    let Some((best, lines)) = (0..RUNS).map(|_| run()).min() else { return };
    let nanos = best.as_nanos();
    let per_line = nanos / u128::try_from(lines.max(1)).unwrap_or(1);
    let tenths = text.len() / 100_000;
    let (megabytes, tenth) = (tenths / 10, tenths % 10);
    println!("{name:>16} {lines:>9} {megabytes:>5}.{tenth} {:>9} {per_line:>9}", best.as_millis());
}

fn virtual_servers(servers: usize, reals: usize) -> String {
    let mut text = String::new();
    for server in 0..servers {
        let (high, low) = (server / 250, server % 250 + 1);
        let _ = writeln!(
            text,
            "virtual_server 10.{high}.1.{low} 80 {{\n    lb_algo wlc\n    delay_loop 10\n    lb_kind NAT\n    protocol TCP"
        );
        for real in 0..reals {
            let _ = writeln!(
                text,
                "    real_server 172.16.{real}.{low} 8080 {{\n        weight 1\n        TCP_CHECK {{\n            \
                 connect_timeout 3\n        }}\n    }}"
            );
        }
        text += "}\n";
    }
    text
}

fn virtual_routers(routers: usize) -> String {
    let mut text = String::new();
    for router in 0..routers {
        let (interface, id) = (router / 255, router % 255 + 1);
        let _ = writeln!(
            text,
            "vrrp_instance V{router} {{\n    interface eth{interface}\n    virtual_router_id {id}\n    priority \
             100\n    virtual_ipaddress {{\n        10.{interface}.{id}.1/32 dev eth0\n    }}\n}}"
        );
    }
    text
}

fn variables(lines: usize) -> String {
    let mut text = String::from("$NET=10.0.${THIRD}\n$THIRD=1\nvirtual_ipaddress {\n");
    for line in 0..lines {
        let _ = writeln!(text, "    ${{NET}}.{} dev $DEVICE", line % 250);
    }
    text = text.replacen("$THIRD=1", "$THIRD=1\n$DEVICE=eth0", 1);
    text + "}\n"
}

fn sequences(lines: usize) -> String {
    format!("virtual_ipaddress {{\n    ~SEQ(A, {}) ~SEQ(B, 100) 10.0.${{A}}.${{B}}/24\n}}\n", lines / 100)
}
