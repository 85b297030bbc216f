//! What a reload changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{Config, SessionConfig, SessionId};

/// The difference between two configurations, to be handed to [`Machine::apply`](crate::Machine::apply).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) removed: Vec<SessionId>,
    pub(crate) set: Vec<Arc<SessionConfig>>,
}

impl Plan {
    /// What has to change to get from `old` to `new`. What is equal in both does not occur.
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut before: BTreeMap<SessionId, &Arc<SessionConfig>> =
            old.sessions.iter().map(|session| (session.id, session)).collect();
        let mut differs = |session: &&Arc<SessionConfig>| before.remove(&session.id) != Some(*session);
        let set = new.sessions.iter().filter(&mut differs).cloned().collect();
        Self { removed: before.into_keys().collect(), set }
    }

    /// Nothing differs.
    pub const fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.set.is_empty()
    }

    /// Sessions that end.
    pub fn removed(&self) -> &[SessionId] {
        &self.removed
    }

    /// Sessions that begin, or stay with other settings.
    pub fn set(&self) -> &[Arc<SessionConfig>] {
        &self.set
    }
}

impl Config {
    /// Changes what `plan` changes: the configuration that it leads to.
    pub fn follow(&mut self, plan: &Plan) {
        let mut sessions: BTreeMap<SessionId, Arc<SessionConfig>> =
            self.sessions.drain(..).map(|session| (session.id, session)).collect();
        plan.removed.iter().for_each(|id| drop(sessions.remove(id)));
        sessions.extend(plan.set.iter().map(|session| (session.id, Arc::clone(session))));
        self.sessions.extend(sessions.into_values());
    }
}
