//! The ways to fail, and to come back.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// What the master's side has, at most, when nothing fails: a handover costs a client no more.
pub(super) const HANDOVER_LIMIT: Duration = Duration::from_millis(5);

/// What happens to the router with the higher priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Its cable is cut.
    PowerLoss,
    /// Every process on it stops running (SIGSTOP).
    Hang,
    /// Every process on it is killed (SIGKILL).
    Killed,
    /// Its daemon is asked to end (SIGTERM).
    PlannedStop,
    /// Its daemon is started again, and takes its addresses back.
    Return,
    /// Its vrrp worker is killed (SIGKILL); the supervisor lives.
    KilledWorker,
}

/// A name that no scenario has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownScenario(String);

impl Scenario {
    /// In the order in which they are shown.
    pub const ALL: [Self; 6] =
        [Self::PowerLoss, Self::Hang, Self::Killed, Self::PlannedStop, Self::Return, Self::KilledWorker];

    /// As on the command line and in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerLoss => "power-loss",
            Self::Hang => "hang",
            Self::Killed => "killed",
            Self::PlannedStop => "planned-stop",
            Self::Return => "return",
            Self::KilledWorker => "killed-worker",
        }
    }

    /// What is done, in a few words.
    pub const fn deed(self) -> &'static str {
        match self {
            Self::PowerLoss => "router1's cable is cut",
            Self::Hang => "every process on router1 hangs (SIGSTOP)",
            Self::Killed => "every process on router1 is killed (SIGKILL)",
            Self::PlannedStop => "router1's daemon is stopped (SIGTERM)",
            Self::Return => "router1's daemon is started again",
            Self::KilledWorker => "router1's vrrp worker is killed (SIGKILL)",
        }
    }

    /// How long a client may be without an answer, when the backup has `priority`.
    ///
    /// RFC 9568 section 6.1: who cannot say goodbye is missed after the master down interval,
    /// three adverts and a skew time of (256 - priority) / 256 adverts.
    pub fn limit(self, advert_interval: Duration, priority: u8) -> Duration {
        match self {
            Self::PowerLoss | Self::Hang | Self::Killed => {
                advert_interval * 3 + advert_interval * (256 - u32::from(priority)) / 256
            }
            Self::PlannedStop | Self::Return | Self::KilledWorker => HANDOVER_LIMIT,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Scenario {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == name);
        found.ok_or_else(|| UnknownScenario(name.to_owned()))
    }
}

impl fmt::Display for UnknownScenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Scenario::ALL.iter().map(|scenario| scenario.name()).collect();
        write!(f, "\"{}\" is no scenario: expected one of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownScenario {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.name().parse(), Ok(scenario));
        }
        let error = "power".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("power-loss, hang"), "{error}");
    }

    #[test]
    fn a_silent_master_is_missed_after_the_master_down_interval() {
        let limit = Scenario::Hang.limit(Duration::from_secs(1), 100);
        assert_eq!(limit, Duration::from_micros(3_609_375));
        assert_eq!(Scenario::Return.limit(Duration::from_secs(1), 100), HANDOVER_LIMIT);
    }
}
