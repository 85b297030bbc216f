//! Routes and rules that shall exist. The kernel finds what is wanted by its whole description, so that no picture of
//! what exists is needed: adding what is there and deleting what is gone are answers, not faults.
//!
//! ```text
//! want ──▶ dirty ──▶ install: adds ──────────▶ kernel
//! unwant ─▶ doomed ─▶ retract: deletes ─────────▲  │
//! removed (an announcement) ──▶ dirty ◀────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::addresses::{PUT_BACK_INTERVAL_NANOSECONDS, RETRY_INTERVAL_NANOSECONDS};
use super::pause::Pause;
use crate::error::{Capability, Errno, Error, Result};
use crate::netlink::{Batch, Outcome, Requests, RoutePlace, RouteSpec, RulePlace, RuleSpec};

/// Something that the kernel has or has not.
pub trait Entry: Ord + fmt::Debug + fmt::Display {
    /// What an announcement tells of it; several may share one.
    type Place: Ord + Copy + fmt::Debug;

    /// What an announcement would tell.
    fn place(&self) -> Self::Place;
    /// The request that makes it; EEXIST if it is there.
    fn add(&self, batch: &mut Batch);
    /// The request that deletes it.
    fn delete(&self, batch: &mut Batch);
}

impl Entry for RouteSpec<u32> {
    type Place = RoutePlace;

    fn place(&self) -> RoutePlace {
        Self::place(self)
    }

    fn add(&self, batch: &mut Batch) {
        batch.add_route(self);
    }

    fn delete(&self, batch: &mut Batch) {
        batch.delete_route(self);
    }
}

impl Entry for RuleSpec {
    type Place = RulePlace;

    fn place(&self) -> RulePlace {
        Self::place(self)
    }

    fn add(&self, batch: &mut Batch) {
        batch.add_rule(self);
    }

    fn delete(&self, batch: &mut Batch) {
        batch.delete_rule(self);
    }
}

/// Keeps entries of one kind as they are wanted.
#[derive(Debug)]
pub struct Entries<E: Entry> {
    desired: BTreeMap<Arc<E>, Desired>,
    places: BTreeMap<E::Place, BTreeSet<Arc<E>>>,
    /// Wanted, and perhaps not there.
    dirty: BTreeSet<Arc<E>>,
    /// Not wanted, and perhaps there.
    doomed: BTreeSet<Arc<E>>,
    /// To become dirty at a time.
    later: BTreeSet<(u64, Arc<E>)>,
    pause: Pause,
}

#[derive(Debug, Default)]
struct Desired {
    /// The kernel has taken it, or had it.
    served: bool,
    /// The kernel refused it last; told once.
    refused: bool,
    /// An announcement said that something at its place was removed.
    suspected: bool,
    /// When it may be put back next.
    put_back_from: u64,
}

/// What came of writing to the kernel.
#[derive(Debug)]
pub struct Written<E> {
    /// What somebody else had removed and is there again.
    pub restored: Vec<Arc<E>>,
    /// What the kernel refused, each told once until it succeeds; it is tried again later.
    pub refused: Vec<(Arc<E>, Error)>,
}

impl<E: Entry> Default for Entries<E> {
    fn default() -> Self {
        Self {
            desired: BTreeMap::new(),
            places: BTreeMap::new(),
            dirty: BTreeSet::new(),
            doomed: BTreeSet::new(),
            later: BTreeSet::new(),
            pause: Pause::default(),
        }
    }
}

impl<E: Entry> Entries<E> {
    /// Nothing was ever wanted.
    pub fn is_empty(&self) -> bool {
        self.desired.is_empty() && self.doomed.is_empty()
    }

    /// It shall exist.
    pub fn want(&mut self, entry: Arc<E>) {
        self.doomed.remove(&entry);
        self.places.entry(entry.place()).or_default().insert(Arc::clone(&entry));
        self.dirty.insert(Arc::clone(&entry));
        self.desired.entry(entry).or_default();
    }

    /// It shall not exist; whether it was wanted is not asked, since an earlier run may have left it.
    pub fn unwant(&mut self, entry: Arc<E>) {
        self.desired.remove(&entry);
        if let Some(alike) = self.places.get_mut(&entry.place()) {
            alike.remove(&entry);
            if alike.is_empty() {
                self.places.remove(&entry.place());
            }
        }
        self.dirty.remove(&entry);
        self.doomed.insert(entry);
    }

    /// Something at this place was removed, by whomever.
    pub fn removed(&mut self, place: E::Place, now: u64) {
        for entry in self.places.get(&place).into_iter().flatten() {
            let Some(desired) = self.desired.get_mut(entry) else { continue };
            desired.suspected = true;
            self.later.insert((desired.put_back_from.max(now), Arc::clone(entry)));
        }
    }

    /// Anything may be gone: announcements were lost, or an interface came up, whose routes the kernel drops in silence.
    pub fn refresh(&mut self) {
        self.dirty.extend(self.desired.keys().cloned());
    }

