//! Routes as they shall be, and requests that make and delete them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwTunnelEncap, RouteMessage, RouteMetric,
    RouteNextHop, RouteNextHopFlags, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};
use steadfast_wire::vrrp::Family;

use crate::netlink::Batch;

/// An address and the length of its prefix.
pub type Prefix = (IpAddr, u8);

/// A route as it shall be; `Interface` is how the caller names interfaces, an index for the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteSpec<Interface> {
    /// Of which family.
    pub family: Family,
    /// Where to; `None` is everywhere.
    pub destination: Option<Prefix>,
    /// IPv6: for packets from there only.
    pub from: Option<Prefix>,
    /// Routing table.
    pub table: u32,
    /// The VRF whose table it is in instead.
    pub vrf: Option<Interface>,
    /// Type of service.
    pub tos: u8,
    /// RTN_*.
    pub kind: u8,
    /// RT_SCOPE_*.
    pub scope: u8,
    /// RTPROT_*.
    pub protocol: u8,
    /// Its rank among routes to the same destination.
    pub metric: Option<u32>,
    /// Source address of what this machine itself sends.
    pub preferred_source: Option<IpAddr>,
    /// The way of a route with one.
    pub hop: Hop<Interface>,
    /// The ways of a multipath route.
    pub hops: Vec<Hop<Interface>>,
    /// What TCP is told.
    pub metrics: Vec<Metric>,
    /// Congestion control algorithm, and whether it is locked.
    pub congestion_control: Option<(String, bool)>,
    /// IPv6: seconds after which the kernel drops it.
    pub expires: Option<u32>,
    /// ICMPV6_ROUTER_PREF_*.
    pub router_preference: Option<u8>,
    /// MPLS: whether the TTL is carried over.
    pub ttl_propagate: Option<bool>,
    /// Where it goes among its like.
    pub insertion: Insertion,
}

/// One way that a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hop<Interface> {
    /// Gateway.
    pub via: Option<IpAddr>,
    /// Interface.
    pub interface: Option<Interface>,
    /// Its share among several, less one.
    pub further_weight: u8,
    /// The gateway can be reached whatever the addresses of the interface are.
    pub on_link: bool,
    /// Tunnel.
    pub encapsulation: Option<Encapsulation>,
    /// Realms: source in the upper half.
    pub realms: Option<u32>,
}

/// RTAX_* and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Metric {
    /// RTAX_*.
    pub number: u16,
    /// In the kernel's own unit.
    pub value: u32,
    /// The kernel may not change it.
    pub locked: bool,
}

/// A light-weight tunnel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Encapsulation {
    /// In IPv4.
    Ip(Tunnel<Ipv4Addr>),
    /// In IPv6.
    Ip6(Tunnel<Ipv6Addr>),
    /// Labels, the outer one first (RFC 3032).
    Mpls(Vec<u32>),
    /// An identifier locator address.
    Ila(u64),
}

/// Outer header of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tunnel<Address> {
    /// Key.
    pub id: Option<u64>,
    /// Far end.
    pub destination: Option<Address>,
    /// Near end.
    pub source: Option<Address>,
    /// TTL or hop limit.
    pub hop_limit: Option<u8>,
    /// Type of service or traffic class.
    pub class: Option<u8>,
    /// Flags.
    pub flags: Option<u16>,
}

/// Where a route goes among those to the same destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Insertion {
    /// Before them.
    #[default]
    Prepend,
    /// Behind them.
    Append,
    /// Nowhere, if there is one.
    Alone,
}

/// What an announcement tells of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoutePlace {
    /// Family.
    pub family: Family,
    /// Routing table.
    pub table: u32,
    /// Destination; `None` is everywhere.
    pub destination: Option<Prefix>,
}

/// RTAX_LOCK.
const METRIC_LOCK: u16 = 1;
/// RTAX_CC_ALGO.
const METRIC_CONGESTION_CONTROL: u16 = 16;
/// RTA_ENCAP_TYPE.
const ENCAPSULATION_TYPE: u16 = 21;

impl<Interface> Default for Hop<Interface> {
    fn default() -> Self {
        Self {
            via: None,
            interface: None,
            further_weight: 0,
            on_link: false,
            encapsulation: None,
            realms: None,
        }
    }
}

