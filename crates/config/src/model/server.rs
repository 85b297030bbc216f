//! Virtual and real servers of the load balancer.

use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Family;

use super::{Checker, Script, ServiceExtensions, Site};
use crate::value::{Interval, Name, Text};

/// Address and port; port 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ServerAddress {
    /// The address.
    pub address: IpAddr,
    /// The port; 0 is none.
    pub port: u16,
}

/// What a virtual server serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTarget {
    /// One address and port.
    Address(ServerAddress),
    /// Packets with a firewall mark.
    Mark(u32),
    /// All entries of a `virtual_server_group`.
    Group(Name),
}

/// Transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// How packets reach a real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Forwarding {
    /// Address translation.
    #[default]
    Nat,
    /// Direct routing.
    Dr,
    /// Tunnel.
    Tun,
}

/// Encapsulation of a tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

/// Checksum of a tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TunnelChecksum {
    /// None.
    #[default]
    Nocsum,
    /// Computed.
    Csum,
    /// Remote checksum offload.
    Remcsum,
}

/// Forwarding with its tunnel options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ForwardingMethod {
    /// The method.
    pub method: Forwarding,
    /// Encapsulation, with `TUN`.
    pub tunnel: TunnelKind,
    /// Checksum, with `TUN`.
    pub checksum: TunnelChecksum,
    /// Destination port, with `gue`; 0 otherwise.
    pub port: u16,
}

/// Defaults of the checkers of a virtual or real server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckDefaults {
    /// Extra attempts before a checker has failed.
    pub retry: Option<u32>,
    /// Time between attempts.
    pub delay_before_retry: Option<Interval>,
    /// Upper bound of the random initial delay.
    pub warmup: Option<Interval>,
    /// Connection and I/O timeout.
    pub connect_timeout: Option<Interval>,
    /// Time between checks.
    pub delay_loop: Option<Interval>,
    /// Longest time of a whole check.
    pub check_timeout: Option<Interval>,
    /// Time in which a server that comes up reaches its weight.
    pub slow_start: Option<Interval>,
}

/// `virtual_server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VirtualServer {
    /// What it serves.
    pub target: ServiceTarget,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Address family.
    #[schemars(with = "super::schema::Family")]
    pub family: Family,
    /// Transport protocol; `None` for marks.
    pub protocol: Option<Transport>,
    /// IPVS scheduler.
    pub scheduler: Text,
    /// Scheduler flags, bit 0 is `flag-1`.
    pub scheduler_flags: u8,
    /// Legacy flag.
    pub hashed: bool,
    /// One-packet scheduling.
    pub one_packet: bool,
    /// Default forwarding of real servers.
    pub forwarding: ForwardingMethod,
    /// Persistence engine.
    pub persistence_engine: Option<Text>,
    /// Persistence, seconds.
    pub persistence_timeout_seconds: Option<u32>,
    /// Prefix length by which clients are grouped.
    pub persistence_granularity: Option<u8>,
    /// Check only while the address is here.
    pub ha_suspend: bool,
    /// Set weight 0 instead of removing failed servers.
    pub inhibit_on_failure: bool,
    /// Mail quorum changes.
    pub smtp_alert: bool,
    /// Default Host header.
    pub virtualhost: Option<Text>,
    /// Name in SNMP.
    pub snmp_name: Option<Text>,
    /// Servers start down.
    pub alpha: bool,
    /// Run down notifications at stop.
    pub omega: bool,
    /// Run when quorum is gained.
    pub quorum_up: Option<Box<Script>>,
    /// Run when quorum is lost.
    pub quorum_down: Option<Box<Script>>,
    /// Live weight needed.
    pub quorum: u32,
    /// Margin around it.
    pub hysteresis: u32,
    /// Default weight of real servers.
    pub weight: i32,
    /// Defaults of checkers; each checker holds what is in effect.
    pub checks: CheckDefaults,
    /// What it asks for beyond keepalived.
    pub extensions: Option<Box<ServiceExtensions>>,
    /// Server used while quorum is lost.
    pub sorry_server: Option<SorryServer>,
    /// The real servers, in file order.
    pub real_servers: Vec<RealServer>,
}

