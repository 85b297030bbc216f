//! Addresses to configure on interfaces.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Site;
use crate::value::{Name, Text};

/// Scope of an address or route, the number that the kernel uses (rtnetlink(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Scope(pub u8);

impl Scope {
    /// Valid everywhere.
    pub const GLOBAL: Self = Self(0);
    /// Valid within the site.
    pub const SITE: Self = Self(200);
    /// Valid on the link.
    pub const LINK: Self = Self(253);
    /// Valid on this host.
    pub const HOST: Self = Self(254);
    /// Does not exist.
    pub const NOWHERE: Self = Self(255);
}

/// How long an address is preferred, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// So many seconds; 0 is deprecated at once.
    Seconds(u32),
    /// Without end.
    Forever,
}

impl Lifetime {
    /// That of an address for which none is given: a single IPv6 address shall not be chosen as a source.
    pub fn default_of(address: IpAddr, prefix_length: u8) -> Option<Self> {
        let unpreferred = prefix_length == 128;
        address.is_ipv6().then_some(if unpreferred { Self::Seconds(0) } else { Self::Forever })
    }
}

/// A line of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 when not given.
    pub prefix_length: u8,
    /// Where the line stands.
    #[serde(skip)]
    pub site: Site,
    /// Interface that carries it: `dev`, else the instance's (static: `default_interface`).
    pub interface: Option<Name>,
    /// Scope; IPv4 only.
    pub scope: Scope,
    /// Broadcast address; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// Label; IPv4 only.
    pub label: Option<Text>,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// Mobile home address; IPv6 only.
    pub home: bool,
    /// Let the kernel detect duplicates (`-nodad`, whose name says the opposite); IPv6 only.
    pub duplicate_detection: bool,
    /// Template for temporary addresses; IPv6 only.
    pub manage_temporary: bool,
    /// Do not create the prefix route.
    pub no_prefix_route: bool,
    /// Join the multicast group.
    pub autojoin: bool,
    /// Neither its interface nor its loss affects the instance.
    pub no_track: bool,
    /// Put it on a VMAC of its own.
    pub use_vmac: bool,
    /// How long it is preferred as a source; IPv6 only.
    pub preferred_lifetime: Option<Lifetime>,
    /// Static addresses: the track group that fails with it.
    pub track_group: Option<Name>,
}

impl VirtualAddress {
    /// An address with everything at its default.
    pub fn new(address: IpAddr, prefix_length: u8) -> Self {
        Self {
            address,
            prefix_length,
            site: Site::default(),
            interface: None,
            scope: Scope::GLOBAL,
            broadcast: None,
            label: None,
            peer: None,
            home: false,
            duplicate_detection: false,
            manage_temporary: false,
            no_prefix_route: false,
            autojoin: false,
            no_track: false,
            use_vmac: false,
            preferred_lifetime: Lifetime::default_of(address, prefix_length),
            track_group: None,
        }
    }
}
