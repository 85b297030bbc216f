//! Wanted addresses against those that exist: the difference, written in few large batches.
//!
//! ```text
//! want, unwant ──▶ desired ─┐
//!                           ├─ dirty keys ─▶ difference ─▶ apply: deletes, then adds, in one batch
//! load, observe ─▶ present ─┘                                │
//!        ▲                                                   ▼
//!        └────────────── dump, announcements ───────────── kernel
//! ```
//!
//! Work is proportional to what changed: only keys marked dirty are looked at. Every mistake of the picture of the
//! kernel (announcements that come late or are lost) heals by itself: adding what is there and deleting what is gone
//! count as success.

mod difference;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::pause::Pause;
use crate::error::{Errno, Error, Result};
use crate::netlink::{Address, AddressKey, AddressSpec, Batch, Change, Outcome, Requests};

pub use difference::Operation;

/// An address that somebody else keeps removing is put back at most once in this time.
pub const PUT_BACK_INTERVAL_NANOSECONDS: u64 = 1_000_000_000;

/// What the kernel refused is tried again after this time.
pub const RETRY_INTERVAL_NANOSECONDS: u64 = 1_000_000_000;

/// Keeps the addresses of the kernel as they are wanted.
#[derive(Debug, Default)]
pub struct Reconciler {
    desired: BTreeMap<AddressKey, Desired>,
    /// Addresses in the kernel that are desired or carry our protocol number.
    present: BTreeMap<AddressKey, Present>,
    /// Where desired and present may differ.
    dirty: BTreeSet<AddressKey>,
    /// Keys to become dirty at a time.
    later: BTreeSet<(u64, AddressKey)>,
    /// Announcements of removals that this reconciler caused and has not heard of.
    own_removals: BTreeMap<AddressKey, u32>,
    /// Interfaces seen switched on.
    up: BTreeSet<u32>,
    pause: Pause,
}

#[derive(Debug)]
struct Desired {
    spec: Arc<AddressSpec>,
    /// What is present was made by another specification.
    replace: bool,
    /// When it may be put back next.
    put_back_from: u64,
}

#[derive(Debug, Clone, Copy)]
struct Present {
    peer: Option<IpAddr>,
    /// Whether the kernel said that it depends on no other address of its network; `None` before it said anything.
    primary: Option<bool>,
}

/// What an announcement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Nothing that was not known or wanted.
    AsExpected,
    /// Another program removed a wanted address; it is put back by the first [`Reconciler::apply`] from this time on.
    Removed {
        /// Which.
        key: AddressKey,
        /// Nanoseconds of CLOCK_BOOTTIME; later than now when the rate is bounded.
        put_back_at: u64,
    },
    /// Announcements were lost: dump and [`Reconciler::load`].
    Lost,
}

/// What [`Reconciler::apply`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Addresses added.
    pub added: usize,
    /// Addresses deleted.
    pub deleted: usize,
    /// Refused by the kernel, and tried again later.
    pub failures: Vec<Failure>,
    /// Answers were lost: dump and [`Reconciler::load`].
    pub must_load: bool,
}

/// A refused operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was tried.
    pub operation: Operation,
    /// Why not.
    pub error: Error,
}

impl Reconciler {
    /// The address shall exist. Another specification under the same key replaces the former.
    pub fn want(&mut self, spec: impl Into<Arc<AddressSpec>>) {
        let spec = spec.into();
        let key = spec.key;
        match self.desired.get_mut(&key) {
            Some(desired) if desired.spec == spec => return,
            Some(desired) => {
                desired.spec = spec;
                desired.replace = true;
            }
            // What an earlier run left is adopted as it is.
            None => {
                self.desired.insert(key, Desired { spec, replace: false, put_back_from: 0 });
            }
        }
        self.dirty.insert(key);
    }

    /// The address shall not exist.
    pub fn unwant(&mut self, key: AddressKey) {
        if self.desired.remove(&key).is_some() {
            self.dirty.insert(key);
        }
    }

