//! One virtual router.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use steadfast_vrrp::{Path, RouterKey};
use steadfast_wire::vrrp::{AdvertInterval, Centiseconds, Family, Priority, Version, Vrid};

use super::{
    Announce, ExtraAnnounce, InstanceExtensions, Password, Route, Rule, Script, Site, Tracks, VirtualAddress,
};
use crate::value::{Interval, Name, Secret, Text};

/// `vrrp_instance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VrrpInstance {
    /// Its name.
    pub name: Name,
    /// Where it is defined.
    #[serde(skip)]
    pub site: Site,
    /// Interface that carries the adverts; only a unicast instance with a source address can lack it.
    pub interface: Option<Name>,
    /// VRF of an instance without interface.
    pub vrf: Option<Name>,
    /// Virtual router identifier.
    #[schemars(with = "std::num::NonZeroU8")]
    pub virtual_router_id: Vrid,
    /// Address family, given or deduced from addresses.
    #[schemars(with = "super::schema::Family")]
    pub family: Family,
    /// Protocol version, given or deduced from the family and `vrrp_version`.
    #[schemars(with = "super::schema::Version")]
    pub version: Version,
    /// Base priority.
    #[schemars(with = "std::num::NonZeroU8")]
    pub priority: Priority,
    /// Where the priority is given.
    #[serde(skip)]
    pub priority_site: Site,
    /// Wanted state at start is MASTER.
    pub initial_master: bool,
    /// Advert interval, rounded to what the version can carry.
    pub advert_interval: Interval,
    /// Missed adverts before a backup takes over.
    pub down_timer_adverts: u32,
    /// Do not take over from a master of lower priority.
    pub nopreempt: bool,
    /// Wait before taking over from a master of lower priority.
    pub preempt_delay: Interval,
    /// Configured source address of adverts.
    pub source_address: Option<IpAddr>,
    /// FAULT while the configured source address is missing.
    pub track_source_address: bool,
    /// Destination of multicast adverts.
    pub multicast_group: IpAddr,
    /// Unicast peers; empty for multicast.
    pub unicast_peers: Vec<UnicastPeer>,
    /// TTL or hop limit of unicast adverts.
    pub unicast_ttl: Option<u8>,
    /// Drop adverts from others than the peers.
    pub check_unicast_source: bool,
    /// Unicast keywords without a peer: FAULT instead of multicast.
    pub unicast_fault_no_peer: bool,
    /// Version 3 checksum as older versions computed it for unicast; `None`: recognised by itself.
    pub old_unicast_checksum: Option<bool>,
    /// Addresses in adverts, in configured order.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that the master owns but does not advertise.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// No address at all is meant.
    pub no_addresses_intended: bool,
    /// Routes of the master.
    pub routes: Vec<Route>,
    /// Policy rules of the master.
    pub rules: Vec<Rule>,
    /// Set the promote_secondaries sysctl of the interface.
    pub promote_secondaries: bool,
    /// Poll the interface for its link state.
    pub linkbeat_use_polling: bool,
    /// Leave the pseudo header out of the version 3 IPv4 checksum.
    pub v3_checksum_as_v2: bool,
    /// Accept packets addressed to the virtual addresses.
    pub accept: bool,
    /// As backup compare the address list only for a new sender.
    pub skip_check_addresses: bool,
    /// Follow the protocol to the letter.
    pub strict: bool,
    /// Debug level, kept and shown.
    pub debug: u8,
    /// A master hears a lower priority and stays silent.
    pub lower_priority_no_advert: bool,
    /// A master that yields to a higher priority sends one advert first.
    pub higher_priority_send_advert: bool,
    /// An address owner drops everything it hears.
    pub owner_ignore_adverts: bool,
    /// Give mastership up after a stall in which a router of this priority would have taken over.
    pub timer_expired_backup: Option<u8>,
    /// Timing of gratuitous ARP and neighbour advertisements.
    pub announce: Announce,
    /// The same for interfaces other than the own one.
    pub extra_announce: Option<ExtraAnnounce>,
    /// Do not go to FAULT when the own interface is down.
    pub dont_track_interface: bool,
    /// What it follows.
    pub tracks: Tracks,
    /// What it asks for beyond keepalived.
    pub extensions: Option<Box<InstanceExtensions>>,
    /// Programs told of transitions.
    pub notify: Notify,
    /// Report removal at reload as DELETED.
    pub notify_deleted: bool,
    /// Mail transitions.
    pub smtp_alert: bool,
    /// Write priority changes to the FIFOs.
    pub notify_priority_changes: bool,
    /// Simple authentication.
    pub authentication: Option<Authentication>,
    /// Authenticated trailer.
    pub auth_hmac: Option<Box<AuthHmac>>,
    /// Virtual MAC interface.
    pub vmac: Option<Box<Vmac>>,
    /// VMACs for addresses on other interfaces or of the other family too.
    pub vmac_for_addresses: bool,
    /// Send and receive on the parent of the VMAC.
    pub vmac_transmit_on_parent: bool,
    /// ipvlan interface.
    pub ipvlan: Option<Box<Ipvlan>>,
    /// Share of the receive buffer, bytes.
    pub receive_buffer_bytes: Option<u32>,
    /// Deprecated tie of the IPVS sync daemon to this instance.
    pub lvs_sync_daemon_interface: Option<Name>,
    /// Configuration that cannot work: permanent FAULT until a reload, with the reason.
    pub broken: Option<Text>,
}

