//! Giving memory back that was needed once: for reading a configuration, for a burst of events.

use std::fs;
use std::ops::Range;

use crate::process::limits;

/// Gives back freed heap, and unmaps program pages that nobody has changed. Such pages stay in the
/// page cache and are mapped again where they are used, a few microseconds each; those that only the
/// start needed are not counted for this process any more.
///
/// Has no effect on a process that has locked its memory. A process with a thread that must not wait does this at its
/// start only: a page that nobody has mapped is the first that a machine short of memory drops, and comes back from the
/// disk.
pub fn settle() {
    let ranges =
        fs::read_to_string("/proc/self/smaps").map_or_else(|_| Vec::new(), |maps| clean_file_mappings(&maps));
    give_heap_back();
    let unmap = |range: Range<usize>| {
        // SAFETY: the range is a whole mapping of a file without any anonymous page: nothing was ever written to it, so
        // every page can be read again from the file at any time. The mapping itself stays.
        unsafe {
            libc::madvise(std::ptr::without_provenance_mut(range.start), range.len(), libc::MADV_DONTNEED);
        }
    };
    // The program's code comes once more, last: what was done since it went has used some of it again.
    let code = ranges.iter().max_by_key(|range| range.len()).cloned();
    ranges.into_iter().for_each(unmap);
    code.into_iter().for_each(unmap);
}

/// Gives back freed heap.
pub fn give_heap_back() {
    limits::trim_allocator();
}

/// Ranges of private, read-only file mappings in which no page was ever changed (relocated data was).
fn clean_file_mappings(smaps: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        if let Some(mapping) = mapping(line) {
            candidate = mapping;
        } else if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            let untouched = anonymous.trim() == "0 kB";
            ranges.extend(candidate.take().filter(|_| untouched));
        }
    }
    ranges
}

/// The outer `None` for a line that begins no mapping, the inner one for a mapping of another kind.
#[expect(clippy::option_option, reason = "three answers, and the caller tells them apart at once")]
fn mapping(line: &str) -> Option<Option<Range<usize>>> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
    let permissions = words.next()?;
    let is_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
    Some((is_file && matches!(permissions, "r-xp" | "r--p")).then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-3000 r--p 00000000 fe:00 12 /bin/program
Size:                  8 kB
Anonymous:             0 kB
3000-5000 r-xp 00002000 fe:00 12 /bin/program
Anonymous:             0 kB
5000-6000 r--p 00004000 fe:00 12 /bin/program
Anonymous:             4 kB
6000-7000 rw-p 00005000 fe:00 12 /bin/program
Anonymous:             0 kB
7000-8000 r--p 00000000 00:00 0 [vvar]
Anonymous:             0 kB
";

    #[test]
    fn only_untouched_file_mappings_are_named() {
        assert_eq!(clean_file_mappings(SMAPS), [0x1000..0x3000, 0x3000..0x5000]);
    }

    #[test]
    fn the_program_goes_on_after_settling() {
        let before: Vec<u64> = (0..10_000).collect();
        settle();
        assert_eq!(before.iter().sum::<u64>(), 49_995_000);
    }
}
