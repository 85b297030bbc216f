//! What a supervisor sees on behalf of a check worker: files that are followed, BFD sessions, instances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// A file holds this number.
    File(Arc<str>, i32),
    /// The path of a BFD session works, or does not.
    Session(Arc<str>, bool),
    /// An instance is master, or is not.
    Instance(Arc<str>, bool),
}

/// Everything as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Numbers of files by the names of their `track_file`.
    pub files: BTreeMap<Arc<str>, i32>,
    /// Whether the paths of BFD sessions work; those that were never up are not here.
    pub sessions: BTreeMap<Arc<str>, bool>,
    /// Instances that are master.
    pub masters: BTreeSet<Arc<str>>,
}

/// What has to be seen, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Followed {
    /// Files.
    pub files: BTreeSet<Arc<str>>,
    /// BFD sessions.
    pub sessions: BTreeSet<Arc<str>>,
    /// Instances.
    pub instances: BTreeSet<Arc<str>>,
}

impl Surroundings {
    /// Takes a change over.
    pub fn see(&mut self, seen: Seen) {
        match seen {
            Seen::File(name, number) => {
                self.files.insert(name, number);
            }
            Seen::Session(name, good) => {
                self.sessions.insert(name, good);
            }
            Seen::Instance(name, true) => {
                self.masters.insert(name);
            }
            Seen::Instance(name, false) => {
                self.masters.remove(&name);
            }
        }
    }
}

impl Followed {
    /// Whether somebody has to know of it.
    pub fn has(&self, seen: &Seen) -> bool {
        match seen {
            Seen::File(name, _) => self.files.contains(name),
            Seen::Session(name, _) => self.sessions.contains(name),
            Seen::Instance(name, _) => self.instances.contains(name),
        }
    }
}