    /// The address is of no more interest, and stays as it is.
    pub fn relinquish(&mut self, key: AddressKey) {
        self.desired.remove(&key);
        self.present.remove(&key);
        self.dirty.remove(&key);
    }

    /// Whether the address is wanted.
    pub fn is_wanted(&self, key: AddressKey) -> bool {
        self.desired.contains_key(&key)
    }

    /// Whether the address is wanted and, as far as is known, there.
    pub fn is_served(&self, key: AddressKey) -> bool {
        self.is_wanted(key) && self.present.contains_key(&key)
    }

    /// Takes a dump for what exists: at the start, and after announcements or answers were lost.
    pub fn load(&mut self, addresses: &[Address]) {
        self.own_removals.clear();
        self.present.clear();
        for address in addresses {
            if address.is_ours() || self.desired.contains_key(&address.key) {
                self.present.insert(address.key, Present::of(address));
            }
        }
        self.dirty.extend(self.desired.keys().filter(|key| !self.present.contains_key(key)));
    }

    /// An address that exists and that nobody wants is deleted by the next [`apply`](Self::apply), whether or not it
    /// carries our protocol number: older kernels and other programs do not set it.
    pub fn discard(&mut self, address: &Address) {
        if !self.desired.contains_key(&address.key) {
            self.present.insert(address.key, Present::of(address));
            self.dirty.insert(address.key);
        }
    }

    /// Learns from an announcement.
    pub fn observe(&mut self, change: &Change, now: u64) -> Observed {
        match change {
            Change::AddressAdded { address, .. } => {
                if address.is_ours() || self.desired.contains_key(&address.key) {
                    self.present.insert(address.key, Present::of(address));
                }
                Observed::AsExpected
            }
            Change::AddressRemoved { address, .. } => self.removed(address.key, now),
            Change::Link(link) => {
                if !link.up {
                    self.up.remove(&link.index);
                } else if self.up.insert(link.index) {
                    self.retry_interface(link.index);
                }
                Observed::AsExpected
            }
            Change::LinkGone(link) => {
                self.forget_interface(link.index);
                Observed::AsExpected
            }
            Change::Overrun => Observed::Lost,
        }
    }

    /// When [`apply`](Self::apply) has something to do, if ever: nanoseconds of CLOCK_BOOTTIME, 0 for at once.
    pub fn next_wakeup(&self) -> Option<u64> {
        let due = if self.dirty.is_empty() { self.later.first().map(|(time, _)| *time) } else { Some(0) };
        self.pause.put_off(due)
    }

    /// Writes the difference to the kernel.
    ///
    /// # Errors
    /// Only when the netlink socket itself fails; the difference stays to be written, and until
    /// [`next_wakeup`](Self::next_wakeup) nothing is attempted. Refusals are in the result.
    pub fn apply(&mut self, requests: &mut Requests, now: u64) -> Result<Applied> {
        if !self.pause.is_over(now) {
            return Ok(Applied::default());
        }
        self.take_due(now);
        let operations = self.difference();
        let mut batch = Batch::default();
        for operation in &operations {
            self.encode(*operation, &mut batch);
        }
        let outcomes = self.pause.after(requests.send(&mut batch), now)?;
        self.dirty.clear();
        let mut applied = Applied::default();
        for (operation, outcome) in operations.into_iter().zip(outcomes) {
            self.settle(operation, outcome, now, &mut applied);
        }
        Ok(applied)
    }

    fn removed(&mut self, key: AddressKey, now: u64) -> Observed {
        self.present.remove(&key);
        let own = match self.own_removals.get_mut(&key) {
            Some(count) => {
                *count -= 1;
                if *count == 0 {
                    self.own_removals.remove(&key);
                }
                true
            }
            None => false,
        };
        let Some(desired) = self.desired.get_mut(&key) else { return Observed::AsExpected };
        if own {
            // Late news of a removal before it was wanted again. Adding it once more does no harm if it is there.
            self.dirty.insert(key);
            return Observed::AsExpected;
        }
        let put_back_at = desired.put_back_from.max(now);
        desired.put_back_from = put_back_at.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
        self.later.insert((put_back_at, key));
        Observed::Removed { key, put_back_at }
    }

