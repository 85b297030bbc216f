//! What the language has beyond keepalived's.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Script, ServerAddress};
use crate::value::{Interval, Name, Text};

/// What an instance may ask for beyond keepalived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InstanceExtensions {
    /// Lifetime that the kernel gives the addresses of a master; the living daemon renews it.
    pub fence_lease: Option<Interval>,
    /// Asking whether another router still serves the addresses.
    pub split_brain_check: Option<SplitBrainCheck>,
    /// Run between winning and announcing; the instance waits for its end.
    pub master_prepare: Option<Box<Script>>,
    /// Longest wait for it; [`Self::PREPARE_TIMEOUT`] without it.
    pub master_prepare_timeout: Option<Interval>,
    /// What follows when it fails or takes too long.
    pub master_prepare_failure: PrepareFailure,
    /// A router that starts leaves a master of equal priority alone.
    pub incumbent_wins_ties: bool,
    /// With `nopreempt`: a master whose trackers lower its priority yields all the same.
    pub yields_to_health: bool,
    /// What follows when somebody removes an address of the master.
    pub removed_address: RemovedAddress,
    /// BFD sessions to whoever is heard as master.
    pub fast_detection: Option<FastDetection>,
}

impl InstanceExtensions {
    /// How long an instance waits for `notify_master_prepare` where nothing is said.
    pub const PREPARE_TIMEOUT: Interval = Interval::from_secs(10);
}

/// What follows when `notify_master_prepare` fails or takes too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrepareFailure {
    /// The instance becomes master nevertheless.
    #[default]
    Announce,
    /// It goes to FAULT.
    Fault,
}

/// What follows when somebody removes an address of a master.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemovedAddress {
    /// It is put back.
    #[default]
    PutBack,
    /// The instance gives up and goes to BACKUP, as keepalived's do.
    Backup,
}

/// `split_brain_check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitBrainCheck {
    /// Ask the link for each virtual address (ARP, neighbour solicitation).
    pub link: bool,
    /// An address that a router must reach to be master.
    pub arbiter: Option<IpAddr>,
    /// A TCP port that only a master serves.
    pub service: Option<ServerAddress>,
    /// Yield where another serves; otherwise it is only told.
    pub yields: bool,
    /// Longest wait for an answer.
    pub within: Interval,
    /// A master asks so often.
    pub every: Interval,
}

impl Default for SplitBrainCheck {
    fn default() -> Self {
        Self {
            link: false,
            arbiter: None,
            service: None,
            yields: false,
            within: Interval::from_millis(200),
            every: Interval::from_secs(5),
        }
    }
}

/// `flight_recorder`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlightRecorder {
    /// As much memory as the virtual routers need for minutes.
    #[default]
    Proportional,
    /// None.
    Off,
    /// So many KiB.
    Kibibytes(u32),
}

/// `fast_detection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FastDetection {
    /// Time between control packets.
    pub interval: Interval,
    /// Packets missed before the session is down.
    pub multiplier: u8,
}

impl Default for FastDetection {
    fn default() -> Self {
        Self { interval: Interval::from_micros(15_000), multiplier: 3 }
    }
}

/// What a virtual server may ask for beyond keepalived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceExtensions {
    /// Installed only while that instance is master.
    pub only_while_master: Option<Name>,
    /// A real server is installed when each of its checks has been made once; its state before that is told to nobody.
    pub install_after_first_check: bool,
}

/// Request method, headers and body of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HttpRequest {
    /// Method; GET without it.
    pub method: Option<Text>,
    /// Further header fields, name and value.
    pub headers: Vec<(Text, Text)>,
    /// Body.
    pub body: Option<Text>,
}

/// `GRPC_CHECK`: the health service of gRPC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GrpcCheck {
    /// The service asked about; empty is the server as a whole.
    pub service: Text,
    /// What the server is called; its address without it.
    pub virtualhost: Option<Text>,
    /// TLS.
    pub tls: bool,
}
