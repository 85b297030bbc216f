//! How late the machine itself is, whatever runs on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const NAP: Duration = Duration::from_millis(2);
/// Less is what a timer may do.
const WORTH_KEEPING: Duration = Duration::from_millis(2);
/// The oldest go.
const KEPT_MAX: usize = 10_000;

/// A thread that only sleeps, and keeps how much too late it woke.
#[derive(Debug)]
pub struct Stalls {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    stalls: Mutex<std::collections::VecDeque<(Instant, Duration)>>,
}

impl Stalls {
    /// Begins to watch; it ends when this is dropped.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watching = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("stalls".to_owned()).spawn(move || watching.watch())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The longest of those that lasted into the time from `begin` to `end`.
    pub fn longest_within(&self, begin: Instant, end: Instant) -> Duration {
        let stalls = self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let lasted = stalls.iter().rev().take_while(|(at, _)| *at >= begin);
        lasted
            .filter(|(at, late)| at.checked_sub(*late).is_none_or(|begun| begun <= end))
            .map(|(_, late)| *late)
            .max()
            .unwrap_or_default()
    }

    /// The longest that ended at `since` or later.
    pub fn longest_since(&self, since: Instant) -> Duration {
        let stalls = self.shared.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls
            .iter()
            .rev()
            .take_while(|(at, _)| *at >= since)
            .map(|(_, late)| *late)
            .max()
            .unwrap_or_default()
    }
}

impl Shared {
    fn watch(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let due = Instant::now() + NAP;
            std::thread::sleep(NAP);
            let now = Instant::now();
            let late = now.saturating_duration_since(due);
            if late >= WORTH_KEEPING {
                let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
                if stalls.len() >= KEPT_MAX {
                    stalls.pop_front();
                }
                stalls.push_back((now, late));
            }
        }
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
