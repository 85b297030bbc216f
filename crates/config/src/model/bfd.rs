//! BFD sessions.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Site, Weight};
use crate::value::{Interval, Name};

/// Who hears of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BfdReports {
    /// VRRP and checkers.
    #[default]
    Both,
    /// VRRP only.
    Vrrp,
    /// Checkers only.
    Checker,
}

/// `bfd_instance` (RFC 5880, RFC 5881, RFC 5883).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BfdInstance {
    /// Its name, at most 31 characters.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// The peer.
    pub neighbor: IpAddr,
    /// Own address; chosen by the kernel without it.
    pub source: Option<IpAddr>,
    /// Required minimum receive interval.
    pub min_rx: Interval,
    /// Desired minimum transmit interval.
    pub min_tx: Interval,
    /// Transmit interval while not up.
    pub idle_tx: Interval,
    /// Detection multiplier.
    pub multiplier: u8,
    /// Wait for the peer to start.
    pub passive: bool,
    /// TTL or hop limit sent.
    pub ttl: u8,
    /// Most hops of a received packet; -1 is unchecked.
    pub max_hops: i16,
    /// Multihop port 4784 (RFC 5883).
    pub multihop: bool,
    /// Effect on instances that follow it.
    pub weight: Weight,
    /// Who hears of it.
    pub reports: BfdReports,
}

impl Default for BfdInstance {
    fn default() -> Self {
        Self {
            name: Name::default(),
            site: Site::default(),
            neighbor: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            source: None,
            min_rx: Interval::from_millis(10),
            min_tx: Interval::from_millis(10),
            idle_tx: Interval::from_millis(1_000),
            multiplier: 5,
            passive: false,
            ttl: 255,
            max_hops: 0,
            multihop: false,
            weight: Weight::default(),
            reports: BfdReports::Both,
        }
    }
}
