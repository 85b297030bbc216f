//! Wanted addresses against those that exist: the difference, written in few large batches.
//!
//! ```text
//! wish, unwish ──▶ desired ─┐
//!                           ├─ dirty keys ─▶ difference ─▶ deletes, then adds, in one batch
//! heard, survey ─▶ present ─┘                                │
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

use super::pause::{PUT_BACK_INTERVAL_NANOSECONDS, RETRY_INTERVAL_NANOSECONDS};
use super::{Fate, Heard, Reconcile, Report, Thing};
use crate::error::{Errno, Result};
use crate::netlink::{Address, AddressKey, AddressSpec, Batch, Change, Outcome, Requests};

use difference::Operation;

/// A lease is renewed so often that one renewal may fail, and the next may be late.
const RENEWALS_PER_LEASE: u64 = 3;
const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// Keeps the addresses of the kernel as they are wanted.
#[derive(Debug, Default)]
pub struct Addresses {
    desired: BTreeMap<AddressKey, Desired>,
    /// Addresses in the kernel that are desired or carry our protocol number.
    present: BTreeMap<AddressKey, Present>,
    /// Where desired and present may differ.
    dirty: BTreeSet<AddressKey>,
    /// Keys to become dirty at a time.
    later: BTreeSet<(u64, AddressKey)>,
    /// When leases are to be renewed.
    leases: BTreeSet<(u64, AddressKey)>,
    /// Leases that are due.
    renew: BTreeSet<AddressKey>,
    /// Announcements of removals that this reconciler caused and has not heard of.
    own_removals: BTreeMap<AddressKey, u32>,
    /// Interfaces seen switched on.
    up: BTreeSet<u32>,
    /// What the kernel refused last: told once.
    refused: BTreeSet<AddressKey>,
    /// Answers were lost: only a list can tell what there is.
    must_load: bool,
    reports: Vec<Report>,
}

#[derive(Debug)]
struct Desired {
    spec: Arc<AddressSpec>,
    /// What is present was made by another specification.
    replace: bool,
    /// Somebody else removed it.
    taken_away: bool,
    /// When it may be put back next.
    put_back_from: u64,
    /// When its lease is to be renewed; other times of it are out of date.
    renew_at: u64,
}

#[derive(Debug, Clone, Copy)]
struct Present {
    peer: Option<IpAddr>,
    /// Whether the kernel said that it depends on no other address of its network; `None` before it said anything.
    primary: Option<bool>,
}

impl Reconcile for Addresses {
    type Way = Requests;
    type Key = AddressKey;
    type Wish = Arc<AddressSpec>;

    fn key(wish: &Arc<AddressSpec>) -> AddressKey {
        wish.key
    }

    fn wish(&mut self, spec: Arc<AddressSpec>) {
        let key = spec.key;
        match self.desired.get_mut(&key) {
            Some(desired) if desired.spec == spec => return,
            Some(desired) => {
                desired.spec = spec;
                desired.replace = true;
            }
            // What an earlier run left is adopted as it is, but for its lease.
            None => {
                let renew_at = if spec.lease_seconds.is_some() { 0 } else { u64::MAX };
                if renew_at == 0 {
                    self.leases.insert((renew_at, key));
                }
                let desired = Desired { spec, replace: false, taken_away: false, put_back_from: 0, renew_at };
                self.desired.insert(key, desired);
            }
        }
        self.dirty.insert(key);
    }

    fn unwish(&mut self, key: &AddressKey) {
        if self.desired.remove(key).is_some() {
            self.refused.remove(key);
            self.dirty.insert(*key);
        }
    }

    fn heard(&mut self, heard: Heard<'_>, now: u64) {
        match heard {
            Heard::Change(change) => self.heard_change(change, now),
            Heard::Addresses(addresses) => self.load(addresses),
            Heard::Withdrawal(_) | Heard::CameUp => {}
        }
    }

    /// Where answers were lost.
    fn survey(&mut self, requests: &mut Requests, _: u64) -> Result<()> {
        if self.must_load {
            let addresses = requests.addresses()?;
            self.load(&addresses);
        }
        Ok(())
    }

