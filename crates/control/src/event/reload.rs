//! What a reload changed, or why it was refused.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use steadfast_config::known_errors::Refusal;
use steadfast_config::plan::Outcome;
use steadfast_kernel::Error;

use super::Clash;

/// What a reload changed, as far as this version carries it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The first of them.
    pub changed: Vec<Changed>,
    /// How many more there are.
    pub further: usize,
    /// There are others that this version accepts and does not carry out.
    pub not_active: bool,
}

/// A block, or a list outside of every block, that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its kind: the keyword of its block or of its lines.
    pub kind: Cow<'static, str>,
    /// Its name; empty where there is only one.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The first keywords that differ.
    pub keywords: Vec<Cow<'static, str>>,
    /// Others differ, too.
    pub further: bool,
}

/// Why a reload was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadRefusal {
    /// The file has errors.
    Errors {
        /// Which file.
        file: String,
        /// How many, and beside which.
        errors: Refusal,
    },
    /// Only a restart can change these.
    Restart {
        /// What differs.
        keywords: Vec<FixedKeyword>,
    },
    /// Another daemon runs one of its virtual routers.
    Clash(Clash),
    /// The machine could not be asked about itself.
    Unasked {
        /// What failed.
        error: Error,
    },
}

/// A setting that stays what it is while a daemon runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedKeyword {
    /// The keyword.
    pub keyword: Cow<'static, str>,
    /// In force, as people write it.
    pub from: String,
    /// In the file.
    pub to: String,
}
