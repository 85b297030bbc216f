//! Chance from the kernel.

use crate::wait::clock;

/// A number that nobody can guess, to begin sequences with. Early in the boot of a machine without entropy it is the
/// time instead: to start is worth more.
pub fn seed() -> u64 {
    let mut octets = [0_u8; size_of::<u64>()];
    // SAFETY: the kernel writes at most as many octets as the buffer has.
    let written = unsafe { libc::getrandom(octets.as_mut_ptr().cast(), octets.len(), libc::GRND_NONBLOCK) };
    if usize::try_from(written) == Ok(octets.len()) { u64::from_ne_bytes(octets) } else { clock::monotonic() }
}
