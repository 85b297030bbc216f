//! Packet filters that shall exist, in one table for each family, which belongs to this program alone.
//!
//! ```text
//! wish, unwish ──▶ fresh, stale ──▶ install: what differs, in one transaction
//! disturbed (an announcement) ──▶ install: the whole table anew, in one transaction
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::pause::{PUT_BACK_INTERVAL_NANOSECONDS, RETRY_INTERVAL_NANOSECONDS};
use super::{Fate, Heard, Reconcile, Report, Thing};
use crate::error::{Capability, Errno, Error, Result};
use crate::netlink::{Outcome, Protocol, Requests};
use crate::nftables::{Element, Family, Needs, Style, Transaction};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traffic_tests;

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
    /// Open once there was something to write: packet filters are not spoken of where links and addresses are.
    requests: Option<Requests>,
    not_before: u64,
    refused: bool,
    reports: Vec<Report>,
}

impl Default for Filters {
    /// As keepalived has them where nothing is configured.
    fn default() -> Self {
        Self::new(Style { table: "keepalived".to_owned(), priority: -1, counters: false, duplicate: true })
    }
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
            reports: Vec::new(),
        }
    }

    /// The same, written by a socket that is there already.
    pub fn over(style: Style, requests: Requests) -> Self {
        Self { requests: Some(requests), ..Self::new(style) }
    }

    /// Nothing is wanted any more.
    pub fn unwish_all(&mut self) {
        for element in std::mem::take(&mut self.desired) {
            if !self.fresh.remove(&element) {
                self.stale.insert(element);
            }
        }
    }

    /// Writes what is due.
    pub fn settle(&mut self, now: u64) {
        if self.next_wakeup().is_some_and(|at| at <= now) {
            self.write(now);
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

    /// Brings about what is wished.
    fn write(&mut self, now: u64) {
        let anew = self.to_be_rebuilt();
        let disturbed = anew.iter().any(|family| self.unsure.contains(family));
        let error = match self.commit(&anew) {
            Ok(Outcome::Done) => {
                self.written(&anew);
                self.refused = false;
                if disturbed {
                    self.not_before = now.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
                }
                let fate = if disturbed { Fate::PutBack } else { Fate::Installed };
                return self.reports.push(self.thing().came(fate));
            }
            // Without the expression that duplicates, reports are dropped and nothing more.
            Ok(Outcome::Refused { errno: Errno::NOENT, .. }) if self.style.duplicate && !anew.is_empty() => {
                self.style.duplicate = false;
                return self.write(now);
            }
            // An element or a table is not as it was left.
            Ok(Outcome::Refused { errno: Errno::NOENT, .. }) if anew.len() < self.families().len() => {
                self.unsure.extend(self.families());
                return self.write(now);
            }
            Ok(Outcome::Unknown) => return self.unsure.extend(self.families()),
            Ok(Outcome::Refused { errno, kernel_message }) => {
                let attempted = format!("write the packet filters of table {}", self.style.table);
                Error { kernel_message, ..Error::new(attempted, errno) }.needing(Capability::NetAdmin)
            }
            Err(error) => error,
        };
        self.not_before = now.saturating_add(RETRY_INTERVAL_NANOSECONDS);
        if !std::mem::replace(&mut self.refused, true) {
            self.reports.push(self.thing().came(Fate::Refused(Box::new(error))));
        }
    }

    fn thing(&self) -> Thing {
        Thing::Filters(self.style.table.as_str().into())
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

impl Reconcile for Filters {
    type Way = Requests;
    type Key = Element;
    type Wish = Element;

    fn key(wish: &Element) -> Element {
        *wish
    }

    fn wish(&mut self, element: Element) {
        if self.desired.insert(element) && !self.stale.remove(&element) {
            self.fresh.insert(element);
        }
    }

    fn unwish(&mut self, element: &Element) {
        if self.desired.remove(element) && !self.fresh.remove(element) {
            self.stale.insert(*element);
        }
    }

    /// Changes of packet filters are heard of by a [`Monitor`](crate::nftables::Monitor).
    fn heard(&mut self, _: Heard<'_>, _: u64) {}

    /// Where something comes as well, both happen in one transaction.
    fn retract(&mut self, _: &mut Requests, now: u64) -> Result<()> {
        if self.fresh.is_empty() {
            self.write(now);
        }
        Ok(())
    }

    fn install(&mut self, _: &mut Requests, now: u64) -> Result<()> {
        if self.next_wakeup().is_some_and(|at| at <= now) {
            self.write(now);
        }
        Ok(())
    }

    fn next_wakeup(&self) -> Option<u64> {
        let idle = self.fresh.is_empty() && self.stale.is_empty() && self.unsure.is_empty();
        (!idle).then_some(self.not_before)
    }

    fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }
}
