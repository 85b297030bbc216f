//! Signs of life of the threads of another process, for which nobody has to be asked: each thread notes the moment in
//! memory that both processes have, and that is no system call, no message and no waking of anybody.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Attempt, Errno, Error, Result};

/// Threads of one process that give signs of life; what their moments take is less than the page that they are in.
const THREADS_MAX: usize = 8;

/// Read by the process that watches over the threads of a forked one.
#[derive(Debug, Clone)]
pub struct Pulses {
    page: Arc<Page>,
    threads: usize,
}

/// Given by one thread.
#[derive(Debug, Clone)]
pub struct Pulse {
    page: Arc<Page>,
    thread: usize,
}

impl Pulses {
    /// Those of so many threads, all of which live at `now`, for a process that is forked afterwards.
    ///
    /// # Errors
    /// When no memory is left.
    pub fn shared(threads: usize, now: u64) -> Result<Self> {
        if threads > THREADS_MAX {
            return Err(Error::new("watch over that many threads", Errno::INVAL));
        }
        let pulses = Self { page: Arc::new(Page::map()?), threads };
        (0..threads).for_each(|thread| pulses.of(thread).beat(now));
        Ok(pulses)
    }

    /// What the thread of this number gives signs by; the first is 0.
    pub fn of(&self, thread: usize) -> Pulse {
        Pulse { page: Arc::clone(&self.page), thread }
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
        self.page.moments().iter().take(self.threads).map(|moment| moment.load(Ordering::Relaxed))
    }
}

impl Pulse {
    /// This thread lives at `now`, in nanoseconds of CLOCK_BOOTTIME.
    pub fn beat(&self, now: u64) {
        if let Some(moment) = self.page.moments().get(self.thread) {
            moment.store(now, Ordering::Relaxed);
        }
    }
}

/// Memory that a forked process shares.
#[derive(Debug)]
struct Page {
    moments: NonNull<[AtomicU64; THREADS_MAX]>,
}

const PAGE_BYTES: usize = size_of::<[AtomicU64; THREADS_MAX]>();

// SAFETY: the memory belongs to the mapping and not to a thread, and holds nothing but atomics.
unsafe impl Send for Page {}
// SAFETY: as above; both processes use it by atomics only.
unsafe impl Sync for Page {}

impl Page {
    fn map() -> Result<Self> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a mapping of its own, at an address that the kernel chooses.
        let address =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE_BYTES, protection, flags) };
        let address = address.attempt("map shared memory")?;
        let moments = NonNull::new(address.cast()).ok_or(Error::new("map shared memory", Errno::NOMEM))?;
        Ok(Self { moments })
    }

    fn moments(&self) -> &[AtomicU64; THREADS_MAX] {
        // SAFETY: the mapping is that large, page-aligned, begins as zeros, which are valid atomics, and lasts as long as
        // this value.
        unsafe { self.moments.as_ref() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the whole mapping that `map` made, to which no reference is left.
        let _ = unsafe { rustix::mm::munmap(self.moments.as_ptr().cast(), PAGE_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::alone::alone;
    use crate::process::{Exit, fork_child};

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

    #[test]
    fn more_threads_than_there_is_room_for_are_refused() {
        assert!(Pulses::shared(THREADS_MAX, 0).is_ok());
        assert_eq!(Pulses::shared(THREADS_MAX + 1, 0).unwrap_err().errno, Errno::INVAL);
    }
}
