//! What a daemon uses, all its processes and threads together.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use steadfast_lab::Daemon;

/// Time on a processor so far, as the scheduler counts it.
pub(crate) fn processor_time(daemon: &Daemon) -> Result<Duration> {
    let mut nanoseconds = 0;
    for pid in daemon.processes()? {
        // A thread or process that ends meanwhile took what it took before.
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            nanoseconds += text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Proportional set size in KiB.
pub(crate) fn memory_kib(daemon: &Daemon) -> Result<f64> {
    let mut sum = 0;
    for pid in daemon.processes()? {
        sum += kib_field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
            .with_context(|| format!("there is no proportional set size of process {pid}"))?;
    }
    Ok(f64::from(sum))
}

/// A field of a file of /proc that is given in kB.
pub(crate) fn kib_field(path: &str, field: &str) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