    /// When [`Self::install`] or [`Self::retract`] has something to do: nanoseconds of CLOCK_MONOTONIC, 0 for at once.
    pub fn next_wakeup(&self) -> Option<u64> {
        let idle = self.dirty.is_empty() && self.doomed.is_empty();
        self.pause.put_off(if idle { self.later.first().map(|(time, _)| *time) } else { Some(0) })
    }

    /// Deletes what is not wanted.
    ///
    /// # Errors
    /// Only when the netlink socket itself fails; the rest stays to be done, and until [`Self::next_wakeup`] nothing is
    /// attempted.
    pub fn retract(&mut self, requests: &mut Requests, now: u64) -> Result<()> {
        if !self.pause.is_over(now) {
            return Ok(());
        }
        let mut batch = Batch::default();
        for entry in &self.doomed {
            entry.delete(&mut batch);
        }
        // What cannot be deleted is gone, or another program's.
        self.pause.after(requests.send(&mut batch), now)?;
        self.doomed.clear();
        Ok(())
    }

    /// Adds what is wanted.
    ///
    /// # Errors
    /// As [`Self::retract`].
    pub fn install(&mut self, requests: &mut Requests, now: u64) -> Result<Written<E>> {
        let mut written = Written { restored: Vec::new(), refused: Vec::new() };
        if !self.pause.is_over(now) {
            return Ok(written);
        }
        while let Some((time, entry)) = self.later.first().cloned()
            && time <= now
        {
            self.later.pop_first();
            if self.desired.contains_key(&entry) {
                self.dirty.insert(entry);
            }
        }
        let mut batch = Batch::default();
        for entry in &self.dirty {
            entry.add(&mut batch);
        }
        let outcomes = self.pause.after(requests.send(&mut batch), now)?;
        for (entry, outcome) in std::mem::take(&mut self.dirty).into_iter().zip(outcomes) {
            self.settle(entry, outcome, now, &mut written);
        }
        Ok(written)
    }

    fn settle(&mut self, entry: Arc<E>, outcome: Outcome, now: u64, written: &mut Written<E>) {
        let Some(desired) = self.desired.get_mut(&entry) else { return };
        let suspected = std::mem::take(&mut desired.suspected);
        match outcome {
            Outcome::Done => {
                if suspected && desired.served {
                    desired.put_back_from = now.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
                    written.restored.push(entry);
                }
                (desired.served, desired.refused) = (true, false);
            }
            Outcome::Refused { errno: Errno::EXIST, .. } => {
                (desired.served, desired.refused) = (true, false);
            }
            Outcome::Unknown => {
                self.dirty.insert(entry);
            }
            Outcome::Refused { errno, kernel_message } => {
                self.later.insert((now.saturating_add(RETRY_INTERVAL_NANOSECONDS), Arc::clone(&entry)));
                // An interface that is down or away announces itself when it comes.
                let waits = matches!(errno, Errno::NETDOWN | Errno::NODEV);
                if !waits && !std::mem::replace(&mut desired.refused, true) {
                    let error = Error { kernel_message, ..Error::new(format!("add {entry}"), errno) };
                    written.refused.push((entry, error.needing(Capability::NetAdmin)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{AddressKey, AddressSpec};

    /// What is asked of a kernel that does not answer means nothing.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Anything;

    impl fmt::Display for Anything {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }
    }

    impl Entry for Anything {
        type Place = ();

        fn place(&self) {}

        fn add(&self, batch: &mut Batch) {
            batch.add_address(&AddressSpec::new(1, [127, 0, 0, 2].into(), 32));
        }

        fn delete(&self, batch: &mut Batch) {
            batch.delete_address(
                AddressKey { interface: 1, address: [127, 0, 0, 2].into(), prefix: 32 },
                None,
            );
        }
    }

    #[test]
    fn a_socket_that_fails_is_not_asked_again_at_once() {
        let mut requests = Requests::broken();
        let (now, later) = (5, 5 + RETRY_INTERVAL_NANOSECONDS);
        let mut entries = Entries::default();
        entries.want(Arc::new(Anything));
        assert_eq!(entries.next_wakeup(), Some(0));
        assert!(entries.install(&mut requests, now).is_err());
        assert_eq!(entries.next_wakeup(), Some(later));
        assert!(entries.install(&mut requests, later - 1).is_ok(), "not attempted");
        assert!(entries.install(&mut requests, later).is_err(), "what was wanted is still to be done");
        let (now, later) = (later, later + RETRY_INTERVAL_NANOSECONDS);
        entries.unwant(Arc::new(Anything));
        assert!(entries.retract(&mut requests, now).is_ok(), "not attempted");
        assert_eq!(entries.next_wakeup(), Some(later));
        assert!(entries.retract(&mut requests, later).is_err());
    }
}
