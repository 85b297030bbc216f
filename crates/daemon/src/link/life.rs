//! How the supervisor sees that a worker lives: each of its threads gives a sign of life at every turn of its loop, and
//! wakes for that when there is nothing else to do.

use std::time::Duration;

use steadfast_kernel::process::pulse::{Pulse, Pulses};
use steadfast_kernel::wait::clock;
use steadfast_kernel::wait::poll::{Events, Poller};
use steadfast_time::Moment;

/// Those of a worker's threads.
#[derive(Debug)]
pub(crate) struct Lives {
    pulses: Pulses,
    every: Duration,
}

/// That of one thread.
#[derive(Debug)]
pub(crate) struct Life {
    pulse: Pulse,
    every: Duration,
}

impl Lives {
    /// Each thread gives a sign at least so often.
    pub(crate) const fn new(pulses: Pulses, every: Duration) -> Self {
        Self { pulses, every }
    }

    /// Of the thread with this number.
    pub(crate) fn of(&self, thread: usize) -> Life {
        Life { pulse: self.pulses.of(thread), every: self.every }
    }
}

impl Life {
    /// How often a sign is wanted.
    pub(crate) const fn every(&self) -> Duration {
        self.every
    }

    /// The thread lives at `now`. When the next sign is wanted comes back.
    pub(crate) fn beat(&self, now: Moment) -> Moment {
        self.pulse.beat(now.as_nanos());
        now + self.every
    }

    /// Waits for a descriptor or until `due`, and gives signs of life meanwhile.
    pub(crate) fn wait(&self, poller: &Poller, events: &mut Events, due: Option<Moment>) {
        loop {
            let next = self.beat(now());
            let until = due.map_or(next, |due| due.min(next));
            let waited = poller.wait(events, Some(until.as_nanos()));
            if waited.is_err() || !events.is_empty() || due.is_some_and(|due| due <= now()) {
                return;
            }
        }
    }
}

fn now() -> Moment {
    Moment::from_nanos(clock::monotonic())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use steadfast_kernel::wait::poll::Interest;
    use steadfast_kernel::wait::wake::Waker;

    use super::*;

    #[test]
    fn a_thread_with_nothing_to_do_gives_one_sign_after_the_other_until_there_is_something() {
        let pulses = Pulses::shared(1, 0).unwrap();
        let life = Lives::new(pulses.clone(), Duration::from_millis(1)).of(0);
        let waker = Arc::new(Waker::open().unwrap());
        let wakes = Arc::clone(&waker);
        let thread = std::thread::spawn(move || {
            let (poller, mut events) = (Poller::open().unwrap(), Events::default());
            poller.add(&*waker, 7, Interest::Readable).unwrap();
            life.wait(&poller, &mut events, None);
            events.iter().map(|ready| ready.token).collect::<Vec<_>>()
        });
        for _ in 0..3 {
            let last = pulses.oldest();
            while pulses.oldest() == last {
                std::thread::yield_now();
            }
        }
        assert!(!thread.is_finished());
        wakes.wake();
        assert_eq!(thread.join().unwrap(), [7]);
    }

    #[test]
    fn what_is_due_ends_the_wait_and_not_before() {
        let life = Lives::new(Pulses::shared(1, 0).unwrap(), Duration::from_millis(1)).of(0);
        let (poller, mut events) = (Poller::open().unwrap(), Events::default());
        let due = now() + Duration::from_millis(5);
        life.wait(&poller, &mut events, Some(due));
        assert!(now() >= due);
        assert!(events.is_empty());
    }
}
