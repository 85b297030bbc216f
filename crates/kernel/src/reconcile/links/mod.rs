//! Interfaces that shall exist on top of others, and what they need of those below.
//!
//! ```text
//! wish ───▶ dirty ──▶ install: what exists is read, what differs is made, corrected or made anew
//! unwish ─▶ doomed ─▶ retract: deletes
//! heard (an announcement) ──▶ dirty
//! ```

mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pause::{PUT_BACK_INTERVAL_NANOSECONDS, RETRY_INTERVAL_NANOSECONDS};
use super::{Fate, Heard, Reconcile, Report, Thing};
use crate::error::{Capability, Errno, Error, Result};
use crate::netlink::{Batch, Change, Link, LinkSpec, Outcome, Requests};
use crate::sysctl::{Family, InterfaceSetting};

pub use settings::{Remembered, Settings};

/// Keeps interfaces as they are wanted.
#[derive(Debug, Default)]
pub struct Links {
    desired: BTreeMap<Arc<str>, Desired>,
    /// Wanted, and perhaps not as it shall be.
    dirty: BTreeSet<Arc<str>>,
    /// Not wanted, and perhaps there.
    doomed: BTreeSet<Arc<str>>,
    /// To become dirty at a time.
    later: BTreeSet<(u64, Arc<str>)>,
    reports: Vec<Report>,
}

#[derive(Debug)]
struct Desired {
    spec: Arc<LinkSpec>,
    /// It was as it shall be.
    served: bool,
    /// Why it is not there; told once.
    refused: bool,
    /// When it may be put back next.
    put_back_from: u64,
}

/// What has to be done for an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Nothing,
    Make,
    Correct,
    /// By the index of the one in its place.
    MakeAnew(u32),
    /// Another interface has its name.
    Taken,
}

impl Reconcile for Links {
    type Way = Requests;
    type Key = Arc<str>;
    type Wish = Arc<LinkSpec>;

    fn key(wish: &Arc<LinkSpec>) -> Arc<str> {
        Arc::clone(&wish.name)
    }

    fn wish(&mut self, spec: Arc<LinkSpec>) {
        let name = Arc::clone(&spec.name);
        self.doomed.remove(&name);
        if self.desired.get(&name).is_none_or(|desired| desired.spec != spec) {
            self.desired.insert(Arc::clone(&name), Desired::of(spec));
            self.dirty.insert(name);
        }
    }

    fn unwish(&mut self, name: &Arc<str>) {
        if self.desired.remove(name).is_some() {
            self.dirty.remove(name);
            self.doomed.insert(Arc::clone(name));
        }
    }

    /// What this reconciler does itself is announced as well, and leads to one look more.
    fn heard(&mut self, heard: Heard<'_>, now: u64) {
        let (link, there) = match heard {
            Heard::Change(Change::Link(link)) => (link, true),
            Heard::Change(Change::LinkGone(link)) => (link, false),
            Heard::Change(Change::Overrun) => return self.dirty.extend(self.desired.keys().cloned()),
            _ => return,
        };
        let Some((name, desired)) = self.desired.get_key_value(link.name.as_str()) else { return };
        if !there || !desired.spec.fits(link) {
            self.later.insert((desired.put_back_from.max(now), Arc::clone(name)));
        }
    }

    /// Only what this program has made is deleted.
    fn retract(&mut self, requests: &mut Requests, _: u64) -> Result<()> {
        if self.doomed.is_empty() {
            return Ok(());
        }
        let found = requests.links()?;
        let mut batch = Batch::default();
        for link in found.iter().filter(|link| link.is_made() && self.doomed.contains(link.name.as_str())) {
            batch.delete_link(link.index);
        }
        requests.send(&mut batch)?;
        for name in std::mem::take(&mut self.doomed) {
            self.reports.push(Thing::Link(name).came(Fate::Gone));
        }
        Ok(())
    }

