//! Memory that a process shares with the children it forks, and that outlives them.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU64};

use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Attempt, Errno, Error, Result};

/// What may be shared: atomic numbers, of which all zeros are one.
pub trait Shared: sealed::Sealed {}

impl Shared for AtomicU8 {}
impl Shared for AtomicU64 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AtomicU8 {}
    impl Sealed for super::AtomicU64 {}
}

/// Zeros at first. Pages that nobody has written take no memory. Children that are forked later have the same numbers,
/// not a copy.
#[derive(Debug)]
pub struct SharedMemory<T: Shared = AtomicU8> {
    start: NonNull<T>,
    count: usize,
}

// SAFETY: the mapping belongs to this value alone until it is dropped, and is reached as atomic numbers only.
unsafe impl<T: Shared> Send for SharedMemory<T> {}
// SAFETY: as above; atomic numbers may be shared.
unsafe impl<T: Shared> Sync for SharedMemory<T> {}

impl<T: Shared> SharedMemory<T> {
    /// Takes so many numbers.
    ///
    /// # Errors
    /// ENOMEM; EINVAL for none.
    pub fn new(count: usize) -> Result<Self> {
        let attempted = || format!("share {count} numbers of {} bytes in memory", size_of::<T>());
        let length =
            count.checked_mul(size_of::<T>()).ok_or_else(|| Error::new(attempted(), Errno::NOMEM))?;
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
        Ok(Self { start, count })
    }
}

impl<T: Shared> Deref for SharedMemory<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the mapping has room for so many, begins at a page and so is aligned, lives as long as `self`, and any
        // octets are valid numbers. Other processes write it too, by atomic stores of this same type.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl<T: Shared> Drop for SharedMemory<T> {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this length; nothing borrows from it any more.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.count * size_of::<T>()) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::process::fork_child;
    use crate::testbed::alone;

    #[test]
    fn what_a_child_wrote_is_there_after_its_death() {
        alone(module_path!(), "what_a_child_wrote_is_there_after_its_death", || {
            let memory = SharedMemory::<AtomicU8>::new(10_000).unwrap();
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