    /// Where something comes as well, the deletions are left to the batch that makes it: an address that is replaced, or
    /// that goes with the primary one of its network, is missed no longer than the kernel needs.
    fn retract(&mut self, requests: &mut Requests, now: u64) -> Result<()> {
        self.take_due(now);
        let comes = |key| {
            let desired = self.desired.get(key);
            desired.is_some_and(|desired| desired.replace || !self.present.contains_key(key))
        };
        if self.dirty.is_empty() || self.dirty.iter().any(comes) {
            return Ok(());
        }
        self.write(requests, now)
    }

    fn install(&mut self, requests: &mut Requests, now: u64) -> Result<()> {
        self.take_due(now);
        self.write(requests, now)
    }

    fn next_wakeup(&self) -> Option<u64> {
        let at_once = self.must_load || !self.dirty.is_empty() || !self.renew.is_empty();
        if at_once {
            return Some(0);
        }
        [self.later.first(), self.leases.first()].into_iter().flatten().map(|(time, _)| *time).min()
    }

    fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }
}

impl Addresses {
    /// The address is of no more interest, and stays as it is.
    pub fn relinquish(&mut self, key: AddressKey) {
        self.desired.remove(&key);
        self.present.remove(&key);
        self.dirty.remove(&key);
        self.refused.remove(&key);
    }

    /// Whether the address is wanted.
    pub fn is_wanted(&self, key: AddressKey) -> bool {
        self.desired.contains_key(&key)
    }

    /// Whether the address is wanted and, as far as is known, there.
    pub fn is_served(&self, key: AddressKey) -> bool {
        self.is_wanted(key) && self.present.contains_key(&key)
    }

    /// Whether it is wanted and the kernel refused it last.
    pub fn lacks(&self, key: &AddressKey) -> bool {
        self.refused.contains(key)
    }

    /// How many the kernel refused and does not have.
    pub fn refused(&self) -> usize {
        self.refused.len()
    }

    /// An address that exists and that nobody wants is deleted by the next round, whether or not it carries our protocol
    /// number: older kernels and other programs do not set it.
    pub fn discard(&mut self, address: &Address) {
        if !self.desired.contains_key(&address.key) {
            self.present.insert(address.key, Present::of(address));
            self.dirty.insert(address.key);
        }
    }

    /// Takes a list for what exists.
    fn load(&mut self, addresses: &[Address]) {
        self.must_load = false;
        self.own_removals.clear();
        self.present.clear();
        for address in addresses {
            self.is_there(address);
        }
        self.dirty.extend(self.desired.keys().filter(|key| !self.present.contains_key(key)));
    }

    fn heard_change(&mut self, change: &Change, now: u64) {
        match change {
            Change::AddressAdded { address, .. } => self.is_there(address),
            Change::AddressRemoved { address, .. } => self.removed(address.key, now),
            Change::Link(link) => {
                if !link.up {
                    self.up.remove(&link.index);
                } else if self.up.insert(link.index) {
                    self.retry_interface(link.index);
                }
            }
            Change::LinkGone(link) => self.forget_interface(link.index),
            // A list comes.
            Change::Overrun => {}
        }
    }

    fn is_there(&mut self, address: &Address) {
        let key = address.key;
        match self.desired.get_mut(&key) {
            Some(desired) => {
                self.refused.remove(&key);
                if std::mem::take(&mut desired.taken_away) {
                    self.reports.push(Thing::Address(key).came(Fate::PutBack));
                }
            }
            None if address.is_ours() => {}
            None => return,
        }
        self.present.insert(key, Present::of(address));
    }

    fn removed(&mut self, key: AddressKey, now: u64) {
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
        let Some(desired) = self.desired.get_mut(&key) else { return };
        if own {
            // Late news of a removal before it was wanted again. Adding it once more does no harm if it is there.
            self.dirty.insert(key);
            return;
        }
        let put_back_at = desired.put_back_from.max(now);
        desired.put_back_from = put_back_at.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
        desired.taken_away = true;
        self.later.insert((put_back_at, key));
        self.reports.push(Thing::Address(key).came(Fate::TakenAway));
    }

