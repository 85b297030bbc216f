//! What a reload changes for a check worker. The supervisor works it out, the worker does it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::work::{Balanced, Settings};
use crate::link::lifecycle::Reloaded;

/// The way from one configuration to another. Services that are equal in both do not occur in it.
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
    /// Whether any service changes.
    pub fn concerns_services(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }

    /// What was done when this is done.
    pub fn reloaded(&self) -> Reloaded {
        Reloaded { added: self.added.len(), removed: self.removed.len(), changed: self.changed.len() }
    }
}
