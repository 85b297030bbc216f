//! Memory that a process shares with the children it forks, and that outlives them.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU8;

use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Attempt, Errno, Error, Result};

/// Zeros at first. Pages that nobody has written take no memory. Children that are forked later have the same octets, not
/// a copy.
#[derive(Debug)]
pub struct SharedMemory {
    start: NonNull<AtomicU8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone until it is dropped, and is reached as atomic octets only.
unsafe impl Send for SharedMemory {}
// SAFETY: as above; atomic octets may be shared.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Takes so many octets.
    ///
    /// # Errors
    /// ENOMEM; EINVAL for none.
    pub fn new(length: usize) -> Result<Self> {
        let attempted = || format!("share {length} bytes of memory");
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: a new mapping at a place that the kernel chooses; it touches no other.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }
        .attempt(attempted())?;
        let start = NonNull::new(start.cast()).ok_or_else(|| Error::new(attempted(), Errno::NOMEM))?;
        Ok(Self { start, length })
    }
}

impl Deref for SharedMemory {
    type Target = [AtomicU8];

    fn deref(&self) -> &[AtomicU8] {
        // SAFETY: the mapping has this length, is aligned for octets, lives as long as `self`, and any octet is a valid
        // AtomicU8. Other processes write it too, by atomic stores of this same type.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this length; nothing borrows from it any more.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::process::alone::alone;
    use crate::process::fork_child;

    #[test]
    fn what_a_child_wrote_is_there_after_its_death() {
        alone(module_path!(), "what_a_child_wrote_is_there_after_its_death", || {
            let memory = SharedMemory::new(10_000).unwrap();
            assert!(memory.len() == 10_000 && memory.iter().all(|octet| octet.load(Ordering::Relaxed) == 0));
            let write = || {
                memory[9_999].store(7, Ordering::Release);
                0
            };
            fork_child("writer", write).unwrap().wait().unwrap();
            assert_eq!(memory[9_999].load(Ordering::Acquire), 7);
        });
    }
}
