//! Routes and policy rules: each option of the line as written, by name.
//!
//! The options are checked when the line is read; the kernel room gives them numbers.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Family;

use super::Site;
use crate::value::{Name, Text};

/// A light-weight tunnel: its kind and the options as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Encapsulation {
    /// `ip`, `ip6`, `mpls` or `ila`.
    pub kind: Text,
    /// Option and value; the value alone has an empty option.
    pub options: Vec<(Text, Text)>,
}

/// A line of `virtual_routes` or `static_routes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// Where the line stands.
    #[serde(skip)]
    pub site: Site,
    /// Address family.
    #[schemars(with = "super::schema::Family")]
    pub family: Family,
    /// Destination; `None` is the default route.
    pub destination: Option<(IpAddr, u8)>,
    /// Route type, such as `unicast` or `blackhole`.
    pub kind: Option<Text>,
    /// Gateway.
    pub via: Option<IpAddr>,
    /// Preferred source.
    pub source: Option<IpAddr>,
    /// Output interface.
    pub interface: Option<Name>,
    /// Next hops of a multipath route.
    pub next_hops: Vec<NextHop>,
    /// Tunnel.
    pub encapsulation: Option<Encapsulation>,
    /// All other options with their values, in order of writing.
    pub options: Vec<(Text, Text)>,
    /// Its loss does not affect the instance.
    pub no_track: bool,
    /// Static routes: the track group that fails with it.
    pub track_group: Option<Name>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            site: Site::default(),
            family: Family::V4,
            destination: None,
            kind: None,
            via: None,
            source: None,
            interface: None,
            next_hops: Vec::new(),
            encapsulation: None,
            options: Vec::new(),
            no_track: false,
            track_group: None,
        }
    }
}

/// One way of a multipath route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextHop {
    /// Gateway.
    pub via: Option<IpAddr>,
    /// Output interface.
    pub interface: Option<Name>,
    /// Its share, 1 to 256.
    pub weight: Option<u16>,
    /// Gateway is directly reachable.
    pub onlink: bool,
    /// Tunnel.
    pub encapsulation: Option<Encapsulation>,
    /// Realms.
    pub realms: Option<Text>,
}

/// A line of `virtual_rules` or `static_rules`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Where the line stands.
    #[serde(skip)]
    pub site: Site,
    /// Address family.
    #[schemars(with = "super::schema::Family")]
    pub family: Family,
    /// Source selector; `None` is any.
    pub from: Option<(IpAddr, u8)>,
    /// Destination selector; `None` is any.
    pub to: Option<(IpAddr, u8)>,
    /// Input interface selector.
    pub input_interface: Option<Name>,
    /// Output interface selector.
    pub output_interface: Option<Name>,
    /// Priority of the rule.
    pub preference: u32,
    /// Action: `table`, `goto`, `nop`, `blackhole`, `unreachable`, `prohibit` or `l3mdev`.
    pub action: Text,
    /// Its argument: the table or the rule to go to.
    pub target: Option<Text>,
    /// Invert the selector.
    pub not: bool,
    /// All other options with their values, in order of writing.
    pub options: Vec<(Text, Text)>,
    /// Its loss does not affect the instance.
    pub no_track: bool,
    /// Static rules: the track group that fails with it.
    pub track_group: Option<Name>,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            site: Site::default(),
            family: Family::V4,
            from: None,
            to: None,
            input_interface: None,
            output_interface: None,
            preference: 0,
            action: Text::default(),
            target: None,
            not: false,
            options: Vec::new(),
            no_track: false,
            track_group: None,
        }
    }
}
