//! Packet filters that shall exist, in one table for each family, which belongs to this program alone.
//!
//! ```text
//! wish, unwish ──▶ fresh, stale ──▶ install: what differs, in one transaction
//! disturbed (an announcement) ──▶ install: the whole table anew, in one transaction
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::pause::{PUT_BACK_INTERVAL_NANOSECONDS, RETRY_INTERVAL_NANOSECONDS};
use crate::error::{Capability, Errno, Error, Result};
use crate::netlink::{Outcome, Protocol, Requests};
use crate::nftables::{Element, Family, Needs, Style, Transaction};

#[cfg(test)]
mod tests;

/// Keeps packet filters as they are wanted.
#[derive(Debug)]
pub struct Filters {
    style: Style,
    desired: BTreeSet<Element>,
    /// Wanted, and not written yet.
    fresh: BTreeSet<Element>,
    /// Not wanted, and still there.
    stale: BTreeSet<Element>,
    /// Tables that are there, with these parts.
    built: BTreeMap<Family, Needs>,
    /// Tables that may be anything.
    unsure: BTreeSet<Family>,
    /// Open once there was something to write.
    requests: Option<Requests>,
    not_before: u64,
    refused: bool,
}

/// What came of writing to the kernel.
#[derive(Debug, Default)]
pub struct Filtered {
    /// Somebody else had changed a table, and it is as it shall be again.
    pub restored: bool,
    /// The kernel refused, told once until it succeeds; it is tried again later.
    pub refused: Option<Error>,
}

impl Filters {
    /// Nothing is wanted; what will be, looks like this.
    pub fn new(style: Style) -> Self {
        Self {
            style,
            desired: BTreeSet::new(),
            fresh: BTreeSet::new(),
            stale: BTreeSet::new(),
            built: BTreeMap::new(),
            unsure: BTreeSet::new(),
            requests: None,
            not_before: 0,
            refused: false,
        }
    }

    /// Name of the tables.
    pub fn table(&self) -> &str {
        &self.style.table
    }

    /// The port by which the kernel knows what is changed here; 0 before anything was.
    pub fn port(&self) -> u32 {
        self.requests.as_ref().map_or(0, Requests::port)
    }

    /// Whether nothing is wanted, nor to be taken away.
    pub fn is_empty(&self) -> bool {
        self.desired.is_empty() && self.stale.is_empty()
    }

    /// It shall be done.
    pub fn wish(&mut self, element: Element) {
        if self.desired.insert(element) && !self.stale.remove(&element) {
            self.fresh.insert(element);
        }
    }

    /// It shall not be done any more.
    pub fn unwish(&mut self, element: Element) {
        if self.desired.remove(&element) && !self.fresh.remove(&element) {
            self.stale.insert(element);
        }
    }

    /// Tables look like this from here on. Another name is one for the next start.
    pub fn restyle(&mut self, style: Style) {
        let duplicate = self.style.duplicate && style.duplicate;
        let style = Style { table: self.style.table.clone(), duplicate, ..style };
        if style != self.style {
            self.style = style;
            self.unsure.extend(self.built.keys());
        }
    }

    /// Somebody else changed a table.
    pub fn disturbed(&mut self) {
        self.unsure.extend(self.built.keys());
    }

    /// When [`Self::install`] has something to do: nanoseconds of CLOCK_MONOTONIC, 0 for at once.
    pub fn next_wakeup(&self) -> Option<u64> {
        let idle = self.fresh.is_empty() && self.stale.is_empty() && self.unsure.is_empty();
        (!idle).then_some(self.not_before)
    }

