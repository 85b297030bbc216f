//! A disk that can be made to stall, which the file systems in memory of the hosts cannot.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::host::Host;

/// Where a host has it.
pub(super) const PLACE: &str = "/run/disk";
/// What is written there.
pub(super) const LOG: &str = "log";
const IMAGE: &str = "/run/disk.img";
const BYTES: u64 = 32 << 20;
/// How long it takes no write.
const STALL: Duration = Duration::from_millis(400);

/// Gives a host one.
pub(super) fn make(host: &Host) -> Result<()> {
    std::fs::File::create(host.outside(IMAGE))?.set_len(BYTES)?;
    std::fs::create_dir_all(host.outside(PLACE))?;
    for words in [&["mkfs.ext4", "-q", IMAGE][..], &["mount", "-o", "loop", IMAGE, PLACE]] {
        let finished = host.run(words)?;
        ensure!(finished.status.success(), "{}: {}", words.join(" "), finished.output.trim());
    }
    Ok(())
}

/// Why this machine cannot make one.
pub fn lacking() -> Option<String> {
    Host::new("disk").and_then(|host| make(&host)).err().map(|error| format!("{error:#}"))
}

/// Has it stall once; whether it did, and somebody writes a log there at all. Who writes to it meanwhile cannot even be killed: the end of the stall depends neither on
/// this program's life nor on the host's.
pub(super) fn stall(disk: &Path) -> bool {
    let is_written = std::fs::metadata(disk.join(LOG)).is_ok_and(|log| log.len() > 0);
    let seconds = STALL.as_secs_f64();
    let script = format!("cd \"$0\" && fsfreeze -f . && {{ sleep {seconds}; fsfreeze -u .; }}");
    // It has room for some minutes.
    let _ = std::fs::File::options().write(true).open(disk.join(LOG)).and_then(|log| log.set_len(0));
    let mut stall = Command::new("sh");
    stall.args(["-c", &script]).arg(disk).stdin(Stdio::null()).process_group(0);
    stall.status().is_ok_and(|status| status.success()) && is_written
}
