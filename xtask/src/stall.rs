//! Whether the machine itself was late while tests of timing ran.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

/// How late a thread that only sleeps has to wake for its machine to count as stalled: less than any test of
/// timing allows a busy machine.
pub(crate) const STALL: Duration = Duration::from_millis(30);

/// How long each thread sleeps.
const NAP: Duration = Duration::from_millis(5);

/// Watches every processor from its start until it is dropped, by a thread on each that does nothing but sleep.
pub(crate) struct StallWatch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    stalls: Mutex<Vec<Stall>>,
}

/// A thread that was to wake at `due` woke so much later.
#[derive(Debug, Clone, Copy)]
struct Stall {
    due: Instant,
    late: Duration,
}

impl StallWatch {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = (0..processors).map(|processor| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.watch(processor))
        });
        Self { threads: threads.collect(), shared }
    }

    #[cfg(test)]
    pub(crate) fn that_saw(due: Instant, late: Duration) -> Self {
        let shared = Shared { stalls: Mutex::new(vec![Stall { due, late }]), ..Shared::default() };
        Self { shared: Arc::new(shared), threads: Vec::new() }
    }

    /// The longest stall that touched the time between `from` and `to`.
    pub(crate) fn longest_between(&self, from: Instant, to: Instant) -> Option<Duration> {
        let stalls = self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let touching = stalls.iter().filter(|stall| stall.due <= to && stall.due + stall.late >= from);
        touching.map(|stall| stall.late).max()
    }
}

impl Drop for StallWatch {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn watch(&self, processor: usize) {
        let mut own = CpuSet::new();
        own.set(processor);
        // Where a processor may not be chosen, the thread watches the one it is given.
        let _ = sched_setaffinity(None, &own);
        while !self.over.load(Ordering::Relaxed) {
            let due = Instant::now() + NAP;
            std::thread::sleep(NAP);
            let late = due.elapsed();
            if late >= STALL {
                self.stalls.lock().unwrap_or_else(PoisonError::into_inner).push(Stall { due, late });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_told_of_the_time_that_it_touches() {
        let due = Instant::now() + Duration::from_secs(100);
        let late = Duration::from_millis(80);
        let watch = StallWatch::that_saw(due, late);
        let second = Duration::from_secs(1);
        assert_eq!(watch.longest_between(due - second, due + second), Some(late));
        assert_eq!(watch.longest_between(due + late / 2, due + second), Some(late));
        assert_eq!(watch.longest_between(due - second, due - second / 2), None);
        assert_eq!(watch.longest_between(due + second, due + 2 * second), None);
    }

    #[test]
    fn every_processor_is_watched_until_the_end() {
        let watch = StallWatch::start();
        assert!(!watch.threads.is_empty());
        let shared = Arc::clone(&watch.shared);
        drop(watch);
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}
