//! Who owns an address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::host::Host;

/// How often the hosts are asked.
const PERIOD: Duration = Duration::from_millis(10);

/// Changes that are kept; a flapping address must not fill the memory.
pub const CHANGES_MAX: usize = 100_000;

/// From when on which hosts had an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When it was seen.
    pub at: Instant,
    /// The address.
    pub address: IpAddr,
    /// Names of the hosts that have it, in the order they were given.
    pub owners: Vec<String>,
}

/// Looks at the kernels of hosts until it is dropped.
#[derive(Debug)]
pub struct Watch {
    changes: Arc<Mutex<Vec<Change>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches `addresses` on `hosts`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(hosts: Vec<Arc<Host>>, addresses: Vec<IpAddr>) -> std::io::Result<Self> {
        let (changes, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, end) = (Arc::clone(&changes), Arc::clone(&over));
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let mut last = vec![None; addresses.len()];
            while !end.load(Ordering::Relaxed) {
                look(&hosts, &addresses, &mut last, &kept);
                std::thread::sleep(PERIOD);
            }
        })?;
        Ok(Self { changes, over, thread: Some(thread) })
    }

    /// Everything seen so far, oldest first.
    pub fn changes(&self) -> Vec<Change> {
        self.lock().clone()
    }

    /// What was seen at `since` or later.
    pub fn changes_since(&self, since: Instant) -> Vec<Change> {
        self.lock().iter().filter(|change| change.at >= since).cloned().collect()
    }

    /// The hosts that have the address, as last seen.
    pub fn owners(&self, address: IpAddr) -> Vec<String> {
        let changes = self.lock();
        let last = changes.iter().rev().find(|change| change.address == address);
        last.map(|change| change.owners.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(hosts: &[Arc<Host>], wanted: &[IpAddr], last: &mut [Option<Vec<String>>], kept: &Mutex<Vec<Change>>) {
    let at = Instant::now();
    let there: Vec<_> =
        hosts.iter().map(|host| (host.name(), host.addresses().unwrap_or_default())).collect();
    for (address, last) in wanted.iter().zip(last) {
        let owners: Vec<_> = there
            .iter()
            .filter(|(_, addresses)| addresses.contains(address))
            .map(|(name, _)| (*name).to_owned())
            .collect();
        if last.as_ref() != Some(&owners) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < CHANGES_MAX {
                kept.push(Change { at, address: *address, owners: owners.clone() });
            }
            *last = Some(owners);
        }
    }
}
