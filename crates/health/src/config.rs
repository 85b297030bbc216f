//! What is to be checked, and what is made of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A number that stands for one entry as long as it exists, also over reloads. Small and dense.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl crate::slab::Id for $name {
            fn from_index(index: u32) -> Self {
                Self(index)
            }

            fn index(self) -> u32 {
                self.0
            }
        }
    };
}

id!(
    /// A service (virtual server).
    ServiceId
);
id!(
    /// A server (real server) of a service.
    ServerId
);
id!(
    /// A check of a target.
    CheckId
);

/// Everything to be balanced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The services; two with the same key are one.
    pub services: Vec<ServiceConfig>,
    /// Where the spread of the first checks comes from.
    pub seed: u64,
    /// At the start those are told, too, that are alive from the beginning.
    pub tell_initial: bool,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// What it is called; at a reload a service of the same key is the same.
    pub key: Arc<str>,
    /// Live weight needed.
    pub quorum: u32,
    /// Margin around it, less than the quorum.
    pub hysteresis: u32,
    /// Down notifications run when the daemon stops.
    pub omega: bool,
    /// Checks run only while the caller says that the address is here.
    pub ha_suspend: bool,
    /// Serves while there is no quorum.
    pub sorry: Option<SorryConfig>,
    /// Those that serve; two with the same address are one.
    pub servers: Vec<ServerConfig>,
}

/// A sorry server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SorryConfig {
    /// Address and port.
    pub address: SocketAddr,
    /// Stays at weight 0 while it does not serve.
    pub inhibit: bool,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// Address and port; at a reload a server of the same service with the same address is the same.
    pub address: SocketAddr,
    /// Its share.
    pub weight: u32,
    /// Stays at weight 0 while it is down.
    pub inhibit: bool,
    /// It is installed when each of its checks has been made once; till then it counts as it begins.
    pub proven_first: bool,
    /// After it came back its weight grows for this long.
    pub slow_start: Duration,
    /// It is alive while none of them is down.
    pub checks: Arc<[CheckConfig]>,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckConfig {
    /// What is asked, and how: checks with the same key are one.
    pub key: CheckKey,
    /// What is asked alone, in a text of the caller's: the settings without those that say when, how often and how long. A
    /// server's check that a reload replaces by one with the same target and question goes on in that one.
    pub question: Arc<str>,
    /// When it is asked.
    pub rhythm: Rhythm,
    /// Down until it has been asked.
    pub alpha: bool,
    /// Every failure is an event, not only that which changes something.
    pub log_all_failures: bool,
}

/// What tells one check from another. The settings are those of [`CheckConfig`] and of the probe in one text of the
/// caller's; what differs in it is another check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CheckKey {
    /// Who is asked.
    pub target: SocketAddr,
    /// How.
    pub settings: Arc<str>,
}

/// When a check is asked, and how often before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rhythm {
    /// Never: its results come unasked (a file, a BFD session).
    pub unasked: bool,
    /// From the end of one probe to the start of the next.
    pub delay_loop: Duration,
    /// The same after a failure that does not count yet.
    pub delay_before_retry: Duration,
    /// Bound of the random part of the first delay.
    pub warmup: Duration,
    /// Failures that do not count yet.
    pub retries: u32,
    /// Successes in a row that bring it up; 1 at least.
    pub rise: u32,
    /// The very first failure counts at once.
    pub first_failure_counts: bool,
    /// Failures are counted up to [`retries`](Self::retries) also while it is down.
    pub retries_while_down: bool,
    /// Pages to be asked in turn, one a probe; 1 at least. It is up when all have answered.
    pub steps: u16,
    /// No delay between the pages while it is not up.
    pub fast_recovery: bool,
    /// Delays are measured from the start of a probe.
    pub from_start: bool,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            unasked: false,
            delay_loop: Duration::from_secs(60),
            delay_before_retry: Duration::from_secs(1),
            warmup: Duration::from_secs(60),
            retries: 1,
            rise: 1,
            first_failure_counts: true,
            retries_while_down: false,
            steps: 1,
            fast_recovery: false,
            from_start: false,
        }
    }
}
