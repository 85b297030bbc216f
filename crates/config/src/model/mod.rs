//! The typed model: what a configuration means once defaults and inheritance are applied.
//!
//! Every field holds the value in effect. Text, spans and the question whether a value was written
//! or inherited belong to earlier stages; an entity keeps only where its definition stands, and that
//! takes no part in comparison.

mod address;
mod bfd;
mod checker;
mod extensions;
mod global;
mod instance;
mod password;
mod route;
mod schema;
mod script;
mod secrets;
mod server;
mod track;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use address::{Lifetime, Scope, VirtualAddress};
pub use bfd::{BfdAuthentication, BfdInstance, BfdMethod, BfdReports};
pub use checker::{
    CheckKind, Checker, Connection, DnsCheck, FileCheck, HttpCheck, HttpProtocol, HttpUrl, MiscCheck, Ssl,
    TcpCheck, UdpCheck,
};
pub use extensions::{
    FastDetection, FlightRecorder, GrpcCheck, HttpRequest, InstanceExtensions, PrepareFailure,
    RemovedAddress, ServiceExtensions, SplitBrainCheck,
};
pub use global::{
    Affinity, Announce, BufferPolicy, ExtraAnnounce, Fifo, Firewall, Global, IpTables, LvsFlushOnStop,
    LvsSyncDaemon, Mail, ProcessSettings, ReloadSettings, Snmp,
};
pub use instance::{
    AuthHmac, AuthType, Authentication, HmacKey, HmacMode, Ipvlan, IpvlanMode, Notify, UnicastPeer, Vmac,
    VrrpInstance,
};
pub use password::Password;
pub use route::{Encapsulation, NextHop, Route, Rule};
pub use schema::schema;
pub use script::{Account, Script, VrrpScript};
pub use server::{
    CheckDefaults, Forwarding, ForwardingMethod, GroupEntry, RealServer, ServerAddress, ServiceTarget,
    SorryServer, Transport, TunnelChecksum, TunnelKind, VirtualServer, VirtualServerGroup,
};
pub use track::{ParameterMatch, TrackFile, TrackProcess, Tracked, Tracks, VrrpSyncGroup, Weight};

use crate::diagnostic::span::Span;
use crate::value::{Interval, Name};

/// A whole configuration in effect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// Settings of the daemon and defaults of everything below.
    pub global: Global,
    /// `vrrp_instance` blocks in file order.
    pub instances: Vec<VrrpInstance>,
    /// `vrrp_sync_group` blocks in file order.
    pub groups: Vec<VrrpSyncGroup>,
    /// `vrrp_script` blocks in file order.
    pub scripts: Vec<VrrpScript>,
    /// `track_file` blocks in file order.
    pub track_files: Vec<TrackFile>,
    /// `vrrp_track_process` blocks in file order.
    pub track_processes: Vec<TrackProcess>,
    /// `track_group` blocks in file order.
    pub track_groups: Vec<TrackGroup>,
    /// `garp_group` blocks in file order.
    pub garp_groups: Vec<GarpGroup>,
    /// `interface_up_down_delays`, one entry an interface.
    pub interface_delays: Vec<InterfaceDelay>,
    /// `linkbeat_interfaces`.
    pub linkbeat_interfaces: Vec<LinkbeatInterface>,
    /// `static_ipaddress` lines.
    pub static_addresses: Vec<VirtualAddress>,
    /// `static_routes` lines.
    pub static_routes: Vec<Route>,
    /// `static_rules` lines.
    pub static_rules: Vec<Rule>,
    /// `bfd_instance` blocks in file order.
    pub bfd_instances: Vec<BfdInstance>,
    /// `virtual_server_group` blocks in file order.
    pub virtual_server_groups: Vec<VirtualServerGroup>,
    /// `virtual_server` blocks in file order.
    pub virtual_servers: Vec<VirtualServer>,
    /// The `SSL` block.
    pub ssl: Option<Box<Ssl>>,
}

impl Model {
    /// Whether anything needs the VRRP worker (the rule by which keepalived starts its VRRP process).
    pub fn wants_vrrp(&self) -> bool {
        !self.instances.is_empty()
            || !self.static_addresses.is_empty()
            || !self.static_routes.is_empty()
            || !self.static_rules.is_empty()
    }

    /// Whether anything needs the check worker.
    pub fn wants_checkers(&self) -> bool {
        !self.virtual_servers.is_empty()
    }

    /// Whether anything needs BFD sessions.
    pub fn wants_bfd(&self) -> bool {
        !self.bfd_instances.is_empty()
    }
}

/// Where an entity is defined. Two entities that differ in nothing else are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Site(pub Span);

impl PartialEq for Site {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Site {}

/// Instances that static addresses, routes and rules can follow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrackGroup {
    /// Its name.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Names of its instances.
    pub members: Vec<Name>,
}

/// Interfaces that share the pacing of gratuitous ARP and neighbour advertisements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GarpGroup {
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Spacing of gratuitous ARP.
    pub garp_interval: Option<Interval>,
    /// Spacing of unsolicited neighbour advertisements.
    pub gna_interval: Option<Interval>,
    /// The interfaces.
    pub interfaces: Vec<Name>,
}

/// Debounce of one interface's link state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InterfaceDelay {
    /// The interface.
    pub interface: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// A loss shorter than this is not seen.
    pub down: Interval,
    /// A return counts only after this long.
    pub up: Interval,
}

/// An interface polled for its link state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkbeatInterface {
    /// The interface.
    pub interface: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// How it is asked, if that is said.
    pub method: Option<LinkbeatMethod>,
}

/// How keepalived asks for the state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LinkbeatMethod {
    /// The transceiver's status register.
    Mii,
    /// The driver.
    Ethtool,
    /// The kernel's flags.
    Ioctl,
}
