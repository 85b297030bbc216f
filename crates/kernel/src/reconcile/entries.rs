//! Routes and rules that shall exist. The kernel finds what is wanted by its whole description, so that no picture of
//! what exists is needed: adding what is there and deleting what is gone are answers, not faults.
//!
//! ```text
//! wish ──▶ dirty ──▶ install: adds ──────────▶ kernel
//! unwish ─▶ doomed ─▶ retract: deletes ─────────▲  │
//! heard (a withdrawal) ──▶ dirty ◀─────────────────┘
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::pause::{PUT_BACK_INTERVAL_NANOSECONDS, RETRY_INTERVAL_NANOSECONDS};
use super::{Fate, Heard, Reconcile, Report, Thing};
use crate::error::{Capability, Errno, Error, Result};
use crate::netlink::{Batch, Outcome, Requests, RoutePlace, RouteSpec, RulePlace, RuleSpec, Withdrawal};

/// Something that the kernel has or has not.
pub trait Entry: Ord + fmt::Debug + fmt::Display {
    /// What an announcement tells of it; several may share one.
    type Place: Ord + Copy + fmt::Debug;

    /// What an announcement would tell.
    fn place(&self) -> Self::Place;
    /// The place that a withdrawal names, if it is one of this kind.
    fn withdrawn(withdrawal: Withdrawal) -> Option<Self::Place>;
    /// As reports name it.
    fn thing(self: &Arc<Self>) -> Thing;
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

    fn withdrawn(withdrawal: Withdrawal) -> Option<RoutePlace> {
        if let Withdrawal::Route(place) = withdrawal { Some(place) } else { None }
    }

    fn thing(self: &Arc<Self>) -> Thing {
        Thing::Route(Arc::clone(self))
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

    fn withdrawn(withdrawal: Withdrawal) -> Option<RulePlace> {
        if let Withdrawal::Rule(place) = withdrawal { Some(place) } else { None }
    }

    fn thing(self: &Arc<Self>) -> Thing {
        Thing::Rule(Arc::clone(self))
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
    reports: Vec<Report>,
}

#[derive(Debug, Default)]
struct Desired {
    /// The kernel has taken it, or had it.
    served: bool,
    /// The kernel refused it last; told once.
    refused: bool,
    /// It could not be had last, for whatever reason.
    lacking: bool,
    /// An announcement said that something at its place was removed.
    suspected: bool,
    /// When it may be put back next.
    put_back_from: u64,
}

impl<E: Entry> Default for Entries<E> {
    fn default() -> Self {
        Self {
            desired: BTreeMap::new(),
            places: BTreeMap::new(),
            dirty: BTreeSet::new(),
            doomed: BTreeSet::new(),
            later: BTreeSet::new(),
            reports: Vec::new(),
        }
    }
}

impl<E: Entry> Reconcile for Entries<E> {
    type Way = Requests;
    type Key = Arc<E>;
    type Wish = Arc<E>;

    fn key(wish: &Arc<E>) -> Arc<E> {
        Arc::clone(wish)
    }

    fn wish(&mut self, entry: Arc<E>) {
        self.doomed.remove(&entry);
        self.places.entry(entry.place()).or_default().insert(Arc::clone(&entry));
        self.dirty.insert(Arc::clone(&entry));
        self.desired.entry(entry).or_default();
    }

    /// Whether it was wished is not asked, since an earlier run may have left it.
    fn unwish(&mut self, entry: &Arc<E>) {
        self.desired.remove(entry);
        if let Some(alike) = self.places.get_mut(&entry.place()) {
            alike.remove(entry);
            if alike.is_empty() {
                self.places.remove(&entry.place());
            }
        }
        self.dirty.remove(entry);
        self.doomed.insert(Arc::clone(entry));
    }

    fn heard(&mut self, heard: Heard<'_>, now: u64) {
        match heard {
            Heard::Withdrawal(Withdrawal::Lost) | Heard::CameUp => {
                self.dirty.extend(self.desired.keys().cloned());
            }
            Heard::Withdrawal(withdrawal) => {
                if let Some(place) = E::withdrawn(withdrawal) {
                    self.withdrawn(place, now);
                }
            }
            Heard::Change(_) | Heard::Addresses(_) => {}
        }
    }

    fn retract(&mut self, requests: &mut Requests, _: u64) -> Result<()> {
        let mut batch = Batch::default();
        for entry in &self.doomed {
            entry.delete(&mut batch);
        }
        let outcomes = requests.send(&mut batch)?;
        for (entry, outcome) in std::mem::take(&mut self.doomed).into_iter().zip(outcomes) {
            // What cannot be deleted is gone, or another program's.
            if outcome == Outcome::Done {
                self.reports.push(entry.thing().came(Fate::Gone));
            }
        }
        Ok(())
    }

    fn install(&mut self, requests: &mut Requests, now: u64) -> Result<()> {
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
        for (entry, outcome) in std::mem::take(&mut self.dirty).into_iter().zip(outcomes) {
            self.settle(entry, outcome, now);
        }
        Ok(())
    }

    fn next_wakeup(&self) -> Option<u64> {
        let idle = self.dirty.is_empty() && self.doomed.is_empty();
        if idle { self.later.first().map(|(time, _)| *time) } else { Some(0) }
    }

    fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }
}

impl<E: Entry> Entries<E> {
    /// Whether it is wanted and could not be had last.
    pub fn lacks(&self, entry: &E) -> bool {
        self.desired.get(entry).is_some_and(|desired| desired.lacking)
    }