impl<Interface> RouteSpec<Interface> {
    /// The same with other names of interfaces; `None` where one of them is not there.
    pub fn with_interfaces<Other>(
        &self,
        mut name: impl FnMut(&Interface) -> Option<Other>,
        table: impl FnOnce(&Interface) -> Option<u32>,
    ) -> Option<RouteSpec<Other>> {
        let mut hop = |hop: &Hop<Interface>| {
            let interface = match &hop.interface {
                Some(interface) => Some(name(interface)?),
                None => None,
            };
            Some(Hop {
                via: hop.via,
                interface,
                further_weight: hop.further_weight,
                on_link: hop.on_link,
                encapsulation: hop.encapsulation.clone(),
                realms: hop.realms,
            })
        };
        Some(RouteSpec {
            family: self.family,
            destination: self.destination,
            from: self.from,
            table: self.vrf.as_ref().map_or(Some(self.table), table)?,
            vrf: None,
            tos: self.tos,
            kind: self.kind,
            scope: self.scope,
            protocol: self.protocol,
            metric: self.metric,
            preferred_source: self.preferred_source,
            hop: hop(&self.hop)?,
            hops: self.hops.iter().map(hop).collect::<Option<_>>()?,
            metrics: self.metrics.clone(),
            congestion_control: self.congestion_control.clone(),
            expires: self.expires,
            router_preference: self.router_preference,
            ttl_propagate: self.ttl_propagate,
            insertion: self.insertion,
        })
    }

    /// What an announcement would tell of it.
    pub fn place(&self) -> RoutePlace {
        let destination = self.destination.map(network).filter(|(_, length)| *length > 0);
        RoutePlace { family: self.family, table: self.table, destination }
    }
}

/// The address without what lies behind the prefix.
fn network((address, length): Prefix) -> Prefix {
    let address = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    };
    (address, length)
}

impl<Interface> fmt::Display for RouteSpec<Interface> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination {
            Some((address, length)) => write!(f, "route {address}/{length}")?,
            None => {
                write!(f, "default route of {}", if self.family == Family::V4 { "IPv4" } else { "IPv6" })?
            }
        }
        if let Some(via) = self.hop.via {
            write!(f, " via {via}")?;
        }
        if self.table != u32::from(RouteHeader::RT_TABLE_MAIN) {
            write!(f, " in table {}", self.table)?;
        }
        Ok(())
    }
}

impl RouteSpec<u32> {
    fn message(&self, whole: bool) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = match self.family {
            Family::V4 => AddressFamily::Inet,
            Family::V6 => AddressFamily::Inet6,
        };
        header.destination_prefix_length = self.destination.map_or(0, |(_, length)| length);
        header.source_prefix_length = self.from.map_or(0, |(_, length)| length);
        header.tos = self.tos;
        header.table = u8::try_from(self.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        header.protocol = self.protocol.into();
        header.scope = self.scope.into();
        header.kind = self.kind.into();
        header.flags.set(RouteFlags::Onlink, self.hop.on_link);
        let attributes = &mut message.attributes;
        attributes.extend(
            self.destination.map(|prefix| RouteAttribute::Destination(RouteAddress::from(network(prefix).0))),
        );
        attributes
            .extend(self.from.map(|prefix| RouteAttribute::Source(RouteAddress::from(network(prefix).0))));
        attributes.push(RouteAttribute::Table(self.table));
        attributes.extend(self.metric.map(RouteAttribute::Priority));
        attributes.extend(self.preferred_source.map(|source| RouteAttribute::PrefSource(source.into())));
        attributes.extend(self.hop.interface.map(RouteAttribute::Oif));
        self.hop.attributes(self.family, whole, attributes);
        if !self.hops.is_empty() {
            let hops = self.hops.iter().map(|hop| hop.next_hop(self.family, whole)).collect();
            attributes.push(RouteAttribute::MultiPath(hops));
        }
        if whole {
            let metrics = self.tcp_metrics();
            if !metrics.is_empty() {
                attributes.push(RouteAttribute::Metrics(metrics));
            }
            attributes.extend(self.expires.map(RouteAttribute::Expires));
            attributes.extend(
                self.router_preference.map(|preference| RouteAttribute::Preference(preference.into())),
            );
            attributes.extend(
                self.ttl_propagate.map(|carried| RouteAttribute::TtlPropagate(u8::from(carried).into())),
            );
        }
        message
    }

    fn tcp_metrics(&self) -> Vec<RouteMetric> {
        let mut locked = 0_u32;
        let mut lock = |number: u16| locked |= 1_u32.checked_shl(number.into()).unwrap_or(0);
        let mut metrics = Vec::new();
        for metric in &self.metrics {
            if metric.locked {
                lock(metric.number);
            }
            metrics.push(RouteMetric::Other(DefaultNla::new(
                metric.number,
                metric.value.to_ne_bytes().to_vec(),
            )));
        }
        if let Some((name, is_locked)) = &self.congestion_control {
            if *is_locked {
                lock(METRIC_CONGESTION_CONTROL);
            }
            metrics.push(RouteMetric::CcAlgo(name.clone()));
        }
        if locked != 0 {
            metrics.push(RouteMetric::Other(DefaultNla::new(METRIC_LOCK, locked.to_ne_bytes().to_vec())));
        }
        metrics
    }
}

