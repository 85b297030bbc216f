//! Judges a flight record by the rules of the simulator: what happened, promises that were not kept, and what is decided
//! otherwise here. `cargo xtask simulate --record FILE` runs it.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::process::ExitCode;

use steadfast_record::{RECORD_BYTES_MAX, Record};
use steadfast_sim::recorded::{Verdict, judge};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: record FILE");
        return ExitCode::from(2);
    };
    match run(&path) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// Whether every promise was kept, and the same is decided as at the time.
fn run(path: &std::ffi::OsStr) -> Result<bool, Box<dyn Error>> {
    let mut octets = Vec::new();
    // One more than a record has: longer ones are refused.
    let limit = u64::try_from(RECORD_BYTES_MAX)?.saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut octets)?;
    let record = Record::from_octets(&octets)?;
    let Verdict { history, broken, differences, names, began } = judge(&record.segments)?;
    println!("record of {}: {}", record.header.node.escape_debug(), record.header.reason.escape_debug());
    for (instance, name) in names {
        println!("VI_{} is {}", instance.0.saturating_add(1), name.escape_debug());
    }
    println!("seconds since {} s after the start of the machine:", began.as_nanos() / 1_000_000_000);
    print!("{}", history.trace(history.end, usize::MAX));
    for violation in &broken {
        println!("BROKEN {violation}");
    }
    for (at, difference) in &differences {
        println!("DIFFERS {:?}: {difference:?}", at.since(steadfast_time::Moment::ZERO));
    }
    println!("{} promises broken, {} differences", broken.len(), differences.len());
    Ok(broken.is_empty() && differences.is_empty())
}
