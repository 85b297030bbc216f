//! The machine's wall clock.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

/// How far it steps.
pub(super) const STEP: Duration = Duration::from_secs(3_600);

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forwards,
    Back,
}

/// Whether nobody else goes by it: the kernel is a guest's.
pub(super) fn is_own() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|processor| processor.contains("User Mode Linux"))
}

/// Whether it may be stepped here: only where the kernel is a guest's, since everything on a machine shares its clock.
///
/// # Errors
/// Why not.
pub fn possible() -> Result<()> {
    ensure!(is_own(), "the clock is the whole machine's; `cargo xtask vm` has its own");
    Ok(clock_settime(ClockId::Realtime, clock_gettime(ClockId::Realtime))?)
}

/// Steps it.
pub(super) fn step(way: Way) -> Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = i64::try_from(STEP.as_secs())?;
    let tv_sec = match way {
        Way::Forwards => now.tv_sec + seconds,
        Way::Back => now.tv_sec - seconds,
    };
    clock_settime(ClockId::Realtime, Timespec { tv_sec, ..now }).context("stepping the clock")
}
