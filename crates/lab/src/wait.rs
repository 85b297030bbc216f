//! Waiting for conditions instead of for fixed times.

use std::time::{Duration, Instant};

/// Pause between two looks at a condition.
const STEP: Duration = Duration::from_millis(2);

/// Whether `condition` came true within `limit`. It is asked at least once.
#[must_use]
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    value(limit, || condition().then_some(())).is_some()
}

/// What `attempt` gave first within `limit`. It is asked at least once.
pub fn value<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let over = Instant::now() >= deadline;
        match attempt() {
            Some(value) => return Some(value),
            None if over => return None,
            None => std::thread::sleep(STEP),
        }
    }
}
