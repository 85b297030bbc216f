//! What is counted.

use serde::{Deserialize, Serialize};
use steadfast_wire::bfd::Counter;

/// Counters of one session, or of what belongs to none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets sent.
    pub sent: u64,
    /// Packets received and believed.
    pub received: u64,
    /// Echo packets sent.
    pub echoes_sent: u64,
    /// Echo packets that came back.
    pub echoes_returned: u64,
    /// Times that the session came up.
    pub came_up: u64,
    /// Times that it went down from Up.
    pub went_down: u64,
    dropped: [u64; Counter::ALL.len()],
}

impl Counters {
    /// Packets dropped, by reason, in the order of [`Counter::ALL`].
    pub fn dropped(&self) -> impl Iterator<Item = (Counter, u64)> + '_ {
        Counter::ALL.into_iter().zip(self.dropped)
    }

    pub(crate) fn drop(&mut self, counter: Counter) {
        for (of, count) in Counter::ALL.into_iter().zip(&mut self.dropped) {
            if of == counter {
                *count += 1;
            }
        }
    }
}