    fn take_due(&mut self, now: u64) {
        while let Some(&(time, key)) = self.later.first()
            && time <= now
        {
            self.later.pop_first();
            self.dirty.insert(key);
        }
    }

    fn encode(&self, operation: Operation, batch: &mut Batch) {
        match operation {
            Operation::Delete(key) => {
                batch.delete_address(key, self.present.get(&key).and_then(|present| present.peer));
            }
            Operation::Add(key) | Operation::Restore(key) => {
                if let Some(desired) = self.desired.get(&key) {
                    batch.add_address(&desired.spec);
                }
            }
        }
    }

    fn settle(&mut self, operation: Operation, outcome: Outcome, now: u64, applied: &mut Applied) {
        let key = operation.key();
        let refused = match outcome {
            Outcome::Done => None,
            Outcome::Refused { errno, kernel_message } => Some((errno, kernel_message)),
            Outcome::Unknown => {
                applied.must_load = true;
                self.dirty.insert(key);
                return;
            }
        };
        match (operation, refused) {
            (Operation::Add(_), None) => {
                applied.added += 1;
                self.now_present(key);
            }
            // It had gone with the primary address of its network.
            (Operation::Restore(_), None) => {
                *self.own_removals.entry(key).or_default() += 1;
                self.now_present(key);
            }
            (Operation::Add(_) | Operation::Restore(_), Some((Errno::EXIST, _))) => self.now_present(key),
            (Operation::Delete(_), None) => {
                applied.deleted += 1;
                *self.own_removals.entry(key).or_default() += 1;
                self.present.remove(&key);
            }
            (Operation::Delete(_), Some((Errno::ADDRNOTAVAIL | Errno::NODEV, _))) => {
                self.present.remove(&key);
            }
            (_, Some((errno, kernel_message))) => {
                if !matches!(operation, Operation::Delete(_)) {
                    self.present.remove(&key);
                }
                // A missing interface announces itself when it comes.
                if errno != Errno::NODEV {
                    self.later.insert((now.saturating_add(RETRY_INTERVAL_NANOSECONDS), key));
                }
                applied.failures.push(Failure { operation, error: operation.error(errno, kernel_message) });
            }
        }
    }

    fn now_present(&mut self, key: AddressKey) {
        let Some(desired) = self.desired.get_mut(&key) else { return };
        desired.replace = false;
        let peer = desired.spec.peer;
        self.present.entry(key).or_insert(Present { peer, primary: None });
    }

    fn retry_interface(&mut self, interface: u32) {
        let missing = interface_range(&self.desired, interface)
            .map(|(key, _)| *key)
            .filter(|key| !self.present.contains_key(key));
        self.dirty.extend(missing);
    }

    fn forget_interface(&mut self, interface: u32) {
        self.up.remove(&interface);
        let gone: Vec<_> = interface_range(&self.present, interface).map(|(key, _)| *key).collect();
        for key in gone {
            self.present.remove(&key);
        }
        let expected: Vec<_> = interface_range(&self.own_removals, interface).map(|(key, _)| *key).collect();
        for key in expected {
            self.own_removals.remove(&key);
        }
        self.dirty.retain(|key| key.interface != interface);
        self.later.retain(|(_, key)| key.interface != interface);
    }
}

impl Present {
    fn of(address: &Address) -> Self {
        Self { peer: address.peer, primary: Some(!address.is_secondary()) }
    }
}

fn interface_range<T>(
    map: &BTreeMap<AddressKey, T>,
    interface: u32,
) -> impl Iterator<Item = (&AddressKey, &T)> {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let first = AddressKey { interface, address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 };
    let last = AddressKey { interface, address: IpAddr::V6(Ipv6Addr::from(u128::MAX)), prefix: u8::MAX };
    map.range(first..=last)
}

#[cfg(test)]
mod tests;