impl VrrpInstance {
    /// An instance with everything at its default.
    pub fn new(name: Name, virtual_router_id: Vrid) -> Self {
        Self {
            name,
            site: Site::default(),
            interface: None,
            vrf: None,
            virtual_router_id,
            family: Family::V4,
            version: Version::V2,
            priority: Priority::DEFAULT,
            priority_site: Site::default(),
            initial_master: false,
            advert_interval: Interval::from_secs(1),
            down_timer_adverts: 3,
            nopreempt: false,
            preempt_delay: Interval::ZERO,
            source_address: None,
            track_source_address: false,
            multicast_group: IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
            unicast_peers: Vec::new(),
            unicast_ttl: None,
            check_unicast_source: false,
            unicast_fault_no_peer: false,
            old_unicast_checksum: None,
            addresses: Vec::new(),
            excluded_addresses: Vec::new(),
            no_addresses_intended: false,
            routes: Vec::new(),
            rules: Vec::new(),
            promote_secondaries: false,
            linkbeat_use_polling: false,
            v3_checksum_as_v2: false,
            accept: true,
            skip_check_addresses: false,
            strict: false,
            debug: 0,
            lower_priority_no_advert: false,
            higher_priority_send_advert: false,
            owner_ignore_adverts: false,
            timer_expired_backup: None,
            announce: Announce::default(),
            extra_announce: None,
            dont_track_interface: false,
            tracks: Tracks::default(),
            extensions: None,
            notify: Notify::default(),
            notify_deleted: false,
            smtp_alert: false,
            notify_priority_changes: false,
            authentication: None,
            auth_hmac: None,
            vmac: None,
            vmac_for_addresses: false,
            vmac_transmit_on_parent: false,
            ipvlan: None,
            receive_buffer_bytes: None,
            lvs_sync_daemon_interface: None,
            broken: None,
        }
    }

    /// The advert interval as a packet of the instance's version carries it.
    pub fn advert_interval_on_wire(&self) -> AdvertInterval {
        let micros = self.advert_interval.as_micros();
        match self.version {
            Version::V2 => {
                let seconds = u8::try_from(micros / 1_000_000).unwrap_or(u8::MAX);
                AdvertInterval::Seconds(NonZeroU8::new(seconds).unwrap_or(NonZeroU8::MIN))
            }
            Version::V3 => {
                let count = u16::try_from(micros / 10_000).unwrap_or(u16::MAX).max(1);
                AdvertInterval::Centiseconds(Centiseconds::new(count).unwrap_or(Centiseconds::MAX))
            }
        }
    }

