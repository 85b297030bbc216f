//! BFD sessions.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use steadfast_wire::bfd::Algorithm;

use super::{Site, Weight};
use crate::value::{Interval, Name, Secret};

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

/// `authentication` of a session (RFC 5880 section 6.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BfdAuthentication {
    /// How.
    pub method: BfdMethod,
    /// The number that both ends know the secret by.
    pub id: u8,
    /// As written: text, `hex:DIGITS` or `file:PATH`.
    pub value: Secret,
}

/// How packets of a session are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BfdMethod {
    /// A password that everybody on the way can read.
    Password,
    /// MD5 over packet and secret.
    KeyedMd5,
    /// The same, and every packet counts.
    MeticulousKeyedMd5,
    /// SHA1 over packet and secret.
    KeyedSha1,
    /// The same, and every packet counts.
    MeticulousKeyedSha1,
}

impl BfdMethod {
    /// As packets have it.
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Password => Algorithm::Password,
            Self::KeyedMd5 => Algorithm::Md5,
            Self::MeticulousKeyedMd5 => Algorithm::MeticulousMd5,
            Self::KeyedSha1 => Algorithm::Sha1,
            Self::MeticulousKeyedSha1 => Algorithm::MeticulousSha1,
        }
    }
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
    /// How often to send echo packets; none without it.
    pub echo_tx: Option<Interval>,
    /// How often the peer may send echo packets; not at all without it.
    pub echo_rx: Option<Interval>,
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
    /// How packets prove who sent them.
    pub authentication: Option<BfdAuthentication>,
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
            echo_tx: None,
            echo_rx: None,
            multiplier: 5,
            passive: false,
            ttl: 255,
            max_hops: 0,
            multihop: false,
            weight: Weight::default(),
            reports: BfdReports::Both,
            authentication: None,
        }
    }
}
