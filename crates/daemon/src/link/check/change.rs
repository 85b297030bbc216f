//! What a reload changes for a check worker. The supervisor works it out, the worker does it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::work::{Balanced, Settings, Work};
use crate::link::lifecycle::Reloaded;

/// The way from one [`Work`] to another. Services that are equal in both do not occur in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Services that are new.
    pub added: Vec<Balanced>,
    /// Services with other settings or servers.
    pub changed: Vec<Balanced>,
    /// Services that are no more.
    pub removed: Vec<Arc<str>>,
    /// How the worker runs.
    pub settings: Settings,
}

impl Change {
    /// What has to change to get from `old` to `new`.
    pub fn between(old: &Work, new: &Work) -> Self {
        let mut added = Vec::new();
        let mut changed = Vec::new();
        for (key, service) in &new.services {
            match old.services.get(key) {
                None => added.push(service.clone()),
                Some(before) if before != service => changed.push(service.clone()),
                Some(_) => {}
            }
        }
        let removed = old.services.keys().filter(|key| !new.services.contains_key(*key)).cloned();
        Self { added, changed, removed: removed.collect(), settings: new.settings.clone() }
    }

    /// Whether any service changes.
    pub fn concerns_services(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }

    /// What was done when this is done.
    pub fn reloaded(&self) -> Reloaded {
        Reloaded { added: self.added.len(), removed: self.removed.len(), changed: self.changed.len() }
    }
}