/// Server used while quorum is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SorryServer {
    /// Address and port.
    pub address: ServerAddress,
    /// Keep it configured at weight 0 when not in use.
    pub inhibit: bool,
    /// Forwarding.
    pub forwarding: ForwardingMethod,
}

/// `real_server`.
///
/// There may be 40,000 of them and more: what few have is behind a pointer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RealServer {
    /// Address and port; with a name the address is unspecified.
    pub address: ServerAddress,
    /// Name whose addresses are its, each a server of its own.
    pub name: Option<Box<Text>>,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Initial weight.
    pub weight: i32,
    /// Forwarding.
    pub forwarding: ForwardingMethod,
    /// Upper connection threshold.
    pub upper_threshold: u32,
    /// Lower connection threshold.
    pub lower_threshold: u32,
    /// Weight 0 instead of removal.
    pub inhibit_on_failure: bool,
    /// Mail state changes.
    pub smtp_alert: bool,
    /// Run when it comes up.
    pub notify_up: Option<Box<Script>>,
    /// Run when it goes down.
    pub notify_down: Option<Box<Script>>,
    /// Default Host header.
    pub virtualhost: Option<Box<Text>>,
    /// Name in SNMP.
    pub snmp_name: Option<Box<Text>>,
    /// Its checkers start failed.
    pub alpha: bool,
    /// Defaults of its checkers; each checker holds what is in effect.
    pub checks: Option<Box<CheckDefaults>>,
    /// Its checkers; servers with the same checkers share them.
    pub checkers: Arc<[Checker]>,
}

impl VirtualServer {
    /// A service with everything at its default.
    pub fn new(target: ServiceTarget) -> Self {
        let family = match &target {
            ServiceTarget::Address(server) => Family::of(server.address),
            ServiceTarget::Mark(_) | ServiceTarget::Group(_) => Family::V4,
        };
        Self {
            target,
            site: Site::default(),
            family,
            protocol: None,
            scheduler: "wlc".into(),
            scheduler_flags: 0,
            hashed: false,
            one_packet: false,
            forwarding: ForwardingMethod::default(),
            persistence_engine: None,
            persistence_timeout_seconds: None,
            persistence_granularity: None,
            ha_suspend: false,
            inhibit_on_failure: false,
            smtp_alert: false,
            virtualhost: None,
            snmp_name: None,
            alpha: false,
            omega: false,
            quorum_up: None,
            quorum_down: None,
            quorum: 1,
            hysteresis: 0,
            weight: 1,
            checks: CheckDefaults::default(),
            extensions: None,
            sorry_server: None,
            real_servers: Vec::new(),
        }
    }
}

impl RealServer {
    /// The time in which it reaches its weight when it comes up, in that service.
    pub fn slow_start(&self, service: &VirtualServer) -> Option<Interval> {
        self.checks.as_ref().and_then(|checks| checks.slow_start).or(service.checks.slow_start)
    }

    /// A server with everything at its default.
    pub fn new(address: ServerAddress) -> Self {
        Self {
            address,
            name: None,
            site: Site::default(),
            weight: 1,
            forwarding: ForwardingMethod::default(),
            upper_threshold: 0,
            lower_threshold: 0,
            inhibit_on_failure: false,
            smtp_alert: false,
            notify_up: None,
            notify_down: None,
            virtualhost: None,
            snmp_name: None,
            alpha: false,
            checks: None,
            checkers: Arc::default(),
        }
    }
}

/// `virtual_server_group`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VirtualServerGroup {
    /// Its name.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Its entries.
    pub entries: Vec<GroupEntry>,
    /// By which the kernel knows packets to its addresses, of TCP, UDP and SCTP: for who runs it, not from the file.
    #[serde(skip)]
    pub marks: [Option<u32>; 3],
}

/// An entry of a `virtual_server_group`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupEntry {
    /// Addresses from the first to the last, one port.
    Addresses {
        /// First address.
        first: IpAddr,
        /// Last address.
        last: IpAddr,
        /// Port; 0 is none.
        port: u16,
    },
    /// A firewall mark.
    Mark {
        /// The mark.
        mark: u32,
        /// Its family, if told.
        #[schemars(with = "Option<super::schema::Family>")]
        family: Option<Family>,
    },
}