    /// Brings about what is wanted.
    ///
    /// # Errors
    /// When the netlink socket cannot be had or fails; everything stays to be done.
    pub fn install(&mut self, now: u64) -> Result<Filtered> {
        let mut filtered = Filtered::default();
        if self.next_wakeup().is_none_or(|at| at > now) {
            return Ok(filtered);
        }
        let anew = self.to_be_rebuilt();
        let disturbed = anew.iter().any(|family| self.unsure.contains(family));
        let outcome = self.commit(&anew).inspect_err(|_| {
            self.not_before = now.saturating_add(RETRY_INTERVAL_NANOSECONDS);
        })?;
        match outcome {
            Outcome::Done => {
                self.written(&anew);
                self.refused = false;
                filtered.restored = disturbed;
                if disturbed {
                    self.not_before = now.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
                }
            }
            // Without the expression that duplicates, reports are dropped and nothing more.
            Outcome::Refused { errno: Errno::NOENT, .. } if self.style.duplicate && !anew.is_empty() => {
                self.style.duplicate = false;
                return self.install(now);
            }
            // An element or a table is not as it was left.
            Outcome::Refused { errno: Errno::NOENT, .. } if anew.len() < self.families().len() => {
                self.unsure.extend(self.families());
                return self.install(now);
            }
            Outcome::Unknown => self.unsure.extend(self.families()),
            Outcome::Refused { errno, kernel_message } => {
                self.not_before = now.saturating_add(RETRY_INTERVAL_NANOSECONDS);
                let error = Error {
                    kernel_message,
                    ..Error::new(format!("write the packet filters of table {}", self.style.table), errno)
                };
                if !std::mem::replace(&mut self.refused, true) {
                    filtered.refused = Some(error.needing(Capability::NetAdmin));
                }
            }
        }
        Ok(filtered)
    }

    /// Families that something is wanted in, or there.
    fn families(&self) -> BTreeSet<Family> {
        let built = self.built.keys().copied();
        self.desired.iter().map(Element::family).chain(built).collect()
    }

    /// Families whose table is not there, may be anything, or lacks a part; and those that nothing is wanted in any more.
    fn to_be_rebuilt(&self) -> BTreeSet<Family> {
        let touched =
            self.fresh.iter().chain(&self.stale).map(Element::family).chain(self.unsure.iter().copied());
        let needs_more = |family: &Family| {
            let fresh = Needs::of(self.fresh.iter().filter(|element| element.family() == *family));
            self.unsure.contains(family)
                || self.built.get(family).is_none_or(|built| !built.cover(fresh))
                || !self.wants(*family)
        };
        touched.collect::<BTreeSet<_>>().into_iter().filter(needs_more).collect()
    }

    fn wants(&self, family: Family) -> bool {
        self.desired.iter().any(|element| element.family() == family)
    }

    fn commit(&mut self, anew: &BTreeSet<Family>) -> Result<Outcome> {
        let mut transaction = Transaction::default();
        for &family in anew {
            let needs = self.needs(family);
            if needs == Needs::default() {
                transaction.clear(&self.style, family);
            } else {
                transaction.rebuild(&self.style, family, needs);
            }
        }
        let whole = |element: &&Element| anew.contains(&element.family());
        let gone = self.stale.iter().filter(|element| !whole(element)).copied().collect();
        let come = self.desired.iter().filter(whole);
        let come = come.chain(self.fresh.iter().filter(|element| !whole(element))).copied().collect();
        transaction.remove_elements(&self.style, &gone);
        transaction.add_elements(&self.style, &come);
        let requests = match &mut self.requests {
            Some(requests) => requests,
            None => self.requests.insert(Requests::open_for(Protocol::Netfilter)?),
        };
        transaction.commit(requests)
    }

    fn needs(&self, family: Family) -> Needs {
        Needs::of(self.desired.iter().filter(|element| element.family() == family))
    }

    fn written(&mut self, anew: &BTreeSet<Family>) {
        self.fresh.clear();
        self.stale.clear();
        for family in anew {
            self.unsure.remove(family);
            let needs = self.needs(*family);
            if needs == Needs::default() {
                self.built.remove(family);
            } else {
                self.built.insert(*family, needs);
            }
        }
    }
}
