//! Interfaces that shall exist on top of others, and what they need of those below.
//!
//! ```text
//! wish ───▶ dirty ──▶ install: what exists is read, what differs is made, corrected or made anew
//! unwish ─▶ doomed ─▶ retract: deletes
//! observe (an announcement) ──▶ dirty
//! ```

mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pause::{PUT_BACK_INTERVAL_NANOSECONDS, Pause, RETRY_INTERVAL_NANOSECONDS};
use crate::error::{Capability, Errno, Error, Result};
use crate::netlink::{Batch, Change, Link, LinkSpec, MARK, Outcome, Requests};
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
    pause: Pause,
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

/// What came of writing to the kernel.
#[derive(Debug, Default)]
pub struct Installed {
    /// What somebody else had removed or changed and is as it shall be again.
    pub restored: Vec<Arc<str>>,
    /// What the kernel refused, each told once until it succeeds; it is tried again later.
    pub refused: Vec<(Arc<str>, Error)>,
    /// Whether anything was written, so that the interfaces are to be read again.
    pub changed: bool,
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

impl Links {
    /// Whether nothing is wanted, nor to be deleted.
    pub fn is_empty(&self) -> bool {
        self.desired.is_empty() && self.doomed.is_empty()
    }

    /// Exactly these shall exist, of all that was ever wished.
    pub fn wish(&mut self, specs: impl IntoIterator<Item = LinkSpec>) {
        let mut wanted: BTreeMap<Arc<str>, LinkSpec> =
            specs.into_iter().map(|spec| (Arc::clone(&spec.name), spec)).collect();
        let gone: Vec<Arc<str>> =
            self.desired.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        gone.iter().for_each(|name| self.unwish(name));
        while let Some((name, spec)) = wanted.pop_first() {
            self.doomed.remove(&name);
            match self.desired.get_mut(&name) {
                Some(desired) if *desired.spec == spec => continue,
                Some(desired) => *desired = Desired::of(spec),
                None => {
                    self.desired.insert(Arc::clone(&name), Desired::of(spec));
                }
            }
            self.dirty.insert(name);
        }
    }

    /// It shall not exist any more.
    fn unwish(&mut self, name: &Arc<str>) {
        if self.desired.remove(name).is_some() {
            self.dirty.remove(name);
            self.doomed.insert(Arc::clone(name));
        }
    }

    /// What an earlier run made and nobody wants goes; only where no other daemon of this kind lives.
    pub fn discard_leftovers(&mut self, found: &[Link]) {
        let marked = found.iter().filter(|link| is_marked(link));
        let names = marked.map(|link| Arc::from(link.name.as_str()));
        self.doomed.extend(names.filter(|name: &Arc<str>| !self.desired.contains_key(name)));
    }

    /// Takes note of an announcement. Changes that this reconciler makes itself lead to one look more.
    pub fn observe(&mut self, change: &Change, now: u64) {
        let (link, there) = match change {
            Change::Link(link) => (link, true),
            Change::LinkGone(link) => (link, false),
            Change::Overrun => return self.dirty.extend(self.desired.keys().cloned()),
            Change::AddressAdded { .. } | Change::AddressRemoved { .. } => return,
        };
        let Some((name, desired)) = self.desired.get_key_value(link.name.as_str()) else { return };
        if !there || !desired.spec.fits(link) {
            self.later.insert((desired.put_back_from.max(now), Arc::clone(name)));
        }
    }

    /// When [`Self::install`] or [`Self::retract`] has something to do: nanoseconds of CLOCK_MONOTONIC, 0 for at once.
    pub fn next_wakeup(&self) -> Option<u64> {
        let idle = self.dirty.is_empty() && self.doomed.is_empty();
        self.pause.put_off(if idle { self.later.first().map(|(time, _)| *time) } else { Some(0) })
    }

    /// Deletes what is not wanted, if it was made by this program.
    ///
    /// # Errors
    /// Only when the netlink socket itself fails; the rest stays to be done, and until [`Self::next_wakeup`] nothing is
    /// attempted.
    pub fn retract(&mut self, requests: &mut Requests, now: u64) -> Result<bool> {
        if self.doomed.is_empty() || !self.pause.is_over(now) {
            return Ok(false);
        }
        let found = self.pause.after(requests.links(), now)?;
        let mut batch = Batch::default();
        for link in found.iter().filter(|link| is_marked(link) && self.doomed.contains(link.name.as_str())) {
            batch.delete_link(link.index);
        }
        let changed = !batch.is_empty();
        self.pause.after(requests.send(&mut batch), now)?;
        self.doomed.clear();
        Ok(changed)
    }

    /// Makes what is wanted.
    ///
    /// # Errors
    /// As [`Self::retract`].
    pub fn install(&mut self, requests: &mut Requests, now: u64) -> Result<Installed> {
        let mut installed = Installed::default();
        if !self.pause.is_over(now) {
            return Ok(installed);
        }
        while let Some((time, name)) = self.later.first().cloned()
            && time <= now
        {
            self.later.pop_first();
            if self.desired.contains_key(&name) {
                self.dirty.insert(name);
            }
        }
        if self.dirty.is_empty() {
            return Ok(installed);
        }
        let found = self.pause.after(requests.links(), now)?;
        let found: BTreeMap<&str, &Link> = found.iter().map(|link| (link.name.as_str(), link)).collect();
        let deeds: Vec<(Arc<str>, Deed)> = std::mem::take(&mut self.dirty)
            .into_iter()
            .map(|name| {
                let deed = self.deed(&name, found.get(&*name).copied());
                (name, deed)
            })
            .collect();
        let outcomes = self.write(requests, &deeds);
        let outcomes = self.pause.after(outcomes, now).inspect_err(|_| {
            self.dirty.extend(deeds.iter().map(|(name, _)| Arc::clone(name)));
        })?;
        for ((name, deed), outcome) in deeds.into_iter().zip(outcomes) {
            installed.changed |= !matches!(deed, Deed::Nothing | Deed::Taken);
            self.settle(name, deed, outcome, now, &mut installed);
        }
        Ok(installed)
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
            batch.switch_on_link(name);
            places.push(place);
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

    fn settle(&mut self, name: Arc<str>, deed: Deed, outcome: Outcome, now: u64, installed: &mut Installed) {
        let Some(desired) = self.desired.get_mut(&name) else { return };
        let attempted = || format!("make the interface {name}");
        let error = match (deed, outcome) {
            (Deed::Nothing, _) => return,
            (Deed::Taken, _) => {
                let kernel_message = Some("another interface has this name".to_owned());
                Error { kernel_message, ..Error::new(attempted(), Errno::EXIST) }
            }
            (_, Outcome::Done) => {
                if std::mem::replace(&mut desired.served, true) {
                    desired.put_back_from = now.saturating_add(PUT_BACK_INTERVAL_NANOSECONDS);
                    installed.restored.push(name);
                }
                desired.refused = false;
                return;
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
        // An interface whose lower one has just gone will not be wanted any more.
        if error.errno != Errno::NODEV && !std::mem::replace(&mut desired.refused, true) {
            installed.refused.push((name, error));
        }
    }
}

impl Desired {
    fn of(spec: LinkSpec) -> Self {
        Self { spec: Arc::new(spec), served: false, refused: false, put_back_from: 0 }
    }
}

/// Whether this program made it.
fn is_marked(link: &Link) -> bool {
    link.alias.as_deref().is_some_and(|alias| alias.starts_with(MARK))
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
