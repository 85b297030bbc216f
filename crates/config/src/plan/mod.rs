//! What a reload from one model to another does, keyword by keyword.

mod compare;
mod text;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::Model;
pub use crate::table::Reload;

/// All changes from one model to another, in the order of the newer one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Entities that differ.
    pub entities: Vec<EntityChange>,
}

/// One entity that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityChange {
    /// Its kind: the keyword of its block, or `global_defs`.
    pub kind: Cow<'static, str>,
    /// Its name; empty where there is only one.
    pub name: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// The keywords that differ.
    pub keywords: Vec<KeywordChange>,
    /// Whether this version carries out what its block asks for.
    pub active: bool,
}

/// What becomes of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did not exist.
    Added,
    /// It does not exist any more.
    Removed,
    /// It goes on with other settings.
    Changed,
    /// It starts anew.
    Restarted,
    /// The reload cannot do this and is refused.
    Refused,
}

/// One keyword that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeywordChange {
    /// The keyword.
    pub keyword: Cow<'static, str>,
    /// What was written behind it, or in its list. Both `None`: the same lines in another order.
    pub old: Option<String>,
    /// What is written there.
    pub new: Option<String>,
    /// What the change does.
    pub effect: Reload,
    /// Whether this version carries out what the keyword asks for. Where it does not, the change does nothing,
    /// unless it is refused.
    pub active: bool,
}

impl Plan {
    /// What a reload from `old` to `new` does.
    pub fn between(old: &Model, new: &Model) -> Self {
        compare::models(old, new)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Whether the reload is refused because something needs a restart of the daemon.
    pub fn is_refused(&self) -> bool {
        self.entities.iter().any(|entity| entity.outcome == Outcome::Refused)
    }

    /// The keywords that only a restart of the daemon can change.
    pub fn refused_keywords(&self) -> impl Iterator<Item = &str> {
        let changes = self.entities.iter().flat_map(|entity| &entity.keywords);
        changes.filter(|change| change.effect == Reload::Refused).map(|change| &*change.keyword)
    }

    /// As JSON.
    ///
    /// # Errors
    /// Never for a plan made by [`Plan::between`]; the serializer's otherwise.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}
