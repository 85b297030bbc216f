//! The vrrp worker as its parent sees it: a process and a channel.

use std::time::Duration;

use steadfast_kernel::channel::{Channel, Incoming};
use steadfast_kernel::process::signal::Signal;
use steadfast_kernel::process::{Child, fork_child};
use steadfast_kernel::wait::poll::{Interest, Poller};
use steadfast_vrrp::Moment;

use crate::link::vrrp::{FromWorker, ToWorker};

/// Deaths in a row after which a worker waits before it is started again: less would cost addresses
/// for what was bad luck.
const IMMEDIATE_STARTS: u32 = 4;
/// A worker that ran this long has no deaths in a row.
const STEADY_AFTER: Duration = Duration::from_secs(60);
/// Longest wait before another start.
const RESPAWN_DELAY_MAX: Duration = Duration::from_secs(60);

/// A running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) channel: Channel,
    pub(crate) started_at: Moment,
}

impl Worker {
    /// Forks a worker; `run` gets its end of the channel and gives the exit status.
    ///
    /// # Errors
    /// When processes, memory or descriptors run out.
    pub(crate) fn start(
        now: Moment,
        name: &str,
        run: impl FnOnce(Channel) -> i32,
    ) -> Result<Self, steadfast_kernel::Error> {
        let (ours, theirs) = Channel::pair()?;
        let child = fork_child(name, || run(theirs))?;
        Ok(Self { child, channel: ours, started_at: now })
    }

    /// Sends a message; `false` when the worker is gone. What the kernel does not take at once goes
    /// with the next [`Self::heard`].
    pub(crate) fn tell(&mut self, message: &ToWorker, poller: &Poller, token: u64) -> bool {
        let sent = postcard::to_stdvec(message).is_ok_and(|bytes| self.channel.send(&bytes).is_ok());
        if self.channel.wants_to_write() {
            let _ = poller.modify(&self.channel, token, Interest::Both);
        }
        sent
    }

    /// Everything that has arrived; also sends what waited for room.
    pub(crate) fn heard(&mut self, poller: &Poller, token: u64) -> Vec<FromWorker> {
        let _ = self.channel.flush();
        let mut messages = Vec::new();
        loop {
            match self.channel.receive() {
                Ok(Incoming::Message(bytes)) => messages.extend(postcard::from_bytes(&bytes)),
                Ok(Incoming::Nothing) => break,
                // Its end is told by the process itself.
                Ok(Incoming::Closed) | Err(_) => {
                    let _ = poller.remove(&self.channel);
                    return messages;
                }
            }
        }
        let interest = if self.channel.wants_to_write() { Interest::Both } else { Interest::Readable };
        let _ = poller.modify(&self.channel, token, interest);
        messages
    }

    /// Ends it for good.
    pub(crate) fn kill(&self) {
        let _ = self.child.signal(Signal::KILL);
    }
}

/// How long to wait before a worker is started again.
#[derive(Debug, Default)]
pub(crate) struct Respawn {
    deaths: u32,
    delay: Duration,
}

impl Respawn {
    /// After a death: at once for the first few in a row, then 1, 2, 4 … 60 seconds.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY_AFTER {
            *self = Self::default();
        }
        self.deaths += 1;
        if self.deaths <= IMMEDIATE_STARTS {
            return Duration::ZERO;
        }
        self.delay = if self.delay.is_zero() {
            Duration::from_secs(1)
        } else {
            (self.delay * 2).min(RESPAWN_DELAY_MAX)
        };
        self.delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_keeps_dying_waits_longer_each_time() {
        let mut respawn = Respawn::default();
        let short = Duration::from_secs(1);
        let waits: Vec<u64> = (0..12).map(|_| respawn.after(short).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(respawn.after(STEADY_AFTER), Duration::ZERO);
    }
}
