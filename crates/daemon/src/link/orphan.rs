//! What a worker whose supervisor died and the supervisor that comes next say to each other before anything else.
//!
//! ```text
//!   successor                                       orphan
//!       ── calls at its rendezvous ──────────────────▶  lets in who is of the same user
//!       ── VERSION ──────────────────────────────────▶  the same?
//!       ◀───────── what only the worker knows by now ──  yes: it has a supervisor again
//!       ◀────────────────────────────────────────────   no: hands over and ends, as at a planned stop
//!       ── Leave, as at an upgrade ──────────────────▶
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use steadfast_time::Moment;

/// Of what supervisors and workers say to each other, and of all that is in it. Goes up with every change: one version's
/// supervisor may hear the other's workers, be it after an upgrade or after a death.
pub(crate) const VERSION: u16 = 7;

/// A worker without a supervisor goes on with its work for so long, for one that a service manager starts; then it hands over.
pub(crate) const ALONE_MAX: Duration = Duration::from_secs(10);

/// What happens meanwhile is kept for that one, up to so many octets.
pub(crate) const ALONE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The first thing that a successor says.
pub(crate) const fn greeting() -> [u8; 2] {
    VERSION.to_be_bytes()
}

/// What the worker says then.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Orphan<Knows> {
    /// It has been without a supervisor since then.
    pub(crate) since: Moment,
    /// What only a worker of its role knows.
    pub(crate) knows: Knows,
}