    fn take_due(&mut self, now: u64) {
        while let Some(&(time, key)) = self.later.first()
            && time <= now
        {
            self.later.pop_first();
            self.dirty.insert(key);
        }
        while let Some(&(time, key)) = self.leases.first()
            && time <= now
        {
            self.leases.pop_first();
            if self.desired.get(&key).is_some_and(|desired| desired.renew_at == time) {
                self.renew.insert(key);
            }
        }
    }

    /// The address has its whole lease before it.
    fn is_leased(&mut self, key: AddressKey, now: u64) {
        let Some(desired) = self.desired.get_mut(&key) else { return };
        let Some(lease) = desired.spec.lease_seconds else { return };
        let part = u64::from(lease) * NANOSECONDS_PER_SECOND / RENEWALS_PER_LEASE;
        desired.renew_at = now.saturating_add(part);
        self.leases.insert((desired.renew_at, key));
    }

    fn write(&mut self, requests: &mut Requests, now: u64) -> Result<()> {
        let operations = self.difference();
        let mut batch = Batch::default();
        for operation in &operations {
            self.encode(*operation, &mut batch);
        }
        let outcomes = requests.send(&mut batch)?;
        self.dirty.clear();
        self.renew.clear();
        for (operation, outcome) in operations.into_iter().zip(outcomes) {
            self.settle(operation, outcome, now);
        }
        Ok(())
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
            Operation::Renew(key) => {
                if let Some(desired) = self.desired.get(&key) {
                    batch.renew_address(&desired.spec);
                }
            }
        }
    }

    fn settle(&mut self, operation: Operation, outcome: Outcome, now: u64) {
        let key = operation.key();
        let refused = match outcome {
            Outcome::Done => None,
            Outcome::Refused { errno, kernel_message } => Some((errno, kernel_message)),
            Outcome::Unknown => {
                self.must_load = true;
                self.dirty.insert(key);
                return;
            }
        };
        if refused.is_none() && !matches!(operation, Operation::Delete(_)) {
            self.is_leased(key, now);
        }
        match (operation, refused) {
            (Operation::Renew(_), None) => {}
            // It had gone with the primary address of its network.
            (Operation::Restore(_), None) => {
                *self.own_removals.entry(key).or_default() += 1;
                self.now_present(key, None);
            }
            (Operation::Restore(_), Some((Errno::EXIST, _))) => self.now_present(key, None),
            (Operation::Add(_), None) => self.now_present(key, Some(Fate::Installed)),
            (Operation::Add(_), Some((Errno::EXIST, _))) => {
                // Somebody made it, for longer than it shall be there.
                let leased = self.desired.get(&key).filter(|desired| desired.spec.lease_seconds.is_some());
                self.renew.extend(leased.map(|_| key));
                self.now_present(key, Some(Fate::Installed));
            }
            (Operation::Delete(_), None) => {
                *self.own_removals.entry(key).or_default() += 1;
                self.now_gone(key);
            }
            (Operation::Delete(_), Some((Errno::ADDRNOTAVAIL | Errno::NODEV, _))) => self.now_gone(key),
            (_, Some((errno, kernel_message))) => {
                if !matches!(operation, Operation::Delete(_)) {
                    self.present.remove(&key);
                }
                // A missing interface announces itself when it comes.
                if errno != Errno::NODEV {
                    self.later.insert((now.saturating_add(RETRY_INTERVAL_NANOSECONDS), key));
                }
                if self.refused.insert(key) {
                    let error = Box::new(operation.error(errno, kernel_message));
                    self.reports.push(Thing::Address(key).came(Fate::Refused(error)));
                }
            }
        }
    }

    /// What comes of it, unless somebody had taken it away.
    fn now_present(&mut self, key: AddressKey, fate: Option<Fate>) {
        let Some(desired) = self.desired.get_mut(&key) else { return };
        desired.replace = false;
        let peer = desired.spec.peer;
        self.present.entry(key).or_insert(Present { peer, primary: None });
        self.refused.remove(&key);
        let put_back = std::mem::take(&mut desired.taken_away).then_some(Fate::PutBack);
        self.reports.extend(put_back.or(fate).map(|fate| Thing::Address(key).came(fate)));
    }

    fn now_gone(&mut self, key: AddressKey) {
        self.present.remove(&key);
        self.refused.remove(&key);
        self.reports.push(Thing::Address(key).came(Fate::Gone));
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
