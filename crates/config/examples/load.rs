//! Loads a configuration and tells what it cost: `cargo run --release -p steadfast-config --example load -- FILE`.
use std::path::Path;
use std::time::Instant;

use steadfast_config::{AnyMachine, Files, LoadOptions, load};

fn main() {
    let file = std::env::args().nth(1).unwrap_or_else(|| "/etc/keepalived/keepalived.conf".to_owned());
    let start = Instant::now();
    let loaded = load(&Files::default(), Path::new(&file), &AnyMachine, &LoadOptions::default());
    let elapsed = start.elapsed();
    let servers: usize = loaded.model.virtual_servers.iter().map(|server| server.real_servers.len()).sum();
    println!(
        "{elapsed:?}: {} instances, {} virtual servers, {servers} real servers, {} diagnostics",
        loaded.model.instances.len(),
        loaded.model.virtual_servers.len(),
        loaded.diagnostics.iter().count(),
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS")) {
        println!("{line}");
    }
}
