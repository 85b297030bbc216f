//! The synchronisation daemons as they are wanted.

use crate::error::{Error, Result};
use crate::ipvs::{Ipvs, SyncDaemon, SyncRole};

/// A daemon that could not be started or stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncFailure {
    /// Which.
    pub role: SyncRole,
    /// Why not.
    pub error: Error,
}

/// Stops the daemons that are not wanted or were started with other settings, and starts those that are missing. One
/// that runs as it is wanted is not touched.
///
/// # Errors
/// When the kernel gives no list; refusals are in the result.
pub fn settle_sync_daemons(ipvs: &mut Ipvs, wanted: &[SyncDaemon]) -> Result<Vec<SyncFailure>> {
    let mut failures = Vec::new();
    let mut running = Vec::new();
    for found in ipvs.sync_daemons()? {
        if wanted.iter().any(|wanted| found.satisfies(wanted)) {
            running.push(found.role);
            continue;
        }
        // Stopping one that has not had its first turn works, but the kernel takes that for an interruption and does not
        // answer; so what counts is whether it is gone.
        if let Err(error) = ipvs.stop_sync_daemon(found.role)
            && ipvs.sync_daemons()?.iter().any(|daemon| daemon.role == found.role)
        {
            failures.push(SyncFailure { role: found.role, error });
        }
    }
    for daemon in wanted.iter().filter(|daemon| !running.contains(&daemon.role)) {
        if let Err(error) = ipvs.start_sync_daemon(daemon) {
            failures.push(SyncFailure { role: daemon.role, error });
        }
    }
    Ok(failures)
}
