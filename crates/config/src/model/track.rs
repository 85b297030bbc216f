//! What instances and sync groups follow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instance::Notify;
use super::{Script, Site};
use crate::value::{Interval, Name, Text};

/// What the state of a tracked object does to the priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Weight {
    /// Zero: FAULT while bad. Positive: added while good. Negative: added while bad.
    pub value: i16,
    /// Good and bad exchanged.
    pub reverse: bool,
}

impl Weight {
    /// Largest change of priority either way; keepalived reduces 254 to it.
    pub const LARGEST: i16 = 253;
}

/// One entry of a track list, the weight of its definition filled in where the entry has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tracked {
    /// Name of the interface, script, file, process set or BFD session.
    pub name: Name,
    /// Where the entry stands.
    #[serde(skip)]
    pub site: Site,
    /// Its effect.
    pub weight: Weight,
}

/// Everything that one instance or group follows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tracks {
    /// `track_interface`.
    pub interfaces: Vec<Tracked>,
    /// `track_script`.
    pub scripts: Vec<Tracked>,
    /// `track_file`.
    pub files: Vec<Tracked>,
    /// `track_process`.
    pub processes: Vec<Tracked>,
    /// `track_bfd`.
    pub bfds: Vec<Tracked>,
}

/// `track_file`: a file that holds an integer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrackFile {
    /// Its name.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Path of the file.
    pub path: Text,
    /// Multiplier of the file's value; zero: FAULT while the value is not 0.
    pub weight: Weight,
    /// Value the file is created with at start.
    pub init_value: Option<i32>,
    /// Replace what the file holds at start.
    pub init_overwrite: bool,
}

impl Default for TrackFile {
    fn default() -> Self {
        Self {
            name: Name::default(),
            site: Site::default(),
            path: Text::default(),
            weight: Weight { value: 1, reverse: false },
            init_value: None,
            init_overwrite: false,
        }
    }
}

/// How the arguments of a process are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParameterMatch {
    /// Not at all.
    #[default]
    None,
    /// All are equal.
    Exact,
    /// The configured ones equal the leading ones.
    Partial,
    /// As partial, but the last may be longer.
    Initial,
}

/// `vrrp_track_process`: a set of processes that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrackProcess {
    /// Its name.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Path or name of the program.
    pub process: Text,
    /// Arguments to compare.
    pub arguments: Vec<Text>,
    /// How they are compared.
    pub parameter_match: ParameterMatch,
    /// Zero: FAULT without quorum.
    pub weight: Weight,
    /// Fewest processes for success.
    pub quorum: u32,
    /// Most processes for success.
    pub quorum_max: Option<u32>,
    /// Wait before acting on a loss of quorum.
    pub terminate_delay: Interval,
    /// Wait before acting on a gain of quorum.
    pub fork_delay: Interval,
    /// Match the whole command line instead of the process name.
    pub full_command: bool,
}

impl Default for TrackProcess {
    fn default() -> Self {
        Self {
            name: Name::default(),
            site: Site::default(),
            process: Text::default(),
            arguments: Vec::new(),
            parameter_match: ParameterMatch::None,
            weight: Weight::default(),
            quorum: 1,
            quorum_max: None,
            terminate_delay: Interval::ZERO,
            fork_delay: Interval::ZERO,
            full_command: false,
        }
    }
}

/// `vrrp_sync_group`: instances that change state together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VrrpSyncGroup {
    /// Its name.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Names of its instances, in configured order; each is in this group only.
    pub members: Vec<Name>,
    /// What all its members follow.
    pub tracks: Tracks,
    /// Programs told of its transitions.
    pub notify: Notify,
    /// Mail its transitions.
    pub smtp_alert: bool,
    /// Members may follow objects with a weight.
    pub tracking_weight: bool,
    /// Members write priority changes to the FIFOs.
    pub notify_priority_changes: bool,
}

impl Notify {
    /// All programs with the keyword that names each.
    pub fn scripts(&self) -> impl Iterator<Item = (&'static str, &Script)> {
        [
            ("notify_backup", &self.backup),
            ("notify_master", &self.master),
            ("notify_fault", &self.fault),
            ("notify_stop", &self.stop),
            ("notify_deleted", &self.deleted),
            ("notify_master_rx_lower_pri", &self.master_rx_lower_priority),
            ("notify", &self.any),
        ]
        .into_iter()
        .filter_map(|(keyword, script)| script.as_deref().map(|script| (keyword, script)))
    }
}
