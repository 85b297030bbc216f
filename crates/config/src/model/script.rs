//! Programs that the daemon runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Site;
use crate::value::{Interval, Name, Text};

/// The account a program runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Name or number of the user.
    pub user: Name,
    /// Name or number of the group; the user's own without it.
    pub group: Option<Name>,
    /// Give it the user's supplementary groups.
    pub supplementary_groups: bool,
}

/// A command with its account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Script {
    /// The program and its arguments, split; never empty.
    pub words: Vec<Text>,
    /// The account; `None` for the daemon's own.
    pub account: Option<Account>,
    /// Where it stands.
    #[serde(skip)]
    pub site: Site,
}

impl Script {
    /// The program.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", |word| word)
    }
}

/// `vrrp_script`: a check that is run periodically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VrrpScript {
    /// Its name.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// What to run.
    pub script: Script,
    /// Time from one start to the next.
    pub interval: Interval,
    /// Killed and counted as failed after this long.
    pub timeout: Interval,
    /// Zero: fault on failure; otherwise added to the priority.
    pub weight: super::Weight,
    /// Successes needed to become good.
    pub rise: u32,
    /// Failures needed to become bad.
    pub fall: u32,
    /// Counts as failed until it has succeeded.
    pub init_fail: bool,
}

impl Default for VrrpScript {
    fn default() -> Self {
        Self {
            name: Name::default(),
            site: Site::default(),
            script: Script::default(),
            interval: Interval::from_secs(1),
            timeout: Interval::ZERO,
            weight: super::Weight::default(),
            rise: 1,
            fall: 1,
            init_fail: false,
        }
    }
}
