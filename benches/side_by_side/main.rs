//! Steadfast beside keepalived: `cargo bench --package steadfast-benches --bench side-by-side -- --help`.
//!
//! Both daemons in turn, with the same configuration, on hosts made of network namespaces.

mod configuration;
mod flood;
mod floor;
mod measure;
mod speaker;
mod switches;
mod table;
mod takeover;
mod usage;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum as _};
use steadfast_lab::{Program, permission};

use crate::measure::{Measure, Size};
use crate::switches::INSTANCES_MAX;
use crate::table::Table;

/// Measure steadfast and keepalived in turn, and print the medians and their ratio
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  cargo bench --package steadfast-benches --bench side-by-side
  cargo bench --package steadfast-benches --bench side-by-side -- masters backups --runs 5
  cargo bench --package steadfast-benches --bench side-by-side -- masters backups --instances 4000
  cargo bench --package steadfast-benches --bench side-by-side -- stop --keepalived /opt/keepalived-2.4.3/sbin/keepalived

Network namespaces need root, or a kernel that lets users make them. Nothing outside them is touched.")]
struct Arguments {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    measures: Vec<Measure>,
    /// How often each program is measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Virtual routers; above 250, of masters and backups, on several interfaces
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..=i64::from(INSTANCES_MAX)))]
    instances: u16,
    /// Seconds over which processor time is counted
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The binary of steadfast [default: the release build of this workspace]
    #[arg(long, value_name = "FILE")]
    steadfast: Option<PathBuf>,
    /// The binary of keepalived [default: the one that is installed]
    #[arg(long, value_name = "FILE")]
    keepalived: Option<PathBuf>,
    /// What cargo adds by itself
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    permission::obtain()?;
    let programs = programs(&arguments)?;
    let size = Size { instances: arguments.instances, seconds: arguments.seconds };
    let measures: &[Measure] =
        if arguments.measures.is_empty() { Measure::value_variants() } else { &arguments.measures };
    for measure in measures {
        let mut table = Table::default();
        for run in 1..=arguments.runs {
            for program in &programs {
                eprintln!("{measure}, run {run} of {}: {}", arguments.runs, program.name());
                let figures = measure
                    .of(program, size)
                    .with_context(|| format!("measuring {measure} with {}", program.path().display()))?;
                table.add(program.name(), figures);
            }
        }
        println!("{measure}, medians of {}\n{table}", arguments.runs);
    }
    Ok(())
}

/// Ours first, the reference last.
fn programs(arguments: &Arguments) -> Result<[Program; 2]> {
    // target/release/deps/BENCHMARK
    let built = || std::env::current_exe().ok()?.ancestors().nth(2).map(|profile| profile.join("steadfast"));
    let ours = arguments.steadfast.clone().or_else(built).and_then(|path| path.canonicalize().ok());
    let ours =
        ours.context("there is no steadfast to measure: run cargo build --release, or say --steadfast FILE")?;
    let theirs = match &arguments.keepalived {
        Some(path) => path.canonicalize().ok().map(Program::Keepalived),
        None => Program::keepalived("side-by-side"),
    };
    let theirs =
        theirs.context("there is no keepalived to compare with: install it, or say --keepalived FILE")?;
    Ok([Program::Steadfast(ours), theirs])
}
