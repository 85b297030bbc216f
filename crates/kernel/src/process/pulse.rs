//! Signs of life of the threads of another process, for which nobody has to be asked: each thread notes the moment in
//! memory that both processes have, and that is no system call, no message and no waking of anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;
use crate::process::shared::SharedMemory;

/// Read by the process that watches over the threads of a forked one.
#[derive(Debug, Clone)]
pub struct Pulses {
    moments: Arc<SharedMemory<AtomicU64>>,
}

/// Given by one thread.
#[derive(Debug, Clone)]
pub struct Pulse {
    moments: Arc<SharedMemory<AtomicU64>>,
    thread: usize,
}

impl Pulses {
    /// Those of so many threads, all of which live at `now`, for a process that is forked afterwards.
    ///
    /// # Errors
    /// When no memory is left, and for no threads.
    pub fn shared(threads: usize, now: u64) -> Result<Self> {
        let pulses = Self { moments: Arc::new(SharedMemory::new(threads)?) };
        (0..threads).for_each(|thread| pulses.of(thread).beat(now));
        Ok(pulses)
    }

    /// What the thread of this number gives signs by; the first is 0.
    pub fn of(&self, thread: usize) -> Pulse {
        Pulse { moments: Arc::clone(&self.moments), thread }
    }

    /// The last sign of the first thread.
    pub fn first(&self) -> u64 {
        self.all().next().unwrap_or(0)
    }

    /// The last sign of the thread that has given none for longest.
    pub fn oldest(&self) -> u64 {
        self.all().min().unwrap_or(0)
    }

    fn all(&self) -> impl Iterator<Item = u64> + '_ {
        self.moments.iter().map(|moment| moment.load(Ordering::Relaxed))
    }
}

impl Pulse {
    /// This thread lives at `now`, in nanoseconds of CLOCK_BOOTTIME.
    pub fn beat(&self, now: u64) {
        if let Some(moment) = self.moments.get(self.thread) {
            moment.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Exit, fork_child};
    use crate::testbed::alone;

    #[test]
    fn the_signs_of_a_forked_process_are_seen_and_stay_when_it_is_gone() {
        alone(module_path!(), "the_signs_of_a_forked_process_are_seen_and_stay_when_it_is_gone", || {
            let pulses = Pulses::shared(2, 5).unwrap();
            assert_eq!((pulses.first(), pulses.oldest()), (5, 5));
            let [one, other] = [0, 1].map(|thread| pulses.of(thread));
            let mut child = fork_child("lives", move || {
                let thread = std::thread::spawn(move || other.beat(7));
                one.beat(9);
                i32::from(thread.join().is_err())
            })
            .unwrap();
            assert_eq!(child.wait().unwrap(), Exit::Status(0));
            assert_eq!((pulses.first(), pulses.oldest()), (9, 7));
        });
    }
}