    /// Whether adverts go to peers.
    pub fn is_unicast(&self) -> bool {
        !self.unicast_peers.is_empty()
    }

    /// What makes it the same virtual router as before.
    pub fn key(&self) -> RouterKey<Option<Name>> {
        let path = if self.is_unicast() {
            Path::Source(self.source_address)
        } else {
            Path::Group(self.multicast_group)
        };
        let Self { virtual_router_id: vrid, family, .. } = *self;
        RouterKey { vrid, family, interface: self.place().cloned(), path }
    }

    /// Where its adverts go: its interface, or the VRF of one that has none.
    pub fn place(&self) -> Option<&Name> {
        self.interface.as_ref().or(self.vrf.as_ref())
    }
}

/// One unicast peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnicastPeer {
    /// Its address.
    pub address: IpAddr,
    /// Smallest acceptable TTL or hop limit.
    pub min_ttl: u8,
    /// Largest acceptable TTL or hop limit.
    pub max_ttl: u8,
}

/// Programs told of the transitions of an instance or group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notify {
    /// On entering BACKUP.
    pub backup: Option<Box<Script>>,
    /// On entering MASTER.
    pub master: Option<Box<Script>>,
    /// On entering FAULT.
    pub fault: Option<Box<Script>>,
    /// When the daemon stops.
    pub stop: Option<Box<Script>>,
    /// When a reload removes the instance.
    pub deleted: Option<Box<Script>>,
    /// When a master hears a lower priority.
    pub master_rx_lower_priority: Option<Box<Script>>,
    /// On every transition, with four arguments appended.
    pub any: Option<Box<Script>>,
}

/// Kind of authentication (RFC 2338 section 5.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AuthType {
    /// A password in clear.
    #[serde(rename = "PASS")]
    Password,
    /// IP authentication header with HMAC-MD5.
    #[serde(rename = "AH")]
    Header,
}

/// `authentication` in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Authentication {
    /// Its kind.
    pub kind: AuthType,
    /// Its password.
    pub password: Password,
}

/// Signing and acceptance of the authenticated trailer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HmacMode {
    /// Sign, require.
    #[default]
    Enforce,
    /// Sign, accept unsigned.
    Permissive,
    /// Do not sign, check if present.
    ReceiveOnly,
}

/// `auth_hmac`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthHmac {
    /// Keys by id.
    pub keys: Vec<HmacKey>,
    /// Id of the key used for sending.
    pub active_key: Option<u8>,
    /// Allowed clock difference, seconds.
    pub time_window_seconds: u16,
    /// Only the order of time stamps counts.
    pub monotonic: bool,
    /// Signing and acceptance.
    pub mode: HmacMode,
}

/// A shared secret of `auth_hmac`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HmacKey {
    /// Its id.
    pub id: u8,
    /// As written: text, `hex:DIGITS` or `file:PATH`.
    pub value: Secret,
}

/// `use_vmac`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vmac {
    /// Name of the interface; made from the prefix and the VRID otherwise.
    pub name: Option<Name>,
    /// Hardware address in place of the standard one; five octets are completed by the VRID.
    pub mac: Option<Text>,
    /// Interface group.
    pub group: Option<Text>,
    /// Make the interface announce itself once more.
    pub netlink_notify: bool,
}

/// Mode of an ipvlan interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IpvlanMode {
    /// Siblings talk directly.
    #[default]
    Bridge,
    /// Siblings do not talk.
    Private,
    /// Siblings talk through the switch.
    Vepa,
}

/// `use_ipvlan`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ipvlan {
    /// Name of the interface.
    pub name: Option<Name>,
    /// Address, also the source of adverts.
    pub address: Option<(IpAddr, u8)>,
    /// Its mode.
    pub mode: IpvlanMode,
    /// Interface group.
    pub group: Option<Text>,
}