impl Hop<u32> {
    fn attributes(&self, family: Family, whole: bool, attributes: &mut Vec<RouteAttribute>) {
        attributes.extend(self.via.map(|via| match (family, via) {
            // RFC 8950: an IPv4 route by an IPv6 gateway.
            (Family::V4, IpAddr::V6(via)) => RouteAttribute::Via(RouteVia::Inet6(via)),
            (Family::V6, IpAddr::V4(via)) => RouteAttribute::Via(RouteVia::Inet(via)),
            (_, via) => RouteAttribute::Gateway(via.into()),
        }));
        if let Some(realms) = self.realms.filter(|_| whole) {
            attributes.push(RouteAttribute::Other(DefaultNla::new(FLOW, realms.to_ne_bytes().to_vec())));
        }
        if let Some(encapsulation) = self.encapsulation.as_ref().filter(|_| whole) {
            let kind = encapsulation.kind().to_ne_bytes().to_vec();
            attributes.push(RouteAttribute::Other(DefaultNla::new(ENCAPSULATION_TYPE, kind)));
            attributes.push(RouteAttribute::Encap(encapsulation.attributes()));
        }
    }

    fn next_hop(&self, family: Family, whole: bool) -> RouteNextHop {
        let mut hop = RouteNextHop::default();
        hop.flags.set(RouteNextHopFlags::Onlink, self.on_link);
        hop.hops = self.further_weight;
        hop.interface_index = self.interface.unwrap_or(0);
        self.attributes(family, whole, &mut hop.attributes);
        hop
    }
}

/// RTA_FLOW.
const FLOW: u16 = 11;

impl Encapsulation {
    /// LWTUNNEL_ENCAP_*.
    fn kind(&self) -> u16 {
        match self {
            Self::Mpls(_) => 1,
            Self::Ip(_) => 2,
            Self::Ila(_) => 3,
            Self::Ip6(_) => 4,
        }
    }

    fn attributes(&self) -> Vec<RouteLwTunnelEncap> {
        let attributes = match self {
            Self::Ip(tunnel) => tunnel.attributes(|address| address.octets().to_vec()),
            Self::Ip6(tunnel) => tunnel.attributes(|address| address.octets().to_vec()),
            Self::Mpls(labels) => {
                let last = labels.len().saturating_sub(1);
                let stack = labels.iter().enumerate().flat_map(|(place, label)| {
                    let bottom = u32::from(place == last) << 8;
                    (label << 12 | bottom).to_be_bytes()
                });
                vec![(1, stack.collect())]
            }
            Self::Ila(locator) => vec![(1, locator.to_be_bytes().to_vec())],
        };
        let other = |(kind, value)| RouteLwTunnelEncap::Other(DefaultNla::new(kind, value));
        attributes.into_iter().map(other).collect()
    }
}

impl<Address: Copy> Tunnel<Address> {
    /// LWTUNNEL_IP_*, which are LWTUNNEL_IP6_* too.
    fn attributes(&self, octets: impl Fn(Address) -> Vec<u8>) -> Vec<(u16, Vec<u8>)> {
        let all = [
            (1, self.id.map(|id| id.to_be_bytes().to_vec())),
            (2, self.destination.map(&octets)),
            (3, self.source.map(&octets)),
            (4, self.hop_limit.map(|limit| vec![limit])),
            (5, self.class.map(|class| vec![class])),
            (6, self.flags.map(|flags| flags.to_be_bytes().to_vec())),
        ];
        all.into_iter().filter_map(|(kind, value)| Some((kind, value?))).collect()
    }
}

impl Batch {
    /// Adds a route; refused with EEXIST if it is there.
    pub fn add_route(&mut self, spec: &RouteSpec<u32>) {
        let flags = match spec.insertion {
            Insertion::Prepend => NLM_F_CREATE,
            Insertion::Append => NLM_F_CREATE | NLM_F_APPEND,
            Insertion::Alone => NLM_F_CREATE | NLM_F_EXCL,
        };
        self.push(RouteNetlinkMessage::NewRoute(spec.message(true)), flags);
    }

    /// Deletes a route; refused with ESRCH if it is not there.
    pub fn delete_route(&mut self, spec: &RouteSpec<u32>) {
        self.push(RouteNetlinkMessage::DelRoute(spec.message(false)), 0);
    }
}