    /// Something at this place was taken away, by whomever.
    fn withdrawn(&mut self, place: E::Place, now: u64) {
        for entry in self.places.get(&place).into_iter().flatten() {
            let Some(desired) = self.desired.get_mut(entry) else { continue };
            desired.suspected = true;
            self.later.insert((desired.put_back_from.max(now), Arc::clone(entry)));
        }
    }

    fn settle(&mut self, entry: Arc<E>, outcome: Outcome, now: u64) {
        let Some(desired) = self.desired.get_mut(&entry) else { return };
        let suspected = std::mem::take(&mut desired.suspected);
        match outcome {
            Outcome::Done => {
                let put_back = suspected && desired.served;
                if put_back {
                    desired.put_back_from = now.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
                }
                (desired.served, desired.refused, desired.lacking) = (true, false, false);
                let fate = if put_back { Fate::PutBack } else { Fate::Installed };
                self.reports.push(entry.thing().came(fate));
            }
            Outcome::Refused { errno: Errno::EXIST, .. } => {
                if !desired.served {
                    self.reports.push(entry.thing().came(Fate::Installed));
                }
                (desired.served, desired.refused, desired.lacking) = (true, false, false);
            }
            Outcome::Unknown => {
                desired.suspected = suspected;
                self.dirty.insert(entry);
            }
            Outcome::Refused { errno, kernel_message } => {
                desired.lacking = true;
                self.later.insert((now.saturating_add(RETRY_INTERVAL_NANOSECONDS), Arc::clone(&entry)));
                // An interface that is down or away announces itself when it comes.
                let waits = matches!(errno, Errno::NETDOWN | Errno::NODEV);
                if !waits && !std::mem::replace(&mut desired.refused, true) {
                    let error = Error { kernel_message, ..Error::new(format!("add {entry}"), errno) };
                    let error = error.needing(Capability::NetAdmin);
                    self.reports.push(entry.thing().came(Fate::Refused(Box::new(error))));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rounds;
    use super::*;

    fn rule() -> RuleSpec {
        RuleSpec {
            family: steadfast_wire::vrrp::Family::V4,
            preference: 100,
            action: crate::netlink::Action::Table(100),
            invert: false,
            from: None,
            to: None,
            input_interface: None,
            output_interface: None,
            tos: 0,
            mark: None,
            realms: None,
            suppress_prefix_length: None,
            suppress_group: None,
            tunnel: None,
            users: None,
            ip_protocol: None,
            source_ports: None,
            destination_ports: None,
            protocol: 0,
        }
    }

    #[test]
    fn a_socket_that_fails_is_not_asked_again_at_once() {
        let mut requests = Requests::broken();
        let (now, later) = (5, 5 + RETRY_INTERVAL_NANOSECONDS);
        let (mut rounds, mut entries) = (Rounds::default(), Entries::default());
        let rule = Arc::new(rule());
        entries.wish(Arc::clone(&rule));
        assert_eq!(rounds.next_wakeup(&mut [&mut entries]), Some(0));
        assert!(rounds.run(&mut requests, &mut [&mut entries], now).is_err());
        assert_eq!(rounds.next_wakeup(&mut [&mut entries]), Some(later));
        assert!(rounds.run(&mut requests, &mut [&mut entries], later - 1).is_ok(), "not attempted");
        let again = rounds.run(&mut requests, &mut [&mut entries], later);
        assert!(again.is_err(), "what was wanted is still to be done");
        let (now, later) = (later, later + RETRY_INTERVAL_NANOSECONDS);
        entries.unwish(&rule);
        assert!(rounds.run(&mut requests, &mut [&mut entries], now).is_ok(), "not attempted");
        assert_eq!(rounds.next_wakeup(&mut [&mut entries]), Some(later));
        assert!(rounds.run(&mut requests, &mut [&mut entries], later).is_err());
    }
}