    fn install(&mut self, requests: &mut Requests, now: u64) -> Result<()> {
        while let Some((time, name)) = self.later.first().cloned()
            && time <= now
        {
            self.later.pop_first();
            if self.desired.contains_key(&name) {
                self.dirty.insert(name);
            }
        }
        if self.dirty.is_empty() {
            return Ok(());
        }
        let found = requests.links()?;
        let found: BTreeMap<&str, &Link> = found.iter().map(|link| (link.name.as_str(), link)).collect();
        let deed = |name: &Arc<str>| (Arc::clone(name), self.deed(name, found.get(&**name).copied()));
        let deeds: Vec<(Arc<str>, Deed)> = self.dirty.iter().map(deed).collect();
        let outcomes = self.write(requests, &deeds)?;
        self.dirty.clear();
        for ((name, deed), outcome) in deeds.into_iter().zip(outcomes) {
            self.settle(name, deed, outcome, now);
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

impl Links {
    /// What an earlier run made and nobody wishes goes; only where no other daemon of this kind lives.
    pub fn discard_leftovers(&mut self, found: &[Link]) {
        let marked = found.iter().filter(|link| link.is_made());
        let names = marked.map(|link| Arc::from(link.name.as_str()));
        self.doomed.extend(names.filter(|name: &Arc<str>| !self.desired.contains_key(name)));
    }

    fn deed(&self, name: &str, found: Option<&Link>) -> Deed {
        let Some(desired) = self.desired.get(name) else { return Deed::Nothing };
        match found {
            None => Deed::Make,
            Some(link) if desired.spec.fits(link) && desired.served => Deed::Nothing,
            Some(link) if desired.spec.is_same(link) => Deed::Correct,
            Some(link) if desired.spec.was_made_for(link) => Deed::MakeAnew(link.index),
            Some(_) => Deed::Taken,
        }
    }

    /// Writes in three steps, because IPv6 can only be switched off once the interface exists, and has to be before the
    /// interface is switched on. The worst outcome of each comes back.
    fn write(&self, requests: &mut Requests, deeds: &[(Arc<str>, Deed)]) -> Result<Vec<Outcome>> {
        let mut outcomes: Vec<Outcome> = deeds.iter().map(|_| Outcome::Done).collect();
        let mut batch = Batch::default();
        let mut places = Vec::new();
        for (place, (name, deed)) in deeds.iter().enumerate() {
            let Some(desired) = self.desired.get(name) else { continue };
            let spec = &desired.spec;
            let before = batch.len();
            match deed {
                Deed::Nothing | Deed::Taken => continue,
                Deed::Correct => batch.correct_link(spec),
                Deed::Make => batch.create_link(spec),
                Deed::MakeAnew(index) => {
                    batch.delete_link(*index);
                    batch.create_link(spec);
                }
            }
            batch.settle_link(spec);
            places.extend((before..batch.len()).map(|_| place));
        }
        keep_refusals(&mut outcomes, &places, requests.send(&mut batch)?);
        places.clear();
        let mut without_v6 = Batch::default();
        for (place, (name, _)) in deeds.iter().enumerate() {
            let Some(desired) = self.desired.get(name) else { continue };
            if !matches!(outcomes.get(place), Some(Outcome::Done)) {
                continue;
            }
            without_v6.generate_no_addresses(name);
            let before = batch.len();
            batch.switch_on_link(name);
            if desired.spec.told_again {
                batch.tell_link_again(&desired.spec);
            }
            places.extend((before..batch.len()).map(|_| place));
            if desired.spec.no_ipv6 {
                let setting =
                    InterfaceSetting { family: Family::Ipv6, interface: name, name: "disable_ipv6" };
                // Without IPv6 there is nothing to switch off; where /proc cannot be written, no address is generated.
                let _ = setting.write("1");
            }
        }
        // Refused where there is no IPv6.
        requests.send(&mut without_v6)?;
        keep_refusals(&mut outcomes, &places, requests.send(&mut batch)?);
        Ok(outcomes)
    }

    fn settle(&mut self, name: Arc<str>, deed: Deed, outcome: Outcome, now: u64) {
        let Some(desired) = self.desired.get_mut(&name) else { return };
        let attempted = || format!("make the interface {name}");
        let error = match (deed, outcome) {
            (Deed::Nothing, _) => return,
            (Deed::Taken, _) => {
                let kernel_message = Some("another interface has this name".to_owned());
                Error { kernel_message, ..Error::new(attempted(), Errno::EXIST) }
            }
            (_, Outcome::Done) => {
                let fate = if std::mem::replace(&mut desired.served, true) {
                    desired.put_back_from = now.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
                    Fate::PutBack
                } else {
                    Fate::Installed
                };
                desired.refused = false;
                return self.reports.push(Thing::Link(name).came(fate));
            }
            (_, Outcome::Unknown) => {
                self.dirty.insert(name);
                return;
            }
            (_, Outcome::Refused { errno, kernel_message }) => {
                Error { kernel_message, ..Error::new(attempted(), errno) }.needing(Capability::NetAdmin)
            }
        };
        self.later.insert((now.saturating_add(RETRY_INTERVAL_NANOSECONDS), Arc::clone(&name)));
        // An interface whose lower one has just gone will not be wished any more.
        if error.errno != Errno::NODEV && !std::mem::replace(&mut desired.refused, true) {
            self.reports.push(Thing::Link(name).came(Fate::Refused(Box::new(error))));
        }
    }
}

impl Desired {
    fn of(spec: Arc<LinkSpec>) -> Self {
        Self { spec, served: false, refused: false, put_back_from: 0 }
    }
}

/// `places` says for each of the answers which outcome it belongs to; the first refusal stays.
fn keep_refusals(outcomes: &mut [Outcome], places: &[usize], answers: Vec<Outcome>) {
    for (place, answer) in places.iter().zip(answers) {
        if let Some(outcome) = outcomes.get_mut(*place)
            && *outcome == Outcome::Done
        {
            *outcome = answer;
        }
    }
}
