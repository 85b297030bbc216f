//! A machine as octets, from which another one goes on exactly alike.
//!
//! A large machine is written a few instances at a time while it goes on: an instance that is about to change is written
//! first, so that all pieces are of the moment of [`Machine::begin_snapshot`]. Deadlines are part of it, the queue is not:
//! it follows from them. Secrets are blank; see [`blank`](steadfast_wire::vrrp::blank).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::GroupId;
use crate::group::Group;
use crate::instance::Instance;
use crate::machine::{General, Instances, Machine};
use crate::track::Trackers;

/// Room for instances that change before their turn comes, kept ready.
const EARLY_BYTES: usize = 16 * 1024;

/// A part of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Everything besides the instances; the first.
    Base(&'a [u8]),
    /// One instance.
    Instance(&'a [u8]),
}

/// Octets that are no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// The part besides the instances cannot be read.
    Base,
    /// An instance cannot be read.
    Instance,
    /// An instance is missing, or there is another one.
    Incomplete {
        /// How many there were.
        expected: usize,
        /// How many are here.
        found: usize,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("the state of trackers and groups cannot be read"),
            Self::Instance => f.write_str("the state of an instance cannot be read"),
            Self::Incomplete { expected, found } => {
                write!(f, "expected the states of {expected} instances, found {found}")
            }
        }
    }
}

impl std::error::Error for SnapshotError {}

/// What is not of one instance.
#[derive(Serialize)]
struct Base<'a> {
    instances: usize,
    groups: &'a BTreeMap<GroupId, Group>,
    trackers: &'a Trackers,
    general: General,
}

/// The same, read.
#[derive(Deserialize)]
struct OwnedBase {
    instances: usize,
    groups: BTreeMap<GroupId, Group>,
    trackers: Trackers,
    general: General,
}

/// A snapshot on its way.
#[derive(Debug)]
pub(crate) struct Saving {
    /// Places before this one are written.
    next: usize,
    /// Which places are. Those that came since need not be.
    written: Vec<bool>,
    /// Written and not taken yet.
    octets: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Saving {
    /// Writes what stands at a place unless it is written.
    pub(crate) fn save(&mut self, place: usize, instance: Option<&Instance>) {
        if let Some(written @ false) = self.written.get_mut(place) {
            *written = true;
            self.write(instance);
        }
    }

    fn write(&mut self, instance: Option<&Instance>) {
        let Some(instance) = instance else { return };
        let before = self.octets.len();
        if postcard::to_io(instance, &mut self.octets).is_err() {
            // Nothing in it can fail; a snapshot without it is refused as incomplete.
            self.octets.truncate(before);
            return;
        }
        self.ends.push(self.octets.len());
    }

    fn take(&mut self, take: &mut impl FnMut(Piece<'_>)) {
        let mut start = 0;
        for end in self.ends.drain(..) {
            take(Piece::Instance(self.octets.get(start..end).unwrap_or_default()));
            start = end;
        }
        self.octets.clear();
    }
}

impl Machine {
    /// Begins a snapshot of this moment with everything that is not of one instance. One that is on its way is given up.
    pub fn begin_snapshot(&mut self, mut take: impl FnMut(Piece<'_>)) {
        let base = Base {
            instances: self.instances.iter().count(),
            groups: &self.groups,
            trackers: &self.trackers,
            general: self.general,
        };
        let octets = postcard::to_stdvec(&base).unwrap_or_default();
        take(Piece::Base(&octets));
        self.instances.saving = Some(Box::new(Saving {
            next: 0,
            written: vec![false; self.instances.slots.len()],
            octets: Vec::with_capacity(EARLY_BYTES),
            ends: Vec::new(),
        }));
    }

    /// Goes on with `at_most` instances, and with those that had to be written before; whether it is complete comes back.
    pub fn continue_snapshot(&mut self, at_most: usize, mut take: impl FnMut(Piece<'_>)) -> bool {
        let Instances { slots, saving, .. } = &mut self.instances;
        let Some(progress) = saving else { return true };
        let mut left = at_most;
        while left > 0 && progress.next < progress.written.len() {
            let place = progress.next;
            progress.next += 1;
            progress.save(place, slots.get(place).and_then(Option::as_deref));
            left -= 1;
        }
        progress.take(&mut take);
        let complete = progress.next >= progress.written.len();
        if complete {
            *saving = None;
        }
        complete
    }

    /// Gives up the snapshot that is on its way.
    pub fn abandon_snapshot(&mut self) {
        self.instances.saving = None;
    }

    /// A snapshot is on its way.
    pub fn is_saving(&self) -> bool {
        self.instances.saving.is_some()
    }

    /// The machine of which these are all pieces.
    ///
    /// # Errors
    /// When they are not.
    pub fn restore<'a>(
        base: &[u8],
        instances: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, SnapshotError> {
        let base: OwnedBase = postcard::from_bytes(base).map_err(|_| SnapshotError::Base)?;
        let mut machine = Self::without_instances(base.groups, base.trackers, base.general);
        let mut found = 0;
        for octets in instances {
            let instance: Instance = postcard::from_bytes(octets).map_err(|_| SnapshotError::Instance)?;
            let config = &instance.config;
            // A number is a place: one that is out of all proportion was not written here.
            if config.id.index() > INSTANCE_NUMBER_MAX {
                return Err(SnapshotError::Instance);
            }
            machine.hearers.insert(config);
            let id = instance.id();
            machine.instances.insert(instance);
            machine.arm(id);
            found += 1;
        }
        if found != base.instances || machine.instances.iter().count() != found {
            return Err(SnapshotError::Incomplete { expected: base.instances, found });
        }
        Ok(machine)
    }
}

/// Numbers of instances are dense: far more than any machine runs.
const INSTANCE_NUMBER_MAX: usize = 1 << 20;
