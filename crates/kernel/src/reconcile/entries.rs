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
        if self.dirty.is_empty() && self.doomed.is_empty() {
            self.later.first().map(|(time, _)| *time)
        } else {
            Some(0)
        }
    }

    /// Deletes what is not wanted.
    ///
    /// # Errors
    /// Only when the netlink socket itself fails; the rest stays to be done.
    pub fn retract(&mut self, requests: &mut Requests) -> Result<()> {
        let mut batch = Batch::default();
        for entry in &self.doomed {
            entry.delete(&mut batch);
        }
        // What cannot be deleted is gone, or another program's.
        requests.send(&mut batch)?;
        self.doomed.clear();
        Ok(())
    }

    /// Adds what is wanted.
    ///
    /// # Errors
    /// As [`Self::retract`].
    pub fn install(&mut self, requests: &mut Requests, now: u64) -> Result<Written<E>> {
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
        let outcomes = requests.send(&mut batch)?;
        let mut written = Written { restored: Vec::new(), refused: Vec::new() };
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
